"""The multivariate normal density."""

from __future__ import annotations

import dataclasses
import numbers
from typing import TYPE_CHECKING, Any

from diabolo.densities.base import Density
from diabolo.spec import require

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import torch

    from diabolo.densities.normal import Normal

#: Values up to which a covariance is whole, which takes two seconds, and its rank beyond.
WHOLE, RANK = 512, 128


@dataclasses.dataclass(frozen=True)
class GaussianDensity(Density):
    """A normal density whose covariance is estimated with care.

    Parameters
    ----------
    shrinkage : float
        Share of the covariance that is that of independent values with equal spread: directions in
        which the rows hardly differ must not decide everything (Ledoit & Wolf 2004).
    rank : int or "auto"
        Directions that have a variance of their own; what is left is shared evenly by the others
        (Tipping & Bishop 1999). "auto" is all of them up to 512 values, and 128 from there on, so
        that neither more rows than values are needed nor memory for a square of values.
    trim : float
        Share of the rows that is left out, the farthest ones: the density is fitted to the nearest
        and these are chosen by it, until they stay the same (Rousseeuw & Van Driessen 1999).
    """

    shrinkage: float = 0.01
    rank: Any = "auto"
    trim: float = 0.0

    def validate(self) -> None:
        super().validate()
        whole = isinstance(self.rank, numbers.Integral) and not isinstance(self.rank, bool)
        require(
            self.rank == "auto" or (whole and self.rank >= 0),
            f"GaussianDensity(rank={self.rank!r}) must be a whole number ≥ 0 or 'auto'",
        )

    def fit(
        self, x: torch.Tensor, spread: float | None = None, where: torch.Tensor | None = None
    ) -> Normal:
        from diabolo.densities.normal import fitted

        d = x.shape[1]
        rank = usual_rank(d) if self.rank == "auto" else min(int(self.rank), d)
        return fitted(x, self.shrinkage, rank, self.trim, spread)

    def read(self, arrays: Mapping[str, np.ndarray], d: int, prefix: str = "") -> Normal:
        from diabolo.densities.normal import Normal

        return Normal.read(arrays, d, prefix)


def usual_rank(d: int) -> int:
    """Return the rank of the covariance of rows with d values."""
    return d if d <= WHOLE else RANK
