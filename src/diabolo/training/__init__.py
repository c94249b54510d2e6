"""How a model is trained: the options of the loop. The loop itself is in `diabolo.training.loop`.

This module imports no torch, so that the command line can show the options in a blink.
"""

from __future__ import annotations

import dataclasses
import math
import numbers

from diabolo.spec import AutoFloat, AutoInt, Part, require

OPTIMIZERS = ("adam", "muon")
SCHEDULES = ("one_cycle", "constant")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclasses.dataclass(frozen=True)
class Training(Part):
    """Options of the training loop. ``"auto"`` is resolved in ``fit`` from the data's size and
    the network; only the precision also goes by the processor.

    Parameters
    ----------
    batch_size : int or "auto"
        Rows a step, on average: an epoch is cut into even pieces.
    optimizer : {"auto", "adam", "muon"}
        Adam (Kingma & Ba 2015, with decoupled weight decay), or Muon (Jordan 2024) on the weight
        matrices beside Adam on the biases; "auto" takes Muon where a row takes 100,000 products
        or more (in fully connected nets: weights).
    learning_rate : float or "auto"
        The highest rate of the schedule.
    schedule : {"one_cycle", "constant"}
        Linear warm-up over a tenth of the steps then a cosine down to zero, or one rate.
    weight_decay : float or "auto"
        Decoupled weight decay of the matrices (Loshchilov & Hutter 2019). "auto" is
        12 × columns / rows (at most 100 columns count, and 3 is the most): a fixed prior on the
        weights, which the data outweigh as they grow; for Muon it is at least 0.3.
    steps : int or "auto"
        Of a run whose `max_epochs` is "auto", which makes whole epochs of them, one at least.
        "auto" goes by the rows, from 500 to 2,500 (five times as many, up to 5,000, where cells of
        a table are hidden as missing), and half of that for Muon; there are four epochs at least
        of up to a million rows, and one of 2.7 million or more.
    averaging : float
        Share of the steps so far over which the weights are averaged for the looks, and for the
        model that is kept; 0 takes those of the moment.
    members : int
        Autoencoders that are trained at once, in one batched product unless they convolve, from
        different first weights. Reconstructions and log-probabilities are means over them, codes
        those of the one with the lowest loss.
    folds : bool
        Each member leaves out a share of the rows of its own, so that for each row there is one
        that never saw it; none is held out from all. What the members say of such rows is what
        they would say of new ones, also where there are too few to spare any. The members keep
        their order then.
    trim : float
        Share of each batch's rows that are not learned from, those with the largest losses, after
        the first tenth of the steps; held-out rows likewise. For data with outliers in it.
    early_stopping : bool
        Stop when the loss of held-out rows has not fallen for `patience` looks; the weights of
        the best look are kept.
    validation_fraction : float or "auto"
        Share of the rows that is held out, by a draw that depends on the seed only. "auto" is a
        tenth, at most 5,000 rows, and none at all below 500 rows, where the few that could be
        spared say less than they teach.
    patience : int or "auto"
        Looks without improvement before stopping. There is one at the end of each epoch; in
        longer runs than 50 epochs there are 26 to 50 of them, or more where they would be
        further apart than 1,000 steps. "auto" is 10, and 50 where cells of a table are hidden as
        missing: what is lost there by hidden cells stands still until the rate comes down.
    precision : {"auto", "fp32", "bf16"}
        "bf16" rounds the factors of products to 8 bits of mantissa while training; weights stay
        fp32, and so does scoring. "auto" takes it where a step has 10⁸ operations or more (six for
        each product of a weight and a value), on processors with instructions for it.
    on_interrupt : {"raise", "keep"}
        What Ctrl-C does: give up, or stop and keep the best weights so far.
    """

    batch_size: AutoInt = "auto"
    optimizer: str = "auto"
    learning_rate: AutoFloat = "auto"
    schedule: str = "one_cycle"
    weight_decay: AutoFloat = "auto"
    steps: AutoInt = "auto"
    averaging: float = 0.08
    members: int = 1
    folds: bool = False
    trim: float = 0.0
    early_stopping: bool = True
    validation_fraction: AutoFloat = "auto"
    patience: AutoInt = "auto"
    precision: str = "auto"
    on_interrupt: str = "raise"

    def validate(self) -> None:
        def number(name: str, least: float, *, whole: bool = False, auto: bool = False) -> None:
            value = getattr(self, name)
            if auto and isinstance(value, str) and value == "auto":
                return
            kind = numbers.Integral if whole else numbers.Real
            fits = isinstance(value, kind) and not isinstance(value, bool)
            require(
                fits and math.isfinite(value) and value >= least,
                f"{name}={value!r} must be a {'whole ' * whole}number ≥ {least:g}"
                + (" or 'auto'" if auto else ""),
            )

        def one_of(name: str, choices: tuple[str, ...]) -> None:
            value = getattr(self, name)
            require(value in choices, f"{name}={value!r}: choose one of {', '.join(choices)}")

        number("batch_size", 1, whole=True, auto=True)
        number("steps", 1, whole=True, auto=True)
        number("learning_rate", 0, auto=True)
        require(self.learning_rate != 0, "learning_rate=0 learns nothing: give a number > 0")
        number("validation_fraction", 0, auto=True)
        require(
            self.validation_fraction == "auto" or self.validation_fraction < 1,
            f"validation_fraction={self.validation_fraction!r} must lie in [0, 1) or be 'auto'",
        )
        number("weight_decay", 0, auto=True)
        number("averaging", 0)
        require(self.averaging <= 1, f"averaging={self.averaging!r} must lie in [0, 1]")
        number("members", 1, whole=True)
        number("trim", 0)
        require(self.trim < 1, f"trim={self.trim!r} must lie in [0, 1)")
        number("patience", 1, whole=True, auto=True)
        for name in ("early_stopping", "folds"):
            value = getattr(self, name)
            require(isinstance(value, bool), f"{name}={value!r} must be True or False")
        require(
            not self.folds or self.members > 1,
            f"folds=True beside members={self.members!r}: each member leaves out its share of the "
            "rows, so there have to be several; pass members=4",
        )
        one_of("optimizer", ("auto", *OPTIMIZERS))
        one_of("schedule", SCHEDULES)
        one_of("precision", PRECISIONS)
        one_of("on_interrupt", ("raise", "keep"))


def steps_an_epoch(rows: int, batch_size: int) -> int:
    """Return into how many even pieces an epoch of so many rows is cut."""
    return max(1, round(rows / batch_size))


__all__ = ["OPTIMIZERS", "PRECISIONS", "SCHEDULES", "Training", "steps_an_epoch"]
