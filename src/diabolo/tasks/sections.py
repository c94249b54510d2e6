"""What `AnomalyDetector` has learned beside its model, as a section of the model's folder."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diabolo.densities import DENSITIES
from diabolo.densities.normal import Normal
from diabolo.errors import ModelError, SpecError
from diabolo.estimator import Autoencoder
from diabolo.spec import from_json, require, to_json
from diabolo.store import Section
from diabolo.tasks.calibration import Calibration
from diabolo.tasks.oddness import Oddness

if TYPE_CHECKING:
    from diabolo.tasks.anomaly import AnomalyDetector

TITLE = "anomaly"

#: Whose scores a threshold may come from.
BASES = ("held out", "folds", "given", "training")

NAMES = tuple(field.name for field in dataclasses.fields(Normal))

#: Before the names of the density of a member's features.
FEATURES = "features_{}_"


def section_of(detector: AnomalyDetector, oddness: Oddness, calibration: Calibration) -> Section:
    """Return the section of a fitted detector."""
    params = {k: v for k, v in detector.get_params(deep=False).items() if k != "model"}
    params["density"] = to_json(detector.density, DENSITIES)
    params["random_state"] = detector.model_.spec_.seed
    tensors = {"scores": calibration.scores}
    densities = {FEATURES.format(i): normal for i, normal in enumerate(oddness.features)}
    if oddness.normal is not None:
        densities[""] = oddness.normal
    for prefix, normal in densities.items():
        tensors |= {prefix + name: getattr(normal, name).numpy() for name in NAMES}
    config = {"params": params, "level": calibration.level, "basis": detector.basis_}
    return Section(config, tensors)


def read_section(
    model: Autoencoder,
) -> tuple[dict[str, Any], Oddness, Calibration, str]:
    """Return parameters, densities, calibration and basis of the detector beside a model.

    Raises
    ------
    SpecError
        If there is none.
    ModelError
        If it could not have been written by `section_of`.
    """
    if TITLE not in model.sections_:
        raise SpecError(
            "this model was saved without what normal rows score: "
            "AnomalyDetector(model).fit(X).save(path) learns it, as `diabolo train` does"
        )
    section = model.sections_[TITLE]
    try:
        params = {**section.config["params"]}
        params["density"] = from_json(params["density"], DENSITIES)
        known = {"training_data", "false_alarm_rate", "contamination", "density", "random_state"}
        require(set(params) == known, "its parameters are others")
        scores, level = section.tensors["scores"], float(section.config["level"])
        require(
            scores.ndim == 1
            and len(scores)
            and scores.dtype == np.float64
            and not np.isnan(scores).any()
            and (np.diff(scores) >= 0).all()
            and 0 < level <= 1,
            "the scores are not ascending numbers",
        )
        basis = section.config["basis"]
        require(basis in BASES, f"its basis is {basis!r}")
        normal = _normal(section.tensors, "", math.prod(model.schema_.shape))
        width, members = int(model.module_.encoder.out_features), model.spec_.training.members
        features = [_normal(section.tensors, FEATURES.format(i), width) for i in range(members)]
        each = tuple(normal for normal in features if normal is not None)
        require(len(each) in (0, members), "some of its features_ are missing")
        return params, Oddness(model, normal, each), Calibration(scores, level), basis
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"the section {TITLE!r} is damaged: {reason}") from None


def _normal(tensors: dict[str, np.ndarray], prefix: str, d: int) -> Normal | None:
    """Return the density of rows of d values that a section holds, if any."""
    arrays = {name: tensors[prefix + name] for name in NAMES if prefix + name in tensors}
    if not arrays:
        return None
    k = len(arrays["variances"])
    shapes = {"mean": (d,), "scale": (d,), "basis": (d, k), "variances": (k,), "rest": ()}
    for name, shape in shapes.items():
        array = arrays[name]
        positive = name in ("mean", "basis") or (array > 0).all()
        require(
            array.shape == shape and np.isfinite(array).all() and positive,
            f"{prefix}{name} is not what it should be",
        )
    return Normal(*(torch.from_numpy(arrays[name]) for name in NAMES))
