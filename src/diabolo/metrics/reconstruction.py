"""Reconstruction errors, and the error of PCA that autoencoders are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from diabolo.errors import DataError
from diabolo.metrics.rows import as_rows, column_means, norms, pieces, positive


def squared_error(x: Any, x_hat: Any) -> np.ndarray:
    """Return the sum of (x − x_hat)² of each row, summed in float64.

    Parameters
    ----------
    x, x_hat : arrays of the same shape (n, ...)

    Returns
    -------
    float64 array of shape (n,), in squared units of x

    Raises
    ------
    DataError
        If the shapes differ or a value is not a finite number.
    """
    if np.shape(x) != np.shape(x_hat):
        raise DataError(f"x has shape {np.shape(x)} and x_hat {np.shape(x_hat)}: they must agree")
    one, other = as_rows(x, "x"), as_rows(x_hat, "x_hat")
    result = np.empty(len(one))
    for part in pieces(*one.shape):
        result[part] = norms(one[part].astype(np.float64) - other[part].astype(np.float64))
    return result


def mean_squared_error(x: Any, x_hat: Any) -> np.ndarray:
    """Return the mean of (x − x_hat)² over the elements of each row.

    Parameters
    ----------
    x, x_hat : arrays of the same shape (n, ...)

    Returns
    -------
    float64 array of shape (n,), in squared units of x

    Raises
    ------
    DataError
        If the shapes differ or a value is not a finite number.
    """
    result = squared_error(x, x_hat)
    return result / (np.size(x) // max(1, len(result)))


def explained_variance(x: Any, x_hat: Any) -> float:
    """Return 1 − Σ(x − x_hat)² / Σ(x − mean of its column)², over all elements.

    Parameters
    ----------
    x, x_hat : arrays of the same shape (n, ...)

    Returns
    -------
    float, at most 1; 0 for a reconstruction that is no better than the mean

    Raises
    ------
    DataError
        If all rows of x are equal (there is no variance); and as `squared_error`.
    """
    error, rows = squared_error(x, x_hat).sum(), as_rows(x, "x")
    centre = column_means(rows)
    total = sum(
        float(norms(rows[part].astype(np.float64) - centre).sum()) for part in pieces(*rows.shape)
    )
    if not len(rows) or (rows == rows[0]).all():
        raise DataError(
            f"x has {len(rows)} rows without any difference between them: there is no variance "
            "to explain"
        )
    return float(1 - error / total)


def pca_reconstruction_error(train: Any, test: Any, k: int) -> float:
    """Return the error of the best linear autoencoder: PCA with k components, fitted on `train`.

    Parameters
    ----------
    train : array of shape (n, ...)
    test : array of shape (m, ...)
    k : int
        Number of components, 1 to min(n, d).

    Returns
    -------
    float
        Mean squared error per element of `test`, in its squared units.

    Raises
    ------
    DataError
        If k exceeds min(n, d), test is empty, widths differ or a value is not a finite number.

    Notes
    -----
    Baldi and Hornik (1989), https://doi.org/10.1016/0893-6080(89)90014-2. scikit-learn's ``PCA``
    in float64: solver "covariance_eigh" where n ≥ d and d ≤ 4,096, "full" where min(n, d) ≤ 4,096,
    otherwise "randomized" with seed 0 (an upper bound, tight in practice).
    """
    from sklearn.decomposition import PCA

    k = positive(k, "k")
    train, test = as_rows(train, "train"), as_rows(test, "test")
    if train.shape[1] != test.shape[1] or not len(test):
        raise DataError(
            f"test has {len(test)} rows of {test.shape[1]} values: at least one row is needed, "
            f"and as many values as train has, {train.shape[1]}"
        )
    n, d = train.shape
    if k > min(n, d):
        raise DataError(
            f"k={k}: PCA of {n} rows and {d} columns has at most {min(n, d)} components"
        )
    solver = "covariance_eigh" if n >= d else "full"
    pca = PCA(k, svd_solver=solver if min(n, d) <= 4096 else "randomized", random_state=0)
    pca.fit(train.astype(np.float64))
    total = 0.0
    for part in pieces(*test.shape):
        x = test[part].astype(np.float64)
        total += squared_error(x, pca.inverse_transform(pca.transform(x))).sum()
    return float(total / test.size)
