"""Numbers of a table that are scaled by their rank, for the shape of their column."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from diabolo.data.columns import Column, Numeric, Quantile
from diabolo.data.table import Table

#: Skewness from which on numbers are: amounts over many magnitudes. Standardised, most of them
#: would look alike, and what is filled in for them would be. In ten tables that have such columns,
#: 30 % of the cells hidden, ranks of what is filled in err by 14 % less, and less in each table;
#: numbers err by a third in one of them, and as much as before in the others. Not where anomalies
#: are looked for: patches of a texture told others from it with an AUROC of 67 % standardised, and
#: of 30 % by their ranks.
SKEWED = 4.0


def by_shape(
    columns: tuple[Column, ...], cells: np.ndarray, said: Collection[int] = ()
) -> tuple[Column, ...]:
    """Return the columns of cells (n, columns) with those by their rank that are skewed.

    Columns that the user has said, by their place, stay as they are.
    """
    return tuple(
        Quantile.of(there)
        if type(column) is Numeric and j not in said and is_skewed(there := _there(cells[:, j]))
        else column
        for j, column in enumerate(columns)
    )


def of_numbers(array: np.ndarray, dtypes: tuple[str, ...]) -> Table | None:
    """Return what the columns of an array (n, d) of numbers are, if any is more than a number."""
    d = array.shape[1]
    columns = by_shape((Numeric(),) * d, array)
    if all(type(column) is Numeric for column in columns):
        return None
    return Table(columns, dtypes if len(dtypes) == d else dtypes * d)


def is_skewed(cells: np.ndarray) -> bool:
    """Return whether numbers (n,) are, more of them than two."""
    with np.errstate(all="ignore"):  # too large to be squared, which is refused elsewhere
        centred = cells - cells.mean() if len(cells) else cells
        spread = centred.std() if len(cells) else 0.0
        if not 0 < spread < np.inf or not abs(np.mean((centred / spread) ** 3)) > SKEWED:
            return False
    return len(np.unique(cells)) > 2


def _there(cells: np.ndarray) -> np.ndarray:
    cells = cells.astype(np.float64)
    return cells[~np.isnan(cells)]
