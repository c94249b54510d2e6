"""Convolutions of stride 2 and their adjoints, with a faster way to the gradient of the kernel.

In bf16 on a CPU half of what a convolutional step takes is the gradients of its kernels. As one
product of gathered patches they take 0.6 of oneDNN's time (28 × 28 images, 32 to 128 channels, 128
at once: 1.0 ms a layer instead of 1.6); in fp32, and where the patches have few channels, oneDNN is
faster, and so it stays there and everywhere else.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

#: Height and width, odd.
Kernel: TypeAlias = tuple[int, int]

#: Channels of the larger map from which gathering pays.
CHANNELS = 16


def down(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve x (n, c, h, w) by weight (c', c, k, k'): (n, c', ⌈h/2⌉, ⌈w/2⌉)."""
    if not _gathers(x, weight):
        return F.conv2d(x, weight, bias, 2, _half(weight))
    rounded = None if bias is None else bias.to(torch.bfloat16)
    return _Down.apply(x.to(torch.bfloat16), weight.to(torch.bfloat16), rounded)


def up(x: Tensor, weight: Tensor, rest: Kernel) -> Tensor:
    """Apply the adjoint of `down` to x (n, c', ⌈h/2⌉, ⌈w/2⌉): (n, c, h, w).

    Two sizes have the same half, s − 1 and s for even s: `rest` is 0 for one and 1 for the other.
    """
    if not _gathers(x, weight):
        return F.conv_transpose2d(x, weight, None, 2, _half(weight), rest)
    return _Up.apply(x.to(torch.bfloat16), weight.to(torch.bfloat16), rest)


class _Down(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(x, weight, bias, 2, _half(weight))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (g,) = gradients
        back = None
        if ctx.needs_input_grad[0]:
            rest = (1 - x.shape[2] % 2, 1 - x.shape[3] % 2)
            back = _Up.apply(g, weight, rest)
        slopes = g.sum(dim=(0, 2, 3)) if ctx.needs_input_grad[2] else None
        # The contractive penalty asks for slopes by x alone.
        return back, _kernel_gradient(x, g, weight) if ctx.needs_input_grad[1] else None, slopes


class _Up(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, rest: Kernel) -> Tensor:
        return F.conv_transpose2d(x, weight, None, 2, _half(weight), rest)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (g,) = gradients
        back = _Down.apply(g, weight, None) if ctx.needs_input_grad[0] else None
        return back, _kernel_gradient(g, x, weight) if ctx.needs_input_grad[1] else None, None


def _kernel_gradient(large: Tensor, small: Tensor, weight: Tensor) -> Tensor:
    """Return Σ small(n, c', i, j) large(n, c, 2i + a − k//2, 2j + b − k'//2), (c', c, k, k')."""
    _, channels, *kernel = weight.shape
    vertical, horizontal = _half(weight)
    n, c, h, w = small.shape
    padded = F.pad(  # (n, c, h, w) -> (n, h, w, c), with the rim
        large.permute(0, 2, 3, 1), (0, 0, horizontal, horizontal, vertical, vertical)
    ).contiguous()
    row, line, place, channel = padded.stride()
    patches = padded.as_strided(
        (n, h, w, *kernel, channels), (row, 2 * line, 2 * place, line, place, channel)
    ).reshape(n * h * w, -1)
    product = small.permute(1, 0, 2, 3).reshape(c, -1) @ patches  # (c', n·i·j) (n·i·j, a·b·c)
    return product.unflatten(1, (*kernel, channels)).permute(0, 3, 1, 2)


def _gathers(x: Tensor, weight: Tensor) -> bool:
    learns = torch.is_grad_enabled() and weight.requires_grad
    if not learns or x.device.type != "cpu" or weight.shape[1] < CHANNELS:
        return False
    return torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16


def _half(weight: Tensor) -> Kernel:
    return weight.shape[2] // 2, weight.shape[3] // 2
