"""Modules of the convolutional networks.

Users' images have their channels last, and so have the maps here in memory: what torch is shown as
(n, c, h, w) is a view of (n, h, w, c), which is the order that its kernels for convolutions prefer.

A series is an image of height 1 with kernels of height 1. torch's own convolutions of one dimension
compute the same, and take 1.3 to 1.7 times as long in fp32, for they do not keep that order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import nn

from diabolo.activations import activate
from diabolo.layers import Layer
from diabolo.networks.dense import OUTPUT_START, DenseStack
from diabolo.networks.strided import Kernel, down, half, rest, up
from diabolo.random import Noise

#: Height, width and channels.
Map: TypeAlias = tuple[int, int, int]


class Down(Layer, nn.Conv2d):
    """A convolution of stride 2: (n, c, h, w) → (n, c', ⌈h/2⌉, ⌈w/2⌉)."""

    def __init__(self, before: Map, after: Map, kernel: Kernel, activation: str):
        super().__init__(
            before[2], after[2], kernel, stride=2, padding=half(kernel), dtype=torch.float32
        )
        self.inputs, self.outputs = math.prod(before), math.prod(after)
        self.products = _products(before, after, kernel)
        self.activation, self.start = activation, 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return activate(down(x, self.weight, self.bias), self.activation)


class Up(Layer):
    """The way back of `Down`, a transposed convolution: (n, c, ⌈h/2⌉, ⌈w/2⌉) → (n, c', h, w).

    With `per_pixel` there is a bias for each pixel instead of one for each channel.
    """

    def __init__(
        self,
        before: Map,
        after: Map,
        kernel: Kernel,
        activation: str = "linear",
        start: float = 1.0,
        per_pixel: bool = False,
    ):
        super().__init__()
        self.inputs, self.outputs = math.prod(before), math.prod(after)
        self.products = _products(after, before, kernel)
        self.activation, self.start = activation, start
        # Two sizes have the same half, s − 1 and s for even s: torch makes the smaller one of it.
        self.rest = rest(*after[:2])
        self.biased = after if per_pixel else (1, 1, after[2])
        shape = (before[2], after[2], *kernel)
        self.weight = nn.Parameter(torch.empty(shape, dtype=torch.float32))
        # A vector, whatever it is added to: weight decay and optimisers know a bias by that.
        self.bias = nn.Parameter(torch.empty(math.prod(self.biased), dtype=torch.float32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        u = up(x, self.weight, self.rest)
        # Added here and not in there: with a bias, oneDNN took up to six times as long in bf16.
        bias = self.bias.to(u.dtype).view(self.biased).permute(2, 0, 1)  # (h, w, c) -> (c, h, w)
        return activate(u + bias, self.activation)


class ConvEncoder(nn.Module):
    """Stages and a `DenseStack`: (n, *shape) → (n, out_features).

    Parameters
    ----------
    maps : sequence of (height, width, channels)
        From the row, of any shape with as many values, to the smallest one.
    """

    def __init__(
        self, maps: Sequence[Map], kernel: Kernel, hidden: tuple[int, ...], activation: str
    ):
        super().__init__()
        self.map = maps[0]
        self.layers = nn.ModuleList(
            Down(a, b, kernel, activation) for a, b in itertools.pairwise(maps)
        )
        self.stack = DenseStack((math.prod(maps[-1]), *hidden), activation)
        self.out_features = self.stack.out_features

    def forward(self, x: torch.Tensor, noise: Noise | None = None) -> torch.Tensor:
        h = x.reshape(len(x), *self.map).permute(0, 3, 1, 2)  # (n, …) -> (n, c, h, w)
        for layer in self.layers:
            h = layer(h)
        return self.stack(h.permute(0, 2, 3, 1), noise)  # (n, c, h, w) -> (n, h, w, c)


class ConvDecoder(nn.Module):
    """A `DenseStack`, stages, and a linear last stage that gives the likelihood's parameters.

    Parameters
    ----------
    widths : tuple of int
        Of the code and of the dense layers behind it, up to the first map.
    maps : sequence of (height, width, channels)
        From the smallest one to the row.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        maps: Sequence[Map],
        kernel: Kernel,
        activation: str,
        shape: tuple[int, ...],
        outputs: int,
    ):
        super().__init__()
        *stages, image = maps
        height, width, channels = image
        self.map = stages[0]
        self.stack = DenseStack((*widths, math.prod(self.map)), activation)
        self.layers = nn.ModuleList(
            Up(a, b, kernel, activation) for a, b in itertools.pairwise(stages)
        )
        # With a bias for each pixel, training starts from the mean image, as in `DenseDecoder`, and
        # not from the mean grey: a sixth less error after two epochs of 10,000 digits of MNIST, a
        # twentieth after six. Where images are not aligned the mean image is grey too, and the
        # biases cost next to nothing.
        self.output = Up(
            stages[-1],
            (height, width, outputs * channels),
            kernel,
            start=OUTPUT_START,
            per_pixel=True,
        )
        self.channels = (outputs, channels)
        self.out_shape = shape if outputs == 1 else (outputs, *shape)

    def forward(self, z: torch.Tensor, noise: Noise | None = None) -> torch.Tensor:
        h = self.stack(z, noise).unflatten(1, self.map)  # (n, h·w·c) -> (n, h, w, c)
        h = h.permute(0, 3, 1, 2)  # (n, h, w, c) -> (n, c, h, w)
        for layer in self.layers:
            h = layer(h)
        px = self.output(h).permute(0, 2, 3, 1)  # (n, outputs·c, h, w) -> (n, h, w, outputs·c)
        px = px.unflatten(3, self.channels).movedim(3, 1)  # -> (n, outputs, h, w, c)
        return px.reshape(len(px), *self.out_shape)

    def set_output_bias(self, bias: torch.Tensor) -> None:
        """Start from these outputs, (n_outputs,), whatever the code."""
        outputs, channels = self.channels
        height, width, _ = self.output.biased
        bias = bias.reshape(outputs, height, width, channels)
        with torch.no_grad():
            self.output.bias.copy_(bias.movedim(0, 2).flatten())  # -> (h, w, outputs, c)


def _products(large: Map, small: Map, kernel: Kernel) -> int:
    """Return the products for a row between a map and its half, in either direction.

    Those with the padding do not count.
    """
    pairs = [
        sum(min(size, 2 * i + reach + 1) - max(0, 2 * i - reach) for i in range(fewer))
        for size, fewer, reach in zip(large[:2], small[:2], half(kernel), strict=True)
    ]
    return math.prod(pairs) * large[2] * small[2]
