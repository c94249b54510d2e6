"""What `AnomalyDetector` has learned beside its model, as a section of the model's folder."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diabolo.densities import DENSITIES
from diabolo.densities.normal import Normal
from diabolo.densities.spread import BINS, Spread
from diabolo.errors import ModelError, SpecError
from diabolo.estimator import Autoencoder
from diabolo.spec import from_json, require, to_json
from diabolo.store import Section
from diabolo.tasks.calibration import Calibration
from diabolo.tasks.oddness import Features, Oddness

if TYPE_CHECKING:
    from diabolo.tasks.anomaly import AnomalyDetector

TITLE = "anomaly"

#: Whose scores a threshold may come from.
BASES = ("held out", "folds", "given", "training")

#: Before the names of the density of a member's features, and of the spread of errors of images.
FEATURES, SPREAD = "features_{}_", "spread_"


def section_of(detector: AnomalyDetector, oddness: Oddness, calibration: Calibration) -> Section:
    """Return the section of a fitted detector."""
    params = {k: v for k, v in detector.get_params(deep=False).items() if k != "model"}
    params["density"] = to_json(detector.density, DENSITIES)
    params["random_state"] = detector.model_.spec_.seed
    tensors = {"scores": calibration.scores}
    densities: dict[str, Normal | Spread] = {}
    if isinstance(oddness.normal, Features):
        each = enumerate(oddness.normal.densities)
        densities = {FEATURES.format(i): normal for i, normal in each}
        densities[SPREAD] = oddness.normal.spread
        tensors["usual"] = oddness.normal.usual.numpy()
    elif oddness.normal is not None:
        densities[""] = oddness.normal
    for prefix, density in densities.items():
        for field in dataclasses.fields(density):
            tensors[prefix + field.name] = getattr(density, field.name).numpy()
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
        oddness = Oddness(model, _normal(model, section.tensors))
        return params, oddness, Calibration(scores, level), basis
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"the section {TITLE!r} is damaged: {reason}") from None


def _normal(model: Autoencoder, tensors: dict[str, np.ndarray]) -> Normal | Features | None:
    """Return what a section says that errors are compared with, if with anything."""
    if not any(name.startswith(SPREAD) for name in tensors):
        d = math.prod(model.schema_.shape)
        return _density(tensors, "", d) if "mean" in tensors else None
    width, members = int(model.module_.encoder.out_features), model.spec_.training.members
    each = tuple(_density(tensors, FEATURES.format(i), width) for i in range(members))
    shapes = {"low": (), "high": (), "variances": (BINS,), "overall": ()}
    spread = Spread(*_tensors(tensors, SPREAD, shapes, ("overall",)))
    (usual,) = _tensors(tensors, "", {"usual": (2,)}, ("usual",))
    return Features(spread, each, usual)


def _density(tensors: dict[str, np.ndarray], prefix: str, d: int) -> Normal:
    """Return the density of rows of d values that a section holds."""
    k = len(tensors[prefix + "variances"])
    shapes = {"mean": (d,), "scale": (d,), "basis": (d, k), "variances": (k,), "rest": ()}
    return Normal(*_tensors(tensors, prefix, shapes, ("scale", "variances", "rest")))


def _tensors(
    tensors: dict[str, np.ndarray],
    prefix: str,
    shapes: dict[str, tuple[int, ...]],
    positive: tuple[str, ...],
) -> list[torch.Tensor]:
    """Return tensors of these shapes, finite and some of them positive."""
    found = []
    for name, shape in shapes.items():
        array = tensors[prefix + name]
        require(
            array.shape == shape
            and np.isfinite(array).all()
            and (name not in positive or (array > 0).all()),
            f"{prefix}{name} is not what it should be",
        )
        found.append(torch.from_numpy(array))
    return found
