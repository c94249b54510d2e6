"""What every corruption offers."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING

from diabolo.spec import Part, require_share

if TYPE_CHECKING:
    import torch

    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Corruption(Part, abc.ABC):
    """Damage that the encoder sees in training; the target stays clean (Vincent et al. 2008)."""

    def resolved(self, kind: str, shape: tuple[int, ...]) -> Corruption:
        """Return this corruption with nothing left on "auto", for rows of this kind and shape.

        Raises
        ------
        SpecError
            Unless such rows can be damaged so.
        """
        return self

    @abc.abstractmethod
    def apply(self, x: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Return x (n, *shape), scaled, each row damaged by its own draw."""


@dataclasses.dataclass(frozen=True)
class Partial(Corruption, abc.ABC):
    """Damage to a share of a row.

    Parameters
    ----------
    share : float
        Between 0 and 1.
    """

    share: float = 0.3

    def validate(self) -> None:
        require_share(self, "share")


def places(x: torch.Tensor) -> tuple[int, ...]:
    """Return the shape of x (n, *shape) with one channel: those of a pixel are damaged together.

    An image without channels, a table and a series (n, t, c) have values that stand alone.
    """
    return (*x.shape[:3], 1) if x.ndim == 4 else tuple(x.shape)
