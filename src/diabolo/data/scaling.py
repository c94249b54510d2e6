"""Shift and scale of the values of a row, by a name."""

from __future__ import annotations

import numpy as np

from diabolo.data.statistics import Statistics
from diabolo.data.table import Table
from diabolo.errors import SpecError

SCALINGS = ("none", "unit", "standard", "minmax", "scale")


def affine(
    scaling: str, statistics: Statistics, dtype: np.dtype
) -> tuple[np.ndarray | float, np.ndarray | float]:
    """Return shift and scale of cells with such statistics and of such a type."""
    if scaling == "unit":
        if dtype.kind != "u":
            raise SpecError(
                f"scaling='unit' divides by the type's maximum and needs unsigned integers, not "
                f"{dtype}: use 'minmax'"
            )
        return 0.0, float(np.iinfo(dtype).max)
    if scaling == "none":
        return 0.0, 1.0
    if scaling == "minmax":
        span = statistics.high - statistics.low
        return statistics.low, np.where(statistics.constant | (span == 0), 1.0, span)
    deviation = np.where(statistics.constant, 1.0, statistics.deviation)
    return (statistics.mean if scaling == "standard" else 0.0), deviation


def of_values(table: Table, shift: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return shift and scale of the values of a table, from those of its cells.

    Places in a period, truth values, levels, and numbers that their column scales are in their
    units already.
    """
    shifts, scales = np.zeros(table.width), np.ones(table.width)
    for j, column in table.of("numeric"):
        if column.scaled:
            continue
        first = table.places[j].start
        shifts[first], scales[first] = shift[j], scale[j]
    return shifts, scales
