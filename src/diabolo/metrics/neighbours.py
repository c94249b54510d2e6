"""Exact nearest neighbours, and the classifier that scores codes by them."""

from __future__ import annotations

from typing import Any

import numpy as np

from diabolo.errors import DataError
from diabolo.metrics.rows import as_rows, pieces, positive
from diabolo.metrics.search import Search


def nearest_neighbours(
    train: Any, queries: Any, k: int, *, chunk: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k nearest rows of `train` for each query, exactly, by trying all of them.

    Products of float32 matrices propose candidates, with a rigorous bound on their rounding
    errors; the candidates that the bound cannot exclude are ranked by float64 differences. Where
    it excludes too little (many ties, columns of very different scales), these queries are
    searched again with float64 products. The result does not depend on `chunk`.

    Parameters
    ----------
    train : array of shape (n, ...)
    queries : array of shape (q, ...)
    k : int
        Number of neighbours, 1 to n.
    chunk : int, default 512
        Queries per matrix product. Memory: about 130 MB for distances and 270 MB for a block of
        `train` in float32, however many rows there are.

    Returns
    -------
    distances : float64 array of shape (q, k)
        Euclidean, ascending, in the units of the data.
    indices : int64 array of shape (q, k)
        Row numbers in `train`; equal distances come in the order of the rows.

    Raises
    ------
    DataError
        If there are fewer than k rows, the widths differ, or a value is not a finite number.
    SpecError
        If k or chunk is not a positive whole number.

    Notes
    -----
    ‖q−t‖² = ‖q‖² − 2q·t + ‖t‖². With d columns centred on the mean of `train` and unit roundoff
    u, the right side is off by at most (d+6)·u·(‖q‖²+‖t‖²), to first order: d·u from the product
    (Jeannerod and Rump, 2013, https://doi.org/10.1137/120894488), the rest from rounding its
    factors and terms.
    """
    k, chunk = positive(k, "k"), positive(chunk, "chunk")
    train, queries = as_rows(train, "train"), as_rows(queries, "queries")
    if queries.shape[1] != train.shape[1]:
        raise DataError(
            f"queries have {queries.shape[1]} values a row and train has {train.shape[1]}: "
            "both need the same columns"
        )
    if len(train) < k:
        raise DataError(f"k={k} neighbours need at least {k} rows of train, found {len(train)}")
    distances = np.empty((len(queries), k))
    indices = np.empty((len(queries), k), np.int64)
    if len(queries):
        search = Search(train, queries, k)
        squares = search.run(chunk, distances, indices)
        np.sqrt(squares, out=distances)
        distances /= search.scale
    return distances, indices


def knn_predict(train: Any, labels: Any, queries: Any, k: int) -> np.ndarray:
    """Classify each query by the majority among its k nearest rows of `train`.

    Equal votes go to the smallest label, as in scikit-learn's ``KNeighborsClassifier``.

    Parameters
    ----------
    train : array of shape (n, ...)
    labels : array of shape (n,)
    queries : array of shape (q, ...)
    k : int

    Returns
    -------
    array of shape (q,), of the type of `labels`

    Raises
    ------
    DataError
        If there is not one label for each row of train; and as `nearest_neighbours`.
    """
    known = np.asarray(labels)
    if known.shape != np.shape(train)[:1]:
        raise DataError(
            f"labels have shape {known.shape}: expected one for each row of train, "
            f"{np.shape(train)[:1]}"
        )
    indices = nearest_neighbours(train, queries, k)[1]
    classes, codes = np.unique(known, return_inverse=True)
    winners = np.empty(len(indices), np.int64)
    for part in pieces(len(indices), len(classes)):
        votes = codes[indices[part]]  # (q, k)
        places = votes + len(classes) * np.arange(len(votes))[:, None]
        counts = np.bincount(places.ravel(), minlength=len(votes) * len(classes))
        winners[part] = counts.reshape(len(votes), len(classes)).argmax(1)
    return classes[winners]


def knn_accuracy(train: Any, labels: Any, queries: Any, query_labels: Any, k: int) -> float:
    """Return the share of queries that `knn_predict` classifies correctly.

    Parameters
    ----------
    train, labels, queries, k
        As in `knn_predict`.
    query_labels : array of shape (q,)

    Returns
    -------
    float, in [0, 1]

    Raises
    ------
    DataError
        If there are no queries or not one label for each; and as `knn_predict`.
    """
    truth = np.asarray(query_labels)
    if truth.shape != np.shape(queries)[:1] or not truth.size:
        raise DataError(
            f"query_labels have shape {truth.shape}: expected one for each query, "
            f"{np.shape(queries)[:1]}, and at least one"
        )
    return float(np.mean(knn_predict(train, labels, queries, k) == truth))
