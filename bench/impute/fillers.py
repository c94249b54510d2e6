"""Ways to fill cells: each takes a frame with gaps and a seed, and returns it filled.

- mean, mode: of the column;
- KNNImputer: on standardised numbers and one value for each level, 1 or 0, of which the largest
  mean over the five neighbours wins; it looks for neighbours for each value by itself, which takes
  minutes, so that of larger tables it knows `KNN_ROWS` drawn rows;
- IterativeImputer: on standardised columns, levels by their number in the alphabet, rounded back;
  one value for each level would tell it the others of the same cell;
- miceforest: chained equations of LightGBM's trees, levels as such; it fills in what the trees
  expect and no draws, which would have larger errors.

Ours is called as it comes, on the frame as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.impute.tables import levels_of

#: Rows of which KNNImputer takes neighbours, at most.
KNN_ROWS = 2000

#: Times that chained equations go round, as miceforest's own examples do.
ROUNDS = 5


class Coding:
    """A frame as one matrix and back: numbers standardised, levels by their place in the alphabet.

    Parameters
    ----------
    frame : DataFrame (n, columns)

    Attributes
    ----------
    matrix : ndarray (n, columns)
        NaN where cells are missing.
    levels : dict of int to ndarray
        Those of each column that holds levels.
    """

    def __init__(self, frame: pd.DataFrame):
        self.frame = frame
        self.matrix = np.empty(frame.shape)
        self.levels: dict[int, np.ndarray] = {}
        self._places: dict[int, tuple[float, float]] = {}
        names = levels_of(frame)
        for j, (name, column) in enumerate(frame.items()):
            if name in names:
                coded = pd.Categorical(column)
                self.levels[j] = coded.categories.to_numpy()
                self.matrix[:, j] = np.where(coded.codes < 0, np.nan, coded.codes)
            else:
                self._places[j] = (float(column.mean()), float(column.std(ddof=0)) or 1.0)
                mean, deviation = self._places[j]
                self.matrix[:, j] = (column.to_numpy(float, na_value=np.nan) - mean) / deviation

    def decoded(self, matrix: np.ndarray) -> pd.DataFrame:
        """Return the frame with its missing cells from a matrix (n, columns)."""
        filled = self.frame.copy()
        for j, name in enumerate(self.frame.columns):
            values = matrix[:, j]
            if j in self.levels:
                codes = np.rint(values).clip(0, len(self.levels[j]) - 1).astype(int)
                cells = pd.Series(self.levels[j][codes], filled.index)
            else:
                mean, deviation = self._places[j]
                cells = pd.Series(values * deviation + mean, filled.index)
            filled[name] = filled[name].where(filled[name].notna(), cells)
        return filled

    def expanded(self) -> np.ndarray:
        """Return the matrix with a value for each level, (n, values)."""
        parts = []
        for j, column in enumerate(self.matrix.T):
            part = column[:, None]
            if j in self.levels:
                part = np.where(np.isnan(part), np.nan, part == np.arange(len(self.levels[j])))
            parts.append(part)
        return np.hstack(parts)

    def collapsed(self, values: np.ndarray) -> np.ndarray:
        """Return the matrix of values (n, values), for each cell the level with the largest one."""
        matrix, start = np.empty_like(self.matrix), 0
        for j in range(matrix.shape[1]):
            if j in self.levels:
                end = start + len(self.levels[j])
                matrix[:, j] = values[:, start:end].argmax(axis=1)
            else:
                end = start + 1
                matrix[:, j] = values[:, start]
            start = end
        return matrix


def ours(holes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Fill with Diabolo."""
    from diabolo import Imputer

    return Imputer(random_state=seed).fit(holes).transform(holes)


def mean_or_mode(holes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Fill with the mean of a column, or with its most frequent level."""
    coding = Coding(holes)
    usual = np.zeros(coding.matrix.shape[1])
    for j in coding.levels:
        codes = coding.matrix[:, j]
        usual[j] = np.bincount(codes[~np.isnan(codes)].astype(int)).argmax()
    return coding.decoded(np.broadcast_to(usual, coding.matrix.shape))


def neighbours(holes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Fill with scikit-learn's KNNImputer."""
    from sklearn.impute import KNNImputer

    coding = Coding(holes)
    values = coding.expanded()
    known = np.random.default_rng(seed).permutation(len(values))[:KNN_ROWS]
    imputer = KNNImputer(keep_empty_features=True).fit(values[known])
    return coding.decoded(coding.collapsed(imputer.transform(values)))


def chained(holes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Fill with scikit-learn's IterativeImputer, linear chained equations."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer
    from sklearn.preprocessing import StandardScaler

    coding, scaler = Coding(holes), StandardScaler()
    imputer = IterativeImputer(random_state=seed, keep_empty_features=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # after ten rounds, as it comes
        filled = imputer.fit_transform(scaler.fit_transform(coding.matrix))
    return coding.decoded(scaler.inverse_transform(filled))


def boosted(holes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Fill with miceforest, chained equations of boosted trees."""
    import miceforest

    coding = Coding(holes)
    frame = pd.DataFrame(coding.matrix, columns=[f"c{j}" for j in range(coding.matrix.shape[1])])
    for j, levels in coding.levels.items():
        codes = np.nan_to_num(frame[f"c{j}"], nan=-1).astype(int)
        frame[f"c{j}"] = pd.Categorical.from_codes(codes, categories=range(len(levels)))
    kernel = miceforest.ImputationKernel(frame, mean_match_candidates=0, random_state=seed)
    kernel.mice(ROUNDS)
    return coding.decoded(kernel.complete_data().astype(float).to_numpy())


@dataclass(frozen=True)
class Filler:
    """A way to fill cells.

    Attributes
    ----------
    title : str
    fill : callable
        Of a frame and a seed.
    learned : bool
        Whether it fits something that predicts cells.
    """

    title: str
    fill: Callable[[pd.DataFrame, int], pd.DataFrame]
    learned: bool = True


FILLERS = {
    "ours": Filler("Diabolo", ours),
    "mean_or_mode": Filler("mean, mode", mean_or_mode, learned=False),
    "neighbours": Filler("KNNImputer", neighbours, learned=False),
    "chained": Filler("IterativeImputer", chained),
    "boosted": Filler("miceforest", boosted),
}


def warm_up(holes: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Fill a small frame with each, so that imports and lazy starts are in nobody's time.

    Returns
    -------
    present, missing : list of str
        Those that can be imported, and what is said of the others.
    """
    present, missing = [], []
    for name, filler in FILLERS.items():
        try:
            filler.fill(holes, 0)
        except ImportError as error:
            missing.append(f"{filler.title} is left out: {error}.")
        else:
            present.append(name)
    return present, missing
