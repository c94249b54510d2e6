"""Statistics of an array's values over its rows, in one pass over chunks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

#: Values that are converted at a time: bounds the memory needed beside the data (32 MB in fp64).
VALUES = 1 << 22

#: Share of a column's variance that a giant makes up, and rows up to which no value is one.
GIANT, FEW = 0.9, 20


def alike(deviation: Any, size: Any) -> Any:
    """Return whether values of this size deviate by no more than the rounding error of float64."""
    return deviation <= 10 * np.finfo(np.float64).eps * size


def there(cells: np.ndarray) -> np.ndarray:
    """Return the cells (n,) that are there, as float64."""
    cells = cells.astype(np.float64)
    return cells[~np.isnan(cells)]


def pieces_of(array: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the rows of an array in order, in pieces of bounded size, with their places."""
    rows = max(1, VALUES // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        place = slice(start, min(start + rows, len(array)))
        yield place, array[place]


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Per value of a row, each (*shape) in float64 and original units, of the cells that are there.

    Attributes
    ----------
    rows : int
    observed : ndarray of int64
        Rows in which the value is there; where that is none, all else is 0.
    low, high, mean, deviation : ndarray
        `deviation` is the population standard deviation.
    """

    rows: int
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    @property
    def constant(self) -> np.ndarray:
        """Where all rows agree, to the rounding error of float64: (*shape) of bool."""
        return alike(self.deviation, np.maximum(np.abs(self.low), np.abs(self.high)))

    @property
    def missing(self) -> np.ndarray:
        """Where some row lacks the value: (*shape) of bool."""
        return self.observed < self.rows

    def gaps(self, kind: str, hidden: bool) -> tuple[int, ...]:
        """Return the cells along the last axis of a row that may be missing: see `Schema`."""
        lacking = self.missing
        if kind == "table":
            return tuple(np.flatnonzero(lacking | hidden).tolist())
        channels = lacking.shape[-1] if lacking.ndim == {"series": 2, "image": 3}[kind] else 1
        return tuple(range(channels)) if hidden or lacking.any() else ()

    def pooled(self, kind: str) -> Statistics:
        """Return the statistics over all positions of a channel, to be broadcast to (*shape).

        Tables are not pooled. The last axis of rows (t, c) and (h, w, c) is channels; rows (t,)
        and (h, w) have one.
        """
        if kind == "table":
            return self
        channels = self.mean.ndim > (1 if kind == "series" else 2)
        axes = tuple(range(self.mean.ndim - channels))
        count = self.observed.sum(axis=axes, keepdims=True)
        share = self.observed / np.maximum(count, 1)
        mean = (share * self.mean).sum(axis=axes, keepdims=True)
        variance = share * (self.deviation**2 + (self.mean - mean) ** 2)
        some = self.observed > 0
        return Statistics(
            self.rows * math.prod(self.mean.shape[: len(axes)]),
            count,
            self.low.min(axis=axes, keepdims=True, where=some, initial=np.inf),
            self.high.max(axis=axes, keepdims=True, where=some, initial=-np.inf),
            mean,
            np.sqrt(variance.sum(axis=axes, keepdims=True)),
        )


def statistics_of(array: np.ndarray) -> Statistics:
    """Return the statistics of array (n, …), n ≥ 1, whose missing cells are NaN.

    Chunks are merged by the pairwise update of Chan, Golub & LeVeque 1983, which stays exact for
    columns far from zero where the sum of squares does not.
    """
    # Sums start from a cell that is there: exact for constant columns, and better for those far
    # from zero.
    origin = _first(array)
    n = np.zeros(array.shape[1:], np.int64)
    mean = moment = np.zeros(array.shape[1:])
    low, high = np.full(array.shape[1:], np.inf), np.full(array.shape[1:], -np.inf)
    for _, rows in pieces_of(array):
        with np.errstate(all="ignore"):  # too large to be squared: `Schema.fit` refuses it
            piece = rows.astype(np.float64) - origin
            gaps = np.isnan(piece) if rows.dtype.kind == "f" else None
            if gaps is None or not gaps.any():
                m: Any = len(rows)
                piece_mean = piece.mean(axis=0)
                piece_moment = ((piece - piece_mean) ** 2).sum(axis=0)
                piece_low, piece_high = rows.min(axis=0), rows.max(axis=0)
            else:
                m = len(rows) - gaps.sum(axis=0)
                there = np.maximum(m, 1)
                piece[gaps] = 0.0
                piece_mean = piece.sum(axis=0) / there
                piece -= piece_mean
                piece[gaps] = 0.0
                piece_moment = (piece**2).sum(axis=0)
                piece_low = np.fmin.reduce(rows, axis=0, initial=np.inf)
                piece_high = np.fmax.reduce(rows, axis=0, initial=-np.inf)
            total = n + m
            weight = m / np.maximum(total, 1)
            delta = piece_mean - mean
            moment = moment + piece_moment + delta**2 * (n * weight)
            mean = mean + delta * weight
            low, high = np.minimum(low, piece_low), np.maximum(high, piece_high)
            n = total
    some = n > 0
    return Statistics(
        len(array),
        n,
        np.where(some, low, 0.0),
        np.where(some, high, 0.0),
        np.where(some, origin + mean, 0.0),
        np.sqrt(moment / np.maximum(n, 1)),
    )


def without_giants(statistics: Statistics, array: np.ndarray) -> Statistics:
    """Return the statistics of a table (n, columns) with mean and deviation of all but giants.

    A value that makes up nine tenths of a column's variance says nothing of the others; once
    standardised they would look alike. Of a thousand rows one such is left out, and the next one
    too where it is one again. A column that is not rid of them so has rare values by nature, and
    stays as it is. So does what is low and high.
    """
    reach = np.maximum(statistics.high - statistics.mean, statistics.mean - statistics.low)
    variance = statistics.deviation**2
    odd = (statistics.observed > FEW) & (reach**2 > GIANT * statistics.observed * variance)
    mean, deviation = statistics.mean.copy(), statistics.deviation.copy()
    for j in np.flatnonzero(odd & ~statistics.constant):
        cells = there(array[:, j])
        cells = cells[np.abs(cells - np.median(cells)).argsort(kind="stable")]
        for giants in range(1, 2 + len(cells) // 1000):
            rest = cells[:-giants]
            middle, spread = rest.mean(), rest.std()
            if alike(spread, np.abs(rest).max()):
                break  # a departure from what is always the same is evidence
            if np.abs(rest - middle).max() ** 2 <= GIANT * len(rest) * spread**2:
                mean[j], deviation[j] = middle, spread
                break
    return dataclasses.replace(statistics, mean=mean, deviation=deviation)


def _first(array: np.ndarray) -> np.ndarray:
    """Return for each value of a row the first one that is there, 0 where there is none."""
    first = array[0].astype(np.float64)
    for _, rows in pieces_of(array):
        lacking = np.isnan(first)
        if not lacking.any():
            break
        places = (~np.isnan(rows)).argmax(axis=0)
        found = np.take_along_axis(rows, places[None], axis=0)[0]
        first = np.where(lacking, found, first)
    return np.where(np.isnan(first), 0.0, first)
