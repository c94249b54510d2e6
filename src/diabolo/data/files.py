"""Paths and URIs: what they name, and opening them."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from diabolo.errors import ReadError

if TYPE_CHECKING:
    from pyarrow import NativeFile

PathLike = str | os.PathLike[str]

# Two letters at least, so that a Windows drive is no scheme.
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
# MNIST and its descendants are called train-images-idx3-ubyte, without a dot.
_IDX = re.compile(r"(\.idx|[-.]idx\d+-(ubyte|byte|short|int|float|double))$")


@dataclass(frozen=True)
class Location:
    """A path or URI, resolved: ``path`` is what ``fs`` calls it, ``shown`` what the user wrote."""

    shown: str
    path: str
    fs: Any
    local: Path | None


def has_scheme(path: PathLike) -> bool:
    """Whether `path` is a URI (``s3://…``, ``file://…``) rather than a local path."""
    return _SCHEME.match(os.fspath(path)) is not None


def locate(path: PathLike) -> Location:
    """Resolve a local path or a URI of any of pyarrow's file systems.

    Raises
    ------
    ReadError
        When the scheme is unknown or the URI is malformed.
    """
    from pyarrow import ArrowException, fs

    shown = os.fspath(path)
    if not has_scheme(shown):
        return Location(shown, shown, fs.LocalFileSystem(), Path(shown))
    try:
        system, inner = fs.FileSystem.from_uri(shown)
    except (ArrowException, OSError, ValueError) as error:
        raise ReadError(
            f"{shown}: cannot open this address ({error}). Local paths, file://, s3://, gs://, "
            "abfs:// and hdfs:// can be read; download anything else first."
        ) from error
    return Location(
        shown, inner, system, Path(inner) if isinstance(system, fs.LocalFileSystem) else None
    )


def suffix_of(path: PathLike) -> tuple[str, bool]:
    """Return the suffix that names the format, lower-cased, and whether ``.gz`` followed it.

    ``"a/T.CSV.gz"`` gives ``(".csv", True)``, ``"train-images-idx3-ubyte"`` ``(".idx", False)``,
    and a name without a suffix ``("", False)``.
    """
    text = os.fspath(path)
    if has_scheme(text):
        text = unquote(urlsplit(text).path)
    name = text.replace(os.sep, "/").rsplit("/", 1)[-1].lower()
    gz = name.endswith(".gz")
    name = name.removesuffix(".gz")
    return (".idx" if _IDX.search(name) else Path(name).suffix), gz


def is_dir(path: PathLike) -> bool:
    """Whether `path` is an existing folder."""
    from pyarrow.fs import FileType

    return _info(locate(path)).type == FileType.Directory


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts ``img2`` before ``img10``."""
    pieces = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in pieces if p]


def list_files(path: PathLike) -> list[str]:
    """List all files below a folder as relative posix names, in natural order."""
    from pyarrow.fs import FileSelector, FileType

    place = locate(path)
    base = place.path.rstrip("/") or "/"
    try:
        found = place.fs.get_file_info(FileSelector(base, recursive=True))
    except OSError as error:
        raise ReadError(f"{place.shown}: cannot list this folder ({reason_of(error)}).") from error
    start = len(base.rstrip("/")) + 1
    names = [info.path[start:] for info in found if info.type == FileType.File]
    return sorted(names, key=lambda name: (natural_key(name), name))


def join(folder: PathLike, name: str) -> str:
    """Append a relative posix name to a folder (path or URI)."""
    return f"{os.fspath(folder).rstrip('/')}/{name}"


def open_input(path: PathLike) -> NativeFile:
    """Open a local file, or a URI that pyarrow's file systems know, for random access.

    Returns
    -------
    pyarrow.NativeFile
        A readable binary file with ``read``, ``seek``, ``tell`` and ``size``.

    Raises
    ------
    ReadError
        When nothing is there, it is a folder or a pipe, or it may not be read.
    """
    from pyarrow.fs import FileType

    place = locate(path)
    kind = _info(place).type
    if kind == FileType.NotFound:
        raise ReadError(f"{place.shown}: no such file. Check the path.")
    if kind == FileType.Directory:
        raise ReadError(f"{place.shown}: is a folder, a file is needed here.")
    if kind != FileType.File:
        raise ReadError(
            f"{place.shown}: is not a regular file (a pipe or a device?). Save it to a file first."
        )
    try:
        return place.fs.open_input_file(place.path)
    except OSError as error:
        raise ReadError(f"{place.shown}: cannot be opened ({reason_of(error)}).") from error


def reason_of(error: OSError) -> str:
    """Return in plain words why the system refused."""
    plain = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EFBIG: "the file is larger than this system allows",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "permission denied",
        errno.EPERM: "operation not permitted",
    }
    number = error.errno
    if number is None and (found := re.search(r"errno (\d+)", str(error), re.IGNORECASE)):
        number = int(found[1])
    return plain.get(number or 0) or error.strerror or str(error) or type(error).__name__


def _info(place: Location) -> Any:
    try:
        return place.fs.get_file_info([place.path])[0]
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        raise ReadError(f"{place.shown}: cannot be reached ({reason}).") from error
