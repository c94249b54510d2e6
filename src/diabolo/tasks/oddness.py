"""How odd rows are: what a model does not explain of them, judged by what is usual.

A plain reconstruction error counts a deviation of a value that is always rebuilt exactly no more
than the same deviation of one that never is. For a table the density of the errors knows that, and
which errors go together.

Images, and series, have more values than a density of errors is good at, and what one of them is
about may lie anywhere in it: there errors are weighted by what was expected. But an image may be
rebuilt well without being of the kind that was learned, for it is simple: what the encoder makes of
it counts too, by a density of its own for each member, for no unit of one member means what one of
another does. Both are measured by what few normal images reach. What the encoder makes of images
orders them; errors tell the kinds that it learned from others much worse, and count where they
are larger than those of nearly all normal images: of what is unlike anything that was learned an
encoder makes something familiar.
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
from diabolo.densities.spread import Spread, spread_of
from diabolo.estimator import Autoencoder
from diabolo.random import numpy_generator
from diabolo.training.loop import folds_of

#: Values, and rows, that a density is fitted to at most; rows and values that are scored at most.
VALUES, ROWS, SCORED = 1 << 23, 50_000, 1 << 28

#: Parts of the rows of a model that has none which it did not learn from: the density of the
#: others judges each of them.
PARTS = 5

#: Share of normal rows that lie nearer than what distances of images are measured by, and what the
#: distance of errors beyond that counts, in those of features.
USUAL, BEYOND = 0.999, 10.0

#: The least distance that others are measured by: images that are all alike are not odd by what
#: arithmetic makes of them. Nor are the last digits of a distance.
LEAST, DIGITS = 1.0, 6


@dataclasses.dataclass(frozen=True)
class Features:
    """What images and series are compared with.

    Parameters
    ----------
    spread : Spread
        Of the errors of all members.
    densities : tuple of Normal
        Of what the encoder of each member that counts makes of rows.
    usual : Tensor (2,)
        The distance of errors and that of features which few normal rows have.
    """

    spread: Spread
    densities: tuple[Normal, ...]
    usual: torch.Tensor


@dataclasses.dataclass(frozen=True)
class Oddness:
    """What the errors of a model are compared with.

    Parameters
    ----------
    model : Autoencoder
        Fitted.
    normal : Normal, Features or None
        The density of errors of tables; what images and series are compared with; None where
        the squares of errors alone count.
    member : int, optional
        The member whose errors count; by default those of all.
    """

    model: Autoencoder
    normal: Normal | Features | None
    member: int | None = None

    def scores(self, rows: torch.Tensor | Rows) -> np.ndarray:
        """Return how well the model knows scaled rows, (n,) of float64; high is well.

        The log-density of its errors, a mean over its members, or minus the mean square of them;
        of images and series minus the distance of their features, and more than that where errors
        are unusual.
        """
        if isinstance(self.normal, Features):
            return -_farness(self.distances(rows))
        return self.model._apply(rows, self._of).double().numpy()

    def distances(self, rows: torch.Tensor | Rows) -> np.ndarray:
        """Return how far errors and features of scaled images are from usual, (n, 2)."""
        return self.model._apply(rows, self._far).double().numpy()

    def contributions(self, rows: torch.Tensor | Rows) -> np.ndarray:
        """Return how odd the errors of each cell of scaled rows are, (n, cells).

        A row's sum is the squared distance of its errors from the mean of the density; of images
        and series the sum of their squares, each over what is usual of it; or of all squares.
        Features belong to no cell.
        """

        def of(x: torch.Tensor) -> torch.Tensor:
            errors, expected = self._errors(x)
            if isinstance(self.normal, Features):
                odd = self.normal.spread.to(errors).contributions(errors, expected)
            elif self.normal is None:
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

    def _errors(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what is left of rows x (n, *shape), and expected, both (n, members, d)."""
        return self._left(x, self.model.module_.reconstructions(x))

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the encoder of each member makes of rows x, (n, members, f)."""
        return self._speaking(self.model.module_.all_seen(x)[0]).movedim(0, 1)

    def _left(self, x: torch.Tensor, rebuilt: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rebuilt = self._speaking(rebuilt)
        left, expected = ((a.flatten(2).movedim(0, 1)) for a in (x - rebuilt, rebuilt))
        return left, expected

    def _speaking(self, of_members: torch.Tensor) -> torch.Tensor:
        return of_members if self.member is None else of_members[self.member][None]

    def _of(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores (n,) of rows x (n, d) of a table, or by squares alone."""
        errors = self._errors(x)[0]
        if self.normal is None:
            squares = self._cells.sums(errors.square().flatten(0, 1))
            return -squares.nanmean(dim=1).nan_to_num(0.0).view(errors.shape[:2]).mean(dim=1)
        assert isinstance(self.normal, Normal)
        return self.normal.to(errors).log_prob(errors.flatten(0, 1)).view(errors.shape[:2]).mean(1)

    def _far(self, x: torch.Tensor) -> torch.Tensor:
        """Return the distances (n, 2) of rows x (n, *shape), means over members."""
        assert isinstance(self.normal, Features)
        features, rebuilt = self.model.module_.all_seen(x)
        features = self._speaking(features)
        errors, expected = self._left(x, rebuilt)
        of_errors = self.normal.spread.to(errors).distance(errors, expected)
        each = zip(self.normal.densities, features, strict=True)
        of_features = torch.stack([normal.to(f).distance(f) for normal, f in each], dim=1)
        far = torch.stack([of_errors.mean(dim=1), of_features.mean(dim=1)], dim=1)
        return far / self.normal.usual.to(far)


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
    few, judged = order[: _most(model, VALUES)], order[: _most(model, SCORED)]
    by_folds = own and training.folds and not len(held_out)
    if by_folds:
        folds = folds_of(n, training.members, model.spec_.seed)
    else:
        folds = np.empty(n, np.int64)
        folds[order] = np.arange(len(order)) % PARTS
    images, all_members = model.module_.cells.kind != "table", Oddness(model, None)

    def outside(numbers: np.ndarray, fold: int | None) -> torch.Tensor:
        """Return which of the rows lie in other folds; all, if none does."""
        others = folds[numbers] != fold if fold is not None else np.ones(len(numbers), bool)
        return torch.from_numpy(others if others.any() else ~others)

    def of_their_folds(of_members: torch.Tensor) -> torch.Tensor:
        """Return what is left where only the member that never saw a row speaks of it."""
        if not by_folds:
            return of_members
        return of_members[torch.arange(len(few)), torch.from_numpy(folds[few])][:, None]

    @functools.cache
    def errors() -> list[torch.Tensor]:
        """Return the errors of rows, and of images what was expected."""
        several = 2 if images else 1
        found = model._apply(
            rows[torch.from_numpy(few)],
            lambda x: torch.stack(all_members._errors(x)[:several], dim=1),
        )
        return [of_their_folds(part) for part in found.unbind(1)]

    @functools.cache
    def variance() -> float:
        return _variance(rows[torch.from_numpy(few)])

    @functools.cache
    def features() -> torch.Tensor:
        most = VALUES // (model.module_.encoder.out_features * training.members)
        seen = torch.from_numpy(judged[: max(1, most)])
        return model._apply(rows[seen], all_members._features)

    @functools.cache
    def of_features(member: int, fold: int | None) -> Normal:
        assert density is not None
        seen = features()[:, member]
        return density.fit(seen[outside(judged[: len(seen)], fold)])

    def judging(fold: int | None) -> Oddness:
        member = fold if by_folds else None
        if density is None:
            return Oddness(model, None, member)
        left, others = errors()[0], outside(few, fold)
        if not images:
            return Oddness(model, density.fit(left[others].flatten(0, 1), variance()), member)
        speaking = range(training.members) if member is None else (member,)
        # New rows are judged by the same densities as those that no member learned from.
        each = tuple(of_features(k, k if by_folds else fold) for k in speaking)
        spread = spread_of(left[others], errors()[1][others])
        return Oddness(model, Features(spread, each, torch.ones(2, dtype=torch.float64)), member)

    oddness = judging(None)
    if own and len(held_out):
        judges, basis = [(oddness, held_out[: _most(model, SCORED)])], "held out"
    else:
        inside = [(fold, judged[folds[judged] == fold]) for fold in np.unique(folds[judged])]
        judges = [(judging(int(fold)), numbers) for fold, numbers in inside]
        basis = "folds" if by_folds else "given"
    if not isinstance(oddness.normal, Features):
        scores = [judge.scores(rows[torch.from_numpy(numbers)]) for judge, numbers in judges]
        return Found(oddness, np.concatenate(scores), basis)
    distances = [judge.distances(rows[torch.from_numpy(numbers)]) for judge, numbers in judges]
    usual, scores_of_all = measured(np.concatenate(distances))
    known = dataclasses.replace(oddness.normal, usual=torch.from_numpy(usual))
    return Found(Oddness(model, known), scores_of_all, basis)


def measured(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what few normal rows have of the distances (m, 2), (2,), and the rows' scores, (m,).

    Each row is measured by the others, as a new one is by all of them: by itself too it would never
    be unusual.
    """
    usual = np.quantile(distances, USUAL, axis=0).clip(min=LEAST)
    last = len(distances) - 2
    if last < 0:
        return usual, -_farness(distances / usual)
    place = distances.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    ordered = np.sort(distances, axis=0)

    def among_others(k: int) -> np.ndarray:
        """Return the k-th smallest distance of all rows but each, (m, 2)."""
        return np.take_along_axis(ordered, k + (place <= k), axis=0)

    below, share = divmod(USUAL * last, 1)
    low, high = among_others(int(below)), among_others(min(int(below) + 1, last))
    by_others = low + share * (high - low)
    return usual, -_farness(distances / by_others.clip(min=LEAST))


def _farness(distances: np.ndarray) -> np.ndarray:
    """Return how far images are from usual by errors and features (n, 2) together, (n,)."""
    by_errors, by_features = distances.T
    return np.round(by_features + BEYOND * np.maximum(0.0, by_errors - 1), DIGITS)


def _variance(x: torch.Tensor) -> float:
    """Return the mean variance of the values of scaled rows x (n, *shape)."""
    flat = x.flatten(1)
    return float((flat - flat.nanmean(dim=0)).square().nanmean().nan_to_num(0.0))


def _most(model: Autoencoder, most: int) -> int:
    """Return how many rows there may be, if members make so many values of them at most."""
    values = math.prod(model.schema_.shape) * model.spec_.training.members
    return max(1, min(ROWS, most // values))
