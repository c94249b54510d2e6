"""Cross-entropy for values in [0, 1]: pixels, shares, booleans."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from diabolo.likelihoods.base import Likelihood

if TYPE_CHECKING:
    import torch


@dataclasses.dataclass(frozen=True)
class Bernoulli(Likelihood):
    """log p(x | z) = x log x̂ + (1 − x) log(1 − x̂), with x̂ = sigmoid of the decoder's output.

    For x strictly between 0 and 1 this is the expected log-probability of a pixel that is drawn
    on with probability x; it is not normalised over x, so such values compare models on the same
    data only.
    """

    @property
    def support(self) -> tuple[float, float]:
        return (0.0, 1.0)

    def log_prob(self, px: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        # One fused, numerically safe kernel for x log σ(px) + (1 − x) log(1 − σ(px)).
        return -F.binary_cross_entropy_with_logits(px, x, reduction="none")

    def mean(self, px: torch.Tensor) -> torch.Tensor:
        return px.sigmoid()

    def bias(self, mean: torch.Tensor) -> torch.Tensor:
        # Pixels that are always off would start at −∞.
        return mean.clamp(0.01, 0.99).logit()
