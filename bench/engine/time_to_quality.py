"""Time to quality: 784-1000-500-250-30 on MNIST, as users of each library would train it."""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np
import torch

from bench.engine import users
from bench.engine.clock import Course, at_each_look, grid
from bench.engine.data import images, pixels, squared_error
from bench.frame import table
from bench.sections import Aim, Section, say, shown

WIDTHS, CODE_SIZE = (1000, 500, 250), 30

#: The squared error per image of Hinton & Salakhutdinov 2006, and what is hoped for.
PUBLISHED, HOPED = 3.00, 2.00

#: Seconds within which the published error is to be reached, of a budget of 300.
AIM_SECONDS = 45

#: Columns of the table, as shares of the budget: 45, 100 and 300 s of five minutes.
MARKS = (0.15, 1 / 3, 1.0)


#: Key of the metrics → the name in the table, and what was seen.
Runs = dict[str, tuple[str, Course]]


def run(options: argparse.Namespace) -> Section:
    """Train Diabolo for three lengths and every peer for the budget."""
    section = Section("Time to quality", [_explanation(options)])
    train, test = images("train", options.images), images("test", options.test_images)
    runs = ours(train, test, options)
    for name, (label, _) in users.USERS.items():
        try:
            runs[name] = label, theirs(name, train, test, options.budget)
        except ImportError as error:
            section.texts.append(f"{label} is left out: {error}.")
    report(section, runs, options.budget, "quality")
    return section


def ours(
    train: np.ndarray, test: np.ndarray, options: argparse.Namespace, device: str = "cpu"
) -> Runs:
    """Train Diabolo as it comes, for a few epochs, and for as many as fit into the budget."""
    _fit(train[:600], test[:10], 1, device)  # imports and lazy starts are no part of a fit
    runs: Runs = {}

    def add(name: str, epochs: int | str) -> Course:
        say(f"time to quality, Diabolo, {name}, {epochs} epochs")
        course, done = _fit(train, test, epochs, device)
        runs[f"diabolo_{name}"] = f"Diabolo, {name} ({done} epochs)", course
        return course

    add("default", options.default_epochs)
    short = add("short", options.short_epochs)
    fitting = epochs_within(options.budget, options.short_epochs, short.end)
    add("long", options.long_epochs or fitting)
    return runs


def _fit(train: np.ndarray, test: np.ndarray, epochs: int | str, device: str) -> tuple[Course, int]:
    """Fit Diabolo on images; the last point of the course is the model that ``fit`` returned."""
    from diabolo import Autoencoder
    from diabolo.training.scoring import in_chunks

    rows = pixels(test)
    course = Course()

    def error(module: Any) -> float:
        x = torch.from_numpy(rows).reshape(len(rows), *module.shape)
        return squared_error(in_chunks(module, x, module.reconstruct).numpy(), rows)

    model = Autoencoder(CODE_SIZE, hidden=WIDTHS, max_epochs=epochs, device=device, random_state=0)
    with at_each_look(lambda module: course.note(lambda: error(module))):
        course.start()
        model.fit(train)
    values = rows.shape[1]
    course.note(lambda: float(model.reconstruction_error(test).mean(dtype=np.float64)) * values)
    return course, model.spec_.max_epochs


def theirs(
    name: str, train: np.ndarray, test: np.ndarray, budget: float, device: str = "cpu"
) -> Course:
    """Train with another library for the budget."""
    say(f"time to quality, {users.USERS[name][0]}, {budget:g} s")
    x, rows = pixels(train), pixels(test)
    course = Course(grid(budget, [share * budget for share in MARKS]))
    users.train(
        name,
        x,
        [x.shape[1], *WIDTHS, CODE_SIZE],
        course,
        lambda reconstruct: squared_error(reconstruct(rows), rows),
        device,
    )
    return course


def epochs_within(budget: float, epochs: int, seconds: float) -> int:
    """Return the epochs that end within a budget, from a fit that took `seconds` for `epochs`.

    A tenth of the budget is kept free, for a machine is not always equally fast.
    """
    return max(1, math.floor(0.9 * budget * epochs / seconds))


def figures(course: Course, budget: float) -> dict[str, float]:
    """Return the figures of one training, by name."""
    marks = {f"error_at_{share * budget:.3g}s": course.at(share * budget) for share in MARKS}
    return {
        **marks,
        "best_error": course.best,
        "last_error": course.points[-1][1],
        "seconds_to_published": course.until(PUBLISHED),
        "seconds_in_all": course.end,
    }


def report(section: Section, runs: Runs, budget: float, prefix: str) -> None:
    """Add the table, the figures and the aims of all trainings."""
    header = ["", *(f"at {share * budget:.3g} s" for share in MARKS), "best seen", "at the end"]
    lines = []
    for key, (label, course) in runs.items():
        values = figures(course, budget)
        lines.append([label, *map(shown, values.values())])
        for measure, value in values.items():
            section.metrics[f"{prefix}_{key}_{measure}"] = value
    header += [f"s to {PUBLISHED:.2f}", "s in all"]
    section.texts.append(table(header, lines))
    for length in ("default", "short"):
        seconds = runs[f"diabolo_{length}"][1].until(PUBLISHED)
        what = f"seconds until the error per image is {PUBLISHED:.2f}, {length} length"
        section.aims.append(Aim(what, seconds, AIM_SECONDS, at_least=False))
    error = runs["diabolo_long"][1].at(budget)
    what = f"error per image within {budget:g} s, long training"
    section.aims.append(Aim(what, error, HOPED, at_least=False))


def _explanation(options: argparse.Namespace) -> str:
    return (
        "Squared error per test image, summed over its pixels (from 0 to 1), after so many seconds "
        "of training. The clock starts with the call of `fit`, so that compilation counts, and "
        "stands still while the test images are looked at. Diabolo is called as "
        f"`Autoencoder({CODE_SIZE}, hidden={WIDTHS}).fit(images)`, images uint8 (n, 28, 28): as it "
        f"comes, with max_epochs={options.short_epochs}, and with as many epochs as the short run "
        f"lets expect within {options.budget:g} s. When its weights are best is decided by rows "
        "held out of training; *at the end* is the model that `fit` returned. The others have "
        "their own defaults for batch size, optimiser and learning rate (`bench/engine/users.py`) "
        f"and are stopped after {options.budget:g} s; their *best seen* is by the test images."
    )
