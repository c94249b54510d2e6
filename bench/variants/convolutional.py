"""Convolutions, with a code of 64 numbers."""

from __future__ import annotations

import argparse

from bench.frame import table
from bench.sections import Aim, Section, say
from bench.variants.data import error, fitted, mnist

#: Squared error per image of a convolutional autoencoder with 64 numbers (Sainburg et al. 2021).
PUBLISHED, AIM = 1.27, 1.0


def run(options: argparse.Namespace) -> Section:
    """Train the default convolutions at their default length and longer."""
    from diabolo import recipes

    train, test = mnist(options, "train"), mnist(options, "test")
    section, rows = Section("Convolutional"), []
    for name, choices in (("default", {}), ("30 epochs", {"max_epochs": 30})):
        say(f"convolutional, {name}")
        model = recipes.convolutional(64, random_state=0, **choices)
        timing = fitted(options, model, train)
        found = error(model, test)
        rows.append([name, found, timing.seconds, model.history_[-1]["epoch"]])
        section.metrics[f"convolutional_{name.replace(' ', '_')}_error"] = found
        section.aims.append(Aim(f"convolutional, 64, {name}: squared error", found, AIM, False))
    section.texts += [
        f"Squared error per test image, code of 64 numbers; published {PUBLISHED}.",
        table(["", "squared error", "s", "epochs"], rows),
    ]
    return section
