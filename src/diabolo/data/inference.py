"""What a table's columns are, by what is in them."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.data.arrow import dictionary, is_nothing, is_text, numbers, seconds
from diabolo.data.columns import (
    COLUMNS,
    DAY,
    YEAR,
    Boolean,
    Categorical,
    Column,
    Date,
    Numeric,
    Ordinal,
)
from diabolo.data.containers import arrow_column, as_frame
from diabolo.data.shape import by_shape
from diabolo.data.statistics import alike, there
from diabolo.errors import DataError, SchemaWarning, SpecError
from diabolo.spec import require

if TYPE_CHECKING:
    import pyarrow as pa

#: What a column may be said to be.
CHOICES = (*COLUMNS, "drop")

#: Levels that a column has a value for, at most; and rows that have a level, at least.
MOST_LEVELS, LEAST_ROWS = 100, 2

#: Share of the cells that have a level for themselves from which text is no choice of levels; and
#: levels below which it may be one even so.
OWN, FEW = 0.5, 10

#: Share of levels that are no numbers below which they are taken for mistakes among numbers.
JUNK = 0.1


@dataclasses.dataclass(frozen=True)
class Found:
    """What a column is.

    Attributes
    ----------
    name : str
    column : Column or None
        None where it is left out.
    type : str
        Its arrow type.
    note : str
        Why it is left out, or what else is worth knowing about it.
    """

    name: str
    column: Column | None
    note: str = ""
    type: str = ""


def find(name: str, column: pa.Array, said: str | None = None) -> Found:
    """Return what a column is.

    Parameters
    ----------
    name : str
    column : Array
    said : str, optional
        What the user says that it is, one of `CHOICES`.

    Raises
    ------
    DataError
        If it cannot be what the user says.
    """
    try:
        found = _as(name, column, said) if said is not None else _found(name, column)
        return dataclasses.replace(found, type=str(column.type))
    except DataError as error:
        raise DataError(f"column {name!r} as {said or 'numbers'}: {error}") from None


def check(said: Mapping[str, str], names: tuple[str, ...]) -> None:
    """Raise `SpecError` unless what the user says is about columns that are there."""
    for name, kind in said.items():
        if name not in names:
            raise SpecError(
                f"schema names a column {name!r}, and the data has {', '.join(names[:20])}"
            )
        if kind not in CHOICES:
            raise SpecError(f"schema[{name!r}]={kind!r}: choose one of {', '.join(CHOICES)}")


def _as(name: str, column: pa.Array, said: str) -> Found:
    if said == "drop":
        return Found(name, None, "as asked")
    if said == "numeric":
        numbers(column)
        return Found(name, Numeric())
    if said in ("robust", "quantile"):
        return Found(name, _by_quantiles(numbers(column), COLUMNS[said]))
    if said == "boolean":
        if is_text(column.type) and not _spells(numbers, _levels(column)[0]):
            raise DataError("it holds text: 'categorical' takes it, or write 0 and 1")
        cells = numbers(column)
        odd = ~((cells == 0) | (cells == 1) | np.isnan(cells))
        if odd.any():
            row = int(odd.argmax())
            raise DataError(f"row {row} holds {cells[row]:g}, and this column is of 0 and 1")
        return Found(name, Boolean())
    if said == "date":
        return Found(name, _date(column))
    levels, counts = _levels(column)
    if said == "ordinal":
        return Found(name, Ordinal(tuple(_ordered(column, levels))))
    return _categorical(name, levels, counts)


def _by_quantiles(cells: np.ndarray, column: Any) -> Column:
    cells = there(cells)
    with np.errstate(all="ignore"):
        spread = cells.std() if len(cells) else 0.0
    if not np.isfinite(spread):
        raise DataError(f"{np.abs(cells).max():g} is too large to be scaled")
    return Numeric() if not len(cells) or alike(spread, np.abs(cells).max()) else column.of(cells)


def _found(name: str, column: pa.Array) -> Found:
    import pyarrow as pa

    kind = column.type
    if column.null_count == len(column):
        return Found(name, None, "empty")
    if pa.types.is_boolean(kind):
        return Found(name, Boolean())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Found(name, _date(column))
    if pa.types.is_dictionary(kind) or is_text(kind):
        return _of_text(name, column)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return Found(name, None, f"holds {kind}")
    cells = numbers(column)
    there = cells[~np.isnan(cells)]
    if not len(there):
        return Found(name, None, "empty")
    if pa.types.is_integer(kind) and len(there) > FEW and (np.diff(there) == 1).all():
        return Found(name, None, "numbers the rows")
    if not pa.types.is_temporal(kind) and np.isin(there, (0, 1)).all() and np.ptp(there) > 0:
        return Found(name, Boolean())
    return Found(name, Numeric())


def _of_text(name: str, column: pa.Array) -> Found:
    import pyarrow as pa

    ordered = pa.types.is_dictionary(column.type) and column.type.ordered
    levels, counts = _levels(column)
    if not levels:
        return Found(name, None, "empty")
    if ordered:
        return Found(name, Ordinal(tuple(_ordered(column, levels))))
    if isinstance(levels[0], str) and not pa.types.is_dictionary(column.type):
        if _spells(numbers, levels):
            return Found(name, Numeric(), "numbers written as text")
        if _spells(seconds, levels):
            return Found(name, _date(column), "dates written as text")
    total = int(counts.sum())
    if len(levels) > max(FEW, OWN * total):
        if junk := _among_numbers(levels):
            return Found(name, None, f"{junk!r} is no number, as most of it is: mend or empty it")
        return Found(name, None, f"{len(levels):,} levels in {total:,} cells: a name or free text")
    return _categorical(name, levels, counts)


def _among_numbers(levels: list[Any]) -> str:
    """Return a level that is no number, if most are; nothing otherwise."""
    import pandas as pd

    junk = pd.to_numeric(pd.Series(levels, dtype=object), errors="coerce").isna()
    return str(levels[int(junk.argmax())]) if junk.any() and junk.mean() < JUNK else ""


def _spells(read: Callable[[pa.Array], np.ndarray], levels: list[Any]) -> bool:
    """Return whether all levels are text that can be read so."""
    import pyarrow as pa

    try:
        read(pa.array(levels))
    except DataError:
        return False
    return True


def _levels(column: pa.Array) -> tuple[list[Any], np.ndarray]:
    """Return the levels and how many cells have each, the most frequent one first."""
    encoded = dictionary(column)
    levels = encoded.dictionary.to_pylist()
    indices = encoded.indices.drop_null().to_numpy(zero_copy_only=False)
    counts = np.bincount(indices, minlength=len(levels))
    # By name where they are as frequent, so that the order of the rows has no part in it.
    order = sorted(range(len(levels)), key=lambda i: (-counts[i], str(levels[i])))
    order = [i for i in order if counts[i] and not is_nothing(levels[i])]
    return [levels[i] for i in order], counts[order]


def _categorical(name: str, levels: list[Any], counts: np.ndarray) -> Found:
    kept = int(min(MOST_LEVELS, max(1, (counts >= LEAST_ROWS).sum())))
    rare = len(levels) - kept
    note = f"{rare:,} rare levels are one" if rare else ""
    return Found(name, Categorical(tuple(levels[:kept])), note)


def _ordered(column: pa.Array, levels: list[Any]) -> list[Any]:
    """Return the levels in the order of the column's type, else in their own."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        known = set(levels)
        return [level for level in _plain(column).dictionary.to_pylist() if level in known]
    return sorted(levels)


def _plain(column: pa.Array) -> Any:
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _date(column: pa.Array) -> Date:
    cells = seconds(column)
    there = cells[~np.isnan(cells)]
    span = float(np.ptp(there)) if len(there) else 0.0
    periods = []
    if (there % DAY != there[:1] % DAY).any():
        periods.append(DAY)
    if span > 14 * DAY:
        periods.append(7 * DAY)
    if span > YEAR:
        periods.append(YEAR)
    return Date(tuple(periods), days=bool(len(there)) and not (there % DAY).any())


def find_columns(data: Any, said: Mapping[str, str] | None) -> tuple[Found, ...] | None:
    """Return what the columns of a frame are.

    None for arrays, and for frames of nothing but numbers unless something is said about them.

    Raises
    ------
    SpecError
        If what is said names no column, or data that is no frame.
    DataError
        If a column cannot be what is said.
    """
    frame = as_frame(data)
    if frame is None:
        require(
            not said,
            "schema says what columns of a frame are, and this data has no names: pass a DataFrame",
        )
        return None
    if not len(frame):
        return None  # which is refused as it is
    if said is None and all(_is_number(dtype) for dtype in frame.schema.values()):
        return None
    names = tuple(frame.columns)
    check(said or {}, names)
    return tuple(find(name, arrow_column(frame[name]), (said or {}).get(name)) for name in names)


def _is_number(dtype: Any) -> bool:
    return dtype.is_numeric() or str(dtype) == "Boolean"


def warn_of_dropped(found: tuple[Found, ...], said: Mapping[str, str] | None) -> None:
    """Give a `SchemaWarning` that names the columns which are left out, if nobody asked for it."""
    left = [f for f in found if f.column is None and f.name not in (said or {})]
    if len(left) == len(found):
        raise DataError(
            "no column can be used: " + "; ".join(f"{f.name!r} ({f.note})" for f in left[:8])
        )
    if left:
        listed = ", ".join(f"{f.name!r} ({f.note})" for f in left[:8])
        more = f" and {len(left) - 8} more" if len(left) > 8 else ""
        warnings.warn(
            f"left out: {listed}{more}; schema={{name: kind}} says what else a column is",
            SchemaWarning,
            stacklevel=6,  # the line that calls `fit`
        )


def describe(data: Any, said: Mapping[str, str]) -> list[tuple[str, str, str, str, str]]:
    """Return of each column of a frame its name, kind, how many values it is, gaps, and a note.

    Raises
    ------
    DataError
        If the data has no columns with names.
    """
    found = find_columns(data, said)
    if found is None:
        raise DataError("this data is no table with names, so that there are no columns to show")
    frame = as_frame(data)
    lines = []
    for f in found:
        column, gaps = arrow_column(frame[f.name]), 0
        if f.column is None:
            gaps = column.null_count
        else:
            cells = f.column.read(column)
            gaps = int(np.isnan(cells).sum())
            said_here = [0] if f.name in said else []
            if by_shape((f.column,), cells[:, None], said_here) != (f.column,):
                f = dataclasses.replace(f, note="skewed: by rank where cells are filled")
        kind = "left out" if f.column is None else f.column.kind
        note = f.note or _levels_of(f.column)
        width = "" if f.column is None else str(f.column.width)
        lines.append((f.name, kind, width, f"{gaps:,}", note))
    return lines


def _levels_of(column: Column | None, most: int = 6) -> str:
    if not isinstance(column, Categorical | Ordinal):
        return ""
    more = f", … ({len(column.levels)})" if len(column.levels) > most else ""
    return ", ".join(map(str, column.levels[:most])) + more
