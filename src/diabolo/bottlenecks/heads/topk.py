"""The head of `TopK`."""

from __future__ import annotations

import torch
from torch import nn

from diabolo.bottlenecks.heads.base import Code, Head
from diabolo.layers import Dense, full
from diabolo.random import Noise

#: Share of the last value that running means keep at each step: of the units' moments, which the
#: decoder relies on, and of how often units are used.
KEPT_MOMENTS, KEPT_USE = 0.95, 0.99

#: A unit is dead where fewer rows use it than this share of what would be even.
DEAD = 0.05

#: In the first half of a run more units are kept than k, at its beginning this share of all.
FIRST_SHARE, FIRST_PART = 0.25, 0.5


class TopKHead(Head):
    """h (n, features) → z (n, code_size), rectified, of which k numbers at most are not zero.

    Units compete with inputs of mean zero and variance one, or the few that happen to be large at
    first would be all that ever learn.
    """

    def __init__(self, features: int, code_size: int, k: int, auxiliary: float):
        super().__init__()
        self.layer = Dense(features, code_size)
        self.k, self.auxiliary = k, auxiliary
        #: Of each unit's input, and the share of rows that use it, lately.
        self.mean = nn.Parameter(torch.empty(code_size), requires_grad=False)
        self.variance = nn.Parameter(torch.empty(code_size), requires_grad=False)
        self.used = nn.Parameter(torch.empty(code_size), requires_grad=False)

    def forward(self, h: torch.Tensor, noise: Noise | None = None, learning: bool = False) -> Code:
        u = full(nn.functional.linear(h, self.layer.weight))
        # One row has no variance.
        if noise is None or not learning or len(u) == 1:
            return Code(self._largest(self._scaled(u, self.mean, self.variance).relu(), self.k), {})
        mean, variance = u.mean(dim=0), u.var(dim=0, correction=0)
        s = self._scaled(u, mean, variance)
        z = self._largest(s.relu(), self._kept(noise.at))
        with torch.no_grad():
            self.mean.copy_(torch.lerp(mean, self.mean, KEPT_MOMENTS))
            self.variance.copy_(torch.lerp(variance, self.variance, KEPT_MOMENTS))
            self.used.copy_(torch.lerp(full((z > 0).to(z.dtype)).mean(dim=0), self.used, KEPT_USE))
        if not self.auxiliary:
            return Code(z, {})
        # What dead units add to the code shall make up for its error; softplus, for ReLU has no
        # slope where the inputs of a unit are all negative.
        dead = self.used < DEAD * self.k / len(self.used)
        raised = self._largest(nn.functional.softplus(s) * dead, min(2 * self.k, len(self.used)))
        return Code(z, {}, (self.auxiliary, z.detach() + raised))

    def _scaled(self, u: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
        return (u - mean) * (variance + 1e-5).rsqrt() + self.layer.bias

    def _kept(self, at: float) -> int:
        """Return how many numbers of a code are kept at a place in the run, 0 to 1."""
        first = max(self.k, FIRST_SHARE * len(self.used))
        return round(self.k * (first / self.k) ** max(0.0, 1 - at / FIRST_PART))

    @staticmethod
    def _largest(s: torch.Tensor, k: int) -> torch.Tensor:
        values, places = s.topk(k, dim=1, sorted=False)
        return torch.zeros_like(s).scatter(1, places, values)

    @torch.no_grad()
    def centre(self, h: torch.Tensor) -> None:
        u = nn.functional.linear(h, self.layer.weight)
        self.mean.copy_(u.mean(dim=0))
        self.variance.copy_(u.var(dim=0, correction=0))
        self.layer.bias.zero_()
        self.used.fill_(self.k / len(self.used))
