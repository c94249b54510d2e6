"""What a detector trains and judges by, from what its rows are assumed to be."""

from __future__ import annotations

from typing import Any

from diabolo import recipes
from diabolo.densities import Density, GaussianDensity, Mixture
from diabolo.estimator import Autoencoder
from diabolo.estimator.defaults import SMALL_IMAGE
from diabolo.training import Training

#: What the rows of training are.
ASSUMED = ("clean", "contaminated")

#: Rows from which on some are held out from two members, instead of four that each leave out a
#: share of their own.
MANY = 10_000

#: Images from which on one net leaves out a tenth, instead of two that leave out half of them each.
FEW_IMAGES = 2_000

#: Numbers in the code of many images: they have more to tell apart, and enough to learn it from.
MANY_CODE = 64

#: What judges errors of tables, and what the encoder makes of images, by what the rows are.
OF_TABLES: dict[str, Density] = {
    "clean": Mixture(shrinkage=0.003),
    "contaminated": GaussianDensity(shrinkage=0.001, trim=0.3),
}
OF_IMAGES: dict[str, Density] = {
    "clean": GaussianDensity(),
    "contaminated": GaussianDensity(shrinkage=0.001, trim=0.5),
}


def usual_model(training_data: str, X: Any) -> Autoencoder:
    """Return the autoencoder that is trained on X, unfitted."""
    shape, count = getattr(X, "shape", ()), _count(X)
    if len(shape) > 2:
        return _of_images(shape, count)
    contaminated = training_data == "contaminated"
    model = recipes.detecting_robust() if contaminated else recipes.detecting()
    if count >= MANY:
        model.set_params(training__folds=False, training__members=2)
    return model


def _of_images(shape: tuple[int, ...], count: int) -> Autoencoder:
    model = recipes.detecting_images(MANY_CODE if count >= MANY else "auto")
    if min(shape[1:3]) < SMALL_IMAGE:
        model.set_params(augmentation=None)
    if count < FEW_IMAGES:
        # Of 600 images 380 steps, which "auto" takes, are no better and take twice the time.
        return model.set_params(training__steps=150)
    return model.set_params(training=Training())


def usual_density(training_data: str, kind: str) -> Density:
    """Return the density that rows of a kind are judged by."""
    return (OF_TABLES if kind == "table" else OF_IMAGES)[training_data]


def _count(X: Any) -> int:
    """Return how many rows there are; 0 for what are no rows, which `fit` refuses."""
    shape = getattr(X, "shape", ())
    return int(shape[0]) if shape else len(X) if hasattr(X, "__len__") else 0
