"""An `Autoencoder` as the contents of a model folder, and back."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diabolo import store
from diabolo.autoencoder import AutoencoderModule
from diabolo.data.schema import Block, Schema
from diabolo.device import resolve_device
from diabolo.errors import ModelError, SpecError
from diabolo.estimator.resolved import AXES, Spec
from diabolo.spec import Part, part_from_json, part_to_json

if TYPE_CHECKING:
    from diabolo.estimator.estimator import Autoencoder

KIND = "autoencoder"
ARRAYS = ("shift", "scale", "low", "high")


def save(model: Autoencoder, path: str | os.PathLike[str]) -> None:
    """Write a fitted model as a folder."""
    weights = {f"module.{k}": v.cpu().numpy() for k, v in model.module_.state_dict().items()}
    arrays = {f"schema.{name}": getattr(model.schema_, name) for name in ARRAYS}
    config = {
        "params": {k: _param_to_json(k, v) for k, v in model.get_params(deep=False).items()},
        "spec": model.spec_.to_json(),
        "schema": _schema_to_json(model.schema_),
        "history": model.history_,
        "stopped": model.stopped_,
    }
    tensors = {**weights, **arrays, "held_out": model.held_out_.astype(np.int64)}
    store.write(path, KIND, config, tensors, card(model))


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
        fields: dict[str, Any] = {k: _tuples(v) for k, v in config["schema"].items()}
        fields |= {name: tensors[f"schema.{name}"] for name in ARRAYS}
        fields["blocks"] = tuple(Block(**block) for block in fields["blocks"])
        schema = Schema(**fields)
        module = AutoencoderModule.empty(schema.shape, *spec.parts)
        prefix = "module."
        state = {
            name.removeprefix(prefix): torch.from_numpy(array.copy())
            for name, array in tensors.items()
            if name.startswith(prefix)
        }
        module.load_state_dict(state)
        model.held_out_ = tensors["held_out"]
        model.history_, model.stopped_ = config["history"], config["stopped"]
    except (KeyError, TypeError, AttributeError, RuntimeError, SpecError) as error:
        raise ModelError(
            f"the model folder does not fit together ({type(error).__name__}: {error}): it is "
            "damaged, or of another version"
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


def card(model: Autoencoder) -> str:
    """Return the model card, in Markdown."""
    spec, schema, last = model.spec_, model.schema_, model.history_[-1]
    shape = " × ".join(map(str, schema.shape))
    held_out = f", {last['held_out']:.5g} on held-out rows" if "held_out" in last else ""
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
| likelihood | `{spec.likelihood}` |
| scaling | {spec.scaling} |
| weights | {sum(p.numel() for p in model.module_.parameters()):,} |
| epochs | {last["epoch"]} of {spec.max_epochs} ({model.stopped_}) |
| loss, nats per value | {last["train"]:.5g} on training rows{held_out} |
| seed | {spec.seed} |

```python
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


def _schema_to_json(schema: Schema) -> dict[str, Any]:
    fields = {f.name: getattr(schema, f.name) for f in dataclasses.fields(schema)}
    fields["blocks"] = [dataclasses.asdict(block) for block in schema.blocks]
    return {name: value for name, value in fields.items() if name not in ARRAYS}


def _param_to_json(name: str, value: Any) -> Any:
    if isinstance(value, Part):
        return part_to_json(value, AXES[name])
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.random.RandomState):
        return None  # the seed that was drawn from it is in the spec
    return value


def _param_from_json(name: str, value: Any) -> Any:
    return part_from_json(value, AXES[name]) if isinstance(value, dict) else _tuples(value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
