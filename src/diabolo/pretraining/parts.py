"""A level's own parts: how a hidden layer makes its codes, and how they are rebuilt from above."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from diabolo.bottlenecks import Bottleneck
from diabolo.likelihoods import MSE, Bernoulli
from diabolo.likelihoods.base import Likelihood

if TYPE_CHECKING:
    import torch

    from diabolo.bottlenecks.heads.base import Head


@dataclasses.dataclass(frozen=True)
class Hidden(Bottleneck):
    """The units of a hidden layer, as codes of the level: f(W h + b), for any activation."""

    activation: str

    def build(self, features: int, code_size: int) -> Head:
        from diabolo.bottlenecks.heads.plain import PlainHead

        return PlainHead(features, code_size, self.activation)


@dataclasses.dataclass(frozen=True)
class Activated(Likelihood):
    """Squared error of a hidden layer's units, which the layer above rebuilds as f(W h + b)."""

    activation: str

    @property
    def support(self) -> tuple[float, float]:
        return (-math.inf, math.inf)

    def log_prob(self, px: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return MSE().log_prob(self.mean(px), x)

    def mean(self, px: torch.Tensor) -> torch.Tensor:
        from diabolo.activations import activate

        return activate(px, self.activation)

    def bias(self, mean: torch.Tensor) -> torch.Tensor:
        # Nearly so for all activations that rectify; training finds the rest.
        return mean


def likelihood_of(activation: str) -> Likelihood:
    """Return the likelihood of a hidden layer's units: cross-entropy where they lie in (0, 1).

    Vincent et al. 2010, section 4.1.
    """
    return Bernoulli() if activation == "sigmoid" else Activated(activation)
