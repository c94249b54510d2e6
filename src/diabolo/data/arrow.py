"""Columns as arrow holds them: read as numbers, and written as the type that they had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

#: What people write into a cell that they have nothing for.
NOTHING = ("", "?", "-", "NA", "N/A", "n/a", "nan", "NaN", "null", "NULL", "None", "none")


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
    """Return a column as another type, numbers rounded where that is of whole ones."""
    import pyarrow as pa

    if pa.types.is_null(kind):
        return column
    if pa.types.is_dictionary(kind):
        return as_type(column, kind.value_type)
    if pa.types.is_boolean(kind) and not pa.types.is_boolean(column.type):
        return pa.array(np.asarray(column) >= 0.5)
    if pa.types.is_floating(column.type):
        if pa.types.is_integer(kind):
            low, high = limits(kind.to_pandas_dtype())
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
    """Return a column as the type of this name; as it is where the type has parts."""
    import pyarrow as pa

    try:
        return as_type(column, pa.type_for_alias(name))
    except ValueError:
        return column


def limits(kind: Any) -> tuple[float, float]:
    """Return the least and the largest float64 that a numpy type of whole numbers can hold."""
    info = np.iinfo(kind)
    # The largest float64 below 2⁶³ is what int64's maximum rounds down to.
    high = np.nextafter(float(info.max), 0) if info.bits == 64 else float(info.max)
    return float(info.min), float(high)
