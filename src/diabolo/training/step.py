"""One step of the loop: loss, gradients, update."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn

from diabolo.device import PARALLEL_OPERATIONS, arithmetic, operations_of_a_step
from diabolo.ensemble import Ensemble
from diabolo.random import Noise
from diabolo.training import Training, steps_an_epoch, tape
from diabolo.training.graph import Graphed
from diabolo.training.optimizers import Optimizer
from diabolo.training.schedule import WARM_UP, factor

#: Steps of the same number of rows from which recording one (as long as ten) pays.
WORTH_RECORDING = 50


class Learner(Protocol):
    """What can be trained: called with rows and noise it gives the loss of each row."""

    @property
    def products(self) -> int: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def __call__(self, x: torch.Tensor, noise: Noise, learning: bool = True, /) -> Any: ...


class Step:
    """A step of training a module: the general way, from a tape (small nets), or as a GPU's graph.

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

    def __init__(self, module: Learner, training: Training, rows: int, epochs: int):
        self.module, self.training = module, training
        self.an_epoch = steps_an_epoch(rows, training.batch_size)
        self.learning_rate = 0.0
        # Not what parts keep between steps without a gradient.
        weights = list(module.parameters())
        self.parameters = [p for p in weights if p.requires_grad]
        self.device = str(self.parameters[0].device)
        self.operations = operations_of_a_step(module.products, rows / self.an_epoch)
        self.optimizer = Optimizer(
            training.optimizer,
            self.parameters,
            training.weight_decay,
            members=isinstance(module, Ensemble),
            dtype=torch.bfloat16 if training.precision == "bf16" else torch.float32,
        )
        # Where there is more to compute, what a tape saves is lost in it.
        small = self.device == "cpu" and self.operations < PARALLEL_OPERATIONS
        # And a tape refuses steps that write into what is kept: this one before they have run once.
        # Some of these (TopK) also go by Python's numbers, which a graph would not change.
        keeps = len(weights) > len(self.parameters)
        repeated = not keeps and self.an_epoch * epochs >= WORTH_RECORDING
        self.recordable, self.graphable = repeated and small, repeated and weights[0].is_cuda
        self.tapes: dict[tuple[int, bool], tape.Computation | None] = {}
        self.graphs: dict[tuple[int, bool], Graphed] = {}
        self.graph_memory = torch.cuda.graph_pool_handle() if self.graphable else None

    def arithmetic(self) -> contextlib.AbstractContextManager[None]:
        """Return the context in which steps are made."""
        return arithmetic(self.training.precision, self.device, operations=self.operations)

    def __call__(
        self,
        x: torch.Tensor,
        noise: Noise,
        position: float,
        left_out: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Learn from the rows x (n, *shape) at this position in the run, 0 to 1.

        Parameters
        ----------
        left_out : Tensor of bool (n, members), optional
            Which members must not learn from which rows.

        Returns
        -------
        Tensor ()
            The mean loss before the update, of the rows that count, over all members.
        """
        training = self.training
        trimmed = training.trim > 0 and position >= WARM_UP
        others = () if left_out is None else (left_out,)
        self.learning_rate = rate = training.learning_rate * factor(training.schedule, position)
        update: Callable[..., torch.Tensor] = partial(self._update, trimmed)
        if self.graphable:
            key = (len(x), trimmed)
            if key not in self.graphs:
                self.graphs[key] = Graphed(self.graph_memory)
            update = partial(self.graphs[key], update)
        return update(x, noise, rate, *others)

    def _update(
        self,
        trimmed: bool,
        x: torch.Tensor,
        noise: Noise,
        rate: float | torch.Tensor,
        *others: torch.Tensor,
    ) -> torch.Tensor:
        """Change the weights; return the mean loss before."""
        loss, *gradients = self._loss_and_gradients(x, noise, trimmed, *others)
        self.optimizer.step(gradients, rate)
        return loss

    def _loss_and_gradients(
        self, x: torch.Tensor, noise: Noise, trimmed: bool, *others: torch.Tensor
    ) -> list[torch.Tensor]:
        compute = self._computed_of_most if trimmed else self._computed
        if not self.recordable:
            return compute(x, noise, *others)
        key = (len(x), trimmed)
        if key not in self.tapes:
            weights = list(self.module.parameters())
            self.tapes[key] = tape.record(compute, x, noise, weights, *others)
            noise = noise.again()
        replay = self.tapes[key] or compute
        return replay(x, noise, *others)

    def _computed_of_most(
        self, x: torch.Tensor, noise: Noise, left_out: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        return self._computed(x, noise, left_out, self.training.trim)

    def _computed(
        self,
        x: torch.Tensor,
        noise: Noise,
        left_out: torch.Tensor | None = None,
        trim: float = 0.0,
    ) -> list[torch.Tensor]:
        """Return the mean loss, of all rows but those with the largest, and its gradients.

        Each member of an ensemble gets the gradients that it would get alone.
        """
        losses = self.module(x, noise)  # (n,) or (n, members)
        weights = shares(losses.detach(), trim, left_out)
        gradients = torch.autograd.grad(losses, self.parameters, weights)
        some = trim or left_out is not None
        mean = _weighted(losses.detach(), weights) if some else losses.detach().mean(dim=0)
        return [mean.mean(), *gradients]


def trimmed_mean(losses: torch.Tensor, trim: float) -> torch.Tensor:
    """Return the mean of the losses (n, …) without a share `trim` of them, the largest: (…)."""
    if not trim:
        return losses.mean(dim=0)
    return _weighted(losses, shares(losses, trim))


def _weighted(losses: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    # Not 0 × ∞ where one that does not count has overflowed.
    return torch.where(weights > 0, losses * weights, 0).sum(dim=0)


def shares(losses: torch.Tensor, trim: float, left_out: torch.Tensor | None = None) -> torch.Tensor:
    """Return what each of the losses (n, …) counts in their trimmed mean.

    The shares along the first axis sum to 1, or to 0 where all are left out. What is no number is
    as large as can be, and counts where more rows have such a loss than are trimmed. (Its slopes
    are no numbers even where it does not count, which is for `Recovery`.)
    """
    if trim:
        losses = losses.nan_to_num(nan=torch.inf, posinf=torch.inf)
    if left_out is None:
        if not trim:
            return torch.full_like(losses, 1 / len(losses))
        kept = max(1, len(losses) - round(trim * len(losses)))
        inside = losses <= losses.kthvalue(kept, dim=0).values
    else:
        inside = ~left_out
        if trim:
            count = inside.sum(dim=0)
            last = (count - (trim * count).round()).clamp(min=1).long() - 1
            ordered = losses.masked_fill(left_out, torch.inf).sort(dim=0).values
            inside = inside & (losses <= ordered.gather(0, last[None]))
    counted = inside.to(losses.dtype)
    return counted / counted.sum(dim=0).clamp(min=1)
