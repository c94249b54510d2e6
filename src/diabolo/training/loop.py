"""The one training loop."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Iterator

import numpy as np
import torch

from diabolo.data.rows import RowsLike
from diabolo.device import arithmetic
from diabolo.errors import HealthWarning, TrainingError
from diabolo.layers import chunk_rows
from diabolo.random import Noise, numpy_generator, torch_generator
from diabolo.training import Training
from diabolo.training.averaging import Average
from diabolo.training.progress import Progress
from diabolo.training.recovery import ATTEMPTS, Recovery
from diabolo.training.step import Learner, Step, trimmed_mean

#: Looks at the held-out rows in a run, at most (see below): together they cost as much as a few
#: epochs, where a tenth of the rows is held out.
LOOKS = 50

#: Values that are gathered at once for the steps ahead: a step of a small net would be over before
#: its own few rows were found.
GATHERED = 1 << 20

#: Steps after which there is a look at the end of an epoch even so, that long runs can stop and
#: show something.
STEPS_A_LOOK = 1000


@dataclasses.dataclass
class Record:
    """What happened: one dict per look (losses in nats per value), the look whose weights were
    kept (None if there was none yet), how it ended, and how often it went back before that.
    """

    history: list[dict[str, float]]
    kept: int | None
    stopped: str
    setbacks: int = 0


def train(
    module: Learner,
    x: RowsLike,
    held_out: torch.Tensor,
    training: Training,
    epochs: int,
    seed: int,
    progress: Progress,
) -> Record:
    """Minimise the mean objective over rows of x, in place, and keep the best weights.

    Parameters
    ----------
    x : Tensor or Rows (n, *shape)
        The data, on the module's device, or on the CPU and brought there batch by batch.
    held_out : Tensor of bool (n,)
        Rows that are not learned from and only decide when the weights are best; where there are
        none, the last weights are kept.
    training : Training
        With nothing left on "auto".

    Raises
    ------
    TrainingError
        If the loss of an epoch or of the held-out rows is not finite, also after going back to the
        last good weights with half the learning rate, `ATTEMPTS` times. The weights are then the
        best ones so far.
    """
    number = torch.int32 if len(x) < 1 << 31 else torch.int64
    rows = torch.nonzero(~held_out).squeeze(1).to(x.device, number)
    looked_at = torch.nonzero(held_out).squeeze(1).to(x.device, number)
    watched = len(looked_at) > 0
    best = _Best(module)
    history: list[dict[str, float]] = []
    stopped = "all epochs done"
    folds = None
    if training.folds:
        folds = torch.from_numpy(folds_of(len(x), training.members, seed)).to(x.device)
    step = Step(module, training, len(rows), epochs)
    weights = list(module.parameters())
    average = Average(weights, training.averaging, step.an_epoch * epochs)
    recovery = Recovery(weights)
    interval = min(-(-epochs // LOOKS), max(1, STEPS_A_LOOK // step.an_epoch))
    began = time.perf_counter()
    done = 0
    progress.start(epochs, len(rows), math.prod(x.shape[1:]))
    try:
        while done < epochs:
            train_loss = _epoch(step, average, x, rows, folds, done, epochs, seed, progress)
            good, loss = recovery.sound(train_loss), float(train_loss)
            if good and ((done + 1) % interval == 0 or done + 1 == epochs):
                with average.in_place():
                    row = {"epoch": done + 1, "train": _per_value(loss, x)}
                    if watched:
                        losses = held_out_losses(module, x, seed, training.batch_size, looked_at)
                        loss = float(trimmed_mean(losses, training.trim).mean())
                        row["held_out"] = _per_value(loss, x)
                    good = math.isfinite(loss)
                    if good:
                        row["learning_rate"] = step.learning_rate
                        row["seconds"] = time.perf_counter() - began
                        history.append(row)
                        progress.epoch(row)
                        best.look(loss, len(history) - 1, by_held_out=watched)
            if not good:
                if recovery.times == ATTEMPTS:
                    raise _diverged(loss, done + 1, training, step)
                recovery.go_back()
                progress.back(done)
                rate = training.learning_rate / 2**recovery.times
                # Anew, for its moments are no numbers either.
                slower = dataclasses.replace(training, learning_rate=rate)
                step = Step(module, slower, len(rows), epochs)
                average.restart()
                continue
            recovery.keep()
            done += 1
            if training.early_stopping and watched and best.age >= int(training.patience):
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
            stacklevel=5,  # the line that calls `fit`
        )
    finally:
        best.restore()
        progress.close()
    return Record(history, best.kept, stopped, recovery.times)


def folds_of(rows: int, members: int, seed: int) -> np.ndarray:
    """Return which member does not learn from each row, (rows,): each leaves out as many."""
    return numpy_generator(seed, "folds").permutation(rows) % members


def _epoch(
    step: Step,
    average: Average,
    x: RowsLike,
    rows: torch.Tensor,
    folds: torch.Tensor | None,
    epoch: int,
    epochs: int,
    seed: int,
    progress: Progress,
) -> torch.Tensor:
    """One pass over the rows; returns the mean loss of those that count, still on the device."""
    generator = torch_generator(seed, "order", epoch)
    order = torch.randperm(len(rows), generator=generator, dtype=rows.dtype, device="cpu")
    order = rows[order.to(x.device)]
    # In even pieces, for a small last one would weigh its rows more.
    batches = order.tensor_split(step.an_epoch)
    total = torch.zeros((), device=step.device, dtype=torch.float32)
    members = torch.arange(step.training.members, device=x.device)
    with step.arithmetic():
        for i, batch in enumerate(_gathered(x, batches, step.device)):
            position = (epoch + (i + 0.5) / len(batches)) / epochs
            noise = Noise(seed, "noise", epoch, i, device=step.device, at=position)
            left_out = None
            if folds is not None:
                left_out = (folds[batches[i].long(), None] == members).to(step.device)
            loss = step(batch, noise, position, left_out)
            average.step()
            total += loss * len(batch)
            progress.advance(len(batch), loss)
    return total / len(rows)


@torch.no_grad()
def held_out_losses(
    module: Learner,
    x: RowsLike,
    seed: int,
    batch_size: int,
    rows: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the objective of rows of x that were not learned from, (n,) or (n, members).

    Corruption and penalties belong to what the model is for, so they are part of it; their noise is
    the same at each look, so that looks compare weights and not draws.

    Parameters
    ----------
    rows : Tensor of int (n,), optional
        Which ones, if not all. They are taken from x as they are needed: of large images all of
        them would be many times what a step needs.
    """
    device = next(module.parameters()).device
    # Not fewer than a batch: some costs are of its mean.
    rows = torch.arange(len(x), device=x.device) if rows is None else rows
    pieces = rows.split(max(batch_size, chunk_rows(module, device.type)))
    with arithmetic("fp32", device.type):
        losses = [
            module(x[piece].to(device), Noise(seed, "held out", i, device=str(device)), False)
            for i, piece in enumerate(pieces)
        ]
    return torch.cat(losses).cpu().double()


def _gathered(
    x: RowsLike, batches: tuple[torch.Tensor, ...], device: str
) -> Iterator[torch.Tensor]:
    """Yield the rows of each batch of indices on the device, gathered for several at a time."""
    together = max(1, GATHERED // max(1, math.prod(x.shape[1:]) * len(batches[0])))
    for i in range(0, len(batches), together):
        group = batches[i : i + together]
        gathered = x[torch.cat(group)].to(device)
        yield from gathered.split([len(batch) for batch in group])


def _diverged(loss: float, epoch: int, training: Training, step: Step) -> TrainingError:
    # A finite loss may leave infinite weights behind.
    what = "weights became infinite" if math.isfinite(loss) else f"loss became {loss}"
    decay = float(training.weight_decay)
    # Each step turns the weights round and makes them larger; 3 is the most that is ever chosen.
    if decay > 3 and training.learning_rate * decay > 2:
        return TrainingError(
            f"the {what} in epoch {epoch}: pass a weight_decay far below {decay:g}, for times the "
            "learning rate it is the share of the weights that each step takes away"
        )
    return TrainingError(
        f"the {what} in epoch {epoch}: lower the learning rate (it was "
        f"{training.learning_rate:g}, and {step.training.learning_rate:g} at last), or look for "
        "values in the data that are far larger than all others"
    )


def _whose(history: list[dict[str, float]], kept: int | None) -> str:
    if kept is None:
        return "the weights as they are"
    return f"the best weights so far, those of epoch {history[kept]['epoch']}"


def _per_value(loss: float, x: RowsLike) -> float:
    return loss / max(1, math.prod(x.shape[1:]))


class _Best:
    """The weights of the best look (of the last one where nothing is held out)."""

    def __init__(self, module: Learner):
        self.module = module
        self.weights: list[torch.Tensor] | None = None
        self.criterion = float("inf")
        self.kept: int | None = None
        self.age = 0

    def look(self, criterion: float, number: int, by_held_out: bool) -> None:
        self.age += 1
        if criterion < self.criterion or not by_held_out:
            # The weights first, should Ctrl-C come between them.
            self.weights = [p.detach().clone() for p in self.module.parameters()]
            self.criterion, self.kept, self.age = criterion, number, 0

    @torch.no_grad()
    def restore(self) -> None:
        if self.weights is not None:
            for parameter, weight in zip(self.module.parameters(), self.weights, strict=True):
                parameter.copy_(weight)
