"""Diabolo: one autoencoder, fitted on unlabelled data, for every job that codes can do.

Names are imported when they are first used, so that ``import diabolo`` and the command line's help
answer at once; torch and scikit-learn come with the first model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diabolo import datasets, recipes
    from diabolo.estimator import Autoencoder
    from diabolo.loading import load
    from diabolo.tasks.anomaly import AnomalyDetector
    from diabolo.tasks.denoiser import Denoiser
    from diabolo.tasks.imputer import Imputer

__version__ = "0.1.0"

#: Public name → the module that holds it (a name equal to its module's is the module itself).
_HOMES = {
    "AnomalyDetector": "diabolo.tasks.anomaly",
    "Autoencoder": "diabolo.estimator",
    "Denoiser": "diabolo.tasks.denoiser",
    "Imputer": "diabolo.tasks.imputer",
    "datasets": "diabolo.datasets",
    "load": "diabolo.loading",
    "recipes": "diabolo.recipes",
}

__all__ = [
    "AnomalyDetector",
    "Autoencoder",
    "Denoiser",
    "Imputer",
    "__version__",
    "datasets",
    "load",
    "recipes",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'diabolo' has no attribute {name!r}")
    module = importlib.import_module(_HOMES[name])
    value = module if _HOMES[name].endswith(f".{name}") else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
