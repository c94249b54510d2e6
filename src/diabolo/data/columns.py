"""Columns of tables: what is in them, as cells (one number each) and as values for a network.

A column reads what a table's library holds into cells, float64 with NaN where one is missing:
numbers as they are, levels by their place, points in time as seconds. Cells become one or more
values, which `Schema` scales; and both ways go back.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diabolo.errors import DataError
from diabolo.spec import Part

if TYPE_CHECKING:
    import pyarrow as pa

DAY, YEAR = 86_400.0, 365.2425 * 86_400.0

#: What people write into a cell that they have nothing for.
NOTHING = ("", "?", "-", "NA", "N/A", "n/a", "nan", "NaN", "null", "NULL", "None", "none")


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
    """

    kind: ClassVar[str]
    block: ClassVar[str] = "numeric"

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
    column.kind: column for column in (Numeric, Ordinal, Boolean, Categorical, Date)
}


def numbers(column: pa.Array) -> np.ndarray:
    """Return a column of numbers, truth values, or text that spells numbers as float64 (n,).

    Points in time are seconds since 1970, durations and times of the day seconds.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_temporal(kind):
        if pa.types.is_date(kind):
            column = column.cast(pa.timestamp("us"))
        elif pa.types.is_time32(kind):
            column = column.cast(pa.time64("us"))
        unit = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[column.type.unit]
        return _floats(column.cast(pa.int64())) / unit
    if is_text(kind):
        column = _parsed(column, pa.float64(), "number")
    try:
        return _floats(column)
    except pa.ArrowInvalid as error:
        raise DataError(str(error)) from None


def seconds(column: pa.Array) -> np.ndarray:
    """Return points in time, or text that spells them (ISO 8601), as seconds since 1970 (n,)."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if is_text(column.type):
        column = _parsed(column, pa.timestamp("us"), "date")
    return numbers(column)


def _parsed(column: pa.Array, kind: pa.DataType, called: str) -> pa.Array:
    """Return text as what it spells.

    Raises
    ------
    DataError
        If a cell spells something else: the first of them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(column)
    nothing = pc.is_in(text, value_set=pa.array(NOTHING, type=text.type))
    text = pc.if_else(nothing, pa.scalar(None, text.type), text)

    def spells(first: int, last: int) -> bool:
        try:
            text.slice(first, last - first).cast(kind)
        except pa.ArrowInvalid:
            return False
        return True

    try:
        return text.cast(kind)
    except pa.ArrowInvalid:
        first, last = 0, len(text)
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (middle, last) if spells(first, middle) else (first, middle)
    raise DataError(f"row {first} holds {text[first].as_py()!r}, which is no {called}")


def _floats(column: pa.Array) -> np.ndarray:
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    floats = column.cast(pa.float64(), safe=False)
    return np.array(floats.to_numpy(zero_copy_only=False), np.float64)


def dictionary(column: pa.Array) -> pa.DictionaryArray:
    """Return a column as its distinct values and the place of each cell's; text is trimmed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if is_text(column.type):
        column = pc.utf8_trim_whitespace(column)
    return column.dictionary_encode()


def is_text(kind: pa.DataType) -> bool:
    """Return whether cells of this type are text."""
    import pyarrow as pa

    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def is_nothing(value: Any) -> bool:
    """Return whether a distinct value stands for a missing cell."""
    return value is None or value != value or (isinstance(value, str) and value in NOTHING)


def as_type(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return what `Column.write` gave as the type that the column had, whole numbers rounded."""
    import pyarrow as pa

    if pa.types.is_null(kind):
        return column
    if pa.types.is_dictionary(kind):
        return as_type(column, kind.value_type)
    if pa.types.is_boolean(kind) and not pa.types.is_boolean(column.type):
        return pa.array(np.asarray(column) >= 0.5)
    if pa.types.is_floating(column.type):
        if pa.types.is_integer(kind):
            low, high = (float(limit) for limit in _limits(kind))
            return pa.array(np.clip(np.round(column), low, high)).cast(kind, safe=False)
        if pa.types.is_duration(kind) or pa.types.is_time(kind):
            seconds = np.round(np.asarray(column) * 1e6).astype("timedelta64[us]")
            if pa.types.is_time(kind):
                seconds %= np.timedelta64(1, "D")
                return pa.array(seconds.astype(np.int64)).cast(pa.time64("us")).cast(kind)
            return pa.array(seconds).cast(kind, safe=False)
    if pa.types.is_boolean(column.type) and not pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    if pa.types.is_timestamp(column.type) and is_text(kind):
        days = column.cast(pa.date32(), safe=False)
        # As people write them: without a time where all are days.
        whole = days.cast(column.type).equals(column)
        column = days if whole else column.cast(pa.timestamp("s"), safe=False)
    return column.cast(kind, safe=False)


def as_named(column: pa.Array, name: str) -> pa.Array:
    """Return what `Column.write` gave as a type by its name, as it is where that has parts."""
    import pyarrow as pa

    try:
        return as_type(column, pa.type_for_alias(name))
    except ValueError:
        return column


def _limits(kind: pa.DataType) -> tuple[int, float]:
    info = np.iinfo(kind.to_pandas_dtype())
    # The largest float64 below 2⁶³ is what int64's maximum rounds down to.
    return info.min, np.nextafter(float(info.max), 0) if info.bits == 64 else info.max
