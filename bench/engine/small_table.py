"""A small table, where what counts is the overhead of a step: 20-64-32-8-32-64-20."""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import torch

from bench.engine.clock import Course, at_each_look
from bench.engine.data import small_table
from bench.frame import Timing, alternate, paired_ratio, table
from bench.peers import PEERS, Fitted, Job, warm_up
from bench.sections import Aim, Section, say, shown

WIDTHS, CODE_SIZE = (64, 32), 8

COMPARED = ("diabolo", "torch_loop", "skorch", "pythae", "pyod", "jax_scan")

#: PyOD's milliseconds an epoch over ours, and its seconds over ours to the same loss.
AIM_EPOCH, AIM_LOSS = 3.5, 8.0

#: PyOD's own defaults, by which the loss to be reached is set.
PYOD_EPOCHS, PYOD_BATCH = 10, 32

#: Key of the metrics → what PyOD is like, and the options for it.
KINDS: dict[str, tuple[str, dict]] = {
    "pyod": ("as it comes", {}),
    "plain_pyod": ("without its dropout and batch norm", {"batch_norm": False, "dropout_rate": 0}),
}


def run(options: argparse.Namespace) -> Section:
    """Compare epochs at one batch size, then the time to PyOD's loss."""
    train, held_out = small_table()
    job = Job(WIDTHS, CODE_SIZE, epochs=options.small_epochs, batch_size=32)
    present, missing = warm_up(COMPARED, train[:256], Job((8,), 2, epochs=1))
    section = Section("Small table", [_explanation(train, job, options.rounds), *missing])
    say(f"small table, {', '.join(present)}")
    functions = {name: partial(PEERS[name][1], train, job) for name in present}
    _report_epochs(section, alternate(functions, options.rounds), held_out)
    if "pyod" in present:
        say("small table, time to PyOD's loss")
        _time_to_loss(section, train, held_out, options.rounds)
    return section


def _report_epochs(
    section: Section, timings: dict[str, list[Timing[Fitted]]], held_out: np.ndarray
) -> None:
    epochs = {
        name: [float(np.median(t.value.epoch_seconds)) for t in turns]
        for name, turns in timings.items()
    }
    lines = []
    for name, turns in timings.items():
        values = {
            "ms_per_epoch": 1000 * float(np.median(epochs[name])),
            "epoch_time_over_diabolo": paired_ratio(epochs[name], epochs["diabolo"]),
            "compile_seconds": float(np.median([t.value.compile_seconds for t in turns])),
            "held_out_mse": float(np.median([loss(t.value, held_out) for t in turns])),
        }
        compiled = values["compile_seconds"] or "–"
        lines.append([PEERS[name][0], *values.values()])
        lines[-1][3] = compiled
        for key, value in values.items():
            section.metrics[f"small_{name}_{key}"] = value
    over = section.metrics.get("small_pyod_epoch_time_over_diabolo")
    section.aims.append(Aim("PyOD's ms an epoch over ours, small table", over, AIM_EPOCH))
    section.texts += [
        "### An epoch at batches of 32",
        table(["", "ms/epoch", "× Diabolo", "s to compile", "held-out loss"], lines),
    ]


def _time_to_loss(section: Section, train: np.ndarray, held_out: np.ndarray, rounds: int) -> None:
    """Train PyOD at its defaults and Diabolo at its own until it is as good, in turns."""
    functions = {key: partial(_pyod, train, held_out, more) for key, (_, more) in KINDS.items()}
    functions["ours"] = partial(_ours, train, held_out)
    timings = alternate(functions, rounds)
    ours = [t.value for t in timings.pop("ours")]
    lines = []
    for key, turns in timings.items():
        theirs = [t.value for t in turns]
        losses = [course.points[-1][1] for course in theirs]
        reached = [mine.until(aim) for mine, aim in zip(ours, losses, strict=True)]
        seconds = [course.end for course in theirs]
        values = {
            "pyod_held_out_mse": float(np.median(losses)),
            "pyod_seconds": float(np.median(seconds)),
            "diabolo_seconds": float(np.median(reached)),
            "diabolo_times_faster": paired_ratio(seconds, reached),
        }
        kind = KINDS[key][0]
        lines.append([kind, *map(shown, values.values())])
        for name, value in values.items():
            section.metrics[f"small_to_{key}_loss_{name}"] = value
        what = f"times faster to the final loss of PyOD {kind}"
        section.aims.append(Aim(what, values["diabolo_times_faster"], AIM_LOSS))
    last = float(np.median([course.points[-1][1] for course in ours]))
    end = float(np.median([course.end for course in ours]))
    section.metrics["small_diabolo_default_held_out_mse"] = last
    section.metrics["small_diabolo_default_fit_seconds"] = end
    section.texts += [
        "### Seconds to PyOD's final loss on held-out rows",
        table(["PyOD", "its loss", "its s", "ours, s", "× faster"], lines),
        f"The default `Autoencoder({CODE_SIZE}, hidden={WIDTHS})` ends at {last:.3g} after "
        f"{end:.3g} s.",
    ]


def _pyod(train: np.ndarray, held_out: np.ndarray, more: dict) -> Course:
    """Fit PyOD at its defaults; its only point is the end of its last epoch."""
    from pyod.models.auto_encoder import AutoEncoder

    from bench.peers.job import forward

    course = Course()

    class Watched(AutoEncoder):
        def epoch_update(self):
            self.epochs_done = getattr(self, "epochs_done", 0) + 1
            if self.epochs_done == self.epoch_num:
                course.note(lambda: _mse(forward(self.model)(held_out), held_out))

    detector = Watched(
        preprocessing=False,  # the rows are standardised already
        epoch_num=PYOD_EPOCHS,
        batch_size=PYOD_BATCH,
        hidden_neuron_list=[*WIDTHS, CODE_SIZE],
        device=torch.device("cpu"),
        verbose=0,
        **more,
    )
    course.start()
    detector.fit(train)
    return course


def _ours(train: np.ndarray, held_out: np.ndarray) -> Course:
    """Fit Diabolo as it comes, watched at each look; the last point is what ``fit`` returned."""
    from diabolo import Autoencoder
    from diabolo.training.scoring import in_chunks

    x = torch.from_numpy(held_out)
    course = Course()

    def error(module) -> float:
        # Scaling changes nothing here: the rows are standardised already.
        return _mse(in_chunks(module, x, module.reconstruct).numpy(), held_out)

    model = Autoencoder(CODE_SIZE, hidden=WIDTHS, device="cpu", random_state=0)
    with at_each_look(lambda module: course.note(lambda: error(module))):
        course.start()
        model.fit(train)
    course.note(lambda: _mse(model.reconstruct(held_out), held_out))
    return course


def loss(fitted: Fitted, rows: np.ndarray) -> float:
    """Return the mean squared error per value."""
    return _mse(fitted.reconstruct(rows), rows)


def _mse(reconstructed: np.ndarray, rows: np.ndarray) -> float:
    return float(np.square(reconstructed - rows).mean(dtype=np.float64))


def _explanation(train: np.ndarray, job: Job, rounds: int) -> str:
    return (
        f"{len(train):,} standardised rows of {train.shape[1]} columns that follow eight factors, "
        f"linearly and through sines, with noise. *ms/epoch* is the median of {job.epochs} epochs, "
        f"then of {rounds} round(s) in turns; ratios are taken within a round. JAX compiles whole "
        "epochs and stands for what is possible; what it takes to compile is beside it and not in "
        "its epochs. *held-out loss* is the mean squared error per value on 2,000 other rows."
    )
