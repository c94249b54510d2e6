"""Each recipe as it comes."""

from __future__ import annotations

import argparse

from bench.frame import table
from bench.sections import Section, say
from bench.variants.data import error, fitted, mnist


def run(options: argparse.Namespace) -> Section:
    """Train every recipe on a sixth of the digits, with dense layers where it does not say."""
    from diabolo.recipes import RECIPES

    train, test = mnist(options, "train")[:10_000], mnist(options, "test")
    section, rows = Section("Every recipe"), []
    for name, recipe in RECIPES.items():
        say(f"recipe {name}")
        choices = {} if name == "convolutional" else {"hidden": (512, 256)}
        model = recipe(32, random_state=0, **choices)
        timing = fitted(options, model, train)
        found = error(model, test)
        rows.append([name, model.module_.weights, timing.seconds, found])
        section.metrics[f"recipe_{name}_seconds"] = timing.seconds
        section.metrics[f"recipe_{name}_error"] = found
    section.texts += [
        "10,000 digits, codes of 32 numbers (bits, units), dense layers of 512 and 256 but for "
        "`convolutional`; squared error per test image.",
        table(["recipe", "weights", "s", "squared error"], rows),
    ]
    return section
