"""Codes with few numbers that are not near zero."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.penalties.base import Penalty

if TYPE_CHECKING:
    import torch

    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class L1(Penalty):
    """weight · Σ |z|, summed over the numbers of a code.

    The decoder could make up for smaller codes by larger weights; weight decay, which training has
    by default, holds it back.

    Parameters
    ----------
    weight : float
    """

    weight: float = 0.1

    term: ClassVar[str] = "l1"

    def cost(self, module: Any, x: torch.Tensor, z: torch.Tensor, noise: Noise) -> torch.Tensor:
        return self.weight * z.abs().sum(dim=1)
