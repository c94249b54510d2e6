"""Numbers as the types that users' data have."""

from __future__ import annotations

from typing import Any

import numpy as np

from diabolo.data.arrow import is_text, limits


def as_dtype(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return float64 values in another type, kept in its range; whole numbers are rounded."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return values >= 0.5
    if kind.kind in "iu":
        return np.clip(np.round(values), *limits(kind)).astype(kind)
    limit = float(np.finfo(kind).max)
    return np.clip(values, -limit, limit).astype(kind)


def of_each(dtypes: tuple[str, ...], columns: int) -> tuple[str, ...]:
    """Return the type of each column, where all have one or each has its own."""
    return dtypes if len(dtypes) == columns else dtypes * columns


def as_numpy(column: Any) -> np.ndarray:
    """Return an arrow array as numpy holds it; text not as objects, which some libraries keep."""
    array = column.to_numpy(zero_copy_only=False)
    return array.astype(str) if is_text(column.type) else array


def as_tensor(array: np.ndarray, source: Any) -> Any:
    """Return the array, as a tensor if the source is one."""
    if source is None or not type(source).__module__.startswith("torch"):
        return array
    import torch

    return torch.from_numpy(array).to(source.device)
