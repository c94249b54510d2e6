"""Variants by what they are for: rows cleaned or filled, anomalies found."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from diabolo.augmentations import Shift
from diabolo.corruptions import GaussianNoise, Masking
from diabolo.networks import MLP
from diabolo.recipes.base import autoencoder
from diabolo.training import Training

if TYPE_CHECKING:
    from diabolo.estimator import Autoencoder

WIDE = MLP((128, 128), residual=True, skip=False)
LEVELS = GaussianNoise((0.05, 0.7), logarithmic=True)
FOLDS = Training(
    members=4, folds=True, batch_size=256, optimizer="adam", weight_decay=0.0, steps=600
)
NARROW = MLP((64,), skip=False)
STRONG = GaussianNoise((0.5, 3.0), logarithmic=True)
TRIMMED = dataclasses.replace(FOLDS, steps=60, trim=0.5)
MOVED = Shift(2)
HALVES = Training(members=2, folds=True)
HALF = Masking(0.5)
PARTS = Masking((0.0, 0.8), missing=True)


def denoising(
    code_size: int | str = "auto", *, corruption: Any = "masking", **options: Any
) -> Autoencoder:
    """Return an autoencoder that learns to undo damage (Vincent et al. 2008).

    What stays the same under damage is what the row is about, so codes are better features, and
    `reconstruct` cleans rows that are damaged in the same way.

    Parameters
    ----------
    code_size : int or "auto"
    corruption : Corruption, str, or several in a tuple
        A share of 0.3 of the values hidden, by default.
    **options
        Any other option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return autoencoder(code_size, corruption=corruption, **options)


def masked(code_size: int | str = "auto", *, corruption: Any = HALF, **options: Any) -> Autoencoder:
    """Return an autoencoder that sees half of each row and tells the rest (He et al. 2022).

    `reconstruct` fills what is zero in a row: hidden pixels, or cells at the mean of their column.

    Parameters
    ----------
    code_size : int or "auto"
    corruption : Corruption, str, or several in a tuple
        ``Masking(0.5)`` by default.
    **options
        Any other option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return autoencoder(code_size, corruption=corruption, **options)


def imputing(
    code_size: int | str = "auto", *, corruption: Any = PARTS, schema: Any = None, **options: Any
) -> Autoencoder:
    """Return an autoencoder that knows missing cells, and tells what would be in them.

    In training cells are hidden as missing, of each row a share of its own, and the loss counts all
    that were there, as in denoising (Gondara & Wang 2018). `Imputer` fills cells with it.

    Nets of tables whose cells are hidden so are wider and train longer than others, and skewed
    numbers go by their rank, where nothing else is said.

    Parameters
    ----------
    code_size : int or "auto"
    corruption : Corruption, str, or several in a tuple
        ``Masking((0.0, 0.8), missing=True)`` by default.
    schema : dict of str to str, optional
        What columns of a frame are; all are looked at one by one, also where all are numbers.
    **options
        Any other option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return autoencoder(code_size, corruption=corruption, schema=schema or {}, **options)


def detecting(
    code_size: int | str = "auto",
    *,
    network: Any = WIDE,
    corruption: Any = LEVELS,
    likelihood: Any = "auto",
    training: Any = FOLDS,
    **options: Any,
) -> Autoencoder:
    """Return an autoencoder for finding anomalies: it takes noise of many strengths out of rows.

    Its code is wider than most tables, and noise alone keeps it from copying: what it does not
    rebuild of a clean row is what it does not expect. There are several, each of which leaves a
    share of the rows out, so that for each row there is one that never saw it. `AnomalyDetector`
    judges with it.

    Parameters
    ----------
    code_size : int or "auto"
        "auto" is 128.
    network : Network or str
        ``MLP((128, 128), residual=True, skip=False)`` by default.
    corruption : Corruption, str, or several in a tuple
        ``GaussianNoise((0.05, 0.7), logarithmic=True)`` by default.
    likelihood : Likelihood or str
        "auto" is "mse", for values in [0, 1] too.
    training : Training
        By default four members that each leave out a quarter of the rows, and 600 steps of 256
        rows.
    **options
        Any other option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return autoencoder(
        code_size,
        128,
        network=network,
        corruption=corruption,
        likelihood="mse" if likelihood == "auto" else likelihood,
        training=training,
        **options,
    )


def detecting_robust(
    code_size: int | str = "auto",
    *,
    network: Any = NARROW,
    corruption: Any = STRONG,
    training: Any = TRIMMED,
    **options: Any,
) -> Autoencoder:
    """Return an autoencoder for finding the anomalies among its own rows.

    As `detecting`, but the nets are small, ``MLP((64,), skip=False)`` and a code of 64, the noise
    is ``GaussianNoise((0.5, 3.0), logarithmic=True)``, and 60 steps leave the half of the rows out
    that they know least: that is enough to learn what most rows have in common, and nothing by
    heart.

    Parameters
    ----------
    code_size : int or "auto"
        "auto" is 64.
    network, corruption, training, **options
        As in `detecting`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return detecting(
        64 if code_size == "auto" else code_size,
        network=network,
        corruption=corruption,
        training=training,
        **options,
    )


def detecting_images(
    code_size: int | str = "auto",
    *,
    augmentation: Any = MOVED,
    training: Any = HALVES,
    **options: Any,
) -> Autoencoder:
    """Return an autoencoder for finding anomalies among images.

    Its code is narrow, for what the encoder makes of an image has to be about the kind that it
    learned, and images are moved about, so that where they are is no part of it. There are two that
    leave out half of the images each, so that all can say what is usual; from two thousand on it is
    enough that one leaves out a tenth, ``training=Training()``. `AnomalyDetector` judges with it.

    Parameters
    ----------
    code_size : int or "auto"
        "auto" is 16.
    augmentation : Augmentation, str or None
        ``Shift(2)`` by default; None for series, for images of few pixels, and for those that must
        stay where they are.
    training : Training
        By default two members that each leave out half of the rows.
    **options
        Any other option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return autoencoder(code_size, 16, augmentation=augmentation, training=training, **options)
