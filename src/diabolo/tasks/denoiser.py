"""Cleaning rows."""

from __future__ import annotations

from typing import Any

from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from diabolo.corruptions import CORRUPTIONS, GaussianNoise
from diabolo.errors import SpecError
from diabolo.estimator import Autoencoder
from diabolo.spec import is_number, require, resolve_part
from diabolo.tasks.base import Task


class Denoiser(OneToOneFeatureMixin, TransformerMixin, Task):
    """Take noise out of rows, with an autoencoder that learned to (Vincent et al. 2010).

    Parameters
    ----------
    model : Autoencoder, optional
        An unfitted one is trained, with `noise` where it has no corruption of its own; a fitted
        one is used as it is, and has to have been trained with a corruption. By default
        ``Autoencoder()``. scikit-learn's `clone`, and so each of its searches, takes the fit away;
        ``FrozenEstimator(model)`` keeps it.
    noise : float, (float, float), Corruption, str or tuple of them, default 0.5
        What is to be taken out. A number is the standard deviation of normal noise in scaled units
        (of a standardised column, or of pixels from 0 to 1), two numbers a range of them.
    random_state : int, RandomState or None, default None
        Seed, where the model has none.

    Attributes
    ----------
    model_ : Autoencoder
        The fitted model.

    Examples
    --------
    >>> from diabolo import Denoiser, datasets
    >>> X = datasets.load("digits").data
    >>> clean = Denoiser(noise="masking", random_state=0).fit(X[:400]).transform(X[400:410])
    >>> clean.shape
    (10, 8, 8)
    """

    def __init__(
        self, model: Autoencoder | None = None, *, noise: Any = 0.5, random_state: Any = None
    ):
        self.model = model
        self.noise = noise
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Denoiser:
        """Learn from clean rows, unless the model has learned already.

        Parameters
        ----------
        X : as in `Autoencoder.fit`
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        SpecError
            If the model is fitted and never saw corrupted rows.
        """
        require(
            self.noise not in (None, ()),
            f"noise={self.noise!r} leaves nothing to be taken out: pass for example noise=0.5",
        )
        model = self._fitted()
        if model is None:
            model = self._unfitted(Autoencoder())
            if model.corruption is None:
                model.set_params(corruption=_corruption(self.noise))
            model.fit(X)
        elif model.spec_.corruption is None:
            raise SpecError(
                "this model never saw corrupted rows, so that it cannot tell noise from what "
                "belongs to a row: train it by recipes.denoising(), or pass an unfitted one"
            )
        self._use(model)
        return self

    def transform(self, X: Any) -> Any:
        """Return X without its noise.

        Parameters
        ----------
        X : as in `Autoencoder.reconstruct`

        Returns
        -------
        The container, index, columns and types of X

        Raises
        ------
        DataError
            As in `Autoencoder.reconstruct`.
        """
        check_is_fitted(self)
        return self.model_.reconstruct(X)


def _corruption(noise: Any) -> Any:
    noise = tuple(noise) if isinstance(noise, list) else noise
    numbers = noise if isinstance(noise, tuple) else (noise,)
    if all(map(is_number, numbers)):
        return GaussianNoise(noise)
    parts = tuple(resolve_part(part, CORRUPTIONS, "noise") for part in numbers)
    return parts if isinstance(noise, tuple) else parts[0]
