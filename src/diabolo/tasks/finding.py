"""What rows of a model are compared with, and how odd those are that it was found from, as if new.

No row is judged by a member or a density that has learned from it, so far as there are others.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import torch

from diabolo.data.rows import Rows
from diabolo.densities import Density
from diabolo.densities.normal import Normal
from diabolo.densities.regions import Regions
from diabolo.densities.spread import spread_of
from diabolo.estimator import Autoencoder
from diabolo.random import numpy_generator
from diabolo.tasks.oddness import Features, Oddness, farness, judged
from diabolo.training.loop import folds_of

#: Values, and rows, that a density is fitted to at most; rows and values that are scored at most.
VALUES, ROWS, SCORED = 1 << 23, 50_000, 1 << 28

#: Parts of the rows where none are held out: the density of the others judges each of them. One
#: of nearly all rows errs less like one of all, which judges new rows: with 4 parts of 24 to 1,500
#: rows of 50 tables 2.5 % of the normal ones were called anomalies where 5 % were asked for, and
#: 14 % of 20; with 20 parts 3.5 and 17.5 %. Fewer of images, and of rows with more values than
#: MANY, for their covariances take long.
PARTS, MANY, FEWER_PARTS = 20, 128, 5

#: Share of normal images that lie nearer than what distances of images are measured by, and the
#: least that this is: images that are all alike are not odd by what arithmetic makes of them.
USUAL, LEAST_USUAL = 0.999, 1.0


@dataclasses.dataclass(frozen=True)
class Found:
    """What `find` has found.

    Attributes
    ----------
    oddness : Oddness
    scores : ndarray of float64 (m,)
        Of rows that neither the model nor the density that judges them has learned from, so far as
        there are such.
    basis : {"held out", "folds", "given"}
        Which rows these are: held out from training, left out by one member each, or all that were
        given, where they are not those of training, or the model kept none of those apart.
    """

    oddness: Oddness
    scores: np.ndarray
    basis: str


@dataclasses.dataclass(frozen=True)
class Apart:
    """Rows of a model, and which of them are apart from what it has learned.

    Attributes
    ----------
    few, many : ndarray of int
        Rows that it has learned from, or others than those, in a drawn order: as many as densities
        are fitted to, and as many as are scored.
    held_out : ndarray of int
        Rows that no member has learned from, if there are any.
    folds : ndarray of int (n,) or None
        The member that has not learned from each row, if each has one.
    """

    few: np.ndarray
    many: np.ndarray
    held_out: np.ndarray
    folds: np.ndarray | None

    @property
    def basis(self) -> str:
        """Whose scores say what is usual: see `Found`."""
        return "held out" if len(self.held_out) else "given" if self.folds is None else "folds"


def find(model: Autoencoder, density: Density | None, rows: Rows) -> Found:
    """Fit the density of a model's errors on rows, and score rows as if they were new."""
    apart = _apart(model, len(rows))
    if density is None:
        oddness = Oddness(model, None)
        return Found(oddness, _scored(oddness, rows, apart), apart.basis)
    if model.module_.cells.kind == "table":
        return _of_table(model, density, rows, apart)
    return _of_images(model, density, rows, apart)


def _apart(model: Autoencoder, n: int) -> Apart:
    """Return which of n rows are apart."""
    training, held_out = model.spec_.training, model.held_out_
    own = n == int(model.vitals_.learned_rows) + len(held_out)
    held_out = held_out if own else held_out[:0]
    order = numpy_generator(model.spec_.seed, "errors of rows").permutation(n)
    order = order[np.isin(order, held_out, invert=True)]
    by_folds = own and training.folds and not len(held_out)
    folds = folds_of(n, training.members, model.spec_.seed) if by_folds else None
    most = _most(model, SCORED)
    return Apart(order[: _most(model, VALUES)], order[:most], held_out[:most], folds)


def _scored(oddness: Oddness, rows: Rows, apart: Apart) -> np.ndarray:
    """Return the scores of rows by a density that has not learned from them, or by none."""
    if apart.folds is None:
        numbers = apart.held_out if len(apart.held_out) else apart.many
        return oddness.scores(rows[torch.from_numpy(numbers)])
    each = [apart.many[apart.folds[apart.many] == k] for k in np.unique(apart.folds[apart.many])]
    judges = (dataclasses.replace(oddness, member=int(apart.folds[own[0]])) for own in each)
    pairs = zip(judges, each, strict=True)
    return np.concatenate([judge.scores(rows[torch.from_numpy(own)]) for judge, own in pairs])


def _errors(model: Autoencoder, rows: Rows, apart: Apart) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the errors of the few rows, and what was expected, both (few, members, d).

    Of members only the one that never saw a row, where there are such.
    """
    all_members = Oddness(model, None)
    found = model._apply(
        rows[torch.from_numpy(apart.few)], lambda x: torch.stack(all_members._errors(x), dim=1)
    )
    if apart.folds is not None:
        own = torch.from_numpy(apart.folds[apart.few])
        found = found[torch.arange(len(own)), :, own][:, :, None]
    errors, expected = found.unbind(1)
    return errors, expected


def _of_table(model: Autoencoder, density: Density, rows: Rows, apart: Apart) -> Found:
    errors, expected = _errors(model, rows, apart)
    spread = _variance(rows[torch.from_numpy(apart.few)])

    def fitted(some: torch.Tensor) -> Normal | Regions:
        own, where = (a[some].flatten(0, 1) for a in (errors, expected))
        return density.fit(own, spread, where)

    oddness = Oddness(model, fitted(torch.ones(len(errors), dtype=torch.bool)))
    if len(apart.held_out):
        return Found(oddness, _scored(oddness, rows, apart), apart.basis)
    part = torch.arange(len(errors)) % (PARTS if errors.shape[2] <= MANY else FEWER_PARTS)
    scores = torch.empty(len(errors), dtype=torch.float64)
    for inside in (part == p for p in part.unique()):
        judge = fitted(_outside(inside))
        scores[inside] = judged(judge, errors[inside], expected[inside]).double()
    # Others than the few have no part in the density.
    others = dataclasses.replace(apart, many=apart.many[len(scores) :])
    of_others = [_scored(oddness, rows, others)] if len(others.many) else []
    return Found(oddness, np.concatenate([scores.numpy(), *of_others]), apart.basis)


def _of_images(model: Autoencoder, density: Density, rows: Rows, apart: Apart) -> Found:
    errors, expected = _errors(model, rows, apart)
    members, all_members = model.spec_.training.members, Oddness(model, None)
    most = max(1, VALUES // (model.module_.encoder.out_features * members))
    seen = model._apply(rows[torch.from_numpy(apart.many[:most])], all_members._features)
    fold_of = apart.folds
    if fold_of is None:
        fold_of = np.empty(len(rows), np.int64)
        fold_of[apart.many] = np.arange(len(apart.many)) % FEWER_PARTS

    def others(numbers: np.ndarray, fold: int | None) -> torch.Tensor:
        """Return which of the rows lie in other folds than this one."""
        return _outside(torch.from_numpy(fold_of[numbers] == (-1 if fold is None else fold)))

    @functools.cache
    def of_features(member: int, fold: int | None) -> Normal | Regions:
        return density.fit(seen[others(apart.many[: len(seen)], fold), member])

    def judging(fold: int | None) -> Oddness:
        by_folds = apart.folds is not None
        member = fold if by_folds else None
        speaking = range(members) if member is None else (member,)
        # New rows are judged by the same densities as those that no member learned from.
        each = tuple(of_features(k, k if by_folds else fold) for k in speaking)
        some = others(apart.few, fold)
        spread = spread_of(errors[some], expected[some])
        return Oddness(model, Features(spread, each, torch.ones(2, dtype=torch.float64)), member)

    oddness = judging(None)
    if len(apart.held_out):
        judges = [(oddness, apart.held_out)]
    else:
        of_many = fold_of[apart.many]
        judges = [(judging(int(k)), apart.many[of_many == k]) for k in np.unique(of_many)]
    distances = [judge.distances(rows[torch.from_numpy(numbers)]) for judge, numbers in judges]
    usual, scores = measured(np.concatenate(distances))
    assert isinstance(oddness.normal, Features)
    known = dataclasses.replace(oddness.normal, usual=torch.from_numpy(usual))
    return Found(Oddness(model, known), scores, apart.basis)


def _outside(inside: torch.Tensor) -> torch.Tensor:
    """Return which rows are outside, (n,) of bool; all, if none is."""
    return ~inside if not inside.all() else inside


def measured(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what few normal rows have of the distances (m, 2), (2,), and the rows' scores, (m,).

    Each row is measured by the others, as a new one is by all of them: by itself too it would never
    be unusual.
    """
    usual = np.quantile(distances, USUAL, axis=0).clip(min=LEAST_USUAL)
    last = len(distances) - 2
    if last < 0:
        return usual, -farness(distances / usual)
    place = distances.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    ordered = np.sort(distances, axis=0)

    def among_others(k: int) -> np.ndarray:
        """Return the k-th smallest distance of all rows but each, (m, 2)."""
        return np.take_along_axis(ordered, k + (place <= k), axis=0)

    below, share = divmod(USUAL * last, 1)
    low, high = among_others(int(below)), among_others(min(int(below) + 1, last))
    by_others = low + share * (high - low)
    return usual, -farness(distances / by_others.clip(min=LEAST_USUAL))


def _variance(x: torch.Tensor) -> float:
    """Return the mean variance of the values of scaled rows x (n, *shape)."""
    flat = x.flatten(1)
    return float((flat - flat.nanmean(dim=0)).square().nanmean().nan_to_num(0.0))


def _most(model: Autoencoder, most: int) -> int:
    """Return how many rows there may be, if members make so many values of them at most."""
    values = math.prod(model.schema_.shape) * model.spec_.training.members
    return max(1, min(ROWS, most // values))
