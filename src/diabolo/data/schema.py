"""The schema: users' data in, batches of scaled numbers out, and back again.

It alone owns scaling. It is fitted once and travels with the model.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from diabolo.cells import Cells
from diabolo.data.arrow import as_named
from diabolo.data.casts import as_dtype, as_numpy, as_tensor, of_each
from diabolo.data.checks import (
    all_finite,
    place_of,
    refuse_non_finite,
    same_columns,
    same_shape,
    same_units,
)
from diabolo.data.columns import Numeric
from diabolo.data.containers import (
    Unpacked,
    as_frame,
    new_frame,
    pack_cells,
    pack_like,
    unpack,
)
from diabolo.data.scaling import SCALINGS, affine, of_values
from diabolo.data.statistics import Statistics, pieces_of
from diabolo.data.table import Table
from diabolo.errors import DataError, SpecError

KINDS = ("table", "image", "series")


@dataclasses.dataclass(frozen=True)
class Schema:
    """How rows of the user's data become batches, fitted by `Schema.fit`.

    A cell is what the user has in a place, a value what a network gets. They are as many, but in
    tables with columns of several kinds, where a level is several values: see `Table`.

    Attributes
    ----------
    kind : {"table", "image", "series"}
    shape : tuple of int
        Of a row of values: (columns,), (h, w), (h, w, c) or (t, c).
    names : tuple of str or None
        Columns, where the data was a frame.
    given : tuple of str or None
        The same, with those that are left out.
    dtypes : tuple of str
        Original numpy types, one per column of a frame, else a single one.
    scaling : str
        One of `SCALINGS`: values are (x − shift) / scale. "none" leaves them, "unit" divides by
        the type's maximum, "standard" gives mean 0 and variance 1, "minmax" the range [0, 1],
        "scale" variance 1 without centring. Tables are scaled column by column, unless a column
        scales itself, images and series channel by channel. A constant column has scale 1.
    shift, scale : ndarray of float64 (*shape)
    low, high : ndarray of float64
        Range of the cells in the fitted data, in original units.
    gaps : tuple of int
        Values that may be missing, as in `Cells`; NaN is refused where there are none.
    table : Table or None
        What the columns are, where they are more than numbers.
    """

    kind: str
    shape: tuple[int, ...]
    names: tuple[str, ...] | None
    given: tuple[str, ...] | None
    dtypes: tuple[str, ...]
    scaling: str
    shift: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    gaps: tuple[int, ...] = ()
    table: Table | None = None

    @classmethod
    def fit(
        cls,
        data: Unpacked,
        statistics: Statistics,
        kind: str,
        scaling: str,
        *,
        hidden: bool = False,
        table: Table | None = None,
        given: tuple[str, ...] | None = None,
    ) -> Schema:
        """Learn the scaling from the statistics of the data.

        Parameters
        ----------
        data : Unpacked
        statistics : Statistics
            Of ``data.array``.
        kind : str
            One of `KINDS`.
        scaling : str
            One of `SCALINGS`.
        hidden : bool
            Whether any cell may be missing, also where none is in the data.
        table : Table, optional
            What the columns are.
        given : tuple of str, optional
            All columns of the frame; by default those of the data.

        Raises
        ------
        SpecError
            If there is no such scaling, or it does not suit the type of the data.
        DataError
            If values are too large.
        """
        if not isinstance(scaling, str) or scaling not in SCALINGS:
            raise SpecError(f"scaling={scaling!r}: choose 'auto' or one of {', '.join(SCALINGS)}")
        if not all(np.isfinite(field).all() for field in (statistics.mean, statistics.deviation)):
            raise DataError(
                "the data has values too large to be squared (above 1e150): rescale the column "
                f"with {max(abs(statistics.low.min()), abs(statistics.high.max())):g}"
            )
        shape = data.array.shape[1:]
        shift, scale = (
            np.broadcast_to(field, shape).copy()
            for field in affine(scaling, statistics.pooled(kind), data.array.dtype)
        )
        gaps = statistics.gaps(kind, hidden)
        if table is not None:
            gaps = tuple(table.places[j].start for j in gaps)
            shape = (table.width,)
            shift, scale = of_values(table, shift, scale)
        return cls(
            kind,
            shape,
            data.names,
            given or data.names,
            data.dtypes,
            scaling,
            shift,
            scale,
            statistics.low,
            statistics.high,
            gaps,
            table,
        )

    def most(self, rows: int) -> float:
        """Return what scaled values of so many rows are at most in training: see `without_giants`.

        A standardised value is √rows at most. Giants, which lie beyond that, are as far from zero
        as the farthest of the others, or ten deviations; so are the farthest of a column that is
        scaled by its quartiles.
        """
        if self.kind != "table" or self.scaling != "standard":
            return math.inf
        giants = self.reach > 1.001 * math.sqrt(rows)
        return max(10.0, self.reach.max(where=~giants, initial=0.0)) if giants.any() else math.inf

    @functools.cached_property
    def reach(self) -> np.ndarray:
        """How far from zero the scaled values of the fitted data lie at most, (*shape)."""
        return np.abs(self.ends).max(axis=0)

    @functools.cached_property
    def ends(self) -> np.ndarray:
        """The scaled values of the least and the most cells of the fitted data, (2, *shape)."""
        return self.scaled(np.stack([self.low, self.high]))

    @property
    def missing(self) -> bool:
        """Whether cells may be missing: NaN, also in the scaled values."""
        return bool(self.gaps)

    @functools.cached_property
    def cells(self) -> Cells:
        """What a model has to know of the cells that values belong to."""
        columns = None if self.table is None else self.table.columns_of_values
        return Cells(self.kind, self.shape, columns, self.gaps)

    def unpack(self, data: Any, *, extra_columns: bool = False) -> Unpacked:
        """Return the data as an array, checked against what was fitted.

        Parameters
        ----------
        data : array-like or frame
        extra_columns : bool
            Whether a frame may have other columns, and another order, than the fitted one.

        Raises
        ------
        SchemaError
            If width, shape, column names or units differ from the fitted data.
        DataError
            If cells are infinite, or missing where they were not in the fitted data.
        """
        frame = as_frame(data)
        if frame is not None and not extra_columns:
            left_out = set(self.given or ()) - set(self.names or ())
            same_columns(self.names, tuple(n for n in frame.columns if n not in left_out))
        unpacked = unpack(data, self.names, None if self.table is None else self.table.columns)
        same_shape(unpacked.array, self.low.shape)
        top = float(self.scale.flat[0])
        same_units(unpacked.array, self.scaling, float(self.high.max()), top, self.dtypes[0])
        refuse_non_finite(unpacked, missing=self.missing)
        return unpacked

    def encode(self, unpacked: Unpacked) -> np.ndarray:
        """Return the scaled values of data that `unpack` has checked, (n, *shape) of float32.

        Missing cells are NaN.
        """
        values = np.empty((len(unpacked.array), *self.shape), np.float32)
        for place, piece in self.encoded(unpacked):
            values[place] = piece
        return values

    def encoded(
        self, unpacked: Unpacked, most: float = math.inf
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield what `encode_rows` makes of checked data, piece by piece in order, with places."""
        for place, piece in pieces_of(unpacked.array):
            yield place, self.encode_rows(piece, range(place.start, place.stop), most, copy=False)

    def encode_rows(
        self,
        piece: np.ndarray,
        rows: Sequence[int] | np.ndarray,
        most: float = math.inf,
        copy: bool = True,
    ) -> np.ndarray:
        """Return the scaled values of some rows of data that `unpack` has checked, in float32.

        What is farther than `most` from zero is that far.

        Parameters
        ----------
        piece : ndarray (n, …)
        rows : sequence of int (n,)
            Which ones they are of the data.
        copy : bool
            Whether it must not be the piece itself.

        Raises
        ------
        DataError
            If a number is too large once scaled, and `most` is no bound.
        """
        values = self.scaled(piece, copy)
        if most < math.inf:
            return values.clip(-most, most)
        if piece.dtype.kind == "f" and not all_finite(values) and np.isinf(values).any():
            # Only numbers can, and those have one value each.
            bad = np.isinf(values)
            where = self._cell(np.unravel_index(int(bad.argmax()), bad.shape))
            raise DataError(
                f"{piece[where]:g} in {self.place((rows[where[0]], *where[1:]))} is "
                "too large for 32-bit numbers once scaled: rescale the data, or drop the row"
            )
        return values

    def scaled(self, array: np.ndarray, copy: bool = True) -> np.ndarray:
        """Return (x − shift) / scale of rows of cells, (n, *shape) in float32.

        Without `copy` it may be the array itself.
        """
        if self.table is not None:
            array = self.table.expand(array)
        # In float64, because (x − shift) cancels for columns far from zero.
        with np.errstate(over="ignore"):
            values = array if self._plain else (array - self.shift) / self.scale
            return values.astype(np.float32, copy=copy)

    @functools.cached_property
    def _plain(self) -> bool:
        return bool(not self.shift.any() and (self.scale == 1).all())

    def decode(self, values: np.ndarray, source: Any = None) -> Any:
        """Return scaled values (n, *shape) in original units and types.

        Parameters
        ----------
        values : ndarray
        source : object, optional
            The data they reconstruct: the result is the same kind of container, with index,
            column order and unused columns as they are there. Without it, a numpy array, or for a
            table with columns of several kinds a pandas DataFrame.
        """
        frame = None if source is None else as_frame(source)
        if frame is not None:
            names = self._names_in(source)
            if self.table is not None:
                return pack_cells(source, names, self.table.columns, self._cells(values))
            return pack_like(source, names, self._columns(values))
        if self.table is not None and self.names is not None and not self.table.only_numbers:
            import pandas as pd

            columns = zip(self.column_names(), self._columns(values), strict=True)
            return pd.DataFrame(dict(columns))
        return as_tensor(self._array(values), source)

    def fill(self, values: np.ndarray, source: Any) -> Any:
        """Return the data with its missing cells filled by scaled values (n, *shape).

        They are in the range of the fitted data. All other cells, and columns that are not used,
        are as they are in `source`, to the bit.
        """
        cells = np.clip(self._cells(values), self.low, self.high)
        array = self.unpack(source, extra_columns=True).array
        where = np.isnan(array)
        if as_frame(source) is None:
            array = array.copy()
            array[where] = cells[where]
            return as_tensor(array, source)
        columns = self.table.columns if self.table else (Numeric(),) * len(self.low)
        return pack_cells(source, self._names_in(source), columns, cells, where)

    def _names_in(self, frame: Any) -> tuple[str, ...]:
        """Return the columns of a frame that are the fitted ones."""
        return self.names if self.names is not None else tuple(as_frame(frame).columns)

    def decode_frame(self, values: np.ndarray, like: Any) -> Any:
        """Return scaled values as a new frame of `like`'s library, with the fitted columns."""
        return new_frame(like, self.column_names(), self._columns(values))

    def column_names(self) -> tuple[str, ...]:
        """Return the names of the fitted columns, ``x0``, ``x1``, … where they had none."""
        return self.names or tuple(f"x{i}" for i in range(math.prod(self.low.shape)))

    def out_of_support(
        self, values: np.ndarray, support: tuple[float, float], first: int = 0
    ) -> tuple[int, str] | None:
        """Return the number of scaled values outside `support` and an example, or None.

        `first` is the row of the data that values[0] stands for.
        """
        low, high = support
        if low == -math.inf and high == math.inf:
            return None
        # Half a rounding error of fp32: 0.1 / 0.1 need not be 1 to the last bit.
        if values.size and values.min() >= low - 1e-6 and values.max() <= high + 1e-6:
            return None  # without a temporary, nearly always; not where one is missing
        bad = (values < low - 1e-6) | (values > high + 1e-6)
        count = int(np.count_nonzero(bad))
        if not count:
            return None
        where = np.unravel_index(int(bad.argmax()), bad.shape)
        cell = self._cell(where)
        value = self._cells(values[where[0] : where[0] + 1])[0][cell[1:]]
        return count, f"{value:g} in {self.place((first + cell[0], *cell[1:]))}"

    def place(self, where: tuple[Any, ...]) -> str:
        """Return an index (row, …) of a cell in words."""
        row, rest = int(where[0]), tuple(int(i) for i in where[1:])
        return place_of(row, rest, self.names)

    def _cell(self, where: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the place of the cell that the value at a place belongs to."""
        columns = self.cells.columns
        return where if columns is None else (where[0], columns[int(where[1])])

    def _columns(self, values: np.ndarray) -> list[np.ndarray]:
        cells = self._cells(values).reshape(len(values), -1)  # (n, *shape) -> (n, d)
        if self.table is not None and self.names is not None:
            written = (
                as_named(column.write(cell), kind)
                for column, kind, cell in zip(
                    self.table.columns, self.table.types, cells.T, strict=True
                )
            )
            return [as_numpy(column) for column in written]
        dtypes = of_each(self.dtypes, cells.shape[1])
        return [as_dtype(cells[:, j], dtype) for j, dtype in enumerate(dtypes)]

    def _array(self, values: np.ndarray) -> np.ndarray:
        common = np.result_type(*(np.dtype(name) for name in self.dtypes))
        array = np.empty((len(values), *self.low.shape), common)
        for place, piece in pieces_of(values):
            array[place] = as_dtype(self._cells(piece), str(common))
        return array

    def _cells(self, values: np.ndarray) -> np.ndarray:
        """Return the cells, in original units, of scaled values (n, *shape)."""
        unscaled = values.astype(np.float64) * self.scale + self.shift
        return unscaled if self.table is None else self.table.collapse(unscaled)
