"""Columns of tables: what is in them, as cells (one number each) and as values for a network.

A column reads what a table's library holds into cells, float64 with NaN where one is missing:
numbers as they are, levels by their place, points in time as seconds. Cells become one or more
values, which `Schema` scales unless the column has; and both ways go back.
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diabolo.data.arrow import dictionary, is_nothing, numbers, seconds
from diabolo.data.statistics import alike
from diabolo.errors import DataError
from diabolo.spec import Part, is_number, require

if TYPE_CHECKING:
    import pyarrow as pa

DAY, YEAR = 86_400.0, 365.2425 * 86_400.0

#: Distance of the quartiles of a normal density, in deviations.
QUARTILES = 1.3489795

#: Numbers that ranks are known of, at most.
KNOTS = 64


@dataclasses.dataclass(frozen=True)
class Column(Part, abc.ABC):
    """A column as it was found in the training data.

    Attributes
    ----------
    kind : str
        Its name in `COLUMNS`.
    block : {"numeric", "boolean", "categorical"}
        What its values are to the likelihood.
    width : int
        How many values a cell has.
    scaled : bool
        Whether a number's value is in units of its own, so that `Schema` leaves it as it is.
    """

    kind: ClassVar[str]
    block: ClassVar[str] = "numeric"
    scaled: ClassVar[bool] = False

    @property
    def width(self) -> int:
        return 1

    @abc.abstractmethod
    def read(self, column: pa.Array) -> np.ndarray:
        """Return the cells of a column, (n,) of float64."""

    @abc.abstractmethod
    def write(self, cells: np.ndarray) -> pa.Array:
        """Return cells (n,) as a column; numbers that are no cell become the nearest one."""

    def expand(self, cells: np.ndarray) -> np.ndarray:
        """Return the values (n, width) of cells (n,), NaN where those are."""
        return cells[:, None]

    def collapse(self, values: np.ndarray) -> np.ndarray:
        """Return the cells (n,) of values (n, width)."""
        return values[:, 0]


@dataclasses.dataclass(frozen=True)
class Numeric(Column):
    """Numbers; durations in seconds."""

    kind: ClassVar[str] = "numeric"

    def read(self, column: pa.Array) -> np.ndarray:
        return numbers(column)

    def write(self, cells: np.ndarray) -> pa.Array:
        import pyarrow as pa

        return pa.array(cells)


@dataclasses.dataclass(frozen=True)
class Robust(Numeric):
    """Numbers less their median, over the deviation that a normal density has of such quartiles.

    Parameters
    ----------
    middle, spread : float
        In original units.
    """

    middle: float = 0.0
    spread: float = 1.0

    kind: ClassVar[str] = "robust"
    scaled: ClassVar[bool] = True

    def validate(self) -> None:
        sound = is_number(self.middle) and is_number(self.spread) and self.spread > 0
        require(sound, f"Robust(middle={self.middle!r}, spread={self.spread!r}) is no scale")

    @classmethod
    def of(cls, cells: np.ndarray) -> Robust:
        """Return the scale of cells (n,) that differ; by the deviation if quartiles do not."""
        low, middle, high = np.quantile(cells, (0.25, 0.5, 0.75))
        spread = (high - low) / QUARTILES
        if alike(spread, np.abs(cells).max()):
            spread = cells.std()
        return cls(float(middle), float(spread))

    def expand(self, cells: np.ndarray) -> np.ndarray:
        return ((cells - self.middle) / self.spread)[:, None]

    def collapse(self, values: np.ndarray) -> np.ndarray:
        return values[:, 0] * self.spread + self.middle


@dataclasses.dataclass(frozen=True)
class Quantile(Numeric):
    """Numbers by their rank: what a normal density has in the place of each.

    Between knots, and beyond them, it is linear, so that larger numbers have larger values, however
    large they are.

    Parameters
    ----------
    knots, places : tuple of float
        Numbers, ascending, and the values that they have; two at least.
    """

    knots: Any = (-1.0, 1.0)
    places: Any = (-1.0, 1.0)

    kind: ClassVar[str] = "quantile"
    scaled: ClassVar[bool] = True

    def validate(self) -> None:
        ascending = all(
            isinstance(line, tuple)
            and len(line) >= 2
            and all(is_number(x) for x in line)
            and all(a < b for a, b in itertools.pairwise(line))
            for line in (self.knots, self.places)
        )
        require(
            ascending and len(self.knots) == len(self.places),
            "Quantile(knots, places) needs as many of both, two at least, ascending",
        )

    @classmethod
    def of(cls, cells: np.ndarray) -> Quantile:
        """Return the ranks of observed cells (n,), which are not all the same."""
        from scipy.special import ndtri

        numbers, counts = np.unique(cells, return_counts=True)
        # Equal numbers share their ranks.
        values = ndtri((np.cumsum(counts) - counts / 2) / len(cells))
        if len(numbers) > KNOTS:
            even = np.linspace(values[0], values[-1], KNOTS)
            chosen = np.unique(np.searchsorted(values, even).clip(max=len(values) - 1))
            numbers, values = numbers[chosen], values[chosen]
        return cls(tuple(numbers.tolist()), tuple(values.tolist()))

    def expand(self, cells: np.ndarray) -> np.ndarray:
        return _linear(cells, self.knots, self.places)[:, None]

    def collapse(self, values: np.ndarray) -> np.ndarray:
        return _linear(values[:, 0], self.places, self.knots)


def _linear(x: np.ndarray, knots: Any, places: Any) -> np.ndarray:
    """Return what lies at x (n,) on the line through knots; beyond them it goes on as at its end.

    Its slope there is that of the last tenth of the knots: two of them may be neighbours by chance.
    """
    first, last = knots[0], knots[-1]
    tenth = max(1, len(knots) // 10)
    y = np.interp(x, knots, places)
    for end, inner, beyond in (
        (first, knots[tenth], np.minimum(x - first, 0.0)),
        (last, knots[-1 - tenth], np.maximum(x - last, 0.0)),
    ):
        of_end, of_inner = np.interp((end, inner), knots, places)
        slope = min((of_end - of_inner) / (end - inner), np.finfo(np.float64).max)
        y = y + beyond * slope
    return y


@dataclasses.dataclass(frozen=True)
class Boolean(Column):
    """Yes or no: truth values, and numbers that are 0 or 1 in training; an odd one stays odd."""

    kind: ClassVar[str] = "boolean"
    block: ClassVar[str] = "boolean"

    def read(self, column: pa.Array) -> np.ndarray:
        return numbers(column)

    def write(self, cells: np.ndarray) -> pa.Array:
        import pyarrow as pa

        return pa.array(cells >= 0.5)


@dataclasses.dataclass(frozen=True)
class Levels(Column, abc.ABC):
    """One of several levels.

    Parameters
    ----------
    levels : tuple of str, or of int, float or bool
        In the order of their cells 0, 1, ….
    """

    levels: Any = ()

    def places(self, column: pa.Array) -> np.ndarray:
        """Return the place of each level, −1 for one that is none of them, NaN for nothing."""
        encoded = dictionary(column)
        place = {level: i for i, level in enumerate(self.levels)}
        found = [
            np.nan if is_nothing(v) else place.get(v, -1) for v in encoded.dictionary.to_pylist()
        ]
        indices = encoded.indices.to_numpy(zero_copy_only=False).astype(np.float64)  # null → NaN
        there = ~np.isnan(indices)
        cells = np.full(len(indices), np.nan)
        cells[there] = np.array(found, np.float64)[indices[there].astype(np.int64)]
        return cells

    def write(self, cells: np.ndarray) -> pa.Array:
        import pyarrow as pa

        last = len(self.levels) - 1
        nearest = np.clip(np.round(np.nan_to_num(cells)), 0, last).astype(np.int64)
        return pa.array(self.levels).take(pa.array(nearest))


@dataclasses.dataclass(frozen=True)
class Ordinal(Levels):
    """Levels in an order: small, medium, large. A cell is the place, and a value is a number."""

    kind: ClassVar[str] = "ordinal"

    def read(self, column: pa.Array) -> np.ndarray:
        cells = self.places(column)
        if (cells == -1).any():
            row = int((cells == -1).argmax())
            raise DataError(
                f"row {row} holds {column[row].as_py()!r}, which has no place among the ordered "
                f"levels {', '.join(map(repr, self.levels[:8]))}"
            )
        return cells


@dataclasses.dataclass(frozen=True)
class Categorical(Levels):
    """Levels without an order.

    A value for each, of which a single one is 1, and a last one for all levels that were rare in
    the training data or not in it at all.
    """

    kind: ClassVar[str] = "categorical"
    block: ClassVar[str] = "categorical"

    @property
    def width(self) -> int:
        return len(self.levels) + 1

    def read(self, column: pa.Array) -> np.ndarray:
        cells = self.places(column)
        cells[cells == -1] = len(self.levels)
        return cells

    def expand(self, cells: np.ndarray) -> np.ndarray:
        values = (cells[:, None] == np.arange(self.width)).astype(np.float64)
        values[np.isnan(cells)] = np.nan
        return values

    def collapse(self, values: np.ndarray) -> np.ndarray:
        # The others have no name that could be given back.
        return values[:, :-1].argmax(axis=1).astype(np.float64)


@dataclasses.dataclass(frozen=True)
class Date(Column):
    """Points in time: seconds, and where in the day, the week and the year they are.

    Parameters
    ----------
    periods : tuple of float
        In seconds; a cell has sine and cosine of its place in each.
    days : bool
        Whether all are whole days.
    """

    periods: Any = ()
    days: bool = False

    kind: ClassVar[str] = "date"

    @property
    def width(self) -> int:
        return 1 + 2 * len(self.periods)

    def read(self, column: pa.Array) -> np.ndarray:
        return seconds(column)

    def write(self, cells: np.ndarray) -> pa.Array:
        import pyarrow as pa

        if self.days:
            cells = np.round(cells / DAY) * DAY
        return pa.array(np.round(cells * 1e6).astype("datetime64[us]"))

    def expand(self, cells: np.ndarray) -> np.ndarray:
        angles = 2 * np.pi * cells[:, None] / np.array(self.periods)  # (n, periods)
        return np.concatenate([cells[:, None], np.sin(angles), np.cos(angles)], axis=1)


#: Kinds of columns by name.
COLUMNS: dict[str, type[Column]] = {
    column.kind: column
    for column in (Numeric, Robust, Quantile, Ordinal, Boolean, Categorical, Date)
}
