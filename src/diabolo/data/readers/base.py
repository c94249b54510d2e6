"""What every reader returns: a `Source`, and the column types of a table as a whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diabolo.data.files import PathLike
from diabolo.errors import ReadError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MAGIC = {
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow/Feather",
    b"\xff\xff\xff\xff": "an Arrow stream",
    b"FEA1": "Feather version 1",
    b"\x93NUMPY": "a NumPy .npy file",
    b"PK\x03\x04": "a zip archive (such as .npz or .xlsx)",
    b"PK\x05\x06": "an empty zip archive",
    b"\x1f\x8b": "gzip",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"RIFF": "a RIFF file (WebP or WAV)",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
    b"\x89HDF": "HDF5",
    b"%PDF": "PDF",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
}

Piece = Any  # a pandas DataFrame or an ndarray; named so that signatures can be read


@dataclass(frozen=True)
class Source:
    """One opened data source, which can be read whole or piece by piece.

    Attributes
    ----------
    path : str
        The path or URI, as given.
    kind : {"table", "array", "images"}
        Tables come as pandas DataFrames, arrays and images as ndarrays. Images are uint8 or
        uint16, (n, h, w) or (n, h, w, c) with 3 or 4 channels.
    rows : int or None
        Number of rows, None when only a full pass could tell.
    names : tuple of str or None
        File names of images, relative to the folder; None for everything else.
    notes : tuple of str
        What was decided without being asked (a detected header, a conversion), to be shown.
    """

    path: str
    kind: Literal["table", "array", "images"]
    rows: int | None
    names: tuple[str, ...] | None
    notes: tuple[str, ...]
    _read: Callable[[], Piece]
    _chunks: Callable[[int], Iterable[Piece]]

    def read(self) -> Piece:
        """Return everything as one DataFrame or ndarray.

        Raises
        ------
        ReadError
            When the content turns out to be damaged, or does not fit into memory.
        """
        try:
            return self._read()
        except MemoryError as error:
            raise ReadError(
                f"{self.path}: does not fit into memory. Read it in pieces, or take a part of it."
            ) from error

    def chunks(self, rows: int) -> Iterator[Piece]:
        """Iterate over pieces of `rows` rows (the last may be shorter), in order.

        Their concatenation equals `read()` in content and types.
        """
        if rows < 1:
            raise ReadError(f"chunks: rows must be at least 1, not {rows}.")
        return iter(self._chunks(rows))


class Columns:
    """Types of a table's columns that only a whole file can tell.

    A piece without missing cells would give integers where the whole gives floats, and each
    piece of a Parquet file may carry other categories; so `update` sees all batches before
    `frame` converts any.
    """

    def __init__(self, path: str, schema: pa.Schema, drop: Iterable[str] = ()) -> None:
        self.path = path
        self.drop = frozenset(drop)
        self._missing: set[str] = set()
        self._levels: dict[str, pa.Array] = {}
        self._check(schema)

    def _check(self, schema: pa.Schema) -> None:
        import pyarrow as pa

        seen: dict[str, int] = {}
        for position, field in enumerate(schema, start=1):
            if field.name in seen:
                raise ReadError(
                    f"{self.path}: columns {seen[field.name]} and {position} are both called "
                    f"{field.name!r}. Rename one."
                )
            seen[field.name] = position
            kind = field.type
            if pa.types.is_nested(kind) or is_binary(kind):
                raise ReadError(
                    f"{self.path}: column {field.name!r} holds {kind}, not single values. "
                    "Flatten it into columns, or leave it out."
                )
        if not set(seen) - self.drop:
            raise ReadError(f"{self.path}: the table has no columns.")

    def open(self, schema: pa.Schema) -> list[str]:
        """Name the columns whose final type depends on the cells."""
        import pyarrow as pa

        return [
            field.name
            for field in schema
            if field.name not in self.drop
            and (
                pa.types.is_integer(field.type)
                or pa.types.is_boolean(field.type)
                or pa.types.is_dictionary(field.type)
            )
        ]

    def update(self, table: pa.Table | pa.RecordBatch) -> None:
        """Take note of the missing cells and the categories of a part of the file."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for name in self.open(table.schema):
            column = table.column(name)
            if not pa.types.is_dictionary(column.type):
                if column.null_count:
                    self._missing.add(name)
                continue
            for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
                new = chunk.dictionary.drop_null()
                if (old := self._levels.get(name)) is not None:
                    new = new.filter(pc.invert(pc.is_in(new, value_set=old)))
                    new = pa.concat_arrays([old, new])
                self._levels[name] = new.unique()

    def frame(self, table: pa.Table) -> pd.DataFrame:
        """Convert a part of the file, or all of it, to a DataFrame."""
        import pyarrow as pa
        import pyarrow.compute as pc

        columns = {}
        for field in table.schema:
            if field.name in self.drop:
                continue
            column, kind = table.column(field.name), field.type
            if pa.types.is_dictionary(kind) and field.name in self._levels:
                levels = self._levels[field.name]
                codes = pc.index_in(column.cast(kind.value_type), value_set=levels)
                column = pa.chunked_array(
                    [
                        pa.DictionaryArray.from_arrays(chunk, levels, ordered=kind.ordered)
                        for chunk in codes.chunks
                    ],
                    pa.dictionary(pa.int32(), levels.type, ordered=kind.ordered),
                )
            elif pa.types.is_null(kind) or pa.types.is_decimal(kind):
                column = column.cast(pa.float64())
            elif field.name in self._missing:
                # Booleans too: an object column of True, False and None helps nobody.
                column = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
                column = column.cast(pa.float64(), safe=False)
            columns[field.name] = column
        return pa.table(columns).to_pandas(date_as_object=False, ignore_metadata=True)


def is_binary(kind: pa.DataType) -> bool:
    """Whether an Arrow type holds raw bytes."""
    import pyarrow as pa

    return (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def regroup(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Cut a stream of tables of any length into tables of exactly `rows` rows."""
    import pyarrow as pa

    held: list[pa.Table] = []
    count = 0
    for table in tables:
        held.append(table)
        count += table.num_rows
        if count < rows:
            continue
        whole = pa.concat_tables(held)
        done = count - count % rows
        for start in range(0, done, rows):
            yield whole.slice(start, rows)
        held, count = [whole.slice(done)], count % rows
    if count:
        yield pa.concat_tables(held)


def native(array: np.ndarray) -> np.ndarray:
    """Return the array in the machine's byte order: nothing downstream takes another."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def check_dtype(path: str, dtype: np.dtype[Any], where: str = "") -> None:
    """Refuse element types that are no plain numbers.

    Raises
    ------
    ReadError
        For objects (they would need pickle), structured, complex, text and date types.
    """
    what = f"{path}{where}"
    if dtype.hasobject:
        raise ReadError(
            f"{what}: holds Python objects, which only pickle could load, and pickle runs any "
            "code it is given; Diabolo never does that. Save it again as numbers: "
            "np.save(file, array.astype(float))."
        )
    if dtype.kind not in "biuf":
        raise ReadError(
            f"{what}: holds elements of type {dtype}, not plain numbers. Convert them to "
            "booleans, integers or floats first."
        )


def look(head: bytes) -> str:
    """Say in words what the first bytes of a file look like, for error messages."""
    for magic, words in _MAGIC.items():
        if head.startswith(magic):
            return f"it looks like {words}"
    if not head:
        return "it is empty"
    if b"\0" not in head[:512]:
        with contextlib.suppress(UnicodeDecodeError):
            head[:256].decode("ascii")
            return "it looks like text"
    return "its content is not a format that is known here"


def foreign(path: PathLike, head: bytes, expected: str) -> ReadError:
    """Build the error for a file whose content is not what its suffix promises."""
    return ReadError(
        f"{os.fspath(path)}: the content does not look like {expected}; {look(head)}. "
        "Give the file the suffix that fits its content, or save it again."
    )
