"""The columns of a table whose cells are more than scaled numbers."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

from diabolo.data.columns import Column
from diabolo.data.warps import Warp

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
        The arrow type of each in the fitted data.
    warps : tuple of Warp or None, optional
        The scale of each column of numbers that has a bent one.
    """

    columns: tuple[Column, ...]
    types: tuple[str, ...]
    warps: tuple[Warp | None, ...] = ()

    def __post_init__(self) -> None:
        if not self.warps:
            object.__setattr__(self, "warps", (None,) * len(self.columns))

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
    def columns_of_values(self) -> tuple[int, ...] | None:
        """The column that each value belongs to; None where all have one value in their order."""
        owners = [0] * self.width
        for j, place in enumerate(self.places):
            owners[place] = [j] * (place.stop - place.start)
        return None if owners == list(range(len(self.columns))) else tuple(owners)

    @property
    def knots(self) -> tuple[np.ndarray, np.ndarray]:
        """The knots of all warps, (2, k), and how many each column has, (columns,)."""
        warps = [Warp(np.zeros(0), np.zeros(0)) if warp is None else warp for warp in self.warps]
        points = [np.stack([warp.x, warp.y]) for warp in warps]
        return np.concatenate(points, axis=1), np.array([len(warp.x) for warp in warps])

    @classmethod
    def with_knots(
        cls,
        columns: tuple[Column, ...],
        types: tuple[str, ...],
        knots: np.ndarray,
        counts: np.ndarray,
    ) -> Table:
        """Inverse of `knots`."""
        pieces = np.split(knots, np.cumsum(counts)[:-1], axis=1)
        warps = tuple(Warp(*piece) if piece.size else None for piece in pieces)
        return cls(columns, types, warps)

    def of(self, block: str) -> Iterator[tuple[int, Column]]:
        """Yield the columns of a kind of block, with their numbers."""
        return ((j, column) for j, column in enumerate(self.columns) if column.block == block)

    def is_sound(self) -> bool:
        """Return whether all of it is as a fit makes it."""
        count = len(self.columns)
        fits = len(self.types) == len(self.warps) == count and all(
            isinstance(kind, str) for kind in self.types
        )
        return (
            fits
            and all(isinstance(column, Column) for column in self.columns)
            and all(
                warp is None
                or (column.block == "numeric" and column.width == 1 and warp.is_sound())
                for column, warp in zip(self.columns, self.warps, strict=True)
            )
        )

    def expand(self, cells: np.ndarray) -> np.ndarray:
        """Return the values (n, width) of cells (n, columns), NaN where those are."""
        values = np.empty((len(cells), self.width))
        for j, (column, warp) in enumerate(zip(self.columns, self.warps, strict=True)):
            cell = cells[:, j].astype(np.float64)
            values[:, self.places[j]] = column.expand(cell) if warp is None else warp(cell)[:, None]
        return values

    def collapse(self, values: np.ndarray) -> np.ndarray:
        """Return the cells (n, columns) of values (n, width)."""
        cells = np.empty((len(values), len(self.columns)))
        for j, (column, warp) in enumerate(zip(self.columns, self.warps, strict=True)):
            value = values[:, self.places[j]]
            cells[:, j] = column.collapse(value) if warp is None else warp.inverse(value[:, 0])
        return cells
