"""The deep autoencoder of 2006, from random and from pretrained weights."""

from __future__ import annotations

import argparse

from bench.frame import table
from bench.sections import Aim, Section, say
from bench.variants.data import error, fitted, mnist

#: Squared error per image: Hinton & Salakhutdinov 2006, and PCA with 30 components.
PUBLISHED, PCA = 3.00, 13.87

#: Of the training that follows the pretraining, if there is one.
EPOCHS = 20

PUBLISHED_NET = "1000-500-250-30"
NETS = {"1000-500-250-30": (1000, 500, 250), "1000-500-250-100-30": (1000, 500, 250, 100)}


def run(options: argparse.Namespace) -> Section:
    """Train each net from both starts; the published one with the default layers too."""
    from diabolo import Autoencoder, recipes
    from diabolo.metrics import pca_reconstruction_error

    train, test = mnist(options, "train"), mnist(options, "test")
    by_pca = pca_reconstruction_error(train, test, 30) * test[0].size / 255**2
    section = Section("Deep", [__doc__ or ""])
    rows: list[list[object]] = [["PCA, 30 components", "", by_pca, "", ""]]
    for name, hidden in NETS.items():
        for start, model in (
            ("sigmoid, random", Autoencoder(30, hidden=hidden, activation="sigmoid")),
            ("sigmoid, RBMs", recipes.deep(30, hidden=hidden)),
            ("default, random", Autoencoder(30, hidden=hidden)),
            ("default, layer-wise", recipes.stacked(30, hidden=hidden)),
        ):
            if start.startswith("default") and name != PUBLISHED_NET:
                continue
            say(f"deep, {name}, {start}")
            model.set_params(random_state=0, augmentation=None, max_epochs=EPOCHS)
            timing = fitted(options, model, train)
            found = error(model, test)
            epochs = model.history_[-1]["epoch"]
            rows.append([name, start, found, timing.seconds, epochs])
            key = f"deep_{name}_{start}".replace("-", "_").replace(", ", "_")
            section.metrics[f"{key}_error"] = found
            section.metrics[f"{key}_seconds"] = timing.seconds
            if (name, start) == (PUBLISHED_NET, "sigmoid, RBMs"):
                section.aims.append(Aim("deep, RBMs: squared error", found, PUBLISHED, False))
    section.texts.append(table(["net", "start", "squared error", "s", "epochs"], rows))
    section.texts.append(
        f"Squared error per test image, summed over pixels. Published: {PUBLISHED:.2f} with RBMs; "
        f"PCA {PCA}."
    )
    return section
