"""Parquet and Arrow/Feather files."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from diabolo.data.files import PathLike, open_input
from diabolo.data.readers.base import Columns, Source, foreign, regroup
from diabolo.errors import ReadError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_EOS = b"\xff\xff\xff\xff\0\0\0\0"
_BATCH = 65_536


@contextlib.contextmanager
def _damage(path: str, what: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except ReadError:
        raise
    # pyarrow answers damage with any of these, a truncated footer for example with OSError.
    except (pa.ArrowException, OSError, ValueError, KeyError, EOFError) as error:
        raise ReadError(
            f"{path}: this {what} file is damaged or truncated ({error}). Copy or create it again."
        ) from error


def open_parquet(path: PathLike) -> Source:
    """Open a Parquet file; see `diabolo.data.readers.open_source`."""
    shown = os.fspath(path)
    with open_input(path) as file:
        head = file.read(4)
        if head != b"PAR1":
            raise foreign(path, head + file.read(512), "Parquet")
        with _damage(shown, "Parquet"):
            parquet = _parquet(file)
            schema, rows = parquet.schema_arrow, parquet.metadata.num_rows
    drop = _index_columns(schema)
    Columns(shown, schema, drop)  # refuses what cannot be used before anything is read

    def batches(names: list[str] | None, size: int = _BATCH) -> Iterator[pa.Table]:
        import pyarrow as pa

        with open_input(path) as file, _damage(shown, "Parquet"):
            parquet = _parquet(file)
            for batch in parquet.iter_batches(size, columns=names):
                yield pa.Table.from_batches([batch])

    return _source(shown, schema, rows, drop, (), batches)


def open_arrow(path: PathLike) -> Source:
    """Open an Arrow IPC file (Feather version 2) or stream; see `open_source`."""
    shown = os.fspath(path)
    notes: tuple[str, ...] = ()
    rows = None
    with open_input(path) as file:
        head = file.read(6)
        stream = head.startswith(_EOS[:4])
        if head != b"ARROW1" and not stream:
            raise foreign(path, head + file.read(512), "Arrow/Feather (version 2)")
        with _damage(shown, "Arrow"):
            reader = _ipc(file, stream)
            schema = reader.schema
            if not stream:
                rows = reader.count_rows()
            else:
                file.seek(max(0, file.size() - 8))
                if file.read(8) != _EOS:
                    notes = ("the Arrow stream has no end mark: it may have been cut off",)
    drop = _index_columns(schema)
    Columns(shown, schema, drop)

    def batches(names: list[str] | None, size: int = _BATCH) -> Iterator[pa.Table]:
        import pyarrow as pa

        with open_input(path) as file, _damage(shown, "Arrow"):
            reader = _ipc(file, stream)
            parts: Iterable[pa.RecordBatch] = (
                reader
                if stream
                else (reader.get_batch(i) for i in range(reader.num_record_batches))
            )
            for batch in parts:
                # Offsets in a damaged file may point anywhere; unchecked, they crash Python.
                batch.validate(full=True)
                table = pa.Table.from_batches([batch])
                yield table if names is None else table.select(names)

    return _source(shown, schema, rows, drop, notes, batches)


def _source(
    path: str,
    schema: pa.Schema,
    rows: int | None,
    drop: list[str],
    notes: tuple[str, ...],
    batches: Any,
) -> Source:
    if drop:
        notes += (f"index {', '.join(map(repr, drop))} of the saved DataFrame left out",)

    def read() -> pd.DataFrame:
        import pyarrow as pa

        table = pa.concat_tables([schema.empty_table().replace_schema_metadata(), *_bare(batches)])
        columns = Columns(path, schema, drop)
        columns.update(table)
        return columns.frame(table)

    def chunks(size: int) -> Iterator[pd.DataFrame]:
        columns = Columns(path, schema, drop)
        if undecided := columns.open(schema):
            for table in batches(undecided):
                columns.update(table)
        pieces = _bare(partial(batches, size=min(size, _BATCH)))
        for table in regroup(pieces, size):
            yield columns.frame(table)

    return Source(path, "table", rows, None, notes, read, chunks)


def _bare(batches: Any) -> Iterator[pa.Table]:
    return (table.replace_schema_metadata() for table in batches(None))


def _parquet(file: Any) -> Any:
    from pyarrow.parquet import ParquetFile

    return ParquetFile(file, page_checksum_verification=True)


def _ipc(file: Any, stream: bool) -> Any:
    import pyarrow as pa

    file.seek(0)
    return pa.ipc.open_stream(file) if stream else pa.ipc.open_file(file)


def _index_columns(schema: pa.Schema) -> list[str]:
    # pandas saves the index as a column; an index is a name of a row, not something to learn from.
    try:
        saved = json.loads((schema.metadata or {})[b"pandas"])["index_columns"]
        return [name for name in saved if isinstance(name, str) and name in schema.names]
    except (KeyError, TypeError, ValueError):
        return []
