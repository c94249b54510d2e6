"""CSV and TSV files, plain or gzipped.

pyarrow tokenises and converts. What is added here: the separator and the header are found by
looking at the first lines, errors name the line, and a file read in pieces gets the types that
the whole file would get.

Empty cells, NA, NaN, null and their like (pyarrow's list) are missing, quoted or not; "?" is
text. Integers and booleans with missing cells become floats, and so do integers beyond 64 bits.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from diabolo.data.files import PathLike, open_input, suffix_of
from diabolo.data.readers.base import Columns, Source, foreign, is_binary, look, regroup
from diabolo.data.readers.sniff import Layout, sniff
from diabolo.errors import ReadError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_HEAD = 1 << 20
_BLOCK = 2 << 20  # pyarrow reads up to 32 of these ahead
_LINES = 8  # at least so many of the longest line fit into a block
_WIDEST = 64 << 20  # the longest first line
Types = dict[str, Any]


def open_delimited(path: PathLike, header: bool | None = None) -> Source:
    """Open a .csv or .tsv file, gzipped or not; see `diabolo.data.readers.open_source`."""
    table = _Delimited(path, header)
    return Source(table.path, "table", None, None, table.layout.notes, table.read, table.chunks)


class _Delimited:
    def __init__(self, path: PathLike, header: bool | None) -> None:
        self.given = path
        self.path = os.fspath(path)
        suffix, self.gz = suffix_of(path)
        head, complete = self._head()
        self.layout: Layout = sniff(
            self.path, head, complete, header, "\t" if suffix == ".tsv" else None
        )
        # No row may be longer than a block.
        self.block = max(_BLOCK, _LINES * max(map(len, head.splitlines())))
        # A header and nothing else, without a line end, is more than pyarrow copes with.
        self.empty = complete and len(self.layout.rows) == 1 and self.layout.header

    # ---- bytes

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        import pyarrow as pa

        with open_input(self.given) as file:
            if not self.gz:
                yield file
                return
            with pa.CompressedInputStream(file, "gzip") as stream:
                yield stream

    def _head(self) -> tuple[bytes, bool]:
        with open_input(self.given) as file:
            magic = file.read(512)
        if not magic:
            raise ReadError(f"{self.path}: the file is empty.")
        if self.gz != magic.startswith(b"\x1f\x8b"):
            raise foreign(self.given, magic, "gzip" if self.gz else "delimited text")
        head, size = b"", _HEAD
        with self._open() as stream, self._explain():
            # A table may be so wide that its first line alone is longer than the usual look.
            while len(head) < size and (more := stream.read(size - len(head))):
                head += more
                if len(head) == size and b"\n" not in head and size < _WIDEST:
                    size *= 2
        if not head.removeprefix(codecs.BOM_UTF8).strip():
            raise ReadError(f"{self.path}: the file is empty.")
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise ReadError(f"{self.path}: is UTF-16 text. Save it as UTF-8.")
        if b"\0" in head:
            raise ReadError(
                f"{self.path}: the content does not look like delimited text; {look(head)}. "
                "Give the file the suffix that fits its content."
            )
        try:
            head.lstrip().partition(b"\n")[0].decode("utf-8-sig")
        except UnicodeDecodeError:
            raise self._not_utf8() from None
        return head, len(head) < size

    # ---- pyarrow

    def _options(self, types: Types | None = None, only: list[str] | None = None) -> dict[str, Any]:
        import pyarrow.csv as pc

        layout = self.layout
        return {
            "read_options": pc.ReadOptions(
                column_names=layout.names,
                skip_rows=layout.blank,
                skip_rows_after_names=int(layout.header),
                block_size=self.block,
            ),
            "parse_options": pc.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
            "convert_options": pc.ConvertOptions(
                column_types=types,
                include_columns=only,
                strings_can_be_null=True,
                decimal_point=layout.decimal,
            ),
        }

    def _stream(self, types: Types | None, only: list[str] | None = None) -> Iterator[pa.Table]:
        import pyarrow as pa
        import pyarrow.csv as pc

        with self._open() as stream, pc.open_csv(stream, **self._options(types, only)) as reader:
            yield reader.schema.empty_table()
            for batch in reader:
                yield pa.Table.from_batches([batch])

    def read(self) -> pd.DataFrame:
        import pyarrow.csv as pc

        if self.empty:
            return self._nothing()
        with self._explain(), self._open() as stream:
            table = pc.read_csv(stream, **self._options())
        self._check_end(table)
        columns = self._columns(table.schema)
        columns.update(table)
        return columns.frame(table)

    def chunks(self, rows: int) -> Iterator[pd.DataFrame]:
        if self.empty:
            return
        with self._explain():
            types, columns = self._infer()
            for table in regroup(self._stream(types), rows):
                yield columns.frame(table)

    def _nothing(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({name: pd.Series(dtype="float64") for name in self.layout.names})

    def _columns(self, schema: pa.Schema) -> Columns:
        # pyarrow falls back to bytes for text that is not UTF-8.
        if any(is_binary(field.type) for field in schema):
            raise self._not_utf8()
        return Columns(self.path, schema)

    def _check_end(self, table: pa.Table | None) -> None:
        """Refuse a quote that is never closed: pyarrow makes one cell of all that follows it."""
        if table is None or not table.num_rows:
            return
        cell = table.column(table.num_columns - 1)[-1].as_py()
        if not isinstance(cell, str) or "\n" not in cell:
            return
        tail = b""
        with self._open() as stream:
            while piece := stream.read(_HEAD):
                tail = (tail + piece)[-16:]
        if not tail.rstrip().endswith(b'"'):
            raise self._unclosed()

    # ---- the types of the whole file, in constant memory

    def _infer(self) -> tuple[Types, Columns]:
        try:
            return self._try(None)
        except _arrow_invalid() as error:
            if "conversion error" not in str(error):
                raise
        # A later part of the file holds what the first does not: look at all of it.
        return self._try(self._types_of_parts())

    def _try(self, types: Types | None) -> tuple[Types, Columns]:
        columns: Columns | None = None
        last: pa.Table | None = None
        for table in self._stream(types):
            columns = columns or self._columns(table.schema)
            columns.update(table)
            schema = table.schema
            last = table if table.num_rows else last
        assert columns is not None
        self._check_end(last)
        return dict(zip(schema.names, schema.types, strict=True)), columns

    def _types_of_parts(self) -> Types:
        import pyarrow as pa
        import pyarrow.csv as pc

        names = self.layout.names
        seen: dict[str, set[Any]] = {name: set() for name in names}
        part = self._options()
        part["read_options"] = pc.ReadOptions(column_names=names, block_size=4 * self.block)
        part["parse_options"] = pc.ParseOptions(newlines_in_values=True)
        # Cells as text, written out again part by part, so that pyarrow's own rules decide.
        for table in self._stream(dict.fromkeys(names, pa.string())):
            if not table.num_rows:
                continue
            text = pa.BufferOutputStream()
            pc.write_csv(table, text, pc.WriteOptions(include_header=False, quoting_style="needed"))
            for field in pc.read_csv(pa.BufferReader(text.getvalue()), **part).schema:
                seen[field.name].add(field.type)
        return {name: self._join(name, kinds) for name, kinds in seen.items()}

    def _join(self, name: str, kinds: set[Any]) -> Any:
        import pyarrow as pa

        kinds = kinds - {pa.null()} or {pa.null()}
        if len(kinds) == 1:
            return kinds.pop()
        if kinds == {pa.int64(), pa.float64()}:
            return pa.float64()
        # pyarrow's own order of attempts; the first that takes every cell of the file wins.
        ladder = [
            pa.int64(),
            pa.bool_(),
            pa.date32(),
            pa.time32("s"),
            pa.timestamp("s"),
            pa.timestamp("s", "UTC"),
            pa.timestamp("ns"),
            pa.timestamp("ns", "UTC"),
            pa.float64(),
        ]
        if kinds <= set(ladder):
            for kind in ladder[max(map(ladder.index, kinds)) :]:
                with contextlib.suppress(_arrow_invalid()):
                    for _ in self._stream({name: kind}, [name]):
                        pass
                    return kind
        return pa.string()

    # ---- errors

    @contextlib.contextmanager
    def _explain(self) -> Iterator[None]:
        try:
            yield
        except ReadError:
            raise
        except _arrow_invalid() as error:
            text = str(error)
            if "invalid UTF8" in text:
                raise self._not_utf8() from error
            if "Expected" in text and "columns" in text:
                raise self._ragged(text) from error
            if "straddl" in text:
                raise self._unclosed() from error
            raise ReadError(f"{self.path}: cannot be read as a table ({text}).") from error
        except OSError as error:
            raise ReadError(
                f"{self.path}: is damaged or truncated ({error}). Copy or create it again."
            ) from error

    def _unclosed(self) -> ReadError:
        return ReadError(
            f"{self.path}: a quoted cell is never closed (or a row is longer than "
            f'{self.block >> 20} MiB). Look for a lone " in the file.'
        )

    def _ragged(self, text: str) -> ReadError:
        # pyarrow cannot name the line when it reads in parallel. This pass is slow, and only
        # ever runs when the file is wrong.
        width = len(self.layout.names)
        with self._open() as stream, contextlib.suppress(csv.Error):
            lines = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
            reader = csv.reader(lines, delimiter=self.layout.delimiter)
            start = 1
            for row in reader:
                if row and len(row) != width:
                    names = "the first line has" if self.layout.header else "expected"
                    return ReadError(
                        f"{self.path}, line {start}: {len(row)} fields, {names} {width}. "
                        "Mend this line, or quote the cell that holds the separator "
                        f"{self.layout.delimiter!r}."
                    )
                start = reader.line_num + 1
        return ReadError(f"{self.path}: lines of different length ({text}).")

    def _not_utf8(self) -> ReadError:
        decoder = codecs.getincrementaldecoder("utf-8")()
        done, line = 0, 1
        with self._open() as stream:
            while piece := stream.read(_HEAD):
                pending = len(decoder.getstate()[0])
                try:
                    decoder.decode(piece)
                except UnicodeDecodeError as error:
                    line += piece[: max(0, error.start - pending)].count(b"\n")
                    return ReadError(
                        f"{self.path}, line {line}: byte {done - pending + error.start} is not "
                        "UTF-8 text. Save the file as UTF-8, for example with "
                        "iconv -f latin1 -t utf-8."
                    )
                line += piece.count(b"\n")
                done += len(piece)
        return ReadError(f"{self.path}: is not UTF-8 text. Save the file as UTF-8.")


def _arrow_invalid() -> type[Exception]:
    import pyarrow as pa

    return pa.ArrowInvalid
