"""Scales that bend: monotone maps of a column that keep every finite number finite."""

from __future__ import annotations

import dataclasses

import numpy as np

#: Knots of a quantile scale, and deviations from the median up to which a robust one is straight.
KNOTS, STRAIGHT = 101, 3.0

#: Deviation of a normal distribution over the distance of its quartiles.
NORMAL_QUARTILES = 1.349


@dataclasses.dataclass(frozen=True)
class Warp:
    """A line through knots, which goes on beyond the ends like the logarithm of the distance.

    It has the slope of its last piece there, so that order is kept and nothing is too large.

    Parameters
    ----------
    x, y : ndarray of float64 (k,)
        Knots, k ≥ 2, both strictly increasing.
    """

    x: np.ndarray
    y: np.ndarray

    def is_sound(self) -> bool:
        """Return whether the knots can be a scale."""
        rising = (np.diff(knots) > 0 for knots in (self.x, self.y))
        return len(self.x) > 1 and all(steps.all() for steps in rising)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the scaled values (n,); NaN stays."""
        low, high = self._slopes
        bent = np.interp(values, self.x, self.y)
        with np.errstate(divide="ignore"):  # log 0: nothing beyond the end
            below = np.log(np.maximum(self.x[0] - values, 0.0)) + np.log(low)
            above = np.log(np.maximum(values - self.x[-1], 0.0)) + np.log(high)
        # log(1 + slope · distance), of distances whose product with the slope has no number.
        return bent - np.logaddexp(0.0, below) + np.logaddexp(0.0, above)

    def inverse(self, scaled: np.ndarray) -> np.ndarray:
        """Return the values (n,) that were scaled so."""
        low, high = self._slopes
        with np.errstate(over="ignore"):
            values = np.interp(scaled, self.y, self.x)
            below = np.expm1(np.maximum(self.y[0] - scaled, 0.0)) / low
            above = np.expm1(np.maximum(scaled - self.y[-1], 0.0)) / high
        return values - below + above

    @property
    def _slopes(self) -> tuple[float, float]:
        slopes = np.diff(self.y) / np.diff(self.x)
        return float(slopes[0]), float(slopes[-1])


def robust(values: np.ndarray) -> Warp:
    """Return the scale by median and quartiles, straight to three deviations from the median.

    Parameters
    ----------
    values : ndarray (n,)
        Without NaN.
    """
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    least = _step(values)
    deviation = (high - low) / NORMAL_QUARTILES
    if deviation < least:
        deviation = float(values.std())
    deviation = deviation if deviation >= least else 1.0
    ends = np.array([-STRAIGHT, STRAIGHT])
    return Warp(middle + deviation * ends, ends)


def quantile(values: np.ndarray) -> Warp:
    """Return the scale under which the values follow a standard normal distribution.

    A value that many rows share, and so several knots, gets the mean of their places.

    Parameters
    ----------
    values : ndarray (n,)
        Without NaN.
    """
    from scipy.special import ndtri

    # Half a row from both ends, for those are no certain bounds.
    shares = np.linspace(0.5 / len(values), 1 - 0.5 / len(values), min(KNOTS, len(values)))
    knots = np.quantile(values, shares)
    # Those that differ by no more than a rounding error are one.
    place = np.concatenate([[0], np.cumsum(np.diff(knots) > _step(values))])
    x = knots[np.searchsorted(place, np.arange(place[-1] + 1))]
    if len(x) < 2:
        return robust(values)
    y = np.bincount(place, ndtri(shares)) / np.bincount(place)
    return Warp(x, y)


def _step(values: np.ndarray) -> float:
    """Return the least difference between values that says something."""
    return max(1e-12 * float(np.abs(values).max()), 1e-100)
