"""The building block of all networks: a layer with its activation, initialisation and cost."""

from __future__ import annotations

import math

import torch
from torch import nn

from diabolo.activations import ACTIVATIONS, activate

#: Values in the widest layer of a chunk: enough rows to feed the product, few enough to stay in
#: the cache (4 MiB of fp32).
CHUNK_VALUES = 1 << 20

#: How often a chunk uses each weight that is read for it, at least.
LEAST_USES = 64


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

    def __init__(self, fan_in: int, fan_out: int, activation: str = "linear", start: float = 1.0):
        super().__init__(fan_in, fan_out, dtype=torch.float32)
        self.inputs, self.outputs, self.products = fan_in, fan_out, fan_in * fan_out
        self.activation, self.start = activation, start

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return activate(super().forward(x), self.activation)


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of every layer in `module`, in order, from `generator`."""
    for child in module.modules():
        if child is not module and hasattr(child, "initialise"):
            child.initialise(generator)  # type: ignore[operator]


def layers_of(module: nn.Module) -> list[Layer]:
    """Return the layers in `module`."""
    return [child for child in module.modules() if isinstance(child, Layer)]


def chunk_rows(module: nn.Module) -> int:
    """Return how many rows go through `module` at a time where none is learned from.

    A power of two. The widest layer decides; but a dense layer takes 64 rows at least, while a
    convolution uses its weights all over each row, so that large images may come one by one.
    """
    rows = min(
        max(
            CHUNK_VALUES // max(layer.inputs, layer.outputs),
            LEAST_USES * layer.weight.numel() // layer.products,
        )
        for layer in layers_of(module)
    )
    return 1 << max(0, min(13, int(math.log2(max(1, rows)))))
