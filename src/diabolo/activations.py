"""Activations by name, with the gain that keeps the signal's size at initialisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

#: Name → gain g of He's rule (weights with variance g² / fan_in; He et al. 2015), which is
#: 1 / sqrt(E[f(u)²]) for u ~ N(0, 1); None where nothing rectifies and Glorot's rule is used.
ACTIVATIONS: dict[str, float | None] = {
    "gelu": 1.5338,
    "relu": 1.4142,
    "silu": 1.6768,
    "elu": 1.2454,
    "leaky_relu": 1.4141,
    "softplus": 1.0420,
    "tanh": None,
    "sigmoid": None,
    "linear": None,
}


def activate(x: torch.Tensor, name: str) -> torch.Tensor:
    """Apply the activation called `name`."""
    import torch
    import torch.nn.functional as F

    if name == "linear":
        return x
    if name in ("tanh", "sigmoid"):
        return getattr(torch, name)(x)
    return getattr(F, name)(x)
