"""Users' containers: numpy arrays, tensors, lists, and the data frames of pandas, polars, arrow.

`unpack` turns any of them into one array and remembers how to give the same kind back.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.data.arrow import as_type
from diabolo.data.columns import Column
from diabolo.errors import DataError, NoNumberError, SchemaError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclasses.dataclass(frozen=True)
class Unpacked:
    """An array and where it came from.

    Attributes
    ----------
    array : ndarray (n, …)
        Numbers or booleans, in the data's own type (the common one of a frame's columns); the cells
        of `columns`, if there are any.
    names : tuple of str or None
        Column names of a data frame.
    dtypes : tuple of str
        numpy types: one per column of a frame, else one for the whole array.
    source : object
        What the user passed.
    """

    array: np.ndarray
    names: tuple[str, ...] | None
    dtypes: tuple[str, ...]
    source: Any


def unpack(
    data: Any, names: tuple[str, ...] | None = None, columns: tuple[Column, ...] | None = None
) -> Unpacked:
    """Return the data as an array of numbers.

    Parameters
    ----------
    data : array-like, tensor or data frame
        What the user passed.
    names : tuple of str, optional
        Take just these columns of a frame, in this order (ignored for arrays).
    columns : tuple of Column, optional
        What they are; by default numbers.

    Raises
    ------
    DataError
        For sparse, complex, textual, scalar or one-dimensional data.
    SchemaError
        If a frame lacks one of `names`.
    """
    frame = as_frame(data)
    if frame is not None:
        if names is not None:
            frame = as_frame(select(frame, names))
        if columns is not None:
            return _unpack_columns(frame, columns, data)
        return _unpack_frame(frame, data)
    if hasattr(data, "toarray") and hasattr(data, "nnz"):
        raise DataError("sparse data is not supported: pass X.toarray()")
    array = _numeric(_as_array(data), "X")
    if array.ndim == 0:
        raise DataError("X is a single number; rows are needed, for example an array (n, columns)")
    if array.ndim == 1:
        raise DataError(
            "X has one dimension, and rows of columns are needed. Reshape your data either using "
            "array.reshape(-1, 1) if it is a single column, or array.reshape(1, -1) if it is a "
            "single row"
        )
    return Unpacked(array, None, (str(array.dtype),), data)


def _as_array(data: Any) -> np.ndarray:
    """Return a numpy array of whatever type."""
    if type(data).__module__.startswith("torch"):
        import torch

        if data.layout != torch.strided:
            raise DataError("sparse data is not supported: pass X.to_dense()")
        data = data.detach().cpu()
        return (data.float() if data.dtype == torch.bfloat16 else data).numpy()
    if np.ma.is_masked(data):
        return data.astype(np.result_type(data.dtype, np.float32)).filled(np.nan)
    try:
        return np.asarray(data)
    except ValueError as error:
        raise DataError(f"X is no array, because its rows differ in length: {error}") from None


def as_frame(data: Any) -> Any:
    """Return a narwhals frame over a pandas, polars or arrow table with text names, else None."""
    if isinstance(data, np.ndarray | list | tuple):
        return None
    import narwhals as nw

    if type(data).__module__.startswith("pandas") and hasattr(data, "columns"):
        data = data.set_axis([str(name) for name in data.columns], axis=1)
        _refuse_duplicates(data.columns)
    elif type(data).__module__.startswith("pyarrow") and hasattr(data, "column_names"):
        _refuse_duplicates(data.column_names)
    try:
        return nw.from_native(data, eager_only=True)
    except TypeError:
        return None


def select(data: Any, names: tuple[str, ...] | None) -> Any:
    """Return the columns `names` of a frame, in that order; anything else as it is.

    Raises
    ------
    SchemaError
        If columns are missing.
    """
    frame = as_frame(data)
    if frame is None or names is None:
        return data
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise SchemaError(
            f"the data lacks the column{'s' * (len(missing) > 1)} {_listed(missing)} that the "
            f"model was fitted on; it has {_listed(frame.columns)}"
        )
    return frame.select(list(names)).to_native()


def pack_like(source: Any, names: tuple[str, ...] | None, columns: list[np.ndarray]) -> Any:
    """Return the frame `source` with the named columns replaced, all else (index, order) kept."""
    import narwhals as nw

    frame = as_frame(source)
    series = [
        nw.new_series(name, np.ascontiguousarray(values), backend=frame.implementation)
        for name, values in zip(names or (), columns, strict=True)
    ]
    native = frame.with_columns(*series).to_native()
    if type(source).__module__.startswith("pandas"):
        # Back to pandas' own types (nullable Int64 …), where no digit is lost.
        for name, dtype in zip(native.columns, source.dtypes, strict=True):
            if native[name].dtype != dtype:
                try:
                    column = native[name].astype(dtype)
                except (TypeError, ValueError):  # pandas' own types refuse what would lose digits
                    continue
                if column.dtype.kind == "f" or (column == native[name]).all():
                    native = native.assign(**{name: column})
        native.columns, native.index = source.columns, source.index
    return native


def pack_cells(
    source: Any,
    names: tuple[str, ...],
    columns: tuple[Column, ...],
    cells: np.ndarray,
    where: np.ndarray | None = None,
) -> Any:
    """Return the frame `source` with cells of the named columns replaced, all else kept.

    Parameters
    ----------
    cells : ndarray of float64 (n, columns)
    where : ndarray of bool (n, columns), optional
        Which cells are replaced; all others stay as they are to the bit. By default, all.
    """
    frame = as_frame(source)
    native = frame.to_native()
    for j, (name, column) in enumerate(zip(names, columns, strict=True)):
        chosen = None if where is None else where[:, j]
        if chosen is not None and not chosen.any():
            continue
        old = arrow_column(frame[name])
        new = as_type(column.write(cells[:, j]), old.type)
        native = _replaced(native, frame, name, new, chosen)
    if type(source).__module__.startswith("pandas"):
        native.columns, native.index = source.columns, source.index
    return native


def _replaced(native: Any, frame: Any, name: str, new: pa.Array, where: np.ndarray | None) -> Any:
    """Return a table with (some cells of) a column replaced, of the column's own type."""
    if frame.implementation.is_pandas():
        old = native[name]
        series = new.to_pandas().set_axis(old.index).astype(old.dtype)
        return native.assign(**{name: series if where is None else old.where(~where, series)})
    if frame.implementation.is_polars():
        pl = frame.implementation.to_native_namespace()
        old = native[name]
        series = pl.from_arrow(new).alias(name)
        # A column without a single cell has no type to keep.
        old = old.cast(series.dtype) if old.dtype == pl.Null else old
        series = series.cast(old.dtype)
        if where is not None:
            series = old.zip_with(pl.Series(~where), series)
        return native.with_columns(series)
    import pyarrow as pa
    import pyarrow.compute as pc

    place = native.column_names.index(name)
    old = native.column(place)
    kind = old.type
    if pa.types.is_dictionary(kind):
        old = old.cast(kind.value_type)
    elif pa.types.is_null(kind):
        old = old.cast(new.type)
    if where is not None:
        new = pc.if_else(pa.array(where), new, old.combine_chunks())
    if pa.types.is_dictionary(kind):
        new = new.dictionary_encode()
    return native.set_column(place, native.field(place).with_type(new.type), new)


def new_frame(like: Any, names: tuple[str, ...], columns: list[np.ndarray]) -> Any:
    """Return a frame of `like`'s library (and pandas index) that holds these columns."""
    import narwhals as nw

    frame = as_frame(like)
    native = nw.from_dict(
        dict(zip(names, map(np.ascontiguousarray, columns), strict=True)),
        backend=frame.implementation,
    ).to_native()
    if type(like).__module__.startswith("pandas"):
        native.index = like.index
    return native


def _refuse_duplicates(names: Any) -> None:
    duplicated = sorted(name for name, count in Counter(names).items() if count > 1)
    if duplicated:
        raise DataError(f"the column name {_listed(duplicated)} occurs more than once: rename one")


def arrow_column(series: Any) -> pa.Array:
    """Return a column of a frame as an arrow array; objects that arrow does not know are text."""
    import pyarrow as pa

    native = series.to_native()
    if getattr(getattr(native, "dtype", None), "kind", "") == "c":
        raise DataError(
            f"column {series.name!r}: Complex data not supported: pass real and imaginary parts"
        )
    try:
        array = series.to_arrow()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        array = pa.array(native.astype("string"))
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _unpack_columns(frame: Any, columns: tuple[Column, ...], source: Any) -> Unpacked:
    names = tuple(frame.columns)
    array = np.empty((len(frame), len(names)))
    for j, (name, column) in enumerate(zip(names, columns, strict=True)):
        try:
            array[:, j] = column.read(arrow_column(frame[name]))
        except DataError as error:
            raise DataError(f"column {name!r}: {error}") from None
    return Unpacked(array, names, ("float64",), source)


def _unpack_frame(frame: Any, source: Any) -> Unpacked:
    names = tuple(frame.columns)
    pieces = [_column(frame[name], name) for name in names]
    dtype = np.result_type(*pieces) if pieces else np.dtype(np.float64)
    array = np.empty((len(frame), len(names)), dtype=dtype)
    for j, piece in enumerate(pieces):
        array[:, j] = piece
    return Unpacked(array, names, tuple(str(piece.dtype) for piece in pieces), source)


def _column(series: Any, name: str) -> np.ndarray:
    """Return one column as numbers; missing cells become NaN."""
    dtype = series.dtype
    if not (dtype.is_numeric() or str(dtype) == "Boolean"):
        # A pandas column of Python objects may still hold numbers.
        array = series.to_numpy()
        if array.dtype != object or str(dtype) != "Object":
            raise SchemaError(
                f"column {name!r} holds {_words(dtype)}{_example(array)}, and only numbers can be "
                "used: leave the column out, or turn it into numbers first"
            )
        return _numeric(array, f"column {name!r}")
    if series.null_count():
        import narwhals as nw

        return series.cast(nw.Float64).to_numpy().astype(np.float64)
    return _numeric(np.asarray(series.to_numpy()), f"column {name!r}")


def _words(dtype: Any) -> str:
    """Return what a column holds, in plain words."""
    plain = {"String": "text", "Categorical": "text", "Enum": "text", "Object": "objects"}
    known = {"Datetime": "dates", "Date": "dates", "Time": "clock times", "Duration": "durations"}
    name = str(dtype).partition("(")[0]
    return (plain | known).get(name, f"{name} values")


def _example(array: np.ndarray) -> str:
    """Return where the first text that is no number stands, for a lone "?" is hard to find."""
    import pandas as pd

    texts = pd.Series(array.ravel(), dtype=object)
    bad = texts.notna() & pd.to_numeric(texts.astype(str), errors="coerce").isna()
    if not bad.any():
        return ""
    row = int(bad.argmax())
    return f" (row {row}: {str(texts[row])[:30]!r})"


def _numeric(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind == "c":
        raise DataError(f"{where}: Complex data not supported: pass real and imaginary parts")
    if array.dtype.kind in "OUS":
        try:
            return array.astype(np.float64)
        except TypeError as error:
            raise NoNumberError(
                f"{where} holds something that is no number ({error}): leave it out, or turn it "
                "into numbers first"
            ) from None
        except ValueError as error:
            raise DataError(
                f"{where} holds text that is no number ({error}): leave such columns out, or turn "
                "them into numbers first"
            ) from None
    raise DataError(f"{where} has type {array.dtype}, and numbers are needed")


def _listed(names: Any, most: int = 8) -> str:
    names = [repr(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
