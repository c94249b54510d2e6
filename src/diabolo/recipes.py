"""Named variants: short functions that return a configured estimator."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from diabolo.corruptions import GaussianNoise, Masking
from diabolo.networks import MLP
from diabolo.training import Training

if TYPE_CHECKING:
    from diabolo.estimator import Autoencoder

WIDE = MLP((128, 128), residual=True, skip=False)
LEVELS = GaussianNoise((0.05, 0.7), logarithmic=True)
FOLDS = Training(
    members=4, folds=True, batch_size=256, optimizer="adam", weight_decay=0.0, steps=600
)
PICTURE = MLP((2048,), skip=False)
STRONG = GaussianNoise((0.2, 2.0), logarithmic=True)
SHORT_FOLDS = dataclasses.replace(FOLDS, steps=300)
HALF = Masking(0.5)
PARTS = Masking((0.0, 0.8), missing=True)


def undercomplete(code_size: int | str = "auto", **options: Any) -> Autoencoder:
    """Return the plain autoencoder: a code that is smaller than the data (Hinton & Zemel 1994).

    Parameters
    ----------
    code_size : int or "auto"
    **options
        Any option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return _autoencoder(code_size, **options)


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
    return _autoencoder(code_size, corruption=corruption, **options)


def contractive(
    code_size: int | str = "auto", *, penalties: Any = "contractive", **options: Any
) -> Autoencoder:
    """Return an autoencoder whose codes change little where a row does (Rifai et al. 2011).

    Parameters
    ----------
    code_size : int or "auto"
    penalties : Penalty, str, or several in a tuple
        ``Contractive(0.1)`` by default; a larger weight gives flatter codes.
    **options
        Any other option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return _autoencoder(code_size, penalties=penalties, **options)


def sparse(
    code_size: int | str = "auto", *, bottleneck: Any = "topk", **options: Any
) -> Autoencoder:
    """Return an autoencoder with large codes of which each row uses few units.

    Units come to stand for parts that rows are made of (Makhzani & Frey 2014; Gao et al. 2024).

    Parameters
    ----------
    code_size : int or "auto"
        All units; "auto" is eight times as many as are used.
    bottleneck : Bottleneck or str
        ``TopK()`` by default; ``TopK(k=16)`` sets how many are used.
    **options
        Any other option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return _autoencoder(code_size, bottleneck=bottleneck, **options)


def variational(
    code_size: int | str = "auto", *, bottleneck: Any = "gaussian", **options: Any
) -> Autoencoder:
    """Return an autoencoder whose codes follow a prior, so that new rows can be drawn.

    After Kingma & Welling (2014); with ``Gaussian(beta=…)`` after Higgins et al. (2017).

    Parameters
    ----------
    code_size : int or "auto"
    bottleneck : Bottleneck or str
        ``Gaussian()`` by default.
    **options
        Any other option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return _autoencoder(code_size, bottleneck=bottleneck, **options)


def vector_quantised(
    code_size: int | str = "auto", *, bottleneck: Any = "quantized", **options: Any
) -> Autoencoder:
    """Return an autoencoder whose codes are whole numbers, entries of codebooks.

    After van den Oord et al. (2017). `Autoencoder.indices` gives the numbers.

    Parameters
    ----------
    code_size : int or "auto"
        Numbers in a code, of several for each entry.
    bottleneck : Bottleneck or str
        ``Quantized()`` by default, with 256 entries for up to four numbers each.
    **options
        Any other option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return _autoencoder(code_size, bottleneck=bottleneck, **options)


def semantic_hashing(
    code_size: int | str = "auto", *, bottleneck: Any = "binary", **options: Any
) -> Autoencoder:
    """Return an autoencoder whose codes are bits: near rows have hashes that differ in few.

    After Salakhutdinov & Hinton (2009).

    Parameters
    ----------
    code_size : int or "auto"
        Bits.
    bottleneck : Bottleneck or str
        ``Binary()`` by default.
    **options
        Any other option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return _autoencoder(code_size, bottleneck=bottleneck, **options)


def convolutional(
    code_size: int | str = "auto", *, network: Any = "conv", **options: Any
) -> Autoencoder:
    """Return an autoencoder of convolutions, for images (Masci et al. 2011).

    Parameters
    ----------
    code_size : int or "auto"
    network : Network or str
        ``Conv()`` by default, whose stages go by the size of the images.
    **options
        Any other option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return _autoencoder(code_size, network=network, **options)


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
    return _autoencoder(code_size, corruption=corruption, **options)


def imputing(
    code_size: int | str = "auto", *, corruption: Any = PARTS, schema: Any = None, **options: Any
) -> Autoencoder:
    """Return an autoencoder that knows missing cells, and tells what would be in them.

    In training cells are hidden as missing, of each row a share of its own, and the loss counts all
    that were there, as in denoising (Gondara & Wang 2018). `Imputer` fills cells with it.

    Nets of tables whose cells are hidden so are wider and train longer than others, where nothing
    else is said.

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
    return _autoencoder(code_size, corruption=corruption, schema=schema or {}, **options)


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
    return _autoencoder(
        128 if code_size == "auto" else code_size,
        network=network,
        corruption=corruption,
        likelihood="mse" if likelihood == "auto" else likelihood,
        training=training,
        **options,
    )


def detecting_images(
    code_size: int | str = "auto",
    *,
    network: Any = PICTURE,
    corruption: Any = STRONG,
    likelihood: Any = "auto",
    training: Any = SHORT_FOLDS,
    **options: Any,
) -> Autoencoder:
    """Return an autoencoder for finding anomalies among images or series.

    As `detecting`, but one layer is wide, ``MLP((2048,), skip=False)``, for what it makes of an
    image counts too; behind it is a code of 64; the noise is ``GaussianNoise((0.2, 2.0),
    logarithmic=True)``, and 300 steps are enough.
    """
    return detecting(
        64 if code_size == "auto" else code_size,
        network=network,
        corruption=corruption,
        likelihood=likelihood,
        training=training,
        **options,
    )


def deep(
    code_size: int | str = "auto",
    *,
    hidden: Any = "auto",
    activation: str = "sigmoid",
    pretraining: Any = "rbm",
    **options: Any,
) -> Autoencoder:
    """Return a deep autoencoder of sigmoid layers with pretraining (Hinton & Salakhutdinov 2006).

    From random weights such layers hardly learn: a stack of restricted Boltzmann machines brings
    them near a solution first. The authors' widths for MNIST are (1000, 500, 250).

    Parameters
    ----------
    code_size : int or "auto"
    hidden : tuple of int or "auto"
        Widths of the layers; "auto" goes by the width of the data, for images too.
    activation : str
        Of the layers; not used with a `network`, which has its own.
    pretraining : Pretraining or str
        ``RBM()`` by default.
    **options
        Any other option of `Autoencoder`; with a `network`, that one's layers are pretrained.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    # What is not the default is refused beside a network.
    if options.get("network") is None or activation != "sigmoid":
        options["activation"] = activation
    return _autoencoder(code_size, hidden=hidden, pretraining=pretraining, **options)


def stacked(
    code_size: int | str = "auto",
    *,
    hidden: Any = "auto",
    pretraining: Any = "layerwise",
    **options: Any,
) -> Autoencoder:
    """Return a stack of denoising autoencoders, trained together afterwards (Vincent et al. 2010).

    Parameters
    ----------
    code_size : int or "auto"
    hidden : tuple of int or "auto"
        Widths of the layers; "auto" goes by the width of the data, for images too.
    pretraining : Pretraining or str
        ``Layerwise(corruption=Masking(0.25))`` by default.
    **options
        Any other option of `Autoencoder`.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    return _autoencoder(code_size, hidden=hidden, pretraining=pretraining, **options)


def _autoencoder(code_size: int | str, **options: Any) -> Autoencoder:
    # Imported here, for it imports torch.
    from diabolo.estimator import Autoencoder

    return Autoencoder(code_size, **options)


RECIPES = {
    "undercomplete": undercomplete,
    "stacked": stacked,
    "deep": deep,
    "denoising": denoising,
    "sparse": sparse,
    "contractive": contractive,
    "variational": variational,
    "convolutional": convolutional,
    "masked": masked,
    "imputing": imputing,
    "detecting": detecting,
    "detecting_images": detecting_images,
    "vector_quantised": vector_quantised,
    "semantic_hashing": semantic_hashing,
}
