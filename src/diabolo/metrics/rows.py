"""What all measures share: rows of finite numbers, walked through in pieces."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from diabolo.errors import DataError, SpecError

#: Elements of temporary float64 arrays.
PIECE = 1 << 20
#: Beyond this, squares and sums of squares would leave the range of float64.
_HUGE = 1e290


def as_rows(values: Any, name: str) -> np.ndarray:
    """Return values of shape (n, ...) as finite numbers (n, d), or raise a `DataError`."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists, tensors on a GPU
        raise DataError(f"{name} cannot be turned into an array: {error}") from error
    if array.dtype == bool:
        array = array.view(np.uint8)
    if array.dtype.kind not in "uif" or array.ndim < 2 or not math.prod(array.shape[1:]):
        raise DataError(
            f"{name} has shape {array.shape} and type {array.dtype}: expected numbers in rows, "
            "of shape (n, ...) with at least one value a row"
        )
    array = array.reshape(len(array), math.prod(array.shape[1:]))  # (n, ...) -> (n, d)
    for part in pieces(*array.shape):
        piece = array[part]
        if not (float(piece.min()) > -_HUGE and float(piece.max()) < _HUGE):
            bad = np.argwhere(~(np.abs(piece.astype(np.float64)) < _HUGE))[0]
            raise DataError(
                f"{name}: row {part.start + bad[0]}, value {bad[1]} is {piece[tuple(bad)]}: only "
                f"finite numbers below {_HUGE:g} can be measured. Fill or drop such rows first."
            )
    return array


def positive(value: int, name: str) -> int:
    """Return a whole number from 1 on, or raise a `SpecError`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise SpecError(f"{name}={value!r}: expected a whole number, at least 1")
    return number


def pieces(n: int, width: int, elements: int = PIECE) -> Iterator[slice]:
    """Cut n rows into slices of about so many elements."""
    step = max(1, elements // max(1, width))
    return (slice(start, min(n, start + step)) for start in range(0, n, step))


def norms(rows: np.ndarray) -> np.ndarray:
    """Return the sum of squares of each row."""
    return np.einsum("ij,ij->i", rows, rows)


def column_means(rows: np.ndarray) -> np.ndarray:
    """Return the mean of each column, summed in float64."""
    total = np.zeros(rows.shape[1])
    for part in pieces(*rows.shape):
        total += rows[part].sum(0, dtype=np.float64)
    return total / max(1, len(rows))
