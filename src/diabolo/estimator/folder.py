"""An `Autoencoder` as the contents of a model folder, and back."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diabolo import store
from diabolo.autoencoder import AutoencoderModule
from diabolo.data.columns import COLUMNS
from diabolo.data.schema import KINDS, SCALINGS, Schema
from diabolo.data.table import Table
from diabolo.device import resolve_device
from diabolo.ensemble import Ensemble
from diabolo.errors import ModelError, SpecError
from diabolo.estimator.defaults import choose_penalties, choose_pretraining
from diabolo.estimator.resolved import AXES, Spec
from diabolo.estimator.vitals import Vitals
from diabolo.likelihoods import Mixed
from diabolo.spec import from_json, to_json

if TYPE_CHECKING:
    from diabolo.estimator.estimator import Autoencoder

KIND = "autoencoder"
ARRAYS = ("shift", "scale", "low", "high")


def save(
    model: Autoencoder,
    path: str | os.PathLike[str],
    kind: str = KIND,
    sections: Mapping[str, store.Section] = MappingProxyType({}),
    use: str | None = None,
) -> None:
    """Write a fitted model as a folder, with what tasks have learned beside it.

    Parameters
    ----------
    model : Autoencoder
    path : path
    kind : str
        What `diabolo.load` makes of the folder, a name of ``loading.KINDS``.
    sections : dict of str to Section
        They replace those that the model came with from a folder, by their titles.
    use : str, optional
        What the card says of how to use it, in Markdown.
    """
    weights = {f"module.{k}": v.cpu().numpy() for k, v in model.module_.state_dict().items()}
    arrays = {f"schema.{name}": getattr(model.schema_, name) for name in ARRAYS}
    config = {
        "params": {k: _param_to_json(k, v) for k, v in model.get_params(deep=False).items()},
        "spec": model.spec_.to_json(),
        "schema": _schema_to_json(model.schema_),
        "history": model.history_,
        "kept": model.kept_,
        "stopped": model.stopped_,
    }
    arrays |= {f"vitals.{f.name}": getattr(model.vitals_, f.name) for f in fields(Vitals)}
    tensors = {**weights, **arrays, "held_out": model.held_out_.astype(np.int64)}
    sections = {**model.sections_, **sections}
    store.write(path, kind, config, tensors, card(model, use or USE), sections)


def load(
    cls: type[Autoencoder], config: dict[str, Any], tensors: dict[str, np.ndarray]
) -> Autoencoder:
    """Return the model of a folder that `store.read` has read.

    Raises
    ------
    ModelError
        If the parts are unknown to this version, or tensors are missing or misshapen.
    """
    try:
        model = cls(**{k: _param_from_json(k, v) for k, v in config["params"].items()})
        spec = Spec.from_json(config["spec"])
        known: dict[str, Any] = {k: _tuples(v) for k, v in config["schema"].items()}
        known |= {name: tensors[f"schema.{name}"] for name in ARRAYS}
        if known["table"] is not None:
            columns = from_json(config["schema"]["table"]["columns"], COLUMNS)
            known["table"] = Table(columns, _tuples(config["schema"]["table"]["types"]))
        schema = Schema(**known)
        model.vitals_ = Vitals(**{f.name: tensors[f"vitals.{f.name}"] for f in fields(Vitals)})
        model.held_out_ = tensors["held_out"]
        model.history_, model.stopped_ = config["history"], config["stopped"]
        model.kept_ = config["kept"]
        model.sections_ = store.sections_of(config, tensors)
        _check(spec, schema, model)
        module = _module(spec, schema, tensors)
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
        ArithmeticError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"the model folder is damaged, or of another version: its parts do not fit together "
            f"({type(error).__name__}: {reason})"
        ) from None
    # A model trained on a GPU also opens where there is none.
    try:
        device = resolve_device(model.device)
    except SpecError:
        device = "cpu"
    model.spec_ = dataclasses.replace(spec, device=device)
    model.schema_ = schema
    model.module_ = module.to(device)
    model._set_features()
    return model


def _module(
    spec: Spec, schema: Schema, tensors: dict[str, np.ndarray]
) -> AutoencoderModule | Ensemble:
    prefix = "module."
    state = {
        name.removeprefix(prefix): torch.from_numpy(array.astype(np.float32))
        for name, array in tensors.items()
        if name.startswith(prefix)
    }
    # Without memory of its own, so that an edited width cannot ask for terabytes.
    module = spec.build(schema.cells)
    module.load_state_dict(state, assign=True)
    return module


def _check(spec: Spec, schema: Schema, model: Autoencoder) -> None:
    """Raise `ValueError` where what was read could not have been written by `save`."""

    def whole(value: Any, least: int) -> bool:
        return type(value) is int and value >= least

    table = schema.table
    cells = (len(table.columns),) if table else schema.shape
    values = math.prod(cells)
    names, dtypes = schema.names, schema.dtypes
    rules = {
        "spec.code_size": whole(spec.code_size, 1),
        "spec.max_epochs": whole(spec.max_epochs, 1),
        "spec.seed": whole(spec.seed, 0),
        "device": isinstance(spec.device, str) and isinstance(model.device, str),
        "spec.network": spec.kind in spec.network.kinds and spec.network.is_resolved(schema.shape),
        "spec.bottleneck": spec.bottleneck == spec.bottleneck.resolved(spec.code_size),
        "spec.corruption": spec.corruption is None
        or spec.corruption == spec.corruption.resolved(schema.kind, schema.shape),
        "spec.augmentation": spec.augmentation is None
        or spec.augmentation.check(schema.kind, schema.shape, spec.likelihood) is None,
        "spec.penalties": isinstance(spec.penalties, tuple)
        and spec.penalties == choose_penalties(spec.penalties, spec.bottleneck),
        "spec.pretraining": spec.pretraining
        == choose_pretraining(
            spec.pretraining, spec.network, spec.bottleneck, spec.likelihood, spec.training, 1
        ),
        "kind": spec.kind == schema.kind and schema.kind in KINDS,
        "scaling": spec.scaling == schema.scaling and schema.scaling in SCALINGS,
        "schema.shape": isinstance(schema.shape, tuple)
        and all(whole(size, 1) for size in schema.shape)
        and len(schema.shape) in (1, 2, 3),
        "schema.names": names is None
        or (
            isinstance(names, tuple)
            and len(set(names)) == len(names) == values
            and all(isinstance(name, str) for name in names)
        ),
        "schema.dtypes": isinstance(dtypes, tuple)
        and len(dtypes) in {1, values}
        and all(isinstance(dtype, str) and np.dtype(dtype).kind in "biuf" for dtype in dtypes),
        "schema.given": schema.given is None
        or (isinstance(schema.given, tuple) and set(names or ()) <= set(schema.given)),
        "schema.table": table is None or (table.is_sound() and schema.shape == (table.width,)),
        "spec.likelihood": not isinstance(spec.likelihood, Mixed)
        or spec.likelihood.fits(schema.shape[-1]),
        "schema.gaps": isinstance(schema.gaps, tuple)
        and all(whole(place, 0) for place in schema.gaps)
        and len(set(schema.gaps)) == len(schema.gaps)
        and schema.kind in KINDS
        and max(schema.gaps, default=0) < (1 if schema.cells.bare else schema.shape[-1]),
        "history": isinstance(model.history_, list)
        and all(isinstance(row, dict) and {"epoch", "train"} <= set(row) for row in model.history_)
        and all(isinstance(v, int | float) for row in model.history_ for v in row.values()),
        "kept": model.kept_ is None
        or (whole(model.kept_, 0) and model.kept_ < len(model.history_)),
        "stopped": isinstance(model.stopped_, str),
        "vitals": all(
            getattr(model.vitals_, name).shape == (spec.code_size,)
            for name in ("active", "spread", "adds")
        ),
        "held_out": model.held_out_.ndim == 1 and model.held_out_.dtype == np.int64,
    }
    for name in ARRAYS:
        array = getattr(schema, name)
        rules[f"schema.{name}"] = (
            bool(np.isfinite(array).all())
            and array.shape == (schema.shape if name in ("shift", "scale") else cells)
            and array.dtype == np.float64
        )
    rules["schema.scale"] = rules["schema.scale"] and bool((schema.scale > 0).all())
    for name, holds in rules.items():
        if not holds:
            raise ValueError(f"{name} is not what it should be")


USE = """```python
from diabolo import load

model = load("path/to/this/folder")
codes = model.transform(X)
X_again = model.inverse_transform(codes)
errors = model.reconstruction_error(X)
```

```sh
diabolo encode path/to/this/folder data.csv --out codes.csv
```
"""


def card(model: Autoencoder, use: str = USE) -> str:
    """Return the model card, in Markdown."""
    spec, schema = model.spec_, model.schema_
    # Nothing has been looked at where training was interrupted in its first epoch.
    kept = {"train": math.nan} if model.kept_ is None else model.history_[model.kept_]
    epochs = model.history_[-1]["epoch"] if model.history_ else 0
    shape = " × ".join(map(str, schema.shape))
    held_out = f", {kept['held_out']:.5g} on held-out rows" if "held_out" in kept else ""
    return f"""---
library_name: diabolo
tags: [autoencoder]
---
# Autoencoder: {shape} values to a code of {spec.code_size}

Trained with [Diabolo](https://pypi.org/project/diabolo/) on rows of kind "{spec.kind}".

| | |
|---|---|
| network | `{spec.network}` |
| bottleneck | `{spec.bottleneck}` |
| augmentation | `{spec.augmentation}` |
| corruption | `{spec.corruption}` |
| likelihood | `{spec.likelihood}` |
| penalties | `{spec.penalties}` |
| pretraining | `{spec.pretraining}` |
| scaling | {spec.scaling} |
| weights | {model.module_.weights:,} |
| training | `{spec.training}` |
| epochs | {epochs} of {spec.max_epochs} ({model.stopped_}) |
| loss, nats per value | {kept["train"]:.5g} on training rows{held_out} |
| seed | {spec.seed} |

{use}"""


def _schema_to_json(schema: Schema) -> dict[str, Any]:
    fields = {f.name: getattr(schema, f.name) for f in dataclasses.fields(schema)}
    if schema.table is not None:
        columns = to_json(schema.table.columns, COLUMNS)
        fields["table"] = {"columns": columns, "types": schema.table.types}
    return {name: value for name, value in fields.items() if name not in ARRAYS}


def _param_to_json(name: str, value: Any) -> Any:
    if name in AXES:
        return to_json(value, AXES[name])
    if name == "random_state" and not isinstance(value, int | np.integer):
        return None  # the seed that was drawn from it is in the spec
    return str(value) if name == "device" else value


def _param_from_json(name: str, value: Any) -> Any:
    return from_json(value, AXES[name]) if name in AXES else _tuples(value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
