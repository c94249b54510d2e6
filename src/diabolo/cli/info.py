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
    weights = sum(p.numel() for p in estimator.module_.parameters())
    rows = [
        ("input", f"{spec.kind}, {' × '.join(map(str, schema.shape))} values a row"),
        ("columns", ", ".join(schema.names) if schema.names else "unnamed"),
        ("types", ", ".join(sorted(set(schema.dtypes)))),
        ("scaling", spec.scaling),
        ("code", f"{spec.code_size} numbers, {spec.bottleneck}"),
        ("network", f"{spec.network}, {weights:,} weights"),
        ("likelihood", spec.likelihood),
        ("training", f"{common.epochs(estimator)}, seed {spec.seed}"),
    ]
    for last in estimator.history_[-1:]:
        rows.append(("", f"{last['seconds']:.1f} s"))
        rows.append(("loss (nats per value)", f"{last['train']:.6g} on training rows"))
        if "held_out" in last:
            best = min(row["held_out"] for row in estimator.history_)
            rows.append(("", f"{best:.6g} on {len(estimator.held_out_):,} held-out rows (best)"))
    common.print_table(("", "value"), rows, "ll", title=str(model))
