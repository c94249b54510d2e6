"""Illnesses of a fitted model, each with the option that cures it."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from diabolo.bottlenecks import Gaussian, Plain, Quantized, TopK
from diabolo.data.schema import Schema
from diabolo.errors import HealthWarning
from diabolo.estimator.resolved import Spec
from diabolo.estimator.vitals import Vitals
from diabolo.likelihoods import MSE, Bernoulli, Mixed

#: Rows that would use a unit of a sparse code, were all units used as much, from which one that
#: none uses is dead.
USES = 20

#: Error over that of the mean from which training has made things worse, if the learning rate is as
#: high as this, three times what is chosen by itself; and from which it is not too small.
DIVERGED, HIGH = 2.0, 0.03

#: Why nothing may have been learned, other than too little of everything.
CAUSES = ("little of the range", "vanishing gradients")

#: Illnesses that `fit` warns of; the others need not be wrong, and `doctor` names them.
SERIOUS = ("dead units", "dead entries", "diverged")

#: The same, after this many epochs: somebody who asks for fewer is trying something out.
SERIOUS_LATER, LATER = ("posterior collapse", "identity", "nothing learned"), 5


@dataclasses.dataclass(frozen=True)
class Finding:
    """An illness.

    Attributes
    ----------
    name : str
    what : str
        What was seen, with figures.
    remedy : str
        What to do, by option.
    """

    name: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


def diagnose(
    spec: Spec, schema: Schema, vitals: Vitals, errors: np.ndarray | None = None
) -> list[Finding]:
    """Return the illnesses of a model, the gravest first.

    Parameters
    ----------
    errors : ndarray (n,), optional
        Mean squared error per value of other rows, to be compared with the training data.
    """
    found = [
        *_codes(spec, vitals),
        *_codebook(spec, vitals),
        *_collapse(spec, vitals),
        *_fit(spec, vitals),
        *_gradients(spec, vitals),
        *_range(spec, schema, vitals),
    ]
    by_name = {finding.name: finding for finding in found}
    # One cause, one finding.
    implied = {
        "posterior collapse": ("nothing learned",),
        "nothing learned": ("idle units",),
        "diverged": ("idle units", "dead units", "outside the range", "overfitting", *CAUSES),
    }
    effects = {effect for name in by_name for effect in implied.get(name, ())}
    found = [f for f in found if f.name not in effects]
    causes = [by_name[name] for name in CAUSES if name in by_name]
    if causes:
        found = [
            dataclasses.replace(f, what=f"{f.what}; {causes[0].what}", remedy=causes[0].remedy)
            if f.name == "nothing learned"
            else f
            for f in found
        ]
    return found + ([] if errors is None else list(_unlike(vitals, errors)))


def warn_of_illness(spec: Spec, schema: Schema, vitals: Vitals) -> None:
    """Give a `HealthWarning` for each serious illness."""
    serious = SERIOUS + SERIOUS_LATER * (spec.max_epochs >= LATER)
    for finding in diagnose(spec, schema, vitals):
        if finding.name in serious:
            warnings.warn(str(finding), HealthWarning, stacklevel=3)


def _codes(spec: Spec, vitals: Vitals) -> Iterator[Finding]:
    size, bottleneck = spec.code_size, spec.bottleneck
    dead = np.flatnonzero(vitals.active == 0)
    remedy = ""
    if isinstance(bottleneck, TopK):
        # Among few rows, chance alone leaves units of a sparse code unused.
        if vitals.rows * bottleneck.k >= USES * size:
            remedy = (
                f"use a code of about {max(bottleneck.k, size - len(dead))} numbers, or "
                f"TopK(k={min(size, 4 * bottleneck.k)})"
            )
    elif isinstance(bottleneck, Plain) and bottleneck.activation == "relu":
        remedy = (
            "use a linear code, bottleneck=Plain(), or a learning rate below "
            f"{spec.training.learning_rate:g}"
        )
    if len(dead) and remedy:
        yield Finding(
            "dead units",
            f"{len(dead)} of {size} code units are never active on {int(vitals.rows):,} rows of "
            f"the training data ({_some(dead)}), so the code is smaller than it says",
            remedy,
        )
    # None in sparse codes, where that is not measured.
    idle = np.flatnonzero(_unheard(vitals) & (vitals.active > 0))
    step = bottleneck.vector if isinstance(bottleneck, Quantized) else 1
    fewer = max(1, -(-(size - len(idle)) // step)) * step
    if fewer < size and not isinstance(bottleneck, Gaussian):
        yield Finding(
            "idle units",
            f"{len(idle)} of {size} code units carry nothing that the others do not "
            f"({_some(idle)})",
            f"code_size={fewer} does as well",
        )


def _unheard(vitals: Vitals) -> np.ndarray:
    """Return which units the decoder does without, (code_size,)."""
    return np.abs(vitals.adds) < 1e-4 * vitals.variance


def _codebook(spec: Spec, vitals: Vitals) -> Iterator[Finding]:
    if not isinstance(spec.bottleneck, Quantized):
        return
    used, (places, codes) = (vitals.entries > 0).sum(axis=1), vitals.entries.shape
    # So many would be, were all of them as likely.
    expected = codes * (1 - (1 - 1 / codes) ** float(vitals.rows))
    poor = np.flatnonzero(used < 0.5 * expected)
    if vitals.learned_rows < codes:
        yield Finding(
            "more entries than rows",
            f"a codebook has {codes:,} entries, and {int(vitals.learned_rows):,} rows were learned",
            f"Quantized(codes={max(2, 1 << int(vitals.learned_rows / 4).bit_length() >> 1)})",
        )
    elif vitals.rows < 4 * codes:
        return
    elif used.max() < 0.8 * expected:
        yield Finding(
            "dead entries",
            f"at most {used.max()} of {codes} entries of a codebook are chosen on "
            f"{int(vitals.rows):,} rows of the training data",
            f"Quantized(codes={max(2, int(used.max()))}) does as well",
        )
    elif len(poor):
        vectors = ", ".join(f"{used[place]} in place {place}" for place in poor[:10])
        fewer = (places - len(poor)) * spec.bottleneck.vector
        yield Finding(
            "dead entries",
            f"some of the places of a code use few of the {codes} entries ({vectors}"
            f"{', …' if len(poor) > 10 else ''})",
            f"code_size={fewer}, or Quantized(vector={2 * spec.bottleneck.vector})",
        )


def _collapse(spec: Spec, vitals: Vitals) -> Iterator[Finding]:
    if not isinstance(spec.bottleneck, Gaussian):
        return
    size, beta = spec.code_size, spec.bottleneck.beta
    silent = np.flatnonzero(~vitals.varied | _unheard(vitals) | _learned_nothing(vitals))
    if 2 * len(silent) > size:
        now = spec.bottleneck
        cures = [f"Gaussian(beta={max(1.0, beta / 4):g})"] if beta > 1 else []
        cures += ["Gaussian(free_bits=0.5)"] if now.free_bits < 0.5 else []
        cures += [f"a longer warm_up than {now.warm_up:g}"] if now.warm_up < 0.5 else []
        yield Finding(
            "posterior collapse",
            f"{len(silent)} of {size} code units tell nothing of a row ({_some(silent)}; "
            f"{vitals.kl.sum():.2g} nats in all units together)",
            f"{', or '.join(cures)}; where the data have so few dimensions, "
            f"code_size={max(1, size - len(silent))}".removeprefix("; "),
        )
    elif len(silent):
        yield Finding(
            "idle units",
            f"{len(silent)} of {size} code units tell nothing of a row ({_some(silent)})",
            f"code_size={size - len(silent)} does as well",
        )


def _fit(spec: Spec, vitals: Vitals) -> Iterator[Finding]:
    learned, variance = float(vitals.learned.mean()), float(vitals.variance)
    if variance == 0:
        rows = int(vitals.rows)
        yield Finding(
            "nothing to learn",
            "there is one row" if rows == 1 else f"all of {rows:,} rows are the same",
            "train on rows that differ",
        )
        return
    rate = spec.training.learning_rate
    if rate >= HIGH and learned > DIVERGED * variance:
        yield Finding(
            "diverged",
            f"reconstructions are farther off than the mean of the data (error {learned:.3g} per "
            f"value, variance {variance:.3g}), from which training starts",
            f"pass a lower learning rate than {rate:.2g}, Training(learning_rate={rate / 10:.1g})",
        )
    elif _learned_nothing(vitals):
        yield Finding(
            "nothing learned",
            f"reconstructions are no better than the mean of the data (error {learned:.3g} per "
            f"value, variance {variance:.3g})",
            f"pass a larger code_size than {spec.code_size}, max_epochs than {spec.max_epochs}, or "
            f"a {'larger' if rate < HIGH else 'smaller'} learning_rate than {rate:.2g}; values "
            "that have nothing in common cannot be compressed",
        )
    elif (
        spec.code_size >= vitals.values
        # Cells that are not missing are there to be copied.
        and not (spec.corruption is not None and spec.corruption.missing)
        and vitals.shuffled < min(0.1 * variance, 3 * learned + 1e-3 * variance)
    ):
        yield Finding(
            "identity",
            "rows whose values were mixed at random are rebuilt nearly as well as real ones "
            f"(error {float(vitals.shuffled):.3g} and {learned:.3g}): the model copies",
            f"pass a smaller code_size than {spec.code_size}, or corruption=Masking(0.5)",
        )
    held_out = float(vitals.held_out.mean()) if len(vitals.held_out) else 0.0
    if held_out > 2 * learned and held_out - learned > 0.02 * variance:
        yield Finding(
            "overfitting",
            f"rows that were not learned have {held_out / learned:.1f} times the error of those "
            "that were",
            f"pass corruption=Masking(0.5), fewer hidden layers or units than {spec.network} has, "
            f"Training(weight_decay={max(3.0, 4 * spec.training.weight_decay):.2g}), or more rows",
        )


def _learned_nothing(vitals: Vitals) -> bool:
    return bool(vitals.learned.mean() > 0.95 * vitals.variance > 0)


def _gradients(spec: Spec, vitals: Vitals) -> Iterator[Finding]:
    known = np.flatnonzero(np.isfinite(vitals.gradients))
    sizes = vitals.gradients[known]
    if len(sizes) and sizes.max() > 0 and sizes.min() < 1e-4 * sizes.max():
        slowest = int(known[sizes.argmin()])
        yield Finding(
            "vanishing gradients",
            f"the gradient in layer {slowest + 1} of {len(vitals.gradients)} is "
            f"{sizes.min() / sizes.max():.1g} times that of the largest, relative to the weights",
            "pass activation='silu', or fewer layers"
            if spec.training.learning_rate < HIGH
            else f"pass a smaller learning_rate than {spec.training.learning_rate:.2g}",
        )


def _range(spec: Spec, schema: Schema, vitals: Vitals) -> Iterator[Finding]:
    below, above = (float(share) for share in vitals.beyond)
    if below + above > 0.05 and not isinstance(spec.likelihood, Bernoulli | Mixed):
        remedy = (
            "likelihood=MSE('relu') keeps them from falling below zero"
            if below > above and schema.low.min() >= 0 and spec.likelihood != MSE("relu")
            else "likelihood='bernoulli' with scaling='minmax' keeps them inside"
        )
        yield Finding(
            "outside the range",
            f"{100 * (below + above):.0f} % of the values are rebuilt outside the range that "
            "their column has in the data",
            remedy + ", if there is nothing outside",
        )
    if isinstance(spec.likelihood, Bernoulli) and 0 < vitals.variance < 1e-4:
        yield Finding(
            "little of the range",
            f"the values vary by {float(vitals.variance) ** 0.5:.2g} where the output can go from "
            "0 to 1, so that the loss hardly sees them",
            "pass scaling='minmax' or likelihood='mse'",
        )


def _unlike(vitals: Vitals, errors: np.ndarray) -> Iterator[Finding]:
    usual = vitals.held_out if len(vitals.held_out) else vitals.learned
    limit = float(np.quantile(usual, 0.99))
    share = float((errors > limit).mean())
    # One row in a hundred is expected; so many more are none of chance's.
    if share > 0.01 + 5 * (0.01 * 0.99 / len(errors)) ** 0.5 and share > 0.05:
        yield Finding(
            "unlike the training data",
            f"{100 * share:.0f} % of these rows have larger errors than 99 % of the rows that the "
            f"model was judged on (median {np.median(errors):.3g} and {np.median(usual):.3g})",
            "check that units and columns are the same, or train on rows like these",
        )


def _some(units: Sequence[int] | np.ndarray) -> str:
    return f"units {', '.join(map(str, units[:10]))}{', …' if len(units) > 10 else ''}"
