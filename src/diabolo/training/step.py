"""One step of the loop: losses, gradients, update."""

from __future__ import annotations

import contextlib

import torch

from diabolo.autoencoder import AutoencoderModule
from diabolo.device import PARALLEL_OPERATIONS, arithmetic
from diabolo.random import Noise
from diabolo.training import Training, tape
from diabolo.training.optimizers import Optimizer
from diabolo.training.schedule import factor

#: Steps of the same number of rows from which recording one (as long as ten) pays.
WORTH_RECORDING = 50


class Step:
    """A step of training a module, the general way or, for small nets, replayed from a tape.

    Parameters
    ----------
    rows : int
        In an epoch.
    epochs : int
        Expected number of them.

    Attributes
    ----------
    an_epoch : int
        Steps an epoch.
    learning_rate : float
        Of the last step.
    """

    def __init__(self, module: AutoencoderModule, training: Training, rows: int, epochs: int):
        self.module, self.training = module, training
        self.an_epoch = max(1, round(rows / training.batch_size))
        self.learning_rate = 0.0
        self.parameters = list(module.parameters())
        self.device = self.parameters[0].device.type
        # Multiply and add: forward, and twice that backward.
        self.operations = 6 * module.weights * rows / self.an_epoch
        self.optimizer = Optimizer(
            training.optimizer,
            self.parameters,
            training.weight_decay,
            dtype=torch.bfloat16 if training.precision == "bf16" else torch.float32,
        )
        # Where there is more to compute, what a tape saves is lost in it.
        small = self.device == "cpu" and self.operations < PARALLEL_OPERATIONS
        self.recordable = small and self.an_epoch * epochs >= WORTH_RECORDING
        self.tapes: dict[torch.Size, tape.Computation | None] = {}

    def arithmetic(self) -> contextlib.AbstractContextManager[None]:
        """Return the context in which steps are made."""
        return arithmetic(self.training.precision, self.device, operations=self.operations)

    def __call__(self, x: torch.Tensor, noise: Noise, position: float) -> torch.Tensor:
        """Learn from the rows x (n, *shape) at this position in the run, 0 to 1.

        Returns
        -------
        Tensor (n,)
            The losses before the update.
        """
        losses, *gradients = self._losses_and_gradients(x, noise)
        training = self.training
        self.learning_rate = training.learning_rate * factor(training.schedule, position)
        self.optimizer.step(gradients, self.learning_rate)
        return losses

    def _losses_and_gradients(self, x: torch.Tensor, noise: Noise) -> list[torch.Tensor]:
        if not self.recordable:
            return self._computed(x, noise)
        if x.shape not in self.tapes:
            self.tapes[x.shape] = tape.record(self._computed, x, noise, self.parameters)
            noise = noise.again()
        replay = self.tapes[x.shape]
        return self._computed(x, noise) if replay is None else replay(x, noise)

    def _computed(self, x: torch.Tensor, noise: Noise) -> list[torch.Tensor]:
        """Return the losses (n,) and the gradient of their mean by each parameter."""
        losses = self.module(x, noise)
        weights = torch.full_like(losses, 1 / len(losses))
        return [losses.detach(), *torch.autograd.grad(losses, self.parameters, weights)]
