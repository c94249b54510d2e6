"""The mean of the weights over the last steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch

#: Times that the weights enter the mean within its horizon: more would cost time and change little.
LOOKS_BACK = 20


class Average:
    """An exponential mean of weights, which swing less than they do (Polyak & Juditsky 1992).

    In the middle of a training, at high learning rates, the mean is far better than the weights of
    the moment; at its end, when the rate has fallen to zero, it is the same.

    Parameters
    ----------
    parameters : sequence of Tensor
        They change in place.
    horizon : float
        Steps that the mean looks back over; below 2 there is none.
    """

    def __init__(self, parameters: Sequence[torch.Tensor], horizon: float):
        self.weights = [parameter.detach() for parameter in parameters]
        self.mean: list[torch.Tensor] | None = None
        self.on = horizon >= 2
        self.every = max(1, int(horizon / LOOKS_BACK))
        self.share = self.every / max(1.0, horizon)
        self.steps = 0

    def step(self) -> None:
        """Take the weights in, after each step of training."""
        self.steps += 1
        if not self.on or self.steps % self.every:
            return
        if self.mean is None:
            self.mean = [weight.clone() for weight in self.weights]
            return
        # An even mean until there is enough to look back on.
        share = max(self.share, self.every / self.steps)
        torch._foreach_lerp_(self.mean, self.weights, share)

    def restart(self) -> None:
        """Forget what was before."""
        self.mean, self.steps = None, 0

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the mean in the place of the weights for the block."""
        if self.mean is None:
            yield
            return
        self._swap(self.mean)
        try:
            yield
        finally:
            self._swap(self.mean)

    def _swap(self, mean: list[torch.Tensor]) -> None:
        for weight, other in zip(self.weights, mean, strict=True):
            held = weight.clone()
            weight.copy_(other)
            other.copy_(held)
