"""Squared error near zero, absolute error beyond: outliers pull with a bounded force."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from diabolo.likelihoods.base import Likelihood
from diabolo.spec import is_number, require

if TYPE_CHECKING:
    import torch


@dataclasses.dataclass(frozen=True)
class Huber(Likelihood):
    """log p(x | z) = −h(x − x̂) − log Z, value by value (Huber 1964).

    h(r) = ½ r² where |r| ≤ δ and δ (|r| − ½ δ) beyond; Z = √(2π) erf(δ / √2) + 2 exp(−½ δ²) / δ
    makes it a density: normal in the middle, with tails that fall off like exp(−δ |r|).

    Parameters
    ----------
    delta : float
        δ, in scaled units.
    """

    delta: float = 1.0

    def validate(self) -> None:
        require(
            is_number(self.delta) and self.delta > 0,
            f"Huber(delta={self.delta!r}) must be a number > 0",
        )

    @property
    def support(self) -> tuple[float, float]:
        return (-math.inf, math.inf)

    def log_prob(self, px: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        delta = self.delta
        z = math.sqrt(2 * math.pi) * math.erf(delta / math.sqrt(2))
        z += 2 * math.exp(-0.5 * delta**2) / delta
        return -F.huber_loss(px, x, reduction="none", delta=delta) - math.log(z)

    def mean(self, px: torch.Tensor) -> torch.Tensor:
        return px

    def bias(self, mean: torch.Tensor) -> torch.Tensor:
        return mean
