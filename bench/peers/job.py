"""What is to be trained, what comes out, and the net that all torch peers share."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class Job:
    """What is to be trained.

    Attributes
    ----------
    widths : tuple of int
        Hidden layers of the encoder; the decoder mirrors them.
    code_size : int
        Width of the waist.
    epochs, batch_size : int
        Length of training, and rows a step.
    learning_rate : float
        Adam's.
    seed : int
        For the weights and the order of rows.
    device : str
        "cpu" or "cuda". Libraries that would take a GPU by themselves are told.
    """

    widths: tuple[int, ...] = (1000, 500, 250)
    code_size: int = 30
    epochs: int = 5
    batch_size: int = 128
    learning_rate: float = 1e-3
    seed: int = 0
    device: str = "cpu"

    def encoder_sizes(self, columns: int) -> list[int]:
        """Widths from the input to the code, both included."""
        return [columns, *self.widths, self.code_size]

    def weights(self, columns: int) -> int:
        """Number of weights in the matrices of encoder and decoder."""
        sizes = self.encoder_sizes(columns)
        return 2 * sum(a * b for a, b in itertools.pairwise(sizes))

    def operations(self, columns: int) -> int:
        """Floating-point operations of the products for a row of a step.

        Multiply and add for each weight: forward, and twice that backward, but for the gradient by
        the rows themselves, which nobody asks for.
        """
        first, second, *_ = self.encoder_sizes(columns)
        return 6 * self.weights(columns) - 2 * first * second


@dataclass
class Fitted:
    """A trained net.

    Attributes
    ----------
    reconstruct : callable
        Rows (n, columns) → rows.
    epoch_seconds : list of float
        Seconds of each epoch.
    model : object
        The library's own.
    compile_seconds : float
        What was compiled before the first epoch, where it can be told apart.
    """

    reconstruct: Callable[[np.ndarray], np.ndarray]
    epoch_seconds: list[float]
    model: Any = None
    compile_seconds: float = 0.0


@dataclass
class Laps:
    """A stopwatch for epochs, for libraries that only call back."""

    seconds: list[float] = field(default_factory=list)
    _last: float = 0.0

    def start(self) -> None:
        """Begin an epoch."""
        self._last = time.perf_counter()

    def lap(self) -> None:
        """End an epoch, and begin the next."""
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now


def encoder(sizes: list[int]) -> nn.Sequential:
    """Linear layers with ReLU between them, and none after the code; they start like PyOD's."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        linear = nn.Linear(inputs, outputs)
        nn.init.kaiming_uniform_(linear.weight)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def decoder(sizes: list[int]) -> nn.Sequential:
    """The mirror of `encoder`. PyOD leaves the output layer as torch makes it."""
    *hidden, last = reversed(sizes)
    return nn.Sequential(encoder(hidden), nn.ReLU(), nn.Linear(hidden[-1], last))


def net(job: Job, columns: int) -> nn.Sequential:
    """Return the job's net for rows of this many columns."""
    sizes = job.encoder_sizes(columns)
    return nn.Sequential(encoder(sizes), decoder(sizes))


def forward(model: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    """Return the model as a function of arrays, in evaluation mode while it is called."""

    @torch.inference_mode()
    def reconstruct(x: np.ndarray) -> np.ndarray:
        training = model.training
        model.eval()
        try:
            device = next(model.parameters()).device
            return model(torch.from_numpy(x).to(device)).cpu().numpy()
        finally:
            model.train(training)

    return reconstruct
