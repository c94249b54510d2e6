"""Writes that happen completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from diabolo.data.files import PathLike, has_scheme, locate, reason_of
from diabolo.errors import DiaboloError, WriteError


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
    target = check_file(path)
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
    target = check_folder(path, is_ours=is_ours)
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


def check_file(path: PathLike) -> Path:
    """Return the real place of a file to be written, before any work is done for it.

    Raises
    ------
    WriteError
        When the folder is missing or may not be written, or something else is at `path`.
    """
    target = _target(path)
    if target.exists() and not target.is_file():
        what = "a folder" if target.is_dir() else "a device or a pipe"
        raise WriteError(f"{os.fspath(path)}: is {what}, and is not replaced by a file.")
    return target


def check_folder(path: PathLike, *, is_ours: Callable[[Path], bool]) -> Path:
    """Return the real place of a folder to be written, before any work is done for it.

    Raises
    ------
    WriteError
        When the folder above is missing or may not be written, or `path` holds other things.
    """
    target = _target(path)
    _check_replaceable(path, target, is_ours)
    return target


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
    if not os.path.isdir(target.parent):  # noqa: PTH112, Path.is_dir raises below a closed folder
        file = os.path.isfile(target.parent)  # noqa: PTH113
        why = "is a file" if file else "does not exist. Create it first"
        raise WriteError(f"{os.fspath(path)}: the folder {target.parent} {why}.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise WriteError(
            f"{os.fspath(path)}: nothing can be written into {target.parent}. Choose another place."
        )
    try:
        target.exists()
    except OSError as error:
        raise WriteError(f"{os.fspath(path)}: cannot be a name ({reason_of(error)}).") from error
    return target


def _check_replaceable(path: PathLike, target: Path, is_ours: Callable[[Path], bool]) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise WriteError(f"{os.fspath(path)}: is a file, and is not replaced by a folder.")
    try:
        replaceable = not any(target.iterdir()) or is_ours(target)
    except OSError as error:
        raise WriteError(f"{os.fspath(path)}: cannot be listed ({reason_of(error)}).") from error
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
                f"{os.fspath(path)}: cannot be written ({reason_of(error)}). Nothing was changed."
            ) from error
        raise


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
