"""``diabolo train``"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from diabolo.activations import ACTIVATIONS
from diabolo.bottlenecks.plain import CODE_ACTIVATIONS
from diabolo.cli import common
from diabolo.data.schema import KINDS, SCALINGS
from diabolo.likelihoods import LIKELIHOODS
from diabolo.recipes import RECIPES
from diabolo.training import OPTIMIZERS, PRECISIONS, SCHEDULES

NETWORK, LOOP, READING = "Model", "Training loop", "Reading"


def _choices(names: Any) -> str:
    return ", ".join(names)


def train(
    data: common.Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL", help="Folder to write.")],
    recipe: Annotated[
        str, typer.Option(help=f"Variant: {_choices(RECIPES)}.", rich_help_panel=NETWORK)
    ] = "undercomplete",
    code_size: Annotated[
        str, typer.Option(help="Numbers in a code, or auto.", rich_help_panel=NETWORK)
    ] = "auto",
    hidden: Annotated[
        str | None,
        typer.Option(
            help="Widths of the hidden layers, e.g. 256,128; '' for none. [default: by the data]",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    activation: Annotated[
        str,
        typer.Option(
            help=f"Of the hidden layers: auto, {_choices(ACTIVATIONS)}.", rich_help_panel=NETWORK
        ),
    ] = "auto",
    code_activation: Annotated[
        str,
        typer.Option(help=f"Of the code: {_choices(CODE_ACTIVATIONS)}.", rich_help_panel=NETWORK),
    ] = "linear",
    likelihood: Annotated[
        str,
        typer.Option(
            help=f"The loss: auto, {_choices(LIKELIHOODS)}, or relu (squared error for data ≥ 0).",
            rich_help_panel=NETWORK,
        ),
    ] = "auto",
    scaling: Annotated[
        str,
        typer.Option(help=f"Of the values: auto, {_choices(SCALINGS)}.", rich_help_panel=NETWORK),
    ] = "auto",
    kind: Annotated[
        str,
        typer.Option(help=f"What rows are: auto, {_choices(KINDS)}.", rich_help_panel=NETWORK),
    ] = "auto",
    dropout: Annotated[
        float, typer.Option(help="Share of hidden units dropped.", rich_help_panel=NETWORK)
    ] = 0.0,
    max_epochs: Annotated[
        str, typer.Option(help="Passes over the data, or auto.", rich_help_panel=LOOP)
    ] = "auto",
    batch_size: Annotated[
        str, typer.Option(help="Rows a step, or auto.", rich_help_panel=LOOP)
    ] = "auto",
    learning_rate: Annotated[
        str, typer.Option(help="Highest learning rate, or auto.", rich_help_panel=LOOP)
    ] = "auto",
    optimizer: Annotated[
        str, typer.Option(help=f"auto, {_choices(OPTIMIZERS)}.", rich_help_panel=LOOP)
    ] = "auto",
    schedule: Annotated[
        str, typer.Option(help=f"{_choices(SCHEDULES)}.", rich_help_panel=LOOP)
    ] = "one_cycle",
    weight_decay: Annotated[
        float, typer.Option(help="Decoupled weight decay.", rich_help_panel=LOOP)
    ] = 0.0,
    early_stopping: Annotated[
        bool, typer.Option(help="Stop when held-out rows get no better.", rich_help_panel=LOOP)
    ] = True,
    validation_fraction: Annotated[
        str, typer.Option(help="Share of rows held out, or auto.", rich_help_panel=LOOP)
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help=f"{_choices(PRECISIONS)}.", rich_help_panel=LOOP)
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda …", rich_help_panel=LOOP)] = "auto",
    seed: Annotated[int, typer.Option(help="Same seed, same model.", rich_help_panel=LOOP)] = 0,
    keep_on_interrupt: Annotated[
        bool,
        typer.Option(
            "--keep-on-interrupt",
            help="On Ctrl-C, write the best model so far instead of nothing.",
            rich_help_panel=LOOP,
        ),
    ] = False,
    drop: Annotated[
        list[str] | None,
        typer.Option(help="Column to leave out (repeatable).", rich_help_panel=READING),
    ] = None,
    header: common.Header = None,
    size: common.Size = None,
    key: common.Key = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fit an autoencoder to DATA and write it to a folder.

    Everything left out is chosen from the data: `diabolo train data.csv --out model/` is enough.
    """
    from diabolo import store
    from diabolo.bottlenecks import Plain
    from diabolo.errors import SpecError
    from diabolo.likelihoods import MSE
    from diabolo.networks import MLP
    from diabolo.training import Training

    if recipe not in RECIPES:
        raise SpecError(f"--recipe {recipe} is not known: choose one of {_choices(RECIPES)}")
    store.check_target(out)
    estimator = RECIPES[recipe](
        code_size=common.number_or_auto(code_size, "--code-size"),
        network=MLP(
            hidden=common.parse_widths(hidden),
            activation="gelu" if activation == "auto" else activation,
            dropout=dropout,
        ),
        kind=kind,
        scaling=scaling,
        bottleneck=Plain(code_activation),
        likelihood=MSE(output="relu") if likelihood == "relu" else likelihood,
        max_epochs=common.number_or_auto(max_epochs, "--max-epochs"),
        training=Training(
            batch_size=common.number_or_auto(batch_size, "--batch-size"),
            learning_rate=common.number_or_auto(learning_rate, "--learning-rate", float),
            optimizer=optimizer,
            schedule=schedule,
            weight_decay=weight_decay,
            early_stopping=early_stopping,
            validation_fraction=common.number_or_auto(
                validation_fraction, "--validation-fraction", float
            ),
            precision=precision,
            on_interrupt="keep" if keep_on_interrupt else "raise",
        ),
        device=device,
        random_state=seed,
        verbose=0 if quiet else 1,
    )
    rows = _read(common.open_data(data, header, size, key), drop or [])
    began = time.perf_counter()
    estimator.fit(rows)
    seconds = time.perf_counter() - began
    estimator.save(out)
    spec, last = estimator.spec_, estimator.history_[-1]
    widths = " → ".join(map(str, (*spec.network.hidden, spec.code_size)))
    held_out = f", {last['held_out']:.5g} on held-out rows" if "held_out" in last else ""
    common.say(
        f"trained on {len(rows):,} rows in {seconds:.1f} s: "
        f"{' × '.join(map(str, estimator.schema_.shape))} → {widths}, {spec.likelihood}, "
        f"{last['epoch']} epochs ({estimator.stopped_})"
    )
    common.say(f"loss {last['train']:.5g} nats per value{held_out}")
    print(out)


def _read(source: Any, drop: list[str]) -> Any:
    from diabolo.errors import DataError

    rows = source.read()
    if not drop:
        return rows
    columns = list(getattr(rows, "columns", []))
    missing = [name for name in drop if name not in columns]
    if missing:
        raise DataError(
            f"{source.path} has no column {missing[0]!r} to drop"
            + (f"; it has {', '.join(map(str, columns[:20]))}" if columns else "s: it is an array")
        )
    return rows.drop(columns=drop)
