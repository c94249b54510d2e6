"""Paths, URIs, and writes that either happen completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from diabolo.errors import DiaboloError, ReadError, WriteError

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
        raise ReadError(f"{place.shown}: cannot list this folder ({_reason(error)}).") from error
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
        raise ReadError(f"{place.shown}: cannot be opened ({_reason(error)}).") from error


@contextlib.contextmanager
def atomic_file(path: PathLike) -> Iterator[Path]:
    """Write a file completely or not at all.

    Yields a hidden temporary path in the same folder. When the block ends well, the file is
    flushed to the disk and renamed over `path`; when it fails (``KeyboardInterrupt`` too), it is
    removed and what was at `path` before stays as it was.

    Raises
    ------
    WriteError
        When the target cannot be written: no such folder, disk full, read-only, not a file.
    """
    target = _target(path)
    if target.exists() and not target.is_file():
        what = "a folder" if target.is_dir() else "a device or a pipe"
        raise WriteError(f"{os.fspath(path)}: is {what}, and is not replaced by a file.")
    temporary = _sibling(target)
    with _clean(path, temporary):
        # Not mkstemp: its mode 0600 would survive the rename; this one obeys the umask.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        _fsync(temporary)
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)
        temporary.replace(target)
    _settle(target.parent)


@contextlib.contextmanager
def atomic_folder(path: PathLike, *, is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Write a folder completely or not at all.

    Yields a hidden temporary folder beside the target, which is put in place by rename.

    Parameters
    ----------
    path : path
        The target. It may be missing, an empty folder, or a folder that is ours.
    is_ours : callable
        Says whether an existing folder with something in it may be replaced.

    Raises
    ------
    WriteError
        Before any work, when the target is a file or a foreign folder; later, when the disk
        refuses.
    """
    target = _target(path)
    _check_replaceable(path, target, is_ours)
    temporary = _sibling(target)
    with _clean(path, temporary):
        temporary.mkdir()
        yield temporary
        for folder, _, names in os.walk(temporary, topdown=False):
            for name in names:
                _fsync(Path(folder, name))
            _fsync(Path(folder))
        # Somebody may have put something there while we worked.
        _check_replaceable(path, target, is_ours)
        if target.exists() and any(target.iterdir()):
            _swap(temporary, target)
        else:
            temporary.replace(target)
    _settle(target.parent)


def _swap(new: Path, target: Path) -> None:
    old = _sibling(target)
    try:
        target.rename(old)
        new.rename(target)
    except BaseException:
        # An interrupt may arrive before, between or after the two renames.
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _target(path: PathLike) -> Path:
    shown = os.fspath(path)
    if has_scheme(shown):
        place = locate(shown) if shown.lower().startswith("file://") else None
        if place is None or place.local is None:
            raise WriteError(
                f"{shown}: output goes to local paths only. Write a local file, then upload it."
            )
        shown = str(place.local)
    if not shown:
        raise WriteError("An empty path cannot be written to. Name a file.")
    # A link keeps pointing where it points: what it leads to is replaced, not the link.
    target = Path(os.path.realpath(shown))
    if not target.parent.is_dir():
        raise WriteError(
            f"{os.fspath(path)}: the folder {target.parent} does not exist. Create it first."
        )
    return target


def _check_replaceable(path: PathLike, target: Path, is_ours: Callable[[Path], bool]) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise WriteError(f"{os.fspath(path)}: is a file, and is not replaced by a folder.")
    try:
        replaceable = not any(target.iterdir()) or is_ours(target)
    except OSError as error:
        raise WriteError(f"{os.fspath(path)}: cannot be listed ({_reason(error)}).") from error
    if not replaceable:
        raise WriteError(
            f"{os.fspath(path)}: this folder holds other things and is not replaced. "
            "Choose a new name, or empty it first."
        )


@contextlib.contextmanager
def _clean(path: PathLike, temporary: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(OSError):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)
        # Our own errors are OSErrors too, but they come from elsewhere (a source being read).
        if isinstance(error, OSError) and not isinstance(error, DiaboloError):
            raise WriteError(
                f"{os.fspath(path)}: cannot be written ({_reason(error)}). Nothing was changed."
            ) from error
        raise


def _reason(error: OSError) -> str:
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
        reason = _reason(error) if isinstance(error, OSError) else str(error)
        raise ReadError(f"{place.shown}: cannot be reached ({reason}).") from error


def _sibling(target: Path) -> Path:
    return target.parent / f".diabolo-{secrets.token_hex(8)}.tmp"


def _settle(folder: Path) -> None:
    # The new file is in place already; a folder that may not be opened must not turn that into
    # an error.
    with contextlib.suppress(OSError):
        _fsync(folder)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems cannot flush a folder; that is no reason to refuse the write.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
