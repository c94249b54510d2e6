"""Several normal densities, each of a region."""

from __future__ import annotations

import dataclasses
import numbers
from typing import TYPE_CHECKING

from diabolo.densities.base import Density
from diabolo.spec import require

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import torch

    from diabolo.densities.regions import Regions


@dataclasses.dataclass(frozen=True)
class Mixture(Density):
    """Normal densities of regions, which are told apart by where rows lie.

    How far the errors of a model go, and which of them go together, depends on the row that was
    expected. Rows of other regions count in each density too, as if it had three times as many more
    rows as there are values, drawn from all: so that few rows of its own are enough.

    Parameters
    ----------
    k : int
        Regions at most: each has 20 rows or more, and rows of more than 512 values are all in one.
    shrinkage, trim : float
        As in `GaussianDensity`.
    """

    k: int = 4
    shrinkage: float = 0.01
    trim: float = 0.0

    def validate(self) -> None:
        super().validate()
        whole = isinstance(self.k, numbers.Integral) and not isinstance(self.k, bool)
        require(whole and self.k >= 1, f"Mixture(k={self.k!r}) must be a whole number ≥ 1")

    def fit(
        self, x: torch.Tensor, spread: float | None = None, where: torch.Tensor | None = None
    ) -> Regions:
        from diabolo.densities.regions import fitted

        return fitted(x, self.k, self.shrinkage, self.trim, spread, where)

    def read(self, arrays: Mapping[str, np.ndarray], d: int, prefix: str = "") -> Regions:
        from diabolo.densities.regions import Regions

        return Regions.read(arrays, d, prefix)
