"""The head of `Plain`."""

from __future__ import annotations

import torch

from diabolo.bottlenecks.heads.base import Code, Head
from diabolo.layers import Dense
from diabolo.random import Noise

#: Rows on which a rectified unit must be silent to count as dead: on fewer, many a live one is.
SILENT_ROWS = 16


class PlainHead(Head):
    """h (n, features) → z (n, code_size) = f(W h + b), free of cost."""

    pointwise = True

    def __init__(self, features: int, code_size: int, activation: str):
        super().__init__()
        self.layer = Dense(features, code_size, activation)
        self.rectified = activation == "relu"

    def forward(self, h: torch.Tensor, noise: Noise | None = None, learning: bool = False) -> Code:
        z = self.layer(h)
        if self.rectified and learning and len(h) >= SILENT_ROWS:
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

    def centre(self, h: torch.Tensor) -> None:
        # A rectified unit then starts active on half of the data. Without it, features that are
        # all positive (as after ReLU, or pixels) can leave a unit silent on every row.
        centre(self.layer, h)


@torch.no_grad()
def centre(layer: Dense, h: torch.Tensor) -> None:
    """Set the bias so that each unit's input has median zero on the features h (n, features)."""
    u = torch.nn.functional.linear(h, layer.weight)
    layer.bias.copy_(-u.median(dim=0).values)
