"""What a fitted model needs besides its jobs: checks of input, chunks, scikit-learn, the folder."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from diabolo.autoencoder import AutoencoderModule
from diabolo.data.rows import Rows
from diabolo.data.schema import Schema
from diabolo.device import memory_errors
from diabolo.ensemble import Ensemble
from diabolo.errors import RangeWarning
from diabolo.estimator.fitting import read_rows
from diabolo.estimator.params import PartParams
from diabolo.estimator.resolved import Spec
from diabolo.estimator.vitals import Vitals
from diabolo.training.scoring import in_chunks


class FittedModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, PartParams):
    """A network with the schema of its data, in scikit-learn's manners."""

    spec_: Spec
    schema_: Schema
    module_: AutoencoderModule | Ensemble
    vitals_: Vitals

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model as a folder (JSON, safetensors, model card; no pickle).

        Raises
        ------
        WriteError
            If the folder cannot be written, or exists and is no Diabolo model.
        """
        check_is_fitted(self)
        from diabolo.estimator.folder import save

        save(self, path)

    def _encode_input(self, X: Any, extra_columns: bool = False) -> Rows:
        """Return X checked and scaled, on the CPU."""
        check_is_fitted(self)
        # A file may have other columns, as for the command line; a frame is scikit-learn's matter.
        extra_columns = extra_columns or isinstance(X, str | os.PathLike)
        data = self.schema_.unpack(read_rows(X), extra_columns=extra_columns)
        rows = Rows(self.schema_, data, self.spec_.likelihood.support)
        if rows.outside is not None:
            count, example = rows.outside
            warnings.warn(
                f"{count} value{'s lie' if count > 1 else ' lies'} outside the range of the "
                f"training data's likelihood ({self.spec_.likelihood!r}), for example {example}",
                RangeWarning,
                stacklevel=3,
            )
        return rows

    def _apply(
        self, x: torch.Tensor | Rows, function: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        with memory_errors():
            return in_chunks(self.module_, x, function)

    def _set_features(self) -> None:
        given = self.schema_.given
        self.n_features_in_ = self.schema_.low.shape[0] if given is None else len(given)
        if given is not None:
            self.feature_names_in_ = np.asarray(given, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    @property
    def _n_features_out(self) -> int:
        return self.spec_.code_size

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Codes are float32 whatever comes in: a network computes no more digits.
        tags.transformer_tags.preserves_dtype = []
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "module_" in state:
            state["module_"] = copy.deepcopy(state["module_"]).to("cpu")
        return state
