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


RECIPES = {"undercomplete": undercomplete}
