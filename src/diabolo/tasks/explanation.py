"""Why a row is odd: which of its cells, and what would have been expected there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diabolo.data.containers import as_frame, unpack
from diabolo.data.rows import Rows
from diabolo.estimator import Autoencoder
from diabolo.spec import is_number, require

if TYPE_CHECKING:
    import pandas as pd

#: Times that a cell is replaced by what the model makes of it.
ROUNDS = 20

#: Values of rows that are looked at together.
VALUES = 1 << 22


def explain(
    model: Autoencoder, X: Any, rows: Rows, shares: np.ndarray, columns: int
) -> pd.DataFrame:
    """Return the cells of rows that have the largest shares: see `AnomalyDetector.explain`.

    Parameters
    ----------
    X : as in `Autoencoder.fit`
        The rows in original units.
    rows : Rows
        The same, scaled.
    shares : ndarray (n, cells)
    """
    import pandas as pd

    require(
        is_number(columns) and int(columns) == columns and columns >= 1,
        f"columns={columns!r}: expected a whole number, at least 1",
    )
    count = min(int(columns), shares.shape[1])
    n = len(shares)
    # Stable, so that equal shares are in the order of the columns: (n, count).
    cells = np.argsort(-shares, axis=1, kind="stable")[:, :count]
    # Each row stands below itself once for each of its cells.
    row, cell = np.repeat(np.arange(n), count), cells.reshape(-1)
    expected: list[Any] = []
    some = max(1, VALUES // math.prod(model.schema_.shape))
    for i in range(0, len(row), some):
        x = rows[torch.from_numpy(row[i : i + some])]
        expected += _original(model, _expected(model, x, cell[i : i + some]), cell[i : i + some])
    names = _names(model)
    return pd.DataFrame(
        {
            "row": row,
            "column": [names[j] for j in cell],
            "observed": pd.Series(_observed(X, model.schema_.names, row, cell), dtype=object),
            "expected": pd.Series(expected, dtype=object),
            "share": shares[row, cell],
        }
    )


def _expected(model: Autoencoder, x: torch.Tensor, cell: np.ndarray) -> torch.Tensor:
    """Return rows x (m, *shape) with one cell of each replaced by what the model says of it.

    The encoder sees the cell itself too, and so what it says of an odd one is a little odd; after a
    few rounds the cell is what the others lead to.
    """
    shape = x.shape
    inside = _values(model, cell)  # (m, d)
    x = x.flatten(1).masked_fill(inside, 0.0)
    for _ in range(ROUNDS):
        rebuilt = model._apply(x.view(shape), model.module_.reconstruct).flatten(1)
        x = torch.where(inside, rebuilt, x)
    return x.view(shape)


def _values(model: Autoencoder, cell: np.ndarray) -> torch.Tensor:
    """Return which values belong to one cell of each row, (m, d) of bool."""
    columns = model.schema_.cells.columns
    d = int(np.prod(model.schema_.shape))
    owners = np.arange(d) if columns is None else np.array(columns)
    return torch.from_numpy(owners == cell[:, None])


def _observed(
    X: Any, names: tuple[str, ...] | None, row: np.ndarray, cell: np.ndarray
) -> list[Any]:
    """Return cells of the data as they are there; None where one is missing."""
    import pandas as pd

    frame = as_frame(X)
    if frame is None:
        array = unpack(X).array
        found = array.reshape(len(array), -1)[row, cell].tolist()
    else:
        names = names or tuple(frame.columns)  # of a model that was fitted on an array
        columns = {j: frame[names[j]].to_list() for j in np.unique(cell)}
        found = [columns[j][i] for i, j in zip(row, cell, strict=True)]
    return [None if pd.isna(value) else value for value in found]


def _original(model: Autoencoder, x: torch.Tensor, cell: np.ndarray) -> list[Any]:
    """Return one cell of each scaled row x (m, *shape) in original units and levels."""
    decoded = model.schema_.decode(x.nan_to_num(0.0).numpy())
    if not isinstance(decoded, np.ndarray):
        columns = {j: decoded.iloc[:, j].tolist() for j in np.unique(cell)}
        return [columns[j][i] for i, j in enumerate(cell)]
    return decoded.reshape(len(decoded), -1)[np.arange(len(cell)), cell].tolist()


def _names(model: Autoencoder) -> list[Any]:
    """Return what the cells of a row are called."""
    schema = model.schema_
    if schema.names is not None:
        return list(schema.names)
    shape = schema.low.shape
    places = np.indices(shape).reshape(len(shape), -1).T.tolist()
    return [place[0] if len(place) == 1 else tuple(place) for place in places]
