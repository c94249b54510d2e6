"""How odd rows are: what a model does not explain of them, judged by a density.

A plain reconstruction error counts a deviation of a value that is always rebuilt exactly no more
than the same deviation of one that never is, and it does not know which errors go together. The
density of the errors knows both.

An image, or a series, may be rebuilt well without being of the kind that was learned, for it is
simple: there what the encoder makes of it counts too, by a density of its own for each member, for
no unit of one member means what one of another does.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import torch

from diabolo.cells import Cells
from diabolo.data.rows import Rows
from diabolo.densities import GaussianDensity
from diabolo.densities.normal import Normal
from diabolo.estimator import Autoencoder
from diabolo.random import numpy_generator
from diabolo.training.loop import folds_of

#: Values, and rows, that a density is fitted to at most.
VALUES, ROWS = 1 << 23, 50_000

#: Parts of the rows of a model that has none which it did not learn from: the density of the
#: others judges each of them.
PARTS = 5


@dataclasses.dataclass(frozen=True)
class Oddness:
    """What the errors of a model are compared with.

    Parameters
    ----------
    model : Autoencoder
        Fitted.
    normal : Normal or None
        The density of errors; None where their squares alone count.
    features : tuple of Normal
        The densities of what the encoder of each member that counts makes of rows; empty where
        that does not count.
    member : int, optional
        The member whose errors count; by default those of all.
    """

    model: Autoencoder
    normal: Normal | None
    features: tuple[Normal, ...] = ()
    member: int | None = None

    def scores(self, rows: torch.Tensor | Rows) -> np.ndarray:
        """Return how well the model knows scaled rows, (n,) of float64; high is well.

        The log-density of its errors and features, or minus the mean square of its errors; a mean
        over its members.
        """
        return self.model._apply(rows, self._of).double().numpy()

    def contributions(self, rows: torch.Tensor | Rows) -> np.ndarray:
        """Return how odd the errors of each cell of scaled rows are, (n, cells).

        A row's sum is the squared distance of its errors from the mean of the density, or the sum
        of their squares. Features belong to no cell.
        """

        def of(x: torch.Tensor) -> torch.Tensor:
            errors = self._errors(x)
            if self.normal is None:
                odd = errors.square()
            else:
                normal = self.normal.to(x)
                odd = normal.contributions(errors.flatten(0, 1)).view(errors.shape)
            # A missing cell explains nothing, though errors that go with its own do.
            return self._cells.sums(odd.masked_fill(errors.isnan(), 0.0).mean(dim=1))

        return self.model._apply(rows, of).double().numpy()

    @property
    def _cells(self) -> Cells:
        return self.model.module_.cells

    def _errors(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is left of rows x (n, *shape) for each member, (n, members, d)."""
        return self._left(x, self.model.module_.reconstructions(x))

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the encoder of each member makes of rows x, (n, members, f)."""
        return self._speaking(self.model.module_.all_seen(x)[0]).movedim(0, 1)

    def _left(self, x: torch.Tensor, rebuilt: torch.Tensor) -> torch.Tensor:
        return (x - self._speaking(rebuilt)).flatten(2).movedim(0, 1)

    def _speaking(self, of_members: torch.Tensor) -> torch.Tensor:
        return of_members if self.member is None else of_members[self.member][None]

    def _of(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores (n,) of rows x (n, *shape)."""
        if self.features:
            features, rebuilt = self.model.module_.all_seen(x)
            errors = self._left(x, rebuilt)
        else:
            errors = self._errors(x)
        if self.normal is None:
            squares = self._cells.sums(errors.square().flatten(0, 1))
            return -squares.nanmean(dim=1).nan_to_num(0.0).view(errors.shape[:2]).mean(dim=1)
        found = self.normal.to(errors).log_prob(errors.flatten(0, 1)).view(errors.shape[:2])
        if self.features:
            each = zip(self.features, self._speaking(features), strict=True)
            found = found + torch.stack([normal.to(f).log_prob(f) for normal, f in each], dim=1)
        return found.mean(dim=1)


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


def find(model: Autoencoder, density: GaussianDensity | None, rows: Rows) -> Found:
    """Fit the density of a model's errors on rows, and score rows as if they were new."""
    n, training, held_out = len(rows), model.spec_.training, model.held_out_
    own = n == int(model.vitals_.learned_rows) + len(held_out)
    order = numpy_generator(model.spec_.seed, "errors of rows").permutation(n)
    if own and len(held_out):
        order = order[np.isin(order, held_out, invert=True)]
    # Densities are fitted to some; all are scored, within reason.
    few, judged = order[: _most(model)], np.sort(order[:ROWS])
    by_folds = own and training.folds and not len(held_out)
    if by_folds:
        folds = folds_of(n, training.members, model.spec_.seed)
    else:
        folds = np.empty(n, np.int64)
        folds[order] = np.arange(len(order)) % PARTS
    x = rows[torch.from_numpy(few)]
    spread = _spread(x)
    errors = model._apply(x, Oddness(model, None)._errors)
    if by_folds:
        # Only the member that never saw a row speaks of it.
        errors = errors[torch.arange(len(few)), torch.from_numpy(folds[few])][:, None]

    def outside(numbers: np.ndarray, fold: int | None) -> np.ndarray:
        """Return which of the rows lie in other folds; all, if none does."""
        others = folds[numbers] != fold if fold is not None else np.ones(len(numbers), bool)
        return others if others.any() else ~others

    @functools.cache
    def of_features(member: int, fold: int | None) -> Normal:
        assert density is not None
        chosen = order[outside(order, fold)][: VALUES // model.module_.encoder.out_features]
        look = Oddness(model, None, member=member)._features
        return density.fit(model._apply(rows[torch.from_numpy(chosen)], look)[:, 0])

    def judging(fold: int | None) -> Oddness:
        member = fold if by_folds else None
        if density is None:
            return Oddness(model, None, member=member)
        normal = density.fit(errors[torch.from_numpy(outside(few, fold))].flatten(0, 1), spread)
        features: tuple[Normal, ...] = ()
        if model.module_.cells.kind != "table":
            speaking = range(training.members) if member is None else (member,)
            # New rows are judged by the same densities as those that no member learned from.
            features = tuple(of_features(k, k if by_folds else fold) for k in speaking)
        return Oddness(model, normal, features, member)

    if own and len(held_out):
        oddness = judging(None)
        return Found(oddness, oddness.scores(rows[torch.from_numpy(held_out)]), "held out")
    scores = np.empty(len(judged))
    for fold in np.unique(folds[judged]):
        inside = folds[judged] == fold
        scores[inside] = judging(int(fold)).scores(rows[torch.from_numpy(judged[inside])])
    return Found(judging(None), scores, "folds" if by_folds else "given")


def _spread(x: torch.Tensor) -> float:
    """Return the mean variance of the values of scaled rows x (n, *shape)."""
    flat = x.flatten(1)
    return float((flat - flat.nanmean(dim=0)).square().nanmean().nan_to_num(0.0))


def _most(model: Autoencoder) -> int:
    values = math.prod(model.schema_.shape) * model.spec_.training.members
    return max(1, min(ROWS, VALUES // values))
