"""The building block of all networks: a dense layer with its activation and initialisation."""

from __future__ import annotations

import math

import torch
from torch import nn

from diabolo.activations import ACTIVATIONS, activate


class Dense(nn.Linear):
    """A linear layer that is initialised from a given generator, never from a global one."""

    def __init__(self, fan_in: int, fan_out: int, activation: str = "linear", start: float = 1.0):
        super().__init__(fan_in, fan_out, dtype=torch.float32)
        self.activation = activation
        self.start = start

    def reset_parameters(self) -> None:
        """Leave the values alone: torch calls this in the constructor; see `initialise`."""

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights: He's rule before an activation, Glorot's before a linear output.

        He et al. 2015 (variance gain² / fan_in) keeps the forward signal; Glorot & Bengio 2010
        (variance 2 / (fan_in + fan_out)) balances both directions where nothing rectifies. The
        weights are `start` times as large as these rules say.
        """
        fan_out, fan_in = self.weight.shape
        gain = ACTIVATIONS[self.activation]
        variance = 2.0 / (fan_in + fan_out) if gain is None else gain**2 / fan_in
        with torch.no_grad():
            self.weight.normal_(0.0, self.start * math.sqrt(variance), generator=generator)
            self.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return activate(super().forward(x), self.activation)


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of every layer in `module`, in order, from `generator`."""
    for child in module.modules():
        if child is not module and hasattr(child, "initialise"):
            child.initialise(generator)  # type: ignore[operator]
