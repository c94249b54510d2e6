"""A step on a GPU, captured once as a CUDA graph and launched as one.

A GPU is through with an operation of a usual net before Python has asked for the next one: a step
takes as long as asking does. A graph holds all operations of a step, the update of the weights
included, and is launched with one call; it does what the calls would have done, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from diabolo.random import Noise

#: Calls before the capture, in which libraries start up and kernels are loaded.
WARM_UPS = 2


class Place:
    """What differs from step to step, in memory that stays where it is.

    Parameters
    ----------
    x : Tensor (n, …)
    noise : Noise
    rate : float
        The learning rate.
    *others : Tensor
    """

    def __init__(self, x: torch.Tensor, noise: Noise, rate: float, *others: torch.Tensor):
        self.tensors = [tensor.clone() for tensor in (x, *others)]
        self.noise = noise.again()
        self.rate = torch.full((), rate, device=x.device, dtype=torch.float32)

    def load(self, x: torch.Tensor, noise: Noise, rate: float, *others: torch.Tensor) -> None:
        """Put a step's own in."""
        for tensor, new in zip(self.tensors, (x, *others), strict=True):
            tensor.copy_(new)
        self.noise.become(noise)
        self.rate.fill_(rate)

    def call(self, function: Callable[..., torch.Tensor]) -> torch.Tensor:
        """Return what the function returns of what is here."""
        x, *others = self.tensors
        return function(x, self.noise, self.rate, *others)


class Graphed:
    """A function of a step's rows, noise and rate that is captured after its first few calls.

    Parameters
    ----------
    function : callable
        (x, noise, rate, *others) → Tensor (). It may write into weights; all its random numbers
        come from ``noise.generator``.
    memory : tuple
        A handle of ``torch.cuda.graph_pool_handle()``. Functions that are never at work at the
        same time may share it.

    Attributes
    ----------
    graph : CUDAGraph or None
        None before the capture, or where the function cannot be captured (it reads a result, say):
        it is called then, as if there were no graphs.
    """

    def __init__(self, function: Callable[..., torch.Tensor], memory: Any):
        self.function, self.memory = function, memory
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.place: Place
        self.result: torch.Tensor

    def __call__(
        self, x: torch.Tensor, noise: Noise, rate: float, *others: torch.Tensor
    ) -> torch.Tensor:
        self.calls += 1
        if self.calls == WARM_UPS + 1:
            self._capture(x, noise, rate, *others)
        if self.graph is None:
            at = torch.full((), rate, device=x.device, dtype=torch.float32)
            return self.function(x, noise, at, *others)
        self.place.load(x, noise, rate, *others)
        self.graph.replay()
        return self.result.clone()  # the next replay writes over it

    def _capture(self, x: torch.Tensor, noise: Noise, *others: Any) -> None:
        """Record the function's operations without carrying them out."""
        place = Place(x, noise, *others)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(place.noise.generator)
        place.noise.position  # noqa: B018, made here, for it cannot be while capturing
        try:
            with torch.cuda.graph(graph, self.memory, capture_error_mode="thread_local"):
                self.result = place.call(self.function)
        except (RuntimeError, NotImplementedError):  # what is not allowed in a capture
            torch.cuda.synchronize(x.device)
            return
        self.place, self.graph = place, graph
