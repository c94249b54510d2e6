"""IDX, the format of MNIST: two zero bytes, a type, the rank, the lengths, the elements.

All integers are big-endian. See http://yann.lecun.com/exdb/mnist/ (end of the page).
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from diabolo.data.files import PathLike, open_input, suffix_of
from diabolo.data.readers.base import Source, foreign, native
from diabolo.errors import ReadError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_PIECE = 16 << 20


def open_idx(path: PathLike) -> Source:
    """Open an IDX file of any rank, gzipped or not; see `diabolo.data.readers.open_source`."""
    file = _Idx(path)
    return Source(file.path, "array", file.shape[0], None, (), file.read, file.chunks)


class _Idx:
    def __init__(self, path: PathLike) -> None:
        self.given = path
        self.path = os.fspath(path)
        self.gz = suffix_of(path)[1]
        with open_input(path) as file:
            head, size = file.read(512), file.size()
        if not head:
            raise ReadError(f"{self.path}: the file is empty.")
        if self.gz and not head.startswith(b"\x1f\x8b"):
            raise foreign(path, head, "gzip")
        with self._open() as stream:
            magic = self._take(stream, 4)
            if magic[:2] != b"\0\0" or magic[2] not in TYPES or magic[3] == 0:
                raise foreign(path, magic if self.gz else head, "IDX")
            self.dtype = np.dtype(TYPES[magic[2]])
            lengths = np.frombuffer(self._take(stream, 4 * magic[3]), ">u4")
        self.shape = tuple(int(length) for length in lengths)
        self.start = 4 + 4 * len(self.shape)
        # Python's integers: lengths in a damaged file must not overflow.
        self.width = math.prod(self.shape[1:]) * self.dtype.itemsize
        expected = self.start + self.shape[0] * self.width
        # Behind gzip the size shows only at the end, so `_rows` checks again.
        if not self.gz and size != expected:
            raise self._wrong(f"{size:,} bytes, {expected:,} expected", size < expected)

    def read(self) -> np.ndarray:
        try:
            out = np.empty(self.shape, self.dtype.newbyteorder("="))
        except ValueError as error:  # more elements than this machine can address
            raise self._wrong(f"lengths {self.shape} cannot be true", True) from error
        first = 0
        for piece in self.chunks(max(1, _PIECE // max(1, self.width))):
            out[first : first + len(piece)] = piece
            first += len(piece)
        return out

    def chunks(self, rows: int) -> Iterator[np.ndarray]:
        with self._open() as stream:
            self._take(stream, self.start)
            for first in range(0, self.shape[0], rows):
                count = min(rows, self.shape[0] - first)
                raw = self._take(stream, count * self.width)
                array = np.frombuffer(raw, self.dtype).reshape(count, *self.shape[1:])
                # A copy in any case: what frombuffer returns cannot be written to.
                yield native(array.copy())
            if stream.read(1):
                raise self._wrong(f"more bytes than {self.shape} needs", False)

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        import pyarrow as pa

        with open_input(self.given) as file:
            if not self.gz:
                yield file
                return
            try:
                with pa.CompressedInputStream(file, "gzip") as stream:
                    yield stream
            except ReadError:
                raise
            except OSError as error:
                raise self._wrong(str(error), True) from error

    def _take(self, stream: Any, count: int) -> bytes:
        # Piece by piece: a forged length must not make one huge allocation.
        parts, missing = [], count
        while missing and (part := stream.read(min(missing, _PIECE))):
            parts.append(part)
            missing -= len(part)
        if missing:
            raise self._wrong(f"ends {missing:,} bytes too early", True)
        return b"".join(parts)

    def _wrong(self, detail: str, short: bool) -> ReadError:
        word = "truncated or damaged" if short else "longer than its lengths say"
        return ReadError(
            f"{self.path}: this IDX file is {word} ({detail}). Copy or create it again."
        )
