"""What tasks share: an autoencoder of their own, or one that is fitted already."""

from __future__ import annotations

import os
from typing import Any

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from diabolo.estimator import Autoencoder
from diabolo.estimator.params import PartParams
from diabolo.spec import require


class Task(PartParams):
    """A job around an autoencoder.

    Attributes
    ----------
    model : Autoencoder or None
        As it was passed.
    model_ : Autoencoder
        The fitted one.
    """

    model: Any
    random_state: Any
    model_: Autoencoder

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as a folder, from which `load` and `fit(None)` make the task again."""
        check_is_fitted(self)
        self.model_.save(path)

    def _fitted(self) -> Autoencoder | None:
        """Return the model if it is fitted, None if one has to be trained."""
        # What keeps a fit from being cloned away.
        frozen = isinstance(self.model, FrozenEstimator)
        model = self.model.estimator if frozen else self.model
        require(
            model is None or isinstance(model, Autoencoder),
            f"model={self.model!r}: pass an Autoencoder, or None",
        )
        return model if model is not None and hasattr(model, "spec_") else None

    def _unfitted(self, default: Autoencoder) -> Autoencoder:
        """Return a model to be trained, with the task's seed where it has none of its own."""
        model = default if self.model is None else clone(self.model)
        if model.random_state is None:
            model.set_params(random_state=self.random_state)
        return model

    def _use(self, model: Autoencoder) -> None:
        """Keep the fitted model."""
        self.model_, self.n_features_in_ = model, model.n_features_in_
        self.__dict__.pop("feature_names_in_", None)  # of an earlier fit
        if hasattr(model, "feature_names_in_"):
            self.feature_names_in_ = model.feature_names_in_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # An unfitted model takes rows with gaps.
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")
