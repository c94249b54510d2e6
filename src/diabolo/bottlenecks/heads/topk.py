"""The head of `TopK`."""

from __future__ import annotations

import torch
from torch import nn

from diabolo.bottlenecks.heads.base import Code, Head
from diabolo.bottlenecks.heads.plain import centre
from diabolo.layers import Dense
from diabolo.random import Noise

#: A unit is dead where the share of rows that use it, as an exponential mean over a hundred steps,
#: is below this share of what it would be if all units were used alike.
MEMORY, DEAD = 0.99, 0.05


class TopKHead(Head):
    """h (n, features) → z (n, code_size), rectified, of which k numbers at most are not zero."""

    def __init__(self, features: int, code_size: int, k: int, auxiliary: float):
        super().__init__()
        self.layer = Dense(features, code_size)
        self.k, self.auxiliary = k, auxiliary
        #: Share of rows that use each unit, lately.
        self.used = nn.Parameter(torch.empty(code_size), requires_grad=False)

    def forward(self, h: torch.Tensor, noise: Noise | None = None, learning: bool = False) -> Code:
        u = self.layer(h)
        z = self._largest(u.relu(), self.k)
        if not learning:
            return Code(z, {})
        with torch.no_grad():
            lately = (z > 0).to(self.used.dtype).mean(dim=0)
            self.used.copy_(torch.lerp(lately, self.used, MEMORY))
        if not self.auxiliary:
            return Code(z, {})
        # What dead units add to the code shall make up for its error. Softplus, for where a unit's
        # inputs are all negative ReLU has no slope.
        dead = self.used < DEAD * self.k / len(self.used)
        raised = self._largest(nn.functional.softplus(u) * dead, min(2 * self.k, len(self.used)))
        return Code(z, {}, (self.auxiliary, z.detach() + raised))

    @staticmethod
    def _largest(u: torch.Tensor, k: int) -> torch.Tensor:
        values, places = u.topk(k, dim=1, sorted=False)
        return torch.zeros_like(u).scatter(1, places, values)

    @torch.no_grad()
    def centre(self, h: torch.Tensor) -> None:
        centre(self.layer, h)
        self.used.fill_(self.k / len(self.used))
