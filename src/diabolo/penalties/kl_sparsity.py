"""Code units that are active on few rows."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.penalties.base import Penalty
from diabolo.spec import require, require_share

if TYPE_CHECKING:
    import torch

    from diabolo.random import Noise

#: Activities are kept this far from 0 and 1, where the divergence is infinite.
EDGE = 1e-6


@dataclasses.dataclass(frozen=True)
class KLSparsity(Penalty):
    """weight · Σ KL(ρ ‖ ρ̂), over code units of mean activity ρ̂ in the batch (Ng 2011).

    KL(ρ ‖ ρ̂) = ρ log (ρ / ρ̂) + (1 − ρ) log ((1 − ρ) / (1 − ρ̂)), the divergence between coins of
    bias ρ and ρ̂. Every row of a batch has the same penalty.

    Parameters
    ----------
    weight : float
    target_activity : float
        ρ: how active a unit should be on average.
    """

    weight: float = 1.0
    target_activity: float = 0.05

    term: ClassVar[str] = "kl_sparsity"

    def validate(self) -> None:
        super().validate()
        require_share(self, "target_activity")

    def check(self, bottleneck: Any) -> None:
        require(
            getattr(bottleneck, "activation", None) == "sigmoid",
            f"{self!r} takes activities between 0 and 1, and the code of {bottleneck!r} is not: "
            "pass bottleneck=Plain('sigmoid'), or penalties=L1(…)",
        )

    def cost(self, module: Any, x: torch.Tensor, z: torch.Tensor, noise: Noise) -> torch.Tensor:
        from diabolo.layers import full

        rho = self.target_activity
        activity = full(z).mean(dim=0).clamp(EDGE, 1 - EDGE)
        entropy = rho * math.log(rho) + (1 - rho) * math.log(1 - rho)
        divergence = entropy - rho * activity.log() - (1 - rho) * (1 - activity).log()
        return (self.weight * divergence.sum()).expand(len(z))
