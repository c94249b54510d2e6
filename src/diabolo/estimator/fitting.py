"""`Autoencoder.fit`, step by step: data → schema → parts → module → training."""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import BOTTLENECKS, Plain
from diabolo.data.checks import refuse_non_finite
from diabolo.data.containers import Unpacked, unpack
from diabolo.data.inference import find_columns, warn_of_dropped
from diabolo.data.rows import Rows
from diabolo.data.schema import Schema
from diabolo.data.shape import by_shape, of_numbers
from diabolo.data.statistics import statistics_of, without_giants
from diabolo.data.table import Table
from diabolo.densities import GaussianDensity
from diabolo.device import arithmetic, memory_errors, resolve_device
from diabolo.ensemble import Ensemble
from diabolo.errors import DataError, HealthWarning, SpecError
from diabolo.estimator import defaults, schedules
from diabolo.estimator.resolved import Spec
from diabolo.estimator.vitals import REBUILT, Vitals, measure
from diabolo.likelihoods.base import Likelihood
from diabolo.networks import Network
from diabolo.pretraining.stack import pretrain
from diabolo.random import numpy_generator
from diabolo.spec import require, resolve_part
from diabolo.store import Section
from diabolo.training.loop import Record, held_out_losses, train
from diabolo.training.progress import Progress, progress_for
from diabolo.training.recovery import warn_of_setbacks
from diabolo.training.scoring import in_chunks
from diabolo.training.step import trimmed_mean

if TYPE_CHECKING:
    from diabolo.estimator.estimator import Autoencoder

#: Learned rows that rules and checks look at which need more than one pass over the data: at most
#: so many, and of large images fewer (128 MiB of them), but some.
SAMPLE, SAMPLE_VALUES, SAMPLE_LEAST = 10_000, 1 << 25, 128


#: The section of a model's folder that holds the density of its codes.
CODES = "codes"

#: Numbers, and rows at least, that this density is fitted to: of wide codes it would take seconds.
CODE_VALUES, CODE_ROWS = 1 << 20, 500


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What a fit gives: the parts of a fitted estimator."""

    spec: Spec
    schema: Schema
    module: AutoencoderModule | Ensemble
    record: Record
    held_out: np.ndarray
    vitals: Vitals
    sections: dict[str, Section]


def fit(estimator: Autoencoder, X: Any) -> Fitted:
    """Resolve the estimator's parameters on X and train; the estimator stays as it is."""
    with memory_errors():
        return _fit(estimator, X)


def _fit(estimator: Autoencoder, X: Any) -> Fitted:
    rows = read_rows(X)
    data, table, given = _unpacked(rows, estimator.schema)
    _refuse_empty(data.array)
    refuse_non_finite(data, missing=True)
    seed = seed_of(estimator.random_state)
    statistics = statistics_of(data.array)
    kind = defaults.choose_kind(estimator.kind, data.array.shape)
    likelihood = defaults.choose_likelihood(
        estimator.likelihood, estimator.scaling, data, statistics, table
    )
    scaling = defaults.choose_scaling(estimator.scaling, likelihood, kind, data, statistics)
    shape = data.array.shape[1:]
    corruption = defaults.choose_corruption(estimator.corruption, kind, shape)
    hiding = corruption is not None and corruption.missing
    if kind == "table" and scaling == "standard":
        statistics = without_giants(statistics, data.array)
        if hiding and estimator.scaling == "auto":
            table = _shaped(table, data, estimator.schema)
    schema = Schema.fit(data, statistics, kind, scaling, hidden=hiding, table=table, given=given)
    device = resolve_device(estimator.device)
    x = Rows(schema, data, likelihood.support, device, schema.most(len(data.array)))
    _refuse_outside(x.outside, likelihood)
    if likelihood.sums_to_one:
        for first in range(0, len(x), SAMPLE):
            likelihood.check_rows(x[first : first + SAMPLE], first)
    network = defaults.choose_network(
        estimator.network,
        estimator.hidden,
        estimator.activation,
        kind,
        schema.shape,
        pretrained=estimator.pretraining is not None,
        hiding=hiding,
    )
    require(
        estimator.pretraining is None or not getattr(estimator.training, "folds", False),
        "folds=True beside pretraining, which learns from all rows: pass pretraining=None",
    )
    if schema.gaps:
        _refuse_gaps(network, estimator.pretraining)
    bottleneck = (
        Plain()
        if estimator.bottleneck is None
        else resolve_part(estimator.bottleneck, BOTTLENECKS, "bottleneck")
    )
    most = _sample_rows(schema.shape)
    held_out, drawn = schedules.choose_held_out(estimator.training, len(x), most, seed)
    sample = x[torch.from_numpy(drawn)].cpu()
    code_size = defaults.choose_code_size(estimator.code_size, sample, bottleneck, hiding)
    bottleneck = bottleneck.resolved(code_size)
    augmentation = defaults.choose_augmentation(
        estimator.augmentation, kind, schema.shape, code_size, likelihood
    )
    penalties = defaults.choose_penalties(estimator.penalties, bottleneck)
    member = AutoencoderModule.planned(
        schema.shape, code_size, network, bottleneck, likelihood, cells=schema.cells
    )
    learned = len(x) - int(held_out.sum())
    training, epochs = schedules.choose_training(
        estimator.training, estimator.max_epochs, x.shape, learned, member, device, hiding
    )
    pretraining = defaults.choose_pretraining(
        estimator.pretraining, network, bottleneck, likelihood, training, learned
    )
    spec = Spec(
        code_size,
        kind,
        scaling,
        network,
        bottleneck,
        augmentation,
        corruption,
        likelihood,
        penalties,
        pretraining,
        epochs,
        training,
        device,
        seed,
    )
    module = spec.build(schema.cells).to_empty(device="cpu")
    with arithmetic("fp32"):
        module.initialise(seed, sample[:1024])
    module, progress = module.to(device), progress_for(estimator.verbose)
    record = Record([], None, "interrupted")
    if _pretrain(spec, module, x, held_out, sample[:1024], progress):
        record = train(module, x, torch.from_numpy(held_out), training, epochs, seed, progress)
        # The line that calls `fit`.
        warn_of_setbacks(record.setbacks, "Training", training.learning_rate, stacklevel=4)
    if isinstance(module, Ensemble) and not training.folds:
        unseen = torch.from_numpy(np.flatnonzero(held_out)).to(x.device)
        watched, of = (x, unseen) if len(unseen) else (sample, None)
        losses = held_out_losses(module, watched, seed, training.batch_size, of)
        module.sort(trimmed_mean(losses, training.trim))
    chosen = np.flatnonzero(held_out)
    # Drawn, for files are sorted.
    few = numpy_generator(seed, "vitals").permutation(chosen)[: min(REBUILT, most)]
    codes = in_chunks(module, sample, lambda rows: module.encode(rows).z)
    vitals = measure(module, spec, sample, codes, x[torch.from_numpy(few)].cpu(), learned)
    return Fitted(spec, schema, module, record, chosen, vitals, _of_codes(spec, codes))


def _of_codes(spec: Spec, codes: torch.Tensor) -> dict[str, Section]:
    """Return what is kept of the codes (n, code_size) of rows that were learned, for `sample`.

    Plain codes have no prior, and their density takes its place (Ghosh et al. 2020).
    """
    if not isinstance(spec.bottleneck, Plain):
        return {}
    rows = codes[: max(CODE_ROWS, CODE_VALUES // spec.code_size)].double()
    ends = {"low": rows.amin(dim=0).numpy(), "high": rows.amax(dim=0).numpy()}
    return {CODES: Section({}, GaussianDensity().fit(rows).arrays() | ends)}


def _pretrain(
    spec: Spec,
    module: AutoencoderModule | Ensemble,
    x: Rows,
    held_out: np.ndarray,
    sample: torch.Tensor,
    progress: Progress,
) -> bool:
    """Set the first weights of the module, if that is asked for; return whether to go on."""
    if spec.pretraining is None:
        return True
    learned = torch.from_numpy(np.flatnonzero(~held_out))
    try:
        pretrain(
            module,
            spec.pretraining,
            spec.bottleneck,
            x,
            learned,
            sample,
            spec.training,
            spec.seed,
            progress,
        )
    except KeyboardInterrupt:
        if spec.training.on_interrupt == "raise":
            raise
        warnings.warn(
            "training was interrupted while layers were pretrained; the weights as they are, are "
            "kept",
            HealthWarning,
            stacklevel=5,  # the line that calls `fit`
        )
        return False
    return True


def _sample_rows(shape: tuple[int, ...]) -> int:
    return min(SAMPLE, max(SAMPLE_LEAST, SAMPLE_VALUES // math.prod(shape)))


def _refuse_gaps(network: Network, pretraining: Any) -> None:
    """Raise `SpecError` where missing cells meet parts that cannot be told of them."""
    for what, instead in (
        (pretraining is not None and f"{pretraining=}", "pretraining=None"),
        (network.tied and f"network={network!r}", "tied=False"),
    ):
        require(
            not what,
            f"{what} beside missing cells: the encoder sees more of a row than its values, namely "
            f"which are missing, and the way back has no use for that; pass {instead}, or fill the "
            "cells first",
        )


def _unpacked(
    rows: Any, said: Mapping[str, str] | None
) -> tuple[Unpacked, Table | None, tuple[str, ...] | None]:
    """Return the data as numbers, what its columns are if they are not, and all their names."""
    found = find_columns(rows, said)
    if found is None:
        return unpack(rows), None, None
    warn_of_dropped(found, said)
    used = [(f.name, f.column, f.type) for f in found if f.column is not None]
    names, columns, types = zip(*used, strict=True)
    return unpack(rows, names, columns), Table(columns, types), tuple(f.name for f in found)


def _shaped(table: Table | None, data: Unpacked, said: Mapping[str, str] | None) -> Table | None:
    """Return what the columns of data are, with numbers by their rank where they are skewed."""
    if table is None:
        return of_numbers(data.array, data.dtypes)
    places = [j for j, name in enumerate(data.names or ()) if name in (said or {})]
    return Table(by_shape(table.columns, data.array, places), table.types)


def _refuse_outside(outside: tuple[int, str] | None, likelihood: Likelihood) -> None:
    if outside is not None:
        low, high = likelihood.support
        cure = "likelihood='mse'"
        if likelihood.sums_to_one:
            cure = f"rows divided by their sums, or {cure}"
        elif high == 1:
            cure += ", or scaling='minmax'"
        raise DataError(
            f"likelihood={likelihood!r} needs values from {low:g} to {high:g}, and "
            f"{outside[0]} lie outside, for example {outside[1]}: pass {cure}"
        )


def read_rows(X: Any) -> Any:
    """Return X, or the rows of the file that it names."""
    if isinstance(X, str | os.PathLike):
        from diabolo.data.readers import open_source

        return open_source(X).read()
    return X


def seed_of(random_state: Any) -> int:
    """Return the seed of a run: an int as it is, else a draw from the random state."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        require(random_state >= 0, f"random_state={random_state!r} must be ≥ 0")
        return int(random_state)
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError:
        raise SpecError(
            f"random_state={random_state!r}: pass a whole number, numpy's RandomState, or None"
        ) from None


def _refuse_empty(array: np.ndarray) -> None:
    if len(array) == 0:
        raise DataError(
            f"Found array with 0 sample(s) (shape={array.shape}) while a minimum of 1 is required: "
            "there is nothing to learn from"
        )
    if array[0].size == 0:
        raise DataError(
            f"Found array with 0 feature(s) (shape={array.shape}) while a minimum of 1 is "
            "required: the rows have no columns"
        )
