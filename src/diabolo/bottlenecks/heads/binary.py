"""The head of `Binary`."""

from __future__ import annotations

import torch

from diabolo.bottlenecks.heads.base import Code, Head
from diabolo.bottlenecks.heads.plain import centre
from diabolo.layers import Dense, full
from diabolo.random import Noise


class BinaryHead(Head):
    """h (n, features) → z (n, code_size) of zeros and ones."""

    def __init__(self, features: int, code_size: int, noise: float):
        super().__init__()
        self.layer = Dense(features, code_size)
        self.noise = noise

    def forward(self, h: torch.Tensor, noise: Noise | None = None, learning: bool = False) -> Code:
        probability = full(self.layer(h)).sigmoid()
        if noise is None:
            return Code((probability > 0.5).to(probability.dtype), {})
        threshold = 0.5 + self.noise * (noise.uniform(probability.shape) - 0.5)
        bits = (probability > threshold).to(probability.dtype)
        return Code(straight_through(bits, probability), {})

    def centre(self, h: torch.Tensor) -> None:
        # So that each bit is one on half of the rows.
        centre(self.layer, h)


def straight_through(value: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """Return `value` to the bit, with the gradients of `slope`; both (…)."""
    # Not slope + (value − slope).detach(), which rounds.
    return value.detach() + (slope - slope.detach())
