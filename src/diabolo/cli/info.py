"""``diabolo info``"""

from __future__ import annotations

from diabolo.cli import common, options


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
        ("columns", ", ".join(schema.names) if schema.names else "unnamed"),
        ("types", ", ".join(sorted(set(schema.dtypes)))),
        ("scaling", spec.scaling),
        ("code", f"{spec.code_size} numbers, {spec.bottleneck}"),
        ("network", f"{spec.network}, {estimator.module_.weights:,} weights"),
        ("likelihood", spec.likelihood),
        ("training", f"{common.epochs(estimator)}, seed {spec.seed}"),
    ]
    for last in estimator.history_[-1:]:
        rows.append(("", f"{last['seconds']:.1f} s"))
    rows.append(("loss", common.losses(estimator)))
    common.print_table(("", "value"), rows, "ll", title=str(model))
