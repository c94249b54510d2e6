"""Files that can be read: one table from suffix to reader, and the one function that uses it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from diabolo.data.files import PathLike, is_dir, open_input, suffix_of
from diabolo.data.readers import arrow, delimited, idx, images, numpy_files
from diabolo.data.readers.base import Source
from diabolo.errors import ReadError

__all__ = ["READERS", "Reader", "Source", "array_source", "known_suffixes", "open_source"]


@dataclass(frozen=True)
class Reader:
    """How files of one suffix are opened."""

    open: Callable[..., Source]
    options: tuple[str, ...] = ()
    gz: bool = False


_DELIMITED = Reader(delimited.open_delimited, ("header",), gz=True)
_PARQUET = Reader(arrow.open_parquet)
_ARROW = Reader(arrow.open_arrow)
_IMAGES = Reader(images.open_images, ("image_size",))

READERS: dict[str, Reader] = {
    ".csv": _DELIMITED,
    ".tsv": _DELIMITED,
    ".parquet": _PARQUET,
    ".pq": _PARQUET,
    ".feather": _ARROW,
    ".arrow": _ARROW,
    ".ipc": _ARROW,
    ".npy": Reader(numpy_files.open_npy),
    ".npz": Reader(numpy_files.open_npz, ("key",)),
    ".idx": Reader(idx.open_idx, gz=True),  # train-images-idx3-ubyte and its like too
    **dict.fromkeys(images.SUFFIXES, _IMAGES),
}


def known_suffixes() -> tuple[str, ...]:
    """Suffixes of the files that can be read, those with ``.gz`` included."""
    return tuple(
        name
        for suffix, reader in READERS.items()
        for name in ([suffix, suffix + ".gz"] if reader.gz else [suffix])
    )


def open_source(
    path: PathLike,
    *,
    header: bool | None = None,
    image_size: tuple[int, int] | None = None,
    key: str | None = None,
) -> Source:
    """Open a file, or a folder of images, by its suffix and its content.

    Parameters
    ----------
    path : str or PathLike
        A local path, or a URI that pyarrow's file systems open (``s3://``, ``file://`` …).
    header : bool, optional
        CSV and TSV: whether the first line holds column names. None looks at the lines.
    image_size : (height, width), optional
        Images: resize all to this size.
    key : str, optional
        npz: the array to take.

    Returns
    -------
    Source
        Its `read()` gives everything, `chunks(rows)` pieces in constant memory where the format
        allows it (not for .npz).

    Raises
    ------
    ReadError
        When the file is missing, damaged, or not what its suffix says; when an option does not
        apply to its format.
    """
    suffix, gz = suffix_of(path)
    reader = READERS.get(suffix)
    given = {"header": header, "image_size": image_size, "key": key}
    options = {name: value for name, value in given.items() if value is not None}
    if is_dir(path):
        reader = _IMAGES
    elif reader is None or (gz and not reader.gz):
        open_input(path).close()  # a missing file is the better message
        raise ReadError(
            f"{os.fspath(path)}: the suffix {suffix + '.gz' * gz or '(none)'!r} is not known. "
            f"Known are {', '.join(known_suffixes())}, and folders of images."
        )
    for name in options:
        if name not in reader.options:
            applies = [s for s, r in READERS.items() if name in r.options]
            # As the command line calls it, and as Python does.
            flag = f"--{name.removeprefix('image_')} ({name}=)"
            raise ReadError(f"{os.fspath(path)}: {flag} applies to {', '.join(applies)} only.")
    return reader.open(path, **options)


def array_source(name: str, data: Any) -> Source:
    """Wrap an array or a DataFrame that is in memory already, so that it reads like a file.

    Parameters
    ----------
    name : str
        What messages call it.
    data : ndarray or pandas DataFrame
        Returned by `read()` as it is; `chunks(rows)` gives views of it.
    """

    def chunks(rows: int) -> Iterator[Any]:
        if isinstance(data, np.ndarray):
            return (data[first : first + rows] for first in range(0, len(data), rows))
        return (data.iloc[first : first + rows] for first in range(0, len(data), rows))

    kind: Literal["array", "table"] = "array" if isinstance(data, np.ndarray) else "table"
    return Source(name, kind, len(data), None, (), lambda: data, chunks)
