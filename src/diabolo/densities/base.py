"""What densities share."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Any

from diabolo.spec import Part, is_number, require

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import torch


@dataclasses.dataclass(frozen=True)
class Density(Part, abc.ABC):
    """A density that is to be fitted to rows."""

    def validate(self) -> None:
        """Raise `SpecError` unless `shrinkage` and `trim`, which all have, are shares."""
        name, fields = type(self).__name__, vars(self)
        shrinkage, trim = fields["shrinkage"], fields["trim"]
        require(
            is_number(shrinkage) and 0 <= shrinkage <= 1,
            f"{name}(shrinkage={shrinkage!r}) must lie in [0, 1]",
        )
        require(is_number(trim) and 0 <= trim < 1, f"{name}(trim={trim!r}) must lie in [0, 1)")

    @abc.abstractmethod
    def fit(
        self, x: torch.Tensor, spread: float | None = None, where: torch.Tensor | None = None
    ) -> Any:
        """Return the density of rows.

        Parameters
        ----------
        x : Tensor (n, d)
            NaN where a value is missing.
        spread : float, optional
            The variance that values have in what the covariance is shrunk towards; by default the
            mean variance of the rows themselves.
        where : Tensor (n, g), optional
            Where the rows lie, if that matters; by default what they are.
        """

    @abc.abstractmethod
    def read(self, arrays: Mapping[str, np.ndarray], d: int, prefix: str = "") -> Any:
        """Return a density of rows of d values that was fitted, and written by its `arrays`."""
