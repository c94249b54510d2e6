"""What every corruption offers."""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import TYPE_CHECKING, Any

from diabolo.spec import Part, require, require_share

if TYPE_CHECKING:
    import torch

    from diabolo.cells import Cells
    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Corruption(Part, abc.ABC):
    """Damage that the encoder sees in training; the target stays clean (Vincent et al. 2008)."""

    @property
    def missing(self) -> bool:
        """Whether values are hidden as missing cells, which the encoder is told of."""
        return False

    def resolved(self, kind: str, shape: tuple[int, ...]) -> Corruption:
        """Return this corruption with nothing left on "auto", for rows of this kind and shape.

        Raises
        ------
        SpecError
            Unless such rows can be damaged so.
        """
        return self

    @abc.abstractmethod
    def apply(self, x: torch.Tensor, noise: Noise, cells: Cells | None = None) -> torch.Tensor:
        """Return x (n, *shape), scaled, each row damaged by its own draw.

        What is missing (NaN) stays missing.

        Parameters
        ----------
        cells : Cells, optional
            Which values are of one cell, to be damaged together; by default each is one, and of an
            image (h, w, c) all channels of a pixel.
        """


@dataclasses.dataclass(frozen=True)
class Partial(Corruption, abc.ABC):
    """Damage to a share of a row.

    Parameters
    ----------
    share : float
        Between 0 and 1.
    """

    share: Any = 0.3  # of some a range too

    def validate(self) -> None:
        require_share(self, "share")


@dataclasses.dataclass(frozen=True)
class Hiding(Partial, abc.ABC):
    """Values that are hidden.

    Parameters
    ----------
    share : float
        Between 0 and 1.
    missing : bool
        Hide them as missing cells: the encoder is told which they are, and so learns to do without
        them, as imputing needs.
    """

    missing: bool = dataclasses.field(default=False, kw_only=True)

    def validate(self) -> None:
        super().validate()
        require(isinstance(self.missing, bool), f"missing={self.missing!r} must be True or False")

    def hide(self, x: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Return x (n, *shape) without the hidden values (of a shape that goes with x)."""
        return x.masked_fill(hidden, math.nan) if self.missing else x * ~hidden


def uniform(x: torch.Tensor, noise: Noise, cells: Cells | None) -> torch.Tensor:
    """Return uniform numbers, one for each cell, of a shape that goes with x (n, *shape)."""
    from diabolo.cells import Cells

    return (cells or Cells("table", tuple(x.shape[1:]))).uniform(noise, len(x))
