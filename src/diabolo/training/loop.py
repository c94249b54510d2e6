"""The one training loop."""

from __future__ import annotations

import dataclasses
import time
import warnings

import torch

from diabolo.autoencoder import AutoencoderModule
from diabolo.device import arithmetic
from diabolo.errors import HealthWarning, TrainingError
from diabolo.random import Noise, torch_generator
from diabolo.training import Training
from diabolo.training.optimizers import Optimizer, build_optimizer
from diabolo.training.progress import Progress
from diabolo.training.schedule import factor
from diabolo.training.scoring import in_chunks

#: Looks at the held-out rows in a run, at most (see below): a look costs as much as a few steps.
LOOKS = 50

#: Steps after which there is a look at the latest, so that endless runs stop and show something.
STEPS_A_LOOK = 1000


@dataclasses.dataclass
class Record:
    """What happened: one dict per look (losses in nats per value), the look whose weights were
    kept (None if there was none yet), and how it ended.
    """

    history: list[dict[str, float]]
    kept: int | None
    stopped: str


def train(
    module: AutoencoderModule,
    x: torch.Tensor,
    held_out: torch.Tensor,
    training: Training,
    epochs: int,
    seed: int,
    progress: Progress,
) -> Record:
    """Minimise the mean objective over rows of x, in place, and keep the best weights.

    Parameters
    ----------
    x : Tensor (n, *shape)
        The data, on the module's device.
    held_out : Tensor of bool (n,)
        Rows that are not learned from and only decide when the weights are best; where there are
        none, the last weights are kept.
    training : Training
        With nothing left on "auto".

    Raises
    ------
    TrainingError
        If the loss of an epoch is not finite; the weights are then the best ones so far.
    """
    optimizer = build_optimizer(
        training.optimizer, module, training.learning_rate, training.weight_decay
    )
    rows = torch.nonzero(~held_out).squeeze(1).to(x.device)
    x_held_out = x[held_out.to(x.device)]
    watched = len(x_held_out) > 0
    best = _Best(module)
    history: list[dict[str, float]] = []
    stopped = "all epochs done"
    interval = min(-(-epochs // LOOKS), max(1, STEPS_A_LOOK // _pieces(rows, training)))
    began = time.perf_counter()
    done = 0
    progress.start(epochs, len(rows), x[0].numel())
    try:
        for epoch in range(epochs):
            train_loss = _epoch(module, optimizer, x, rows, training, epoch, epochs, seed, progress)
            done = epoch + 1
            if (epoch + 1) % interval and epoch + 1 < epochs:
                continue
            row = {"epoch": epoch + 1, "train": _per_value(train_loss, x)}
            if watched:
                losses = in_chunks(module, x_held_out).cpu().double()
                row["held_out"] = _per_value(losses.mean(), x)
            row["learning_rate"] = optimizer.parts[0].param_groups[0]["lr"]
            row["seconds"] = time.perf_counter() - began
            history.append(row)
            progress.epoch(row)
            criterion = row.get("held_out", row["train"])
            if not torch.isfinite(torch.tensor(criterion)):
                raise TrainingError(
                    f"the loss became {criterion} in epoch {epoch + 1}: lower the learning rate "
                    f"(it was {training.learning_rate:g})"
                )
            best.look(criterion, len(history) - 1, by_held_out=watched)
            if training.early_stopping and watched and best.age >= training.patience:
                stopped = f"no better for {training.patience} looks"
                break
    except KeyboardInterrupt:
        if training.on_interrupt == "raise":
            raise
        stopped = "interrupted"
        warnings.warn(
            f"training was interrupted after {done} of {epochs} epochs; "
            f"{_whose(history, best.kept)}, are kept",
            HealthWarning,
            stacklevel=2,
        )
    finally:
        best.restore()
        progress.close()
    return Record(history, best.kept, stopped)


def _epoch(
    module: AutoencoderModule,
    optimizer: Optimizer,
    x: torch.Tensor,
    rows: torch.Tensor,
    training: Training,
    epoch: int,
    epochs: int,
    seed: int,
    progress: Progress,
) -> torch.Tensor:
    """One pass over the rows; returns the mean objective, still on the device."""
    order = torch.randperm(len(rows), generator=torch_generator(seed, "order", epoch), device="cpu")
    pieces = _pieces(rows, training)
    batches = rows[order.to(x.device)].tensor_split(pieces)
    total = torch.zeros((), device=x.device, dtype=torch.float32)
    # Multiply and add: forward, and twice that backward.
    operations = 6 * module.products * len(rows) / pieces
    with arithmetic(training.precision, x.device.type, operations=operations):
        for i, batch in enumerate(batches):
            losses = module(x[batch], Noise(seed, "noise", epoch, i, device=x.device.type))
            losses.mean().backward()
            optimizer.step(
                factor(training.schedule, epoch * len(batches) + i, epochs * len(batches))
            )
            total += losses.detach().sum()
            progress.advance(len(batch), losses)
    return total / len(rows)


def _pieces(rows: torch.Tensor, training: Training) -> int:
    """Return the steps an epoch: in even pieces, for a small last one would weigh its rows more."""
    return max(1, round(len(rows) / training.batch_size))


def _whose(history: list[dict[str, float]], kept: int | None) -> str:
    if kept is None:
        return "the weights as they are"
    return f"the best weights so far, those of epoch {history[kept]['epoch']}"


def _per_value(loss: torch.Tensor, x: torch.Tensor) -> float:
    return float(loss) / max(1, x[0].numel())


class _Best:
    """The weights of the best look (of the last one where nothing is held out)."""

    def __init__(self, module: AutoencoderModule):
        self.module = module
        self.weights: list[torch.Tensor] | None = None
        self.criterion = float("inf")
        self.kept: int | None = None
        self.age = 0

    def look(self, criterion: float, number: int, by_held_out: bool) -> None:
        self.age += 1
        if criterion < self.criterion or not by_held_out:
            self.criterion, self.kept, self.age = criterion, number, 0
            self.weights = [p.detach().clone() for p in self.module.parameters()]

    @torch.no_grad()
    def restore(self) -> None:
        if self.weights is not None:
            for parameter, weight in zip(self.module.parameters(), self.weights, strict=True):
                parameter.copy_(weight)
        self.module.zero_grad(set_to_none=True)
