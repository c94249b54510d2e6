"""A step on a GPU, captured once as a CUDA graph and launched as one.

A GPU is through with an operation of a usual net before Python has asked for the next one: a step
takes as long as asking does. A graph holds all operations of a step, the update of the weights
included, and is launched with one call; it does what the calls would have done, to the last bit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch

from diabolo.random import Noise

#: Captures of several threads would be in each other's way.
ONE_AT_A_TIME = threading.Lock()

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

    It is not kept, for whoever owns both would be alive, with all of the graph's memory, until
    Python looks for cycles.

    Parameters
    ----------
    memory : tuple
        A handle of ``torch.cuda.graph_pool_handle()``. Functions that are never at work at the
        same time may share it.

    Attributes
    ----------
    graph : CUDAGraph or None
        None before the capture, or where the function cannot be captured (it reads a result, say):
        it is called then, as if there were no graphs.
    """

    def __init__(self, memory: Any):
        self.memory = memory
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.place: Place
        self.result: torch.Tensor

    def __call__(
        self,
        function: Callable[..., torch.Tensor],
        x: torch.Tensor,
        noise: Noise,
        rate: float,
        *others: torch.Tensor,
    ) -> torch.Tensor:
        """Return function(x, noise, rate, *others), a Tensor ().

        Each time the same function: it may write into weights, and all its random numbers come
        from ``noise.generator``.
        """
        self.calls += 1
        if self.calls == WARM_UPS + 1:
            self.place = Place(x, noise, rate, *others)
            self.graph, self.result = captured(function, self.place, self.memory)
        if self.graph is None:
            at = torch.full((), rate, device=x.device, dtype=torch.float32)
            return function(x, noise, at, *others)
        self.place.load(x, noise, rate, *others)
        self.graph.replay()
        return self.result.clone()  # the next replay writes over it


def captured(
    function: Callable[..., torch.Tensor], place: Place, memory: Any
) -> tuple[torch.cuda.CUDAGraph | None, torch.Tensor]:
    """Record what a function does in a place, without doing it: its graph and its result.

    Where something in it is not allowed in a capture, there is no graph.
    """
    place.noise.position  # noqa: B018, made here, for it cannot be while capturing
    # Not torch's stream for captures, which belongs to the first device and to all threads.
    with torch.cuda.device(place.rate.device), ONE_AT_A_TIME:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(place.noise.generator)
        before, own = torch.cuda.current_stream(), torch.cuda.Stream()
        try:
            with torch.cuda.graph(graph, memory, own, "thread_local"):
                result = place.call(function)
        except RuntimeError:
            torch.cuda.set_stream(before)  # a capture that failed does not leave its own
            torch.cuda.synchronize()
            return None, place.rate
    return graph, result
