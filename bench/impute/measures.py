"""How good filled cells are, and when a difference is more than noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from bench.impute.tables import levels_of

#: Name → its title, and the error of such figures, of which less is better.
MEASURES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "rmse": ("Numbers, root mean squared error over the standard deviation", lambda rmse: rmse),
    "accuracy": ("Levels, share that is right", lambda accuracy: 1 - accuracy),
}


def measured(filled: pd.DataFrame, truth: pd.DataFrame, hidden: np.ndarray) -> dict[str, float]:
    """Return the measures of the hidden cells (n, columns), means over columns that have some.

    Raises
    ------
    ValueError
        If hidden cells were left empty, or others changed.
    """
    _check(filled, truth, hidden)
    levels, errors, right = levels_of(truth), [], []
    for j, (name, column) in enumerate(truth.items()):
        cells = hidden[:, j]
        if not cells.any():
            continue
        if name in levels:
            same = filled[name].to_numpy(object)[cells] == column.to_numpy(object)[cells]
            right.append(float(same.mean()))
        else:
            difference = (filled[name] - column).to_numpy(float)[cells]
            errors.append(float(np.sqrt(np.mean(difference**2)) / column.std(ddof=0)))
    return {
        "rmse": float(np.mean(errors)) if errors else math.nan,
        "accuracy": float(np.mean(right)) if right else math.nan,
    }


def _check(filled: pd.DataFrame, truth: pd.DataFrame, hidden: np.ndarray) -> None:
    if (filled.isna().to_numpy() & hidden).any():
        raise ValueError("cells were left empty")
    there = truth.notna().to_numpy() & ~hidden
    for j, name in enumerate(truth.columns):
        # 1 and 1.0 are the same here: columns of whole numbers with gaps are floats.
        before, after = (frame[name].to_numpy(object)[there[:, j]] for frame in (truth, filled))
        if not (before == after).all():
            raise ValueError(f"cells of {name!r} changed that were not hidden")


def behind(errors: pd.DataFrame) -> tuple[float, float]:
    """Return how far ours is behind the best other one by its mean, and how much of that is noise.

    Parameters
    ----------
    errors : DataFrame (seeds, fillers)
        All fill the same cells for a seed.

    Returns
    -------
    lag : float
        Negative where ours is ahead.
    noise : float
        Two standard errors of the mean of the differences, seed by seed; NaN of one seed.
    """
    others = errors.drop(columns="ours")
    difference = errors["ours"] - others[others.mean().idxmin()]
    return float(difference.mean()), float(2 * difference.std() / math.sqrt(len(difference)))


def ratio_to_best(errors: pd.DataFrame) -> float:
    """Return the error of ours over that of the best other one, geometric mean over patterns.

    Parameters
    ----------
    errors : DataFrame (fillers, patterns)
    """
    ratios = errors.loc["ours"] / errors.drop(index="ours").min()
    return float(ratios.prod() ** (1 / len(ratios)))
