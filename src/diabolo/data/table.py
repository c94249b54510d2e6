"""The columns of a table whose cells are more than scaled numbers."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

from diabolo.data.columns import Column, Numeric

#: Order of the values of a row.
BLOCKS = ("numeric", "boolean", "categorical")


@dataclasses.dataclass(frozen=True)
class Table:
    """Columns of several kinds, and where their values are in a row.

    Values of a kind are neighbours, so that a likelihood takes them at once: first the numbers,
    then what is true or false, then levels. Within a kind they are in the order of the columns.

    Parameters
    ----------
    columns : tuple of Column
    types : tuple of str
        The type of each in the fitted data, as arrow has it, or for an array numpy.
    """

    columns: tuple[Column, ...]
    types: tuple[str, ...]

    @functools.cached_property
    def places(self) -> tuple[slice, ...]:
        """Where the values of each column are in a row."""
        places = [slice(0)] * len(self.columns)
        start = 0
        for block in BLOCKS:
            for j, column in enumerate(self.columns):
                if column.block == block:
                    places[j] = slice(start, start + column.width)
                    start += column.width
        return tuple(places)

    @property
    def width(self) -> int:
        """How many values a row has."""
        return sum(column.width for column in self.columns)

    @property
    def only_numbers(self) -> bool:
        """Whether all columns hold numbers."""
        return all(isinstance(column, Numeric) for column in self.columns)

    @property
    def columns_of_values(self) -> tuple[int, ...] | None:
        """The column that each value belongs to; None where all have one value in their order."""
        owners = [0] * self.width
        for j, place in enumerate(self.places):
            owners[place] = [j] * (place.stop - place.start)
        return None if owners == list(range(len(self.columns))) else tuple(owners)

    def of(self, block: str) -> Iterator[tuple[int, Column]]:
        """Yield the columns of a kind of block, with their numbers."""
        return ((j, column) for j, column in enumerate(self.columns) if column.block == block)

    def is_sound(self) -> bool:
        """Return whether all of it is as a fit makes it."""
        return (
            len(self.types) == len(self.columns)
            and all(isinstance(kind, str) for kind in self.types)
            and all(isinstance(column, Column) for column in self.columns)
        )

    def expand(self, cells: np.ndarray) -> np.ndarray:
        """Return the values (n, width) of cells (n, columns), NaN where those are."""
        values = np.empty((len(cells), self.width))
        for j, (column, place) in enumerate(zip(self.columns, self.places, strict=True)):
            values[:, place] = column.expand(cells[:, j].astype(np.float64))
        return values

    def collapse(self, values: np.ndarray) -> np.ndarray:
        """Return the cells (n, columns) of values (n, width)."""
        cells = np.empty((len(values), len(self.columns)))
        for j, (column, place) in enumerate(zip(self.columns, self.places, strict=True)):
            cells[:, j] = column.collapse(values[:, place])
        return cells
