"""Measures that know no model: exact nearest neighbours, reconstruction errors, the PCA reference.

Everything takes whatever NumPy can turn into numbers (arrays, DataFrames, tensors on the CPU) of
shape (n, ...); rows are flattened to (n, d). Sums run in float64.
"""

from __future__ import annotations

from diabolo.metrics.neighbours import knn_accuracy, knn_predict, nearest_neighbours
from diabolo.metrics.reconstruction import (
    explained_variance,
    mean_squared_error,
    pca_reconstruction_error,
    squared_error,
)

__all__ = [
    "explained_variance",
    "knn_accuracy",
    "knn_predict",
    "mean_squared_error",
    "nearest_neighbours",
    "pca_reconstruction_error",
    "squared_error",
]
