"""Named variants: short functions that return a configured estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    from diabolo.estimator import Autoencoder

    return Autoencoder(code_size, **options)


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
    from diabolo.estimator import Autoencoder

    return Autoencoder(code_size, corruption=corruption, **options)


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
    from diabolo.estimator import Autoencoder

    return Autoencoder(code_size, penalties=penalties, **options)


def deep(
    code_size: int | str = "auto",
    *,
    hidden: Any = "auto",
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
    pretraining : Pretraining or str
        ``RBM()`` by default.
    **options
        Any other option of `Autoencoder`; with a `network`, that one's layers are pretrained.

    Returns
    -------
    Autoencoder
        Not fitted.
    """
    from diabolo.estimator import Autoencoder

    if options.get("network") is None:
        options = {"activation": "sigmoid", **options}
    return Autoencoder(code_size, hidden=hidden, pretraining=pretraining, **options)


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
    from diabolo.estimator import Autoencoder

    return Autoencoder(code_size, hidden=hidden, pretraining=pretraining, **options)


RECIPES = {
    "undercomplete": undercomplete,
    "denoising": denoising,
    "contractive": contractive,
    "deep": deep,
    "stacked": stacked,
}
