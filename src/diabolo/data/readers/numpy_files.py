"""NumPy's own files: .npy and .npz. Pickle is never loaded."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from diabolo.data.files import PathLike, locate, open_input
from diabolo.data.readers.base import Source, check_dtype, foreign, native
from diabolo.errors import ReadError

_DEFAULT_KEYS = ("X", "x", "data")


def open_npy(path: PathLike) -> Source:
    """Open a .npy file; see `diabolo.data.readers.open_source`."""
    shown = os.fspath(path)
    with open_input(path) as file:
        shape, fortran, dtype = _header(shown, file, file.size())
        start = file.tell()

    def read() -> np.ndarray:
        with open_input(path) as file:
            return native(_load(shown, file))

    def chunks(rows: int) -> Iterator[np.ndarray]:
        local = locate(path).local
        if local is not None and np.prod(shape):
            order: Any = "F" if fortran else "C"
            mapped = np.memmap(local, dtype, "r", start, shape, order)
            for first in range(0, shape[0], rows):
                yield native(np.array(mapped[first : first + rows]))
        elif fortran or not np.prod(shape):
            # One row is scattered over the whole file.
            yield from _slices(read(), rows)
        else:
            with open_input(path) as file:
                file.seek(start)
                width = int(np.prod(shape[1:], dtype=object)) * dtype.itemsize
                for first in range(0, shape[0], rows):
                    count = min(rows, shape[0] - first)
                    raw = file.read(count * width)
                    if len(raw) < count * width:
                        raise ReadError(f"{shown}: is truncated. Copy it again.")
                    yield native(np.frombuffer(raw, dtype).reshape(count, *shape[1:])).copy()

    return Source(shown, "array", shape[0], None, (), read, chunks)


def open_npz(path: PathLike, key: str | None = None) -> Source:
    """Open one array of a .npz archive; see `diabolo.data.readers.open_source`."""
    shown = os.fspath(path)
    with open_input(path) as file:
        head = file.read(512)
        if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            raise foreign(path, head, "a .npz archive")
    with _archive(path) as archive:
        keys = [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
        key, notes = _choose(shown, keys, key)
        member = archive.getinfo(f"{key}.npy")
        with archive.open(member) as stream:
            shape, _, _ = _header(shown, stream, member.file_size, f", array {key!r}")

    def read() -> np.ndarray:
        with _archive(path) as archive, archive.open(f"{key}.npy") as stream:
            array = _load(shown, stream)
            stream.read()  # to the end, where the checksum is compared
            return native(array)

    return Source(shown, "array", shape[0], None, notes, read, lambda rows: _slices(read(), rows))


@contextlib.contextmanager
def _archive(path: PathLike) -> Iterator[zipfile.ZipFile]:
    local = locate(path).local
    try:
        with contextlib.ExitStack() as stack:
            # Not pyarrow's file: zipfile counts on OSError for a seek before the start.
            file: Any = stack.enter_context(local.open("rb") if local else open_input(path))
            file = file if local else io.BytesIO(file.read())
            yield stack.enter_context(zipfile.ZipFile(file))
    except ReadError:
        raise
    # RuntimeError: encrypted; NotImplementedError: an unknown compression.
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError),
        *(KeyError, ValueError, OSError, struct.error),
    ) as error:
        raise ReadError(
            f"{os.fspath(path)}: this .npz archive is damaged or truncated ({error}). "
            "Copy or create it again."
        ) from error


def _choose(path: str, keys: list[str], key: str | None) -> tuple[str, tuple[str, ...]]:
    listed = ", ".join(keys) or "none"
    if key is not None:
        if key not in keys:
            raise ReadError(f"{path}: has no array {key!r}. Its arrays are: {listed}.")
        return key, ()
    if len(keys) == 1:
        return keys[0], ()
    for name in _DEFAULT_KEYS:
        if name in keys:
            return name, (f"array {name!r} taken, of: {listed}",)
    raise ReadError(
        f"{path}: which array? Name one with --key (key=). Its arrays are: {listed}."
        if keys
        else f"{path}: holds no arrays."
    )


def _header(
    path: str, file: Any, size: int, where: str = ""
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read and check the header; the file stands at the first element afterwards."""
    magic = file.read(6)
    if magic != b"\x93NUMPY":
        raise foreign(path + where, magic + file.read(506), "a NumPy .npy file")
    version = tuple(file.read(2))
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
        (3, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ReadError(f"{path}{where}: .npy format version {version} is not known.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy warns of headers that Python 2 wrote
            shape, fortran, dtype = readers[version](file)
        start = file.tell()
    except (ValueError, EOFError, OSError, SyntaxError, TypeError) as error:
        raise ReadError(
            f"{path}{where}: the .npy header is damaged ({error}). Create the file again."
        ) from error
    check_dtype(path, dtype, where)
    if not shape:
        raise ReadError(f"{path}{where}: holds a single number, not rows.")
    expected = dtype.itemsize
    for extent in shape:  # Python's integers: a forged header must not overflow
        expected *= extent
    if start + expected != size or any(extent < 0 for extent in shape):
        word = "truncated" if start + expected > size else "longer than its header says"
        raise ReadError(
            f"{path}{where}: is {word}: {size:,} bytes, and an array of shape {shape} and type "
            f"{dtype} takes {start + expected:,}. Copy or create it again."
        )
    return shape, fortran, dtype


def _load(path: str, file: Any) -> np.ndarray:
    try:
        return np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:
        raise ReadError(f"{path}: is damaged ({error}). Copy or create it again.") from error


def _slices(array: np.ndarray, rows: int) -> Iterator[np.ndarray]:
    return (array[first : first + rows].copy() for first in range(0, len(array), rows))
