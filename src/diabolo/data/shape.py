"""Numbers of a table that are scaled by their rank, for the shape of their column."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from diabolo.data.casts import of_each
from diabolo.data.columns import Column, Numeric, Quantile
from diabolo.data.statistics import alike, there
from diabolo.data.table import Table

#: Skewness from which on numbers are: amounts over many magnitudes. Standardised, most of them
#: would look alike, and what is filled in for them would be. In ten tables that have such columns,
#: 30 % of the cells hidden, ranks of what is filled in err by 14 % less, and less in each table;
#: numbers err a third as much in one of them, and as before in the others. Not where anomalies
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
        column if type(column) is not Numeric or j in said else _shaped(there(cells[:, j]))
        for j, column in enumerate(columns)
    )


def of_numbers(array: np.ndarray, dtypes: tuple[str, ...]) -> Table | None:
    """Return what the columns of an array (n, d) of numbers are, if any is more than a number."""
    d = array.shape[1]
    columns = by_shape((Numeric(),) * d, array)
    if all(type(column) is Numeric for column in columns):
        return None
    return Table(columns, of_each(dtypes, d))


def _shaped(cells: np.ndarray) -> Numeric:
    """Return the column that numbers (n,) are in."""
    if not len(cells):
        return Numeric()
    with np.errstate(all="ignore"):  # too large to be squared, which is refused elsewhere
        centred = cells - cells.mean()
        spread = centred.std()
        if not np.isfinite(spread) or alike(spread, np.abs(cells).max()):
            return Numeric()
        skewed = abs(np.mean((centred / spread) ** 3)) > SKEWED
    # What is one of two numbers has no ranks between.
    return Quantile.of(cells) if skewed and len(np.unique(cells)) > 2 else Numeric()
