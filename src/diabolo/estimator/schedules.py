"""What "auto" means in the loop: rows held out, batches, steps and rates."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.device import operations_of_a_step, resolve_precision
from diabolo.errors import SpecError
from diabolo.random import numpy_generator
from diabolo.spec import require
from diabolo.training import Training, steps_an_epoch

if TYPE_CHECKING:
    from diabolo.autoencoder import AutoencoderModule

#: Values behind all layers in a step at most: about a gigabyte with what their gradients need.
STEP_VALUES = 1 << 27

#: Where cells of a table are hidden as missing, each step sees other parts of it: times as many
#: steps as otherwise, and their number at most. With the wider nets and codes of `defaults` hidden
#: cells of 13 tables, none of them in `bench impute`, have an error of 0.634 instead of 0.659, and
#: 69.5 % instead of 67.3 % of the levels are right. It was chosen on these very tables, with two
#: draws of hidden cells each, so that is a little optimistic.
HIDING_TIMES, HIDING_STEPS = 5, 5000


def choose_held_out(
    training: Training | None, rows: int, sample: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are held out, (rows,) of bool, and the numbers of some that are not.

    At least one row stays to learn from; the others are `sample` at most, in random order.
    """
    count = min(round(rows * _validation_fraction(training or Training(), rows)), rows - 1)
    generator = numpy_generator(seed, "held out")
    # Not a permutation of all the rows, which would take a sixth of the memory of a narrow table.
    drawn = generator.choice(rows, min(rows, count + sample), replace=False)
    chosen = np.zeros(rows, bool)
    chosen[drawn[:count]] = True
    return chosen, drawn[count:]


def choose_training(
    training: Training | None,
    max_epochs: Any,
    shape: tuple[int, ...],
    learned: int,
    member: AutoencoderModule,
    device: str,
    hiding: bool = False,
) -> tuple[Training, int]:
    """Return the options of the loop and the number of epochs, with nothing left on "auto".

    Parameters
    ----------
    shape : tuple of int
        Of the data (n, …), held-out rows included.
    learned : int
        Rows that are not held out.
    member : AutoencoderModule
        The network and back of one member.
    device : str
        Where it trains; only the precision goes by it.
    hiding : bool
        Whether cells are hidden as missing.
    """
    training = training or Training()
    rows, columns = shape[0], math.prod(shape[1:])
    hiding = hiding and len(shape) == 2
    changes: dict[str, Any] = {
        "validation_fraction": _validation_fraction(training, rows),
    }
    if training.batch_size == "auto":
        # About a hundred steps an epoch, within what keeps both the gradient and the product good;
        # from a million rows on steps grow with the root of the rows, and so does their number.
        size = min(rows / 100, 512 * max(1.0, rows / 1e6) ** 0.5)
        size = 1 << max(5, round(math.log2(max(1, size))))
        # And no more than there is memory for: large images come a few at a time.
        most = STEP_VALUES // (training.members * member.values)
        changes["batch_size"] = min(size, 1 << max(0, most.bit_length() - 1))
    batch_size: Any = changes.get("batch_size", training.batch_size)
    operations = operations_of_a_step(training.members * member.products, min(rows, batch_size))
    changes["precision"] = resolve_precision(training.precision, device, operations)
    if training.optimizer == "auto":
        changes["optimizer"] = "muon" if member.products >= 100_000 else "adam"
    if training.weight_decay == "auto":
        # Chosen on 18 small tables by the error of rows that were kept apart.
        decay = min(3.0, 12 * min(columns, 100) / rows)
        # Muon's updates are as large at the end of a run as at its beginning: without decay the
        # weights outgrow them (held-out error on MNIST after 5 epochs 3.57, with it 3.31).
        muon = changes.get("optimizer", training.optimizer) == "muon"
        changes["weight_decay"] = max(0.3, decay) if muon else decay
    if training.patience == "auto":
        changes["patience"] = 50 if hiding else 10
    training = dataclasses.replace(training, **changes)
    steps = steps_an_epoch(learned, training.batch_size)
    # Small data needs fewer steps; orthogonalised updates need half as many as Adam's.
    usual = 500 + 2000 * min(1.0, rows / 5000)
    if hiding:
        usual = min(HIDING_TIMES * usual, HIDING_STEPS)
    usual /= 2 if training.optimizer == "muon" else 1
    if max_epochs == "auto":
        if training.steps == "auto":
            least = max(1, min(4, round(4e6 / rows)))
            max_epochs = max(least, math.ceil(usual / steps))
        else:
            max_epochs = max(1, round(training.steps / steps))
    require(
        isinstance(max_epochs, int | np.integer)
        and not isinstance(max_epochs, bool)
        and max_epochs >= 1,
        f"max_epochs={max_epochs!r} must be a whole number ≥ 1 or 'auto'",
    )
    if training.learning_rate == "auto":
        rate = 3e-3
        if training.optimizer == "muon":
            # Longer runs have time for smaller steps (30 epochs of MNIST: held-out error 2.12 at
            # 1e-2, 2.09 at 6e-3).
            rate = 1e-2 * max(0.3, min(1.0, usual / (max_epochs * steps)) ** 0.5)
        training = dataclasses.replace(training, learning_rate=rate)
    training = dataclasses.replace(training, steps=int(max_epochs) * steps)
    return training, int(max_epochs)


def _validation_fraction(training: Training, rows: int) -> float:
    if not isinstance(training, Training):
        raise SpecError(f"training={training!r}: pass Training(batch_size=…, …)")
    if training.validation_fraction == "auto":
        return 0.0 if rows < 500 or training.folds else min(0.1, 5000 / rows)
    return float(training.validation_fraction)
