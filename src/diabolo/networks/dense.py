"""Modules of the fully connected network, and of the dense layers in others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from diabolo.activations import activate
from diabolo.layers import Dense, Layer
from diabolo.networks.norms import NORMS
from diabolo.random import Noise

#: Size of the first weights of an output layer, relative to Glorot's rule. Nearly silent, so that
#: training starts from the mean of the data and not from noise around it: a fifth less error after
#: two epochs on MNIST.
OUTPUT_START = 0.1


class DenseStack(nn.Module):
    """Dense layers with one activation and dropout behind each: (n, …) → (n, out_features).

    A layer computes f(norm(W h + b)). With `residual`, one as wide as the one before adds h to it.

    With `skip`, the input is appended to the last layer's output.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        activation: str,
        dropout: float = 0.0,
        skip: bool = False,
        norm: str | None = None,
        residual: bool = False,
    ):
        super().__init__()
        pairs = list(itertools.pairwise(widths))
        # Not of the first layer: what comes in is no hidden layer's output.
        self.shortcuts = [residual and i > 0 and a == b for i, (a, b) in enumerate(pairs)]
        # All that is added to what passes has about the variance of one layer's output. Without,
        # twenty layers of 64 units that rebuild digits end at the error of their mean.
        small = max(1, sum(self.shortcuts)) ** -0.5
        starts = [small if shortcut else 1.0 for shortcut in self.shortcuts]
        self.layers = nn.ModuleList(
            Dense(a, b, activation, start, bias=norm is None)
            for (a, b), start in zip(pairs, starts, strict=True)
        )
        self.norms = nn.ModuleList(
            NORMS[norm](b, start)
            for (_, b), start in zip(pairs, starts, strict=True)
            if norm is not None
        )
        self.dropout, self.skip = dropout, skip
        self.out_features = widths[-1] + skip * widths[0]

    def forward(self, x: torch.Tensor, noise: Noise | None = None) -> torch.Tensor:
        h = x = x.flatten(1)  # (n, *shape) -> (n, d)
        layer: Any
        for i, (layer, shortcut) in enumerate(zip(self.layers, self.shortcuts, strict=True)):
            if self.norms:
                change = activate(self.norms[i](layer.linear(h), noise), layer.activation)
            else:
                change = layer(h)
            if noise is not None and self.dropout:
                change = noise.dropout(change, self.dropout)
            h = h + change if shortcut else change
        return torch.cat([h, x.to(h.dtype)], dim=1) if self.skip else h


class Tied(Layer):
    """A layer with the transposed weights of another one in the place of its own.

    Parameters
    ----------
    layer : Dense
        Its bias and its activation stay.
    source : Dense
        From as many values as `layer` leads to, to as many as it comes from.
    """

    def __init__(self, layer: Dense, source: Dense):
        super().__init__()
        self.inputs, self.outputs, self.products = layer.inputs, layer.outputs, layer.products
        self.activation, self.start, self.bias = layer.activation, layer.start, layer.bias
        # In a tuple, where torch does not look: the weights are parameters of one layer only.
        self.source = (source,)

    @property
    def weight(self) -> torch.Tensor:  # type: ignore[override]
        return self.source[0].weight.mT

    def linear(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sums before the activation."""
        return nn.functional.linear(x, self.weight, self.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return activate(self.linear(x), self.activation)


class DenseDecoder(nn.Module):
    """A `DenseStack` and a linear output layer that gives the likelihood's parameters."""

    output: Dense | Tied

    def __init__(self, stack: DenseStack, shape: tuple[int, ...], outputs: int):
        super().__init__()
        self.stack = stack
        self.output = Dense(stack.out_features, outputs * math.prod(shape), start=OUTPUT_START)
        self.out_shape = shape if outputs == 1 else (outputs, *shape)

    def tie(self, layers: Sequence[Dense]) -> None:
        """Use the transposed weights of the layers from the row to the code instead of own ones."""
        own = [*self.stack.layers, self.output]
        *stack, self.output = map(Tied, own, reversed(layers))
        self.stack.layers = nn.ModuleList(stack)

    def forward(self, z: torch.Tensor, noise: Noise | None = None) -> torch.Tensor:
        return self.output(self.stack(z, noise)).unflatten(1, self.out_shape)  # (n, d) -> (n, …)

    def set_output_bias(self, bias: torch.Tensor) -> None:
        """Start from these outputs, (n_outputs,), whatever the code."""
        with torch.no_grad():
            self.output.bias.copy_(bias.flatten())
