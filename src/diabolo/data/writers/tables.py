"""CSV, TSV, Parquet and Arrow/Feather."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.data.writers.base import Job

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_GROUP = 32 << 20  # bytes of a Parquet row group or Arrow batch; small pieces are joined


def _tables(job: Job) -> Iterator[pa.Table]:
    """Turn pieces into Arrow tables of one schema and of a good size."""
    import pyarrow as pa

    held: list[pa.Table] = []
    size = 0
    schema: pa.Schema | None = None
    for number, piece in enumerate(job.pieces, start=1):
        for part in _parts(piece):
            table = _table(job, part)
            if schema is None:
                schema = table.schema
            elif table.schema != schema:
                table = _cast(job, table, schema, number)
            held.append(table)
            size += table.nbytes
            if size >= _GROUP:
                yield pa.concat_tables(held)
                held, size = [], 0
    if held:
        yield pa.concat_tables(held)


def _parts(piece: np.ndarray | pd.DataFrame) -> Iterator[np.ndarray | pd.DataFrame]:
    # A large array is turned into columns part by part, or memory would hold it three times.
    if not isinstance(piece, np.ndarray) or piece.nbytes <= _GROUP:
        yield piece
        return
    rows = max(1, _GROUP * len(piece) // piece.nbytes)
    for start in range(0, len(piece), rows):
        yield piece[start : start + rows]


def _table(job: Job, piece: np.ndarray | pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    if isinstance(piece, np.ndarray):
        if piece.dtype.kind not in "biufU":
            raise job.error(f"elements of type {piece.dtype} do not fit into a table.")
        letter = "c" if piece.ndim <= 2 else "p"
        flat = piece.reshape(len(piece), int(np.prod(piece.shape[1:])))  # (n, …) -> (n, d)
        names = job.columns or [f"{letter}{i}" for i in range(flat.shape[1])]
        if len(names) != flat.shape[1]:
            raise job.error(f"{len(names)} column names for {flat.shape[1]} columns.")
        columns = np.ascontiguousarray(flat.T, dtype=flat.dtype.newbyteorder("="))
        _check_names(job, names)
        try:
            return pa.table([pa.array(each, from_pandas=True) for each in columns], names=names)
        except pa.ArrowException as error:
            raise job.error(f"the array cannot become a table ({error}).") from error
    names = [str(name) for name in piece.columns]
    _check_names(job, names)
    try:
        table = pa.Table.from_pandas(piece, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise job.error(
            f"the DataFrame cannot be written ({'; '.join(map(str, error.args))})."
        ) from error
    return table.rename_columns(names)


def _check_names(job: Job, names: list[str]) -> None:
    if not names:
        raise job.error("there are no columns to write.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise job.error(f"two columns are called {twice!r}. Rename one.")


def _cast(job: Job, table: pa.Table, schema: pa.Schema, number: int) -> pa.Table:
    import pyarrow as pa

    columns = []
    for column, kind in zip(table.columns, schema, strict=True):
        try:
            columns.append(column.cast(kind.type))
        except pa.ArrowException as error:
            raise job.error(
                f"piece {number} changes column {kind.name!r} from {kind.type} to {column.type} "
                f"({error}). Convert the pieces to one type."
            ) from error
    return pa.table(columns, schema=schema)


def write_delimited(job: Job, target: Path) -> None:
    """Write .csv or .tsv, gzipped or not."""
    import pyarrow as pa
    import pyarrow.csv as pc

    mark = "\t" if job.suffix == ".tsv" else ","
    with pa.output_stream(str(target), compression="gzip" if job.gz else None) as file:
        for number, table in enumerate(_tables(job)):
            options = pc.WriteOptions(include_header=number == 0, delimiter=mark)
            try:
                pc.write_csv(_textual(table), file, options)
            except pa.ArrowException as error:
                raise job.error(f"a column cannot be written as text ({error}).") from error


def _textual(table: pa.Table) -> pa.Table:
    """Change the few columns that would not come back from text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for column in table.columns:
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        elif pa.types.is_float16(kind):
            column = column.cast(pa.float32())
        elif pa.types.is_timestamp(kind) and kind.tz is None:
            days = column.cast(pa.date32())
            # Dates that were read come as midnights.
            if pc.all(pc.equal(days.cast(kind), column)).as_py():
                column = days
        if table.num_columns == 1 and column.null_count:
            # An empty line is no row; alone in its line, a missing cell has to be written.
            if pa.types.is_floating(column.type):
                column = pc.fill_null(column, float("nan"))
            else:
                column = pc.fill_null(column.cast(pa.string()), "")
        elif table.num_columns == 1 and pa.types.is_null(kind):
            column = column.cast(pa.string())
        columns.append(column)
    return pa.table(columns, names=table.column_names)


def write_parquet(job: Job, target: Path) -> None:
    """Write .parquet, with a checksum on every page."""
    from pyarrow.parquet import ParquetWriter

    def start(schema: pa.Schema) -> Any:
        return ParquetWriter(str(target), schema, compression="zstd", write_page_checksum=True)

    _write_arrow_like(job, start)


def write_arrow(job: Job, target: Path) -> None:
    """Write .feather, .arrow or .ipc: the Arrow IPC file format."""
    import pyarrow as pa

    # .feather is compressed by custom; .arrow is not, so that it can be memory-mapped.
    options = pa.ipc.IpcWriteOptions(compression="lz4" if job.suffix == ".feather" else None)
    _write_arrow_like(job, lambda schema: pa.ipc.new_file(str(target), schema, options=options))


def _write_arrow_like(job: Job, start: Callable[[Any], Any]) -> None:
    import pyarrow as pa

    writer = None
    try:
        for table in _tables(job):
            writer = writer or start(table.schema)
            writer.write_table(table)
    except pa.ArrowException as error:
        raise job.error(f"the table cannot be written ({error}).") from error
    finally:
        if writer is not None:
            writer.close()
