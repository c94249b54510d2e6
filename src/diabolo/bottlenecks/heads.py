"""Modules of the bottlenecks."""

from __future__ import annotations

import torch
from torch import nn

from diabolo.bottlenecks.code import Code
from diabolo.layers import Dense
from diabolo.random import Noise

#: Rows on which a rectified unit must be silent to count as dead: on fewer, many a live one is.
SILENT_ROWS = 16


class PlainHead(nn.Module):
    """h (n, features) → z (n, code_size) = f(W h + b), free of cost."""

    def __init__(self, features: int, code_size: int, activation: str):
        super().__init__()
        self.layer = Dense(features, code_size, activation)
        self.rectified = activation == "relu"

    def forward(self, h: torch.Tensor, noise: Noise | None = None) -> Code:
        z = self.layer(h)
        if self.rectified and torch.is_grad_enabled() and len(h) >= SILENT_ROWS:
            z = z + self._revival(h, z)
        return Code(z, {})

    def _revival(self, h: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return zeros (n, code_size) that carry a linear unit's gradient to the silent units.

        A rectified unit that is silent on every row of a batch gets no gradient and would stay
        silent for ever; this one can come back. All other gradients are untouched.
        """
        silent = (z.detach() == 0).all(dim=0)
        u = torch.nn.functional.linear(h, self.layer.weight, self.layer.bias)
        return (u - u.detach()) * silent

    @torch.no_grad()
    def centre(self, h: torch.Tensor) -> None:
        """Set the bias so that each unit's input has median zero on these features.

        A rectified unit then starts active on half of the data. Without it, features that are all
        positive (as after ReLU, or pixels) can leave a unit silent on every row from the start.
        """
        u = torch.nn.functional.linear(h, self.layer.weight)
        self.layer.bias.copy_(-u.median(dim=0).values)
