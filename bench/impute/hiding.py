"""Which cells are hidden, of those that are there."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pandas as pd

from bench.impute.tables import levels_of


def at_random(frame: pd.DataFrame, seed: int, *, share: float) -> np.ndarray:
    """Return which cells are hidden, (n, columns) of bool, each with the same chance."""
    drawn = np.random.default_rng([seed, round(100 * share)]).random(frame.shape)
    return frame.notna().to_numpy() & (drawn < share)


def by_value(frame: pd.DataFrame, seed: int, *, share: float) -> np.ndarray:
    """Return the same, with a chance that goes by what is in a cell.

    It grows from none to twice the share with the rank of a number in its column, or with that of a
    level from the most frequent to the rarest one, so that it depends on just what nobody sees.
    """
    drawn = np.random.default_rng([seed, round(100 * share), 1]).random(frame.shape)
    levels, chances = levels_of(frame), np.zeros(frame.shape)
    for j, (name, column) in enumerate(frame.items()):
        values = column
        if name in levels:
            values = -column.map(column.value_counts()).astype(float)
        # Cells that are equal share their ranks, so that the mean of all chances is the share.
        chances[:, j] = 2 * share * (values.rank().to_numpy() - 0.5) / column.count()
    return frame.notna().to_numpy() & (drawn < chances)


#: Name → which cells of a table are hidden, given a seed.
PATTERNS: dict[str, Callable[[pd.DataFrame, int], np.ndarray]] = {
    "10 %": functools.partial(at_random, share=0.1),
    "30 %": functools.partial(at_random, share=0.3),
    "50 %": functools.partial(at_random, share=0.5),
    "30 % by value": functools.partial(by_value, share=0.3),
}
