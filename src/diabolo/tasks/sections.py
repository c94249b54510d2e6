"""What `AnomalyDetector` has learned beside its model, as a section of the model's folder."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.densities import DENSITIES, Density
from diabolo.densities.normal import Normal, tensors_of
from diabolo.densities.regions import Regions
from diabolo.densities.spread import Spread
from diabolo.errors import ModelError, SpecError
from diabolo.estimator import Autoencoder
from diabolo.spec import from_json, require, to_json
from diabolo.store import Section
from diabolo.tasks.calibration import Calibration
from diabolo.tasks.oddness import Features, Oddness

if TYPE_CHECKING:
    from diabolo.tasks.anomaly import AnomalyDetector

TITLE = "anomaly"

#: What a model card says of how to use a detector.
USE = """```python
from diabolo import load

detector = load("path/to/this/folder")
flags = detector.predict(X)          # -1 for anomalies
p_values = detector.p_value(X)
reasons = detector.explain(X)
codes = detector.model_.transform(X)
```

```sh
diabolo detect path/to/this/folder data.csv --top 20
```
"""

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
    if isinstance(oddness.normal, Features):
        for i, normal in enumerate(oddness.normal.densities):
            tensors |= normal.arrays(FEATURES.format(i))
        tensors |= oddness.normal.spread.arrays(SPREAD) | {"usual": oddness.normal.usual.numpy()}
    elif oddness.normal is not None:
        tensors |= oddness.normal.arrays()
    # What "auto" means may change; what was fitted does not.
    density = to_json(detector._density, DENSITIES)
    config = {"params": params, "density": density}
    config |= {"level": calibration.level, "basis": detector.basis_}
    return Section(config, tensors)


def read_section(
    model: Autoencoder,
) -> tuple[dict[str, Any], Density | None, Oddness, Calibration, str]:
    """Return parameters, density, what it has learned, calibration and basis of a detector.

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
        density = from_json(section.config["density"], DENSITIES)
        oddness = Oddness(model, _normal(model, density, section.tensors))
        return params, density, oddness, Calibration(scores, level), basis
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"the section {TITLE!r} is damaged: {reason}") from None


def _normal(
    model: Autoencoder, density: Density | None, arrays: dict[str, np.ndarray]
) -> Normal | Regions | Features | None:
    """Return what a section says that errors are compared with, if with anything."""
    if density is None:
        return None
    if model.schema_.kind == "table":
        return density.read(arrays, math.prod(model.schema_.shape))
    width, members = int(model.module_.encoder.out_features), model.spec_.training.members
    each = tuple(density.read(arrays, width, FEATURES.format(i)) for i in range(members))
    (usual,) = tensors_of(arrays, "", {"usual": (2,)}, ("usual",))
    return Features(Spread.read(arrays, SPREAD), each, usual)
