"""What the report accepts: finite numbers, and any value as one safe line of text."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from diabolo.errors import DataError

MISSING = "missing"


def line_of(value: Any, most: int = 24) -> str:
    """Return any value as one short line."""
    text = f"{value:g}" if isinstance(value, float | np.floating) else str(value)
    if not isinstance(value, str) and text in ("None", "nan", "NaT", "<NA>"):
        text = MISSING
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    return text if len(text) <= most else text[: most - 1] + "…"


def text_of(value: Any, most: int = 24) -> str:
    """Return `line_of` escaped, for plotly reads small HTML in its texts."""
    return html.escape(line_of(value, most), quote=False)


def floats(values: Any, name: str, ndim: int) -> np.ndarray:
    """Return values as float64 of `ndim` dimensions; `name` is what errors call them."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: not an array of numbers ({error}).") from error
    if array.ndim != ndim or not array.size:
        wanted = "(n, k)" if ndim == 2 else "(n,)"
        raise DataError(f"{name}: need a filled array {wanted}, not one of shape {array.shape}.")
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0, 0])
        raise DataError(f"{name}: not finite, first in row {row}; leave such rows out.")
    return array
