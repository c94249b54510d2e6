"""The building block of all networks: a layer with its activation, initialisation and cost."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from diabolo.activations import ACTIVATIONS, activate

#: Floating-point operations of a chunk: enough that products run at their full speed and calls
#: are few, and little enough that one row alone, which takes as long, has its result in some
#: milliseconds. On a GPU 250 times as many are.
CHUNK_OPERATIONS, GPU_FACTOR = 4e9, 250

#: How often a chunk uses each weight that is read for it, at least; and its most rows.
LEAST_USES, MOST_ROWS = 64, 1 << 12


class Layer(nn.Module):
    """What the layers share that are a linear map with an activation behind it.

    They are initialised from a given generator, never from a global one.

    Attributes
    ----------
    inputs, outputs : int
        Values of a row before and behind the layer.
    products : int
        Of a weight and a value, that make a row's outputs from its inputs.
    activation : str
    start : float
        Size of the first weights, relative to what the rules of `initialise` say.
    """

    inputs: int
    outputs: int
    products: int
    activation: str
    start: float
    weight: torch.Tensor

    def reset_parameters(self) -> None:
        """Leave the values alone: torch's constructors call this; see `initialise`."""

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights: He's rule before an activation, Glorot's before a linear output.

        He et al. 2015 (variance gain² / fan_in) keeps the forward signal; Glorot & Bengio 2010
        (variance 2 / (fan_in + fan_out)) balances both directions where nothing rectifies. A fan is
        the mean number of products behind an output, or before an input: so both rules also hold
        for strides, and for small images where a kernel's rim meets only padding.
        """
        fan_in, fan_out = self.products / self.outputs, self.products / self.inputs
        gain = ACTIVATIONS[self.activation]
        variance = 2.0 / (fan_in + fan_out) if gain is None else gain**2 / fan_in
        deviation = self.start * math.sqrt(variance)
        for parameter in self.parameters():
            if parameter.ndim == 1:
                parameter.zero_()  # a bias
            else:
                parameter.normal_(0.0, deviation, generator=generator)


class Dense(Layer, nn.Linear):
    """A fully connected layer: (n, fan_in) → (n, fan_out)."""

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        activation: str = "linear",
        start: float = 1.0,
        bias: bool = True,
    ):
        super().__init__(fan_in, fan_out, bias, dtype=torch.float32)
        self.inputs, self.outputs, self.products = fan_in, fan_out, fan_in * fan_out
        self.activation, self.start = activation, start

    def linear(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sums before the activation."""
        return super().forward(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return activate(self.linear(x), self.activation)


def full(x: torch.Tensor) -> torch.Tensor:
    """Return x in fp32 or better: bf16, in which layers may compute, has two digits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of every layer in `module`, in order, from `generator`."""
    for child in module.modules():
        if child is not module and hasattr(child, "initialise"):
            child.initialise(generator)  # type: ignore[operator]


def layers_of(module: nn.Module) -> list[Layer]:
    """Return the layers in `module`."""
    return [child for child in module.modules() if isinstance(child, Layer)]


def chunk_rows(module: Any, device: str = "cpu") -> int:
    """Return how many rows go through `module` at a time where none is learned from.

    A power of two. The operations of a row decide; but each weight is used 64 times at least,
    which takes 64 rows of a dense layer, while a convolution uses its weights all over each row,
    so that large images may come one by one.

    Parameters
    ----------
    module : Module
        With `products`, those of all members of an ensemble.
    device : str
        Its type: "cpu" or any other.
    """
    factor = 1 if device == "cpu" else GPU_FACTOR
    weights = sum(layer.weight.numel() for layer in layers_of(module))
    rows = max(factor * CHUNK_OPERATIONS / 2, LEAST_USES * weights) / module.products
    return 1 << int(math.log2(max(1, min(rows, MOST_ROWS * min(factor, 16)))))
