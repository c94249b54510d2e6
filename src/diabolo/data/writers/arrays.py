"""npy, npz and IDX."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.data.writers.base import Job

if TYPE_CHECKING:
    import pandas as pd

_IDX_TYPES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def _arrays(job: Job) -> Iterator[np.ndarray]:
    """Turn pieces into arrays of one type."""
    dtype: np.dtype[Any] | None = None
    for number, piece in enumerate(job.pieces, start=1):
        array = piece if isinstance(piece, np.ndarray) else _numbers(job, piece)
        if array.dtype.kind not in "biuf":
            raise job.error(
                f"elements of type {array.dtype} are no plain numbers. Convert them, "
                "or write a table (.parquet, .csv)."
            )
        dtype = dtype or array.dtype
        if array.dtype != dtype:
            raise job.error(
                f"piece {number} has elements of type {array.dtype}, the first {dtype}."
            )
        yield array


def _numbers(job: Job, frame: pd.DataFrame) -> np.ndarray:
    import pandas as pd

    dtypes = []
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        if not (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)):
            raise job.error(
                f"column {str(name)!r} holds {dtype}, and an array file takes numbers only. "
                "Leave it out, or write a table (.parquet, .csv)."
            )
        # pandas' own nullable types: missing cells need a float.
        numpy_dtype = dtype if isinstance(dtype, np.dtype) else np.dtype("float64")
        dtypes.append(numpy_dtype)
    if not dtypes:
        raise job.error("there are no columns to write.")
    # Named here, because pandas makes objects of booleans beside floats.
    common = np.result_type(*dtypes)
    if common.kind == "f":
        return frame.to_numpy(dtype=common, na_value=np.nan)
    return frame.to_numpy(dtype=common)


def write_npy(job: Job, target: Path) -> None:
    """Write .npy; an array gives the very bytes of `numpy.save`."""
    arrays = _arrays(job)
    first = next(arrays)
    second = next(arrays, None)
    header = np.lib.format.header_data_from_array_1_0(first)
    if second is not None:
        header["fortran_order"] = False
        arrays = itertools.chain([second], arrays)
    with target.open("wb") as file:
        # The header has room for any count, so it is written again when the rows are counted.
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        # As np.save does: an array in Fortran's order keeps it.
        _put(file, first.T if header["fortran_order"] else first)
        for array in arrays if second is not None else ():
            _put(file, array)
        file.seek(0)
        header["shape"] = (job.rows, *first.shape[1:])
        np.lib.format.write_array_header_1_0(file, header)
        if file.tell() != start:
            raise job.error("the .npy header outgrew its place. Please report this.")


def _put(file: Any, array: np.ndarray) -> None:
    # Not tofile: its error does not say that the disk is full.
    if array.size:
        file.write(np.ascontiguousarray(array).data.cast("B"))


def write_npz(job: Job, target: Path) -> None:
    """Write .npz with one array, called X."""
    array = np.concatenate(list(_arrays(job)))
    with target.open("wb") as file:
        np.savez_compressed(file, X=array)


def write_idx(job: Job, target: Path) -> None:
    """Write IDX, the format of MNIST, gzipped or not."""
    import pyarrow as pa

    array = np.concatenate(list(_arrays(job)))
    code = _IDX_TYPES.get(array.dtype.str[1:])
    if code is None:
        raise job.error(
            f"IDX has no element type for {array.dtype}. Convert to uint8, int8, int16, int32, "
            "float32 or float64, or write .npy."
        )
    if array.ndim > 255 or max(array.shape) >= 1 << 32:
        raise job.error(f"the shape {array.shape} is too large for IDX. Write .npy.")
    with pa.output_stream(str(target), compression="gzip" if job.gz else None) as file:
        file.write(bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes())
        _put(file, array.astype(array.dtype.newbyteorder(">")))
