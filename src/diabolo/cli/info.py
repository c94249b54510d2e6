"""``diabolo info``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diabolo.cli import common, options

if TYPE_CHECKING:
    from diabolo.data.schema import Schema
    from diabolo.estimator.resolved import Spec


def info(model: options.Model, json: options.Json = False) -> None:
    """Say what a model folder holds."""
    from diabolo import store

    estimator = common.load_model(model)
    if json:
        _, config, _ = store.read(model)
        common.print_json({k: v for k, v in config.items() if k != "history"})
        return
    spec, schema = estimator.spec_, estimator.schema_
    rows = [
        ("input", f"{spec.kind}, {' × '.join(map(str, schema.shape))} values a row"),
        ("columns", _columns(schema)),
        ("types", ", ".join(sorted(set(schema.dtypes)))),
        ("scaling", spec.scaling),
        ("code", f"{spec.code_size} numbers, {spec.bottleneck}"),
        ("network", f"{spec.network}, {estimator.module_.weights:,} weights"),
        *((axis, part) for axis, part in _changes(spec) if part is not None),
        ("likelihood", spec.likelihood),
        *(("penalty", penalty) for penalty in spec.penalties),
        *(("pretraining", part) for part in (spec.pretraining,) if part is not None),
        ("training", f"{common.epochs(estimator)}, seed {spec.seed}"),
        ("", _loop(spec)),
    ]
    for last in estimator.history_[-1:]:
        rows.append(("", f"{last['seconds']:.1f} s"))
    rows.append(("loss", common.losses(estimator)))
    common.print_table(("", "value"), rows, "ll", title=str(model))


def _changes(spec: Spec) -> list[tuple[str, Any]]:
    return [("augmentation", spec.augmentation), ("corruption", spec.corruption)]


def _loop(spec: Spec) -> str:
    """Return how the model was trained, in words."""
    training = spec.training
    words = [
        f"{training.optimizer} at {training.learning_rate:.3g}",
        f"batches of {training.batch_size}",
        f"weight decay {training.weight_decay:.3g}",
        training.precision,
    ]
    if training.members > 1:
        words.append(f"{training.members} members")
    if training.trim:
        words.append(f"a share of {training.trim:g} trimmed")
    return ", ".join(words)


def _columns(schema: Schema) -> str:
    if schema.names is None:
        return "unnamed"
    if schema.table is None:
        return ", ".join(schema.names)
    pairs = zip(schema.names, schema.table.columns, strict=True)
    return ", ".join(f"{name} ({column.kind})" for name, column in pairs)
