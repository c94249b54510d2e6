"""Codes of many units of which each digit uses few."""

from __future__ import annotations

import argparse

from bench.frame import table
from bench.sections import Aim, Section, say
from bench.variants.data import fitted, mnist

UNITS, USED = 1024, 16


def run(options: argparse.Namespace) -> Section:
    """Train TopK codes with linear layers and with a hidden one, beside PCA."""
    from diabolo import recipes
    from diabolo.bottlenecks import TopK
    from diabolo.metrics import explained_variance, pca_reconstruction_error

    train, test = mnist(options, "train"), mnist(options, "test")
    by_pca = 1 - pca_reconstruction_error(train, test, USED) / test.var(axis=0).mean()
    rows = [[f"PCA, {USED} components", float(by_pca), "", ""]]
    section = Section("Sparse", metrics={"pca_variance_explained": rows[0][1]})
    for name, hidden in (("one layer", ()), ("512 units between", (512,))):
        say(f"sparse, {name}")
        model = recipes.sparse(UNITS, bottleneck=TopK(USED), hidden=hidden, random_state=0)
        model.set_params(likelihood="mse", augmentation=None)
        timing = fitted(options, model, train)
        explained = explained_variance(test, model.reconstruct(test))
        dead = float((model.transform(train) == 0).all(axis=0).mean())
        rows.append([f"TopK, {name}", explained, 100 * dead, timing.seconds])
        key = f"sparse_{name.replace(' ', '_')}"
        section.metrics |= {f"{key}_variance_explained": explained, f"{key}_dead": dead}
        section.aims.append(Aim(f"sparse, {name}: dead units, %", 100 * dead, 1.0, False))
        section.aims.append(Aim(f"sparse, {name}: variance explained", explained, rows[0][1]))
    section.texts += [
        f"{UNITS:,} units of which {USED} are used by a digit; share of the test digits' variance "
        "that is explained, and units that no training digit uses.",
        table(["", "variance explained", "dead, %", "s"], rows),
    ]
    return section
