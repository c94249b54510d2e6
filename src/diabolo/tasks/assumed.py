"""What a detector trains and judges by, from what its rows are assumed to be."""

from __future__ import annotations

import math
from typing import Any

from diabolo import recipes
from diabolo.corruptions import GaussianNoise
from diabolo.densities import GaussianDensity
from diabolo.estimator import Autoencoder
from diabolo.networks import MLP

#: What the rows of training are.
ASSUMED = ("clean", "contaminated")

#: Rows from which on some are held out from two members, instead of four that each leave out a
#: share of their own.
MANY = 10_000

#: What is trained where some rows are anomalies: for a few steps small nets, which learn what most
#: rows have in common and nothing by heart, and not from the rows that they know least.
ROBUST = {
    "code_size": 64,
    "network": MLP((64,), skip=False),
    "corruption": GaussianNoise((0.5, 3.0), logarithmic=True),
    "training__trim": 0.5,
    "training__steps": 60,
}
#: Units of the wide layer of images at most and at least, and its weights between these.
WIDEST, NARROWEST, WEIGHTS = 2048, 128, 1 << 21

ROBUST_DENSITY = GaussianDensity(shrinkage=0.001, trim=0.5)


def usual_model(training_data: str, X: Any) -> Autoencoder:
    """Return the autoencoder that is trained on X, unfitted."""
    shape = getattr(X, "shape", ())
    if len(shape) > 2:
        width = min(WIDEST, max(NARROWEST, WEIGHTS // max(1, math.prod(shape[1:]))))
        model = recipes.detecting_images(network=MLP((width,), skip=False))
    else:
        model = recipes.detecting()
    if training_data == "contaminated":
        model.set_params(**ROBUST)
    if _count(X) >= MANY:
        model.set_params(training__folds=False, training__members=2)
    return model


def usual_density(training_data: str) -> GaussianDensity:
    """Return the density that errors are judged by."""
    return ROBUST_DENSITY if training_data == "contaminated" else GaussianDensity()


def _count(X: Any) -> int:
    """Return how many rows there are; 0 for what are no rows, which `fit` refuses."""
    shape = getattr(X, "shape", ())
    return int(shape[0]) if shape else len(X) if hasattr(X, "__len__") else 0
