"""Variants by what kind of autoencoder they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diabolo.recipes.base import autoencoder

if TYPE_CHECKING:
    from diabolo.estimator import Autoencoder


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
    return autoencoder(code_size, **options)


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
    return autoencoder(code_size, penalties=penalties, **options)


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
    return autoencoder(code_size, bottleneck=bottleneck, **options)


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
    return autoencoder(code_size, bottleneck=bottleneck, **options)


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
    return autoencoder(code_size, bottleneck=bottleneck, **options)


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
    return autoencoder(code_size, bottleneck=bottleneck, **options)


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
    return autoencoder(code_size, network=network, **options)


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
    return autoencoder(code_size, hidden=hidden, pretraining=pretraining, **options)


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
    return autoencoder(code_size, hidden=hidden, pretraining=pretraining, **options)
