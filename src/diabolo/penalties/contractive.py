"""Codes that change little where the row changes little."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.penalties.base import Penalty
from diabolo.spec import require

if TYPE_CHECKING:
    import torch

    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Contractive(Penalty):
    """weight · ‖∂z/∂x‖², the squared Frobenius norm of the encoder's Jacobian (Rifai et al. 2011).

    Exact where the code is one layer behind the input: Σ f'(u)² ‖w‖² over its units. For deeper
    encoders an estimate without bias: the mean of ‖vᵀ ∂z/∂x‖² over draws of v from a standard
    normal distribution, whose expectation is that norm (Hutchinson 1990). Each draw costs a
    backward pass.

    Parameters
    ----------
    weight : float
    draws : int
        Of v for each row and step.
    """

    weight: float = 0.1
    draws: int = 1

    term: ClassVar[str] = "contractive"

    def validate(self) -> None:
        super().validate()
        require(
            type(self.draws) is int and self.draws >= 1,
            f"Contractive(draws={self.draws!r}) must be a whole number ≥ 1",
        )

    def check(self, bottleneck: Any) -> None:
        require(
            bottleneck.smooth,
            f"{self!r} takes slopes of the code, and a code of {bottleneck!r} has none: pass "
            "bottleneck=Plain(), or penalties=L1(…)",
        )

    def cost(self, module: Any, x: torch.Tensor, z: torch.Tensor, noise: Noise) -> torch.Tensor:
        from diabolo.layers import layers_of

        direct = module.bottleneck.pointwise and not layers_of(module.encoder)
        if direct and not module.cells.gaps:
            return self.weight * self._exact(module, x)
        return self.weight * self._estimate(module, x, z, noise)

    def _exact(self, module: Any, x: torch.Tensor) -> torch.Tensor:
        import torch

        from diabolo.activations import activate

        layer: Any = module.bottleneck.layer
        h = module.features(x)
        u = torch.nn.functional.linear(h, layer.weight, layer.bias)
        _, slopes_of, *_ = torch.func.vjp(lambda u: activate(u, layer.activation), u)
        (slopes,) = slopes_of(torch.ones_like(u))
        return slopes.square() @ layer.weight.square().sum(dim=1).to(slopes.dtype)

    def _estimate(
        self, module: Any, x: torch.Tensor, z: torch.Tensor, noise: Noise
    ) -> torch.Tensor:
        import torch

        # Without noise, so that all passes see the same encoder.
        _, back, *_ = torch.func.vjp(lambda x: module.encode(x).z, x)
        norms = []
        for _ in range(self.draws):
            (gradient,) = back(noise.normal(z.shape).to(z.dtype))
            norms.append(gradient.flatten(1).square().sum(dim=1))
        return sum(norms[1:], start=norms[0]) / self.draws
