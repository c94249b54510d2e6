"""The mean of the weights over the last steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch

#: Times that the weights enter the mean within its last horizon: more would cost time and change
#: little.
LOOKS_BACK = 20


class Average:
    """An exponential mean of weights, which swing less than they do (Polyak & Juditsky 1992).

    In the middle of a training, at high learning rates, the mean is far better than the weights of
    the moment; at its end, when the rate has fallen to zero, it is the same. It looks back over a
    share of the steps so far (Karras et al. 2024, section 3.1): at first weights go a long way in
    few steps, and a mean over it is no good place to be.

    Parameters
    ----------
    parameters : sequence of Tensor
        They change in place.
    share : float
        Of the steps so far, that the mean looks back over.
    steps : int
        Of the whole run; where the share of it is less than 2, there is no mean.
    """

    def __init__(self, parameters: Sequence[torch.Tensor], share: float, steps: int):
        self.weights = [parameter.detach() for parameter in parameters]
        self.mean: list[torch.Tensor] | None = None
        self.on = share * steps >= 2
        self.every = max(1, int(share * steps / LOOKS_BACK))
        self.share = share
        self.steps = 0

    def step(self) -> None:
        """Take the weights in, after each step of training."""
        self.steps += 1
        if not self.on or self.steps % self.every:
            return
        if self.mean is None:
            self.mean = [weight.clone() for weight in self.weights]
            return
        share = min(1.0, self.every / (self.share * self.steps))
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
