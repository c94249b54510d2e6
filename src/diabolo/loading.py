"""From a model folder to the estimator it holds."""

from __future__ import annotations

import importlib
import os
from typing import Any

from diabolo import store
from diabolo.errors import ModelError

#: Kind of model → (module of the estimator class, class, module with its ``load``).
KINDS = {
    "autoencoder": ("diabolo.estimator", "Autoencoder", "diabolo.estimator.folder"),
    "imputer": ("diabolo.tasks.imputer", "Imputer", "diabolo.tasks.imputer"),
    "anomaly_detector": ("diabolo.tasks.anomaly", "AnomalyDetector", "diabolo.tasks.anomaly"),
}


def load(path: str | os.PathLike[str]) -> Any:
    """Return the fitted model in the folder `path`; outputs are bit for bit those before saving.

    Raises
    ------
    ModelError
        If the folder is missing, foreign, damaged, or written by a newer version.
    """
    kind, config, tensors = store.read(path)
    if kind not in KINDS:
        raise ModelError(f"{path} holds a model of kind {kind!r}, which this version does not know")
    home, name, folder = KINDS[kind]
    cls = getattr(importlib.import_module(home), name)
    try:
        return importlib.import_module(folder).load(cls, config, tensors)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
