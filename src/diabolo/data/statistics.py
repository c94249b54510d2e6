"""Statistics of an array's values over its rows, in one pass over chunks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

#: Values that are converted at a time: bounds the memory needed beside the data (32 MB in fp64).
VALUES = 1 << 22


def pieces_of(array: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the rows of an array in order, in pieces of bounded size, with their places."""
    rows = max(1, VALUES // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        place = slice(start, min(start + rows, len(array)))
        yield place, array[place]


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Per value of a row, each (*shape) in float64 and original units.

    Attributes
    ----------
    rows : int
    low, high, mean, deviation : ndarray
        `deviation` is the population standard deviation.
    """

    rows: int
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    @property
    def constant(self) -> np.ndarray:
        """Where all rows agree, to the rounding error of float64: (*shape) of bool."""
        size = np.maximum(np.abs(self.low), np.abs(self.high))
        return self.deviation <= 10 * np.finfo(np.float64).eps * size

    def pooled(self, kind: str) -> Statistics:
        """Return the statistics over all positions of a channel, to be broadcast to (*shape).

        Tables are not pooled. The last axis of rows (t, c) and (h, w, c) is channels; rows (t,)
        and (h, w) have one.
        """
        if kind == "table":
            return self
        channels = self.mean.ndim > (1 if kind == "series" else 2)
        axes = tuple(range(self.mean.ndim - channels))
        mean = self.mean.mean(axis=axes, keepdims=True)
        variance = (self.deviation**2 + (self.mean - mean) ** 2).mean(axis=axes, keepdims=True)
        return Statistics(
            self.rows,
            self.low.min(axis=axes, keepdims=True),
            self.high.max(axis=axes, keepdims=True),
            mean,
            np.sqrt(variance),
        )


def statistics_of(array: np.ndarray) -> Statistics:
    """Return the statistics of array (n, …), n ≥ 1, without NaN.

    Chunks are merged by the pairwise update of Chan, Golub & LeVeque 1983, which stays exact for
    columns far from zero where the sum of squares does not.
    """
    n = 0
    # Sums start from the first row: exact for constant columns, and better for those far from zero.
    origin = array[0].astype(np.float64)
    mean = moment = low = high = np.zeros(array.shape[1:])
    for _, rows in pieces_of(array):
        m = len(rows)
        with np.errstate(all="ignore"):  # too large to be squared: `Schema.fit` refuses it
            piece = rows.astype(np.float64) - origin
            piece_mean = piece.mean(axis=0)
            piece_moment = ((piece - piece_mean) ** 2).sum(axis=0)
        piece_low, piece_high = rows.min(axis=0), rows.max(axis=0)
        if n == 0:
            mean, moment, low, high = piece_mean, piece_moment, piece_low, piece_high
        else:
            delta = piece_mean - mean
            moment = moment + piece_moment + delta**2 * (n * m / (n + m))
            mean = mean + delta * (m / (n + m))
            low, high = np.minimum(low, piece_low), np.maximum(high, piece_high)
        n += m
    return Statistics(
        n, low.astype(np.float64), high.astype(np.float64), origin + mean, np.sqrt(moment / n)
    )
