"""Which scores are alarming: conformal p-values and thresholds.

A row whose score is among the lowest of m + 1, the m of rows that the model did not learn from and
its own, is as rare as that where it is of their kind: no assumption on how scores are distributed
is needed (Vovk, Gammerman & Shafer 2005; for outliers Bates et al. 2023).
"""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np

from diabolo.errors import HealthWarning


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Scores of normal rows, and the level from which on others are called anomalies.

    Parameters
    ----------
    scores : ndarray of float64 (m,)
        Ascending; high is normal.
    level : float
        Rows whose p-value is at most this are anomalies.
    """

    scores: np.ndarray
    level: float

    @classmethod
    def by_rate(cls, scores: np.ndarray, rate: float) -> Calibration:
        """Return the calibration that calls a share `rate` of normal rows anomalies.

        Where that is less than so few scores can tell, it is the least that they can.
        """
        return cls(np.sort(scores), max(rate, 1 / (len(scores) + 1)))

    @classmethod
    def by_share(cls, scores: np.ndarray, share: float) -> Calibration:
        """Return the calibration that calls a share of the scores themselves anomalies."""
        count = round(share * len(scores))
        return cls(np.sort(scores), (count + 1) / (len(scores) + 1))

    @property
    def offset(self) -> float:
        """The score below which rows are anomalies: the one place where that is decided.

        Below the k-th lowest score lie those with a p-value of at most k / (m + 1).
        """
        # Not one less because 0.07 × 100 is 7.000000000000001 or 6.99….
        k = math.floor(self.level * (len(self.scores) + 1) + 1e-9)
        return float(self.scores[min(k, len(self.scores)) - 1])

    def flagged(self, scores: np.ndarray) -> np.ndarray:
        """Return which scores are those of anomalies."""
        return scores < self.offset

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """Return the share of normal rows, and itself, with a score as low as each of these."""
        as_low = np.searchsorted(self.scores, scores, side="right")
        return (1 + as_low) / (1 + len(self.scores))


def warn_of_own_rows(stacklevel: int) -> None:
    """Give a `HealthWarning` that scores may be of rows which a model has learned from."""
    warnings.warn(
        "the model kept none of its rows apart; if these are the rows that it learned from, they "
        "are less odd to it than new ones, of which more will be called anomalies than "
        "false_alarm_rate says: fit on other rows, or let AnomalyDetector() train",
        HealthWarning,
        stacklevel=stacklevel,
    )


def warn_of_few(count: int, rate: float, stacklevel: int) -> None:
    """Give a `HealthWarning` where so many scores cannot tell a rate from lower ones."""
    least = 1 / (count + 1)
    if rate >= least:
        return
    enough = math.ceil(1e4 * least) / 1e4
    warnings.warn(
        f"{count} scores cannot tell a false alarm rate of {rate:g} from others: rows odder than "
        f"all of them are called anomalies, which happens to a share of {least:.2g} of normal "
        f"ones; pass false_alarm_rate={enough:g} or more rows",
        HealthWarning,
        stacklevel=stacklevel,
    )
