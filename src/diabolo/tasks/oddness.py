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

import numpy as np
import torch

from diabolo.cells import Cells
from diabolo.data.rows import Rows
from diabolo.densities.normal import Normal
from diabolo.densities.regions import Regions
from diabolo.densities.spread import Spread
from diabolo.estimator import Autoencoder

#: What the distance of errors of images beyond what is usual counts, in those of features; and
#: digits of a distance that count: the last ones are what arithmetic makes of it.
BEYOND, DIGITS = 10.0, 6


@dataclasses.dataclass(frozen=True)
class Features:
    """What images and series are compared with.

    Parameters
    ----------
    spread : Spread
        Of the errors of all members.
    densities : tuple of Normal or Regions
        Of what the encoder of each member that counts makes of rows.
    usual : Tensor (2,)
        The distance of errors and that of features which few normal rows have.
    """

    spread: Spread
    densities: tuple[Normal | Regions, ...]
    usual: torch.Tensor


@dataclasses.dataclass(frozen=True)
class Oddness:
    """What the errors of a model are compared with.

    Parameters
    ----------
    model : Autoencoder
        Fitted.
    normal : Normal, Regions, Features or None
        The density of errors of tables, the same everywhere or by what was expected; what images
        and series are compared with; None where the squares of errors alone count.
    member : int, optional
        The member whose errors count; by default those of all.
    """

    model: Autoencoder
    normal: Normal | Regions | Features | None
    member: int | None = None

    def scores(self, rows: torch.Tensor | Rows) -> np.ndarray:
        """Return how well the model knows scaled rows, (n,) of float64; high is well.

        The log-density of its errors, a mean over its members, or minus the mean square of them;
        of images and series minus the distance of their features, and more than that where errors
        are unusual.
        """
        if isinstance(self.normal, Features):
            return -farness(self.distances(rows))
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
                normal, where = self.normal.to(x), expected.flatten(0, 1)
                odd = normal.contributions(errors.flatten(0, 1), where).view(errors.shape)
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
        errors, expected = self._errors(x)
        if self.normal is None:
            squares = self._cells.sums(errors.square().flatten(0, 1))
            return -squares.nanmean(dim=1).nan_to_num(0.0).view(errors.shape[:2]).mean(dim=1)
        assert not isinstance(self.normal, Features)
        return judged(self.normal, errors, expected)

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


def judged(density: Normal | Regions, errors: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """Return the log-density (n,) of errors of tables where that was expected, (n, members, d)."""
    density = density.to(errors)
    found = density.log_prob(errors.flatten(0, 1), expected.flatten(0, 1))
    return found.view(errors.shape[:2]).mean(dim=1)


def farness(distances: np.ndarray) -> np.ndarray:
    """Return how far images are from usual by errors and features (n, 2) together, (n,)."""
    by_errors, by_features = distances.T
    return np.round(by_features + BEYOND * np.maximum(0.0, by_errors - 1), DIGITS)
