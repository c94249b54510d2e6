"""``diabolo train``"""

from __future__ import annotations

import dataclasses
import inspect
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from diabolo.activations import ACTIVATIONS
from diabolo.augmentations import AUGMENTATIONS
from diabolo.bottlenecks import BOTTLENECKS, Plain
from diabolo.bottlenecks.plain import CODE_ACTIVATIONS
from diabolo.cli import common, options
from diabolo.corruptions import CORRUPTIONS
from diabolo.data.schema import KINDS, SCALINGS
from diabolo.errors import DataError, HealthWarning, SchemaError, SpecError
from diabolo.likelihoods import LIKELIHOODS
from diabolo.networks import NETWORKS, Network
from diabolo.penalties import PENALTIES
from diabolo.pretraining import PRETRAINING
from diabolo.recipes import RECIPES
from diabolo.spec import require, resolve_part
from diabolo.training import OPTIMIZERS, PRECISIONS, SCHEDULES

SINGLE = {name: part for name, part in CORRUPTIONS.items() if name != "chain"}

#: Where a model goes if nobody says so: it is refused.
NOWHERE = Path()

#: The context of a call from Python.
NOBODY: Any = None

main, reading = options.main, options.reading
model, loop = options.Panel("Model"), options.Panel("Training loop")


def train(
    data: options.Data,
    out: Annotated[Path, main.option("Folder to write.", "--out", "-o", metavar="MODEL")] = NOWHERE,
    quiet: Annotated[bool, main.flag("Show no progress.", "--quiet", "-q")] = False,
    recipe: Annotated[str, model.choice("Variant", RECIPES, auto=False)] = "undercomplete",
    code_size: Annotated[Any, model.number("Numbers in a code, or auto.")] = "auto",
    network: Annotated[Any, model.part("Layers", NETWORKS, ("auto",))] = "auto",
    hidden: Annotated[Any, model.widths("Hidden layers: auto, 256,128 or '' for none.")] = "auto",
    channels: Annotated[Any, model.widths("Stages of conv: auto or 32,64.")] = "auto",
    kernel: Annotated[Any, model.number("Side of conv's kernels, odd.", int, False)] = None,
    activation: Annotated[str, model.choice("Of the hidden layers", ACTIVATIONS)] = "auto",
    bottleneck: Annotated[Any, model.part("What makes the code", BOTTLENECKS)] = None,
    code_activation: Annotated[Any, model.choice("Of codes", CODE_ACTIVATIONS, False)] = None,
    augmentation: Annotated[Any, model.part("Of rows", AUGMENTATIONS, ("auto", "none"))] = "auto",
    corruption: Annotated[Any, model.part("Of what the encoder sees", SINGLE, ("none",))] = None,
    corruption_level: Annotated[
        Any, model.number("Share or deviation of the corruption.", float, False)
    ] = None,
    likelihood: Annotated[Any, model.part("The loss", LIKELIHOODS, ("auto", "relu"))] = "auto",
    penalty: Annotated[Any, model.part("Of the code", PENALTIES, ("none",))] = None,
    penalty_weight: Annotated[Any, model.number("Weight of the penalty.", float, False)] = None,
    pretraining: Annotated[
        Any, model.part("Of the layers, one by one", PRETRAINING, ("none",))
    ] = None,
    scaling: Annotated[str, model.choice("Of the values", SCALINGS)] = "auto",
    kind: Annotated[str, model.choice("What rows are", KINDS)] = "auto",
    dropout: Annotated[Any, model.number("Share of units dropped.", float, False)] = None,
    max_epochs: Annotated[Any, loop.number("Passes over the data, or auto.")] = "auto",
    batch_size: Annotated[Any, loop.number("Rows a step, or auto.")] = "auto",
    optimizer: Annotated[str, loop.choice("Step rule", OPTIMIZERS)] = "auto",
    learning_rate: Annotated[Any, loop.number("Highest learning rate, or auto.", float)] = "auto",
    schedule: Annotated[str, loop.choice("Of the learning rate", SCHEDULES, False)] = "one_cycle",
    weight_decay: Annotated[Any, loop.number("Pull towards zero, or auto.", float)] = "auto",
    members: Annotated[int, loop.number("Autoencoders trained at once.", int, False)] = 1,
    trim: Annotated[float, loop.number("Share of outliers left out.", float, False)] = 0.0,
    averaging: Annotated[float, loop.number("Share of steps averaged over.", float, False)] = 0.08,
    validation_fraction: Annotated[Any, loop.number("Share held out, or auto.", float)] = "auto",
    patience: Annotated[Any, loop.number("Looks without gain to stop, or auto.")] = "auto",
    no_early_stopping: Annotated[bool, loop.flag("Do all epochs.", "--no-early-stopping")] = False,
    keep_on_interrupt: Annotated[
        bool, loop.flag("On Ctrl-C, write the best model so far.", "--keep-on-interrupt")
    ] = False,
    precision: Annotated[str, loop.choice("Of the arithmetic", PRECISIONS, False)] = "auto",
    device: Annotated[str, loop.option("auto, cpu, cuda, cuda:1 …", metavar="NAME")] = "auto",
    seed: Annotated[int, loop.number("Same seed, same model.", int, False)] = 0,
    drop: Annotated[
        list[str] | None, reading.option("Leave this column out (repeatable).", metavar="COLUMN")
    ] = None,
    schema: Annotated[
        list[str] | None,
        reading.option(
            "Say what a column is: NAME=KIND (repeatable; numeric, robust, quantile, ordinal, "
            "boolean, categorical, date, drop); `show` prints what all are and trains nothing.",
            metavar="NAME=KIND",
        ),
    ] = None,
    header: options.Header = None,
    size: options.Size = None,
    key: options.Key = None,
    context: typer.Context = NOBODY,
) -> None:
    """Fit an autoencoder to DATA and write it to a folder.

    `diabolo train data.csv --out model` is enough: what is left out is chosen.

    Where there are names to choose from, the first one is the default.

    A PART takes options behind a colon: `--bottleneck gaussian:beta=0.5,free_bits=0.1`.

    The loss "relu" is squared error with an output that is never negative.
    """
    from diabolo import store
    from diabolo.likelihoods import MSE
    from diabolo.training import Training

    said = _said(schema or [])
    if "show" in (schema or []):
        _show(data, common.open_data(data, header, size, key), said)
        return
    # Whatever needs no torch comes first: a wrong name is told at once.
    require(out != NOWHERE, "Missing option '--out': name the folder to write, as in --out model")
    store.check_target(out)
    own = {name: p.default for name, p in inspect.signature(RECIPES[recipe]).parameters.items()}
    usual = None
    if network == "auto":
        network = own.get("network", "auto")
        usual = network if isinstance(network, Network) else None
        activation = own.get("activation", "auto") if activation == "auto" else activation
    layers = _layers(
        network,
        usual,
        hidden=hidden,
        channels=channels,
        kernel=kernel,
        activation=activation,
        dropout=dropout,
    )
    training = _training(
        own.get("training", Training()),
        _said_in(context),
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        schedule=schedule,
        weight_decay=weight_decay,
        members=members,
        trim=trim,
        averaging=averaging,
        validation_fraction=validation_fraction,
        patience=patience,
        early_stopping=not no_early_stopping,
        precision=precision,
        on_interrupt="keep" if keep_on_interrupt else "raise",
    )
    source = common.open_data(data, header, size, key)
    rows = _without(source.read(), drop or [], source.path)
    estimator = RECIPES[recipe](
        code_size=code_size,
        kind=kind,
        scaling=scaling,
        likelihood=MSE(output="relu") if likelihood == "relu" else likelihood,
        max_epochs=max_epochs,
        training=training,
        device=device,
        random_state=seed,
        verbose=0 if quiet else 1,
        **layers,
        **({"schema": said} if said else {}),
        **_code(bottleneck or own.get("bottleneck"), code_activation),
        **_named("augmentation", None if augmentation == "auto" else augmentation),
        **_named("pretraining", pretraining),
        **_named("corruption", corruption, own, "--corruption-level", corruption_level, SINGLE),
        **_named("penalties", penalty, own, "--penalty-weight", penalty_weight, PENALTIES),
    )
    began = time.perf_counter()
    with common.about(source.path):
        try:
            estimator.fit(rows)
        except SchemaError as error:
            raise SchemaError(f"{error} (--drop NAME leaves a column out)") from None
        # What new rows are compared with by `detect`.
        from diabolo.tasks.anomaly import AnomalyDetector
        from diabolo.tasks.sections import TITLE

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HealthWarning)
            # Who leaves rows out of training says that some of them are anomalies.
            assumed = "contaminated" if estimator.spec_.training.trim else "clean"
            detector = AnomalyDetector(estimator, training_data=assumed).fit(rows)
            estimator.sections_[TITLE] = detector.section()
    seconds = time.perf_counter() - began
    estimator.save(out)
    spec = estimator.spec_
    shape = estimator.schema_.shape
    sizes = (shape, *spec.network.sizes(shape), (spec.code_size,))
    common.say(
        f"trained on {len(rows):,} rows in {seconds:.1f} s: "
        f"{' → '.join(' × '.join(map(str, size)) for size in sizes)}, {spec.likelihood}, "
        f"{common.epochs(estimator)}"
    )
    common.say(common.losses(estimator))
    print(out)


def _said(texts: list[str]) -> dict[str, str]:
    """Return what columns are said to be."""
    from diabolo.data.inference import CHOICES

    said = {}
    for text in texts:
        name, equals, kind = text.rpartition("=")
        require(
            text == "show" or (equals and kind in CHOICES),
            f"--schema {text!r}: give NAME=KIND with one of {', '.join(CHOICES)}, or show",
        )
        if text != "show":
            said[name] = kind
    return said


def _show(data: str, source: Any, said: dict[str, str]) -> None:
    """Print what the columns of a table are."""
    from diabolo.data.inference import describe

    with common.about(source.path):
        lines = describe(source.read(), said)
    common.print_table(("column", "kind", "values", "missing", ""), lines, "llrrl", title=data)


def _code(bottleneck: Any, activation: str | None) -> dict[str, Any]:
    """Return the estimator's argument that says what makes the code, unless the recipe has it."""
    if activation is None:
        return {} if bottleneck is None else {"bottleneck": bottleneck}
    require(
        bottleneck in (None, Plain()),
        f"--code-activation is for plain codes, and the bottleneck is {bottleneck!r}",
    )
    return {"bottleneck": Plain(activation)}


def _said_in(context: Any) -> Callable[[str], bool]:
    """Return what tells whether an option was said in the shell."""

    def said(name: str) -> bool:
        source = context.get_parameter_source(name) if context is not None else None
        return source is not None and source.name == "COMMANDLINE"

    return said


def _training(own: Any, said: Callable[[str], bool], **options: Any) -> Any:
    """Return the recipe's own options of the loop with all that were said."""
    usual = type(own)()
    given = {name: v for name, v in options.items() if said(name) or v != getattr(usual, name)}
    if given.get("members") == 1:
        given["folds"] = False
    return dataclasses.replace(own, **given)


def _layers(network: Any, usual: Network | None, **options: Any) -> dict[str, Any]:
    """Return the estimator's arguments that say what its network is.

    `usual` is the recipe's own network, of which options change what they name.
    """
    given = {name: value for name, value in options.items() if value not in (None, "auto")}
    if usual is not None and given.keys() <= {f.name for f in dataclasses.fields(usual)}:
        return {"network": dataclasses.replace(usual, **given)}
    if isinstance(network, Network):
        if not given:
            return {"network": network}
        name = next(name for name, cls in NETWORKS.items() if isinstance(network, cls))
        require(
            network == NETWORKS[name](),
            f"--network {name}:… beside {', '.join(f'--{option}' for option in given)}: say it in "
            "one place",
        )
        network = name
    if network == "auto" and given.keys() <= {"activation"}:
        return given
    chosen = NETWORKS if network == "auto" else {network: NETWORKS[network]}
    has = {name: [f.name for f in dataclasses.fields(cls)] for name, cls in chosen.items()}
    for name, cls in chosen.items():
        if given.keys() <= set(has[name]):
            return {"network": cls(**given)}

    def dashed(names: Iterable[str]) -> str:
        return ", ".join(f"--{name}" for name in names if name in options)

    raise SpecError(
        f"--network {network} does not go with {dashed(given)}: "
        + "; ".join(f"{name} has {dashed(fields)}" for name, fields in has.items())
    )


def _named(
    argument: str,
    part: Any,
    own: Mapping[str, Any] = MappingProxyType({}),
    option: str = "",
    number: float | None = None,
    table: Mapping[str, type] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the estimator's argument for a part and its first field, unless the recipe has it.

    The field may be that of the recipe's own part.
    """
    if part is None and number is not None and argument in own:
        part = resolve_part(own[argument], table, argument)
    if part in (None, "none"):
        require(number is None, f"{option} of what? Name one of {', '.join(table)}")
        return {} if part is None else {argument: () if argument == "penalties" else None}
    if number is not None:
        first = dataclasses.fields(part)[0].name
        part = dataclasses.replace(part, **{first: number})
    return {argument: part}


def _without(rows: Any, names: list[str], path: str) -> Any:
    """Return the rows of a table without these columns."""
    columns = [str(name) for name in getattr(rows, "columns", [])]
    missing = [name for name in names if name not in columns]
    if missing:
        has = (
            f"its columns are {', '.join(columns[:20])}" if columns else "its columns have no names"
        )
        raise DataError(f"{path} has no column {missing[0]!r} to drop: {has}")
    return rows.drop(columns=names) if names else rows
