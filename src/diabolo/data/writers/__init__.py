"""Files that can be written: one table from suffix to writer, and the one function that uses it.

Every writer takes a stream of pieces, so that results larger than memory can be written, and
writes into a temporary file that is put in place by rename (`diabolo.data.atomic`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diabolo.data.atomic import atomic_file, atomic_folder, check_file, check_folder
from diabolo.data.files import PathLike, suffix_of
from diabolo.data.writers.arrays import write_idx, write_npy, write_npz
from diabolo.data.writers.base import Job, checked
from diabolo.data.writers.images import write_images
from diabolo.data.writers.tables import write_arrow, write_delimited, write_parquet
from diabolo.errors import WriteError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WRITERS", "known_suffixes", "write"]

WRITERS: dict[str, Callable[[Job, Path], None]] = {
    ".csv": write_delimited,
    ".tsv": write_delimited,
    ".parquet": write_parquet,
    ".pq": write_parquet,
    ".feather": write_arrow,
    ".arrow": write_arrow,
    ".ipc": write_arrow,
    ".npy": write_npy,
    ".npz": write_npz,
    ".idx": write_idx,
}
_GZ = frozenset({".csv", ".tsv", ".idx"})


def known_suffixes() -> tuple[str, ...]:
    """Suffixes of the files that can be written, those with ``.gz`` included."""
    return tuple(
        name
        for suffix in WRITERS
        for name in ([suffix, suffix + ".gz"] if suffix in _GZ else [suffix])
    )


def write(
    path: PathLike,
    pieces: np.ndarray | pd.DataFrame | Iterable[np.ndarray | pd.DataFrame],
    *,
    columns: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> int:
    """Write an array, a DataFrame, or a stream of either, in the format of the suffix.

    Parameters
    ----------
    path : path
        A local path. Without a suffix, or with "/" at its end, images (n, h, w) or (n, h, w, c)
        become a folder of PNG files.
    pieces : ndarray, DataFrame or iterable of them
        All of one kind, width and type. A stream is written in constant memory, except into
        .npz and .idx. The index of a DataFrame is not written.
    columns : sequence of str, optional
        Column names of an array that goes into a table; "c0", "c1" … otherwise, and "p0" … for
        the cells of arrays of three and more dimensions.
    names : sequence of str, optional
        File names of images, relative to the folder; their suffix becomes ".png".

    Returns
    -------
    int
        Number of rows written.

    Raises
    ------
    WriteError
        When the suffix is unknown, the pieces do not fit the format or one another, or the
        target cannot be written. Nothing is left behind, and an old file stays as it was.
    """
    folder = check(path)
    shown = os.fspath(path)
    suffix, gz = suffix_of(path)
    job = Job(
        shown,
        iter(()),
        suffix,
        gz,
        None if columns is None else [str(name) for name in columns],
        None if names is None else [str(name) for name in names],
    )
    job.pieces = checked(job, pieces)
    if folder:
        with atomic_folder(path, is_ours=_nothing) as temporary:
            write_images(job, temporary)
    else:
        with atomic_file(path) as temporary:
            WRITERS[suffix](job, temporary)
    return job.rows


def check(path: PathLike) -> bool:
    """Refuse a path that `write` would refuse, before any work; return whether it is a folder.

    Raises
    ------
    WriteError
        When the suffix is unknown, or nothing can be written there.
    """
    shown = os.fspath(path)
    suffix, gz = suffix_of(path)
    folder = shown.endswith(("/", os.sep)) or (not suffix and not gz)
    if folder:
        check_folder(path, is_ours=_nothing)
        return True
    if suffix not in WRITERS or (gz and suffix not in _GZ):
        raise WriteError(
            f"{shown}: the suffix {suffix + '.gz' * gz!r} is not known. "
            f"Known are {', '.join(known_suffixes())}, and a folder (no suffix) for images."
        )
    check_file(path)
    return False


def _nothing(folder: Path) -> bool:
    """Return False: images replace no folder that holds something."""
    return False
