"""Squared error: a Gaussian of unit variance in scaled units."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from diabolo.likelihoods.base import Likelihood
from diabolo.spec import require

if TYPE_CHECKING:
    import torch


@dataclasses.dataclass(frozen=True)
class MSE(Likelihood):
    """log p(x | z) = −½ (x − x̂)² − ½ log 2π, value by value.

    Parameters
    ----------
    output : {"linear", "relu"}
        The output activation. ``"relu"`` is for data that are never negative; they are then
        scaled without centring, and negative values are refused in ``fit``.
    """

    output: str = "linear"

    def validate(self) -> None:
        require(
            self.output in ("linear", "relu"),
            f"MSE(output={self.output!r}): choose 'linear', or 'relu' for data ≥ 0 "
            "(for data in [0, 1] there is Bernoulli())",
        )

    @property
    def support(self) -> tuple[float, float]:
        return (0.0 if self.output == "relu" else -math.inf, math.inf)

    def log_prob(self, px: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean(px)).square() * -0.5 - 0.5 * math.log(2 * math.pi)

    def mean(self, px: torch.Tensor) -> torch.Tensor:
        return px.relu() if self.output == "relu" else px

    def bias(self, mean: torch.Tensor) -> torch.Tensor:
        # A rectified output that starts at zero would get no gradient.
        return mean.clamp(min=0.1) if self.output == "relu" else mean
