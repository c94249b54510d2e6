"""The data of the benchmark."""

from __future__ import annotations

import numpy as np


def images(split: str, rows: int | None = None) -> np.ndarray:
    """Return MNIST images in file order, uint8 (n, 28, 28)."""
    from diabolo import datasets

    return datasets.load("mnist", split=split).data[:rows]


def pixels(images: np.ndarray) -> np.ndarray:
    """Return images as rows of pixels in [0, 1], float32 (n, 784)."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def small_table(rows: int = 5_000, columns: int = 20, held_out: int = 2_000) -> tuple:
    """Return a standardised table and rows kept apart, float32 (rows, columns).

    Eight factors, mixed linearly and through sines, with noise of a tenth of a column's deviation.
    """
    rng = np.random.default_rng(0)
    n = rows + held_out
    factors = rng.normal(size=(n, 8))
    mixed = factors @ rng.normal(size=(8, columns)) / np.sqrt(8)
    bent = np.sin(factors @ rng.normal(size=(8, columns)) / 2)
    x = mixed + bent
    x += 0.1 * x.std(axis=0) * rng.normal(size=x.shape)
    x = (x - x[:rows].mean(axis=0)) / x[:rows].std(axis=0)
    return x[:rows].astype(np.float32), x[rows:].astype(np.float32)


def squared_error(reconstructed: np.ndarray, rows: np.ndarray) -> float:
    """Return the squared error summed over a row, mean over rows.

    It is nan where a net has diverged, which `diabolo.metrics` would refuse.
    """
    difference = reconstructed.reshape(len(rows), -1) - rows.reshape(len(rows), -1)
    return float(np.square(difference).sum(axis=1).mean(dtype=np.float64))
