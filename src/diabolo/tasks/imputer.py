"""Filling missing cells."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from diabolo import recipes
from diabolo.data.rows import Rows
from diabolo.errors import ModelError, SpecError
from diabolo.estimator import Autoencoder, folder
from diabolo.estimator.fitting import read_rows, seed_of
from diabolo.random import numpy_generator
from diabolo.spec import is_number, require
from diabolo.store import Section
from diabolo.tasks.base import Task

#: The kind of its folders, and the section of what it has learned beside the model.
KIND, TITLE = "imputer", "errors"

#: What a model card says of how to use it.
USE = """```python
from diabolo import load

imputer = load("path/to/this/folder")
filled = imputer.transform(X)
several = imputer.draw(X, 5)
codes = imputer.model_.transform(filled)
```

```sh
diabolo impute path/to/this/folder data.csv --out full.csv
```
"""

#: Rows on which a model's errors are looked at, and errors that one is drawn from: those of rows
#: which lack about as much.
ROWS, NEAR = 4000, 200


class Imputer(OneToOneFeatureMixin, TransformerMixin, Task):
    """Fill missing cells, with an autoencoder that learned to rebuild rows from parts of them.

    Columns of a frame may hold numbers, truth values, levels, or points in time; what is filled in
    is in their units and levels. Pixels of an image are filled in the same way, where they are NaN.

    Parameters
    ----------
    model : Autoencoder, optional
        An unfitted one is trained; it gets the corruption of ``recipes.imputing()`` where it has
        none. A fitted one is used as it is, and has to have been trained with cells hidden as
        missing. By default ``recipes.imputing()``. scikit-learn's `clone` takes the fit away;
        ``FrozenEstimator(model)`` keeps it.
    random_state : int, RandomState or None, default None
        Seed, where the model has none.

    Attributes
    ----------
    model_ : Autoencoder
        The fitted model.
    errors_ : list of ndarray (m, 2)
        For each column, of cells that were hidden for a test, the share of their row's other cells
        that was missing too, ascending, and the cell less what was filled in, in scaled units. The
        rows are those that were not learned from, where there are such. Empty for truth values and
        levels; no list at all for images, and where nothing was fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from diabolo import Imputer
    >>> X = np.linspace(0, 1, 200)[:, None] * [1.0, -2.0, 3.0]
    >>> X[7, 1] = np.nan
    >>> filled = Imputer(random_state=0).fit(X).transform(X)
    >>> bool(abs(filled[7, 1] + 2 * filled[7, 0]) < 0.1)
    True
    """

    def __init__(self, model: Autoencoder | None = None, *, random_state: Any = None):
        self.model = model
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Imputer:
        """Learn from rows, whatever cells they lack, unless the model has learned already.

        Parameters
        ----------
        X : as in `Autoencoder.fit`, or None for a fitted model
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        SpecError
            If the model is trained, or to be trained, without cells hidden as missing.
        """
        fitted = self._fitted()
        if fitted is None:
            usual = recipes.imputing()
            model = self._unfitted(usual)
            if model.corruption is None:
                model.set_params(corruption=usual.corruption)
        else:
            model = fitted
        # Before an hour of training, not behind it.
        if not _hides(model.corruption if fitted is None else model.spec_.corruption):
            raise SpecError(
                "this model never had cells hidden, so that it cannot tell what is in them: train "
                "it by recipes.imputing(), or pass an unfitted one without a corruption"
            )
        X = read_rows(X)
        self._use(model.fit(X) if fitted is None else model)
        self.errors_ = [] if X is None else self._errors(X)
        return self

    def transform(self, X: Any) -> Any:
        """Return X with its missing cells filled.

        Parameters
        ----------
        X : as in `Autoencoder.reconstruct`

        Returns
        -------
        The container, index, columns and types of X
            Cells that are there are as they were, to the bit. What is filled in lies in the range
            of what was learned from, and a number that lies beyond it has no more say than the
            last one in it. Columns that the model does not use keep their gaps.

        Raises
        ------
        DataError
            As in `Autoencoder.reconstruct`.
        """
        check_is_fitted(self)
        X = read_rows(X)
        rows = self.model_._encode_input(X, True)
        return self.model_.schema_.fill(self._rebuilt(rows).numpy(), X)

    def draw(self, X: Any, n: int = 5, *, random_state: Any = None) -> list[Any]:
        """Return several ways to fill X that differ as much as its missing cells are uncertain.

        Cells of a row are filled one after the other, each given those before it, so that they go
        together (Rubin 1987, multiple imputation). A number is what the model expects and an error
        drawn from those of `errors_` in rows that lack about as much; levels are drawn by their
        probabilities.

        Parameters
        ----------
        X : table, as in `transform`
        n : int
        random_state : int, RandomState or None

        Returns
        -------
        list of the container, index, columns and types of X

        Raises
        ------
        SpecError
            If X is no table, or the errors of the model are not known.
        """
        check_is_fitted(self)
        require(
            is_number(n) and int(n) == n and n >= 1, f"n={n!r}: expected a whole number, at least 1"
        )
        require(
            self.model_.schema_.kind == "table" and self.errors_,
            "draws need a table, and the errors of the model on rows: Imputer(model).fit(X)",
        )
        X = read_rows(X)
        rows = self.model_._encode_input(X, True)[:]
        seed = seed_of(random_state)
        fill = self.model_.schema_.fill
        return [
            fill(self._drawn(rows.clone(), numpy_generator(seed, "draw", i)).numpy(), X)
            for i in range(int(n))
        ]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write model and errors as one folder, from which `load` makes the imputer again."""
        check_is_fitted(self)
        tensors = {str(j): errors for j, errors in enumerate(self.errors_)}
        section = Section({"columns": len(tensors)}, tensors)
        folder.save(self.model_, path, KIND, {TITLE: section}, USE)

    def _rebuilt(self, rows: torch.Tensor | Rows) -> torch.Tensor:
        """Return what the model makes of scaled rows, whose numbers are those that it knows."""
        low, high = self._ends()
        known = self.model_.module_.reconstruct
        return self.model_._apply(
            rows, lambda x: known(torch.clamp(x, low.to(x.device), high.to(x.device)))
        )

    def _ends(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the least and the most that scaled values of rows may be, both (*shape)."""
        schema = self.model_.schema_
        ends = torch.full((2, *schema.shape), torch.inf)
        ends[0] = -torch.inf
        if schema.kind == "table":
            seen = torch.from_numpy(schema.ends)
            for j, place in enumerate(self._places()):
                if self._table is None or self._table.columns[j].block == "numeric":
                    ends[:, place.start] = seen[:, place.start]
        return ends[0], ends[1]

    def _drawn(self, x: torch.Tensor, generator: np.random.Generator) -> torch.Tensor:
        """Fill rows x (n, values) in place, column by column in an order that is drawn."""
        places = self._places()
        for j in generator.permutation(len(places)):
            place = places[j]
            lacking = x[:, place.start].isnan().nonzero().squeeze(1)
            if not len(lacking):
                continue
            rows = x[lacking]
            rebuilt = self._rebuilt(rows)[:, place]
            share = (_lacking(rows, places).sum(dim=1) - 1) / max(1, len(places) - 1)
            x[lacking, place] = self._around(j, rebuilt.numpy(), share.numpy(), generator)
        return x

    def _around(
        self, j: int, mean: np.ndarray, share: np.ndarray, generator: np.random.Generator
    ) -> torch.Tensor:
        """Draw values of a column around their means (n, width), in rows that lack such a share."""
        block = "numeric" if self._table is None else self._table.columns[j].block
        if block == "categorical":
            # Whichever level the sum of probabilities reaches a uniform number at.
            reached = mean.cumsum(axis=1) < generator.random((len(mean), 1)) * mean.sum(
                axis=1, keepdims=True
            )
            chosen = reached.sum(axis=1).clip(max=mean.shape[1] - 1)
            drawn = np.eye(mean.shape[1], dtype=np.float32)[chosen]
        elif block == "boolean":
            drawn = (generator.random(mean.shape) < mean).astype(np.float32)
        else:
            errors, drawn = self.errors_[j], mean.copy()
            # Where in the day a point in time is stays what the model expects.
            drawn[:, 0] += _near(errors, share, generator) if len(errors) else 0.0
        return torch.from_numpy(np.asarray(drawn, np.float32))

    def _errors(self, X: Any) -> list[np.ndarray]:
        """Return the errors of each column on cells that are hidden for it."""
        model = self.model_
        rows: Rows = model._encode_input(X)
        if model.schema_.kind != "table":
            return []
        known = len(rows) > max(model.held_out_, default=-1)
        x = rows[torch.from_numpy(model.held_out_)] if known and len(model.held_out_) else rows[:]
        generator = numpy_generator(model.spec_.seed, "errors")
        # Some rows several times, each time with other cells hidden.
        x = x[torch.from_numpy(generator.integers(len(x), size=ROWS))]
        places = self._places()
        chance = generator.random((ROWS, 1))
        hidden = torch.from_numpy(generator.random((ROWS, len(places))) < chance)
        shown = x.clone()
        for j, place in enumerate(places):
            shown[hidden[:, j], place] = float("nan")
        difference = x - self._rebuilt(shown)
        shares = (_lacking(shown, places).sum(dim=1) - 1) / max(1, len(places) - 1)
        errors = []
        for j, place in enumerate(places):
            there = hidden[:, j] & ~x[:, place.start].isnan()
            if self._table is not None and self._table.columns[j].block != "numeric":
                there[:] = False
            pairs = torch.stack([shares[there], difference[there, place.start]], dim=1)
            errors.append(pairs[pairs[:, 0].argsort(stable=True)].numpy())
        return errors

    @property
    def _table(self) -> Any:
        return self.model_.schema_.table

    def _places(self) -> tuple[slice, ...]:
        """Return where the values of each column are in a row."""
        if self._table is not None:
            return self._table.places
        return tuple(slice(j, j + 1) for j in range(self.model_.schema_.shape[0]))


def _hides(corruption: Any) -> bool:
    """Return whether a corruption, by part, name or several of them, hides cells as missing."""
    several = corruption if isinstance(corruption, tuple | list) else (corruption,)
    return any(getattr(part, "missing", False) for part in several)


def _lacking(x: torch.Tensor, places: tuple[slice, ...]) -> torch.Tensor:
    """Return which columns rows x (n, values) lack, (n, columns)."""
    return x[:, [place.start for place in places]].isnan()


def _near(errors: np.ndarray, share: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw for each row one of the errors (m, 2) of rows that lack about such a share."""
    # One of those that lack as much, however many those are, else of the nearest.
    first = np.searchsorted(errors[:, 0], share - 1e-6, "left")
    last = np.searchsorted(errors[:, 0], share + 1e-6, "right")
    more = np.maximum(0, NEAR - (last - first)) // 2
    first, last = np.maximum(first - more, 0), np.minimum(last + more, len(errors))
    return errors[generator.integers(first, last), 1]


def load(cls: type[Imputer], config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Imputer:
    """Return the imputer of a folder that `store.read` has read.

    Raises
    ------
    ModelError
        If it is damaged.
    """
    model = folder.load(Autoencoder, config, tensors)
    imputer = cls()
    imputer._use(model)
    try:
        section = model.sections_[TITLE]
        imputer.errors_ = [section.tensors[str(j)] for j in range(section.config["columns"])]
        places = len(imputer._places()) if model.schema_.kind == "table" else 0
        sound = all(e.ndim == 2 and e.shape[1] == 2 for e in imputer.errors_)
        require(sound and len(imputer.errors_) in (0, places), "its errors are others")
    except (LookupError, TypeError, ValueError) as error:
        raise ModelError(f"the section {TITLE!r} is damaged: {error}") from None
    return imputer
