"""Which rows are trained on and which are asked, as Livernoche et al. (2024) chose them.

Everything is a function of the table, its labels and a seed. Where they draw rows, rows stay in the
order in which they were drawn: the "first half" of a large table is then a random one, that of a
table between 1,000 and 50,000 rows is the one in its file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Tables with fewer rows are drawn up to as many, those with more are drawn down to as many.
LEAST, MOST = 1_000, 50_000

# Each draw has a generator of its own, so that none repeats the numbers of another.
_RESAMPLE, _CAP, _HALF, _BOOTSTRAP, _FEWER = range(5)


@dataclass(frozen=True)
class Split:
    """Rows to train on and rows to ask about, both standardised on the former.

    Attributes
    ----------
    train : ndarray (n, d)
    test : ndarray (m, d)
    truth : ndarray (m,)
        1 where a row of `test` is an anomaly. No method is shown it.
    training_data : {"clean", "contaminated"}
        Whether `train` has normal rows only.
    """

    train: np.ndarray
    test: np.ndarray
    truth: np.ndarray
    training_data: str


def published(X: np.ndarray, y: np.ndarray, seed: int, most: int | None = MOST) -> Split:
    """Train on the first half of the normal rows; ask about the others and all anomalies.

    Parameters
    ----------
    X : ndarray (n, d)
    y : ndarray (n,)
        1 where a row is an anomaly.
    seed : int
    most : int or None
        Rows that are drawn from larger tables; None leaves them as they are.
    """
    X, y = capped(*resampled(X, y, seed), seed, most)
    return _split(X, y, *first_half(y), "clean")


def random_half(X: np.ndarray, y: np.ndarray, seed: int, most: int | None = MOST) -> Split:
    """Train on a random half of the normal rows, small tables as they are."""
    X, y = capped(X, y, seed, most)
    order = _generator(seed, _HALF).permutation(len(y))
    known, asked = first_half(y[order])
    return _split(X, y, order[known], order[asked], "clean")


def unsupervised(X: np.ndarray, y: np.ndarray, seed: int, most: int | None = MOST) -> Split:
    """Train on as many rows of the whole table, drawn with replacement; ask about all of them."""
    X, y = capped(X, y, seed, most)
    drawn = _generator(seed, _BOOTSTRAP).integers(len(y), size=len(y))
    return _split(X, y, drawn, np.arange(len(y)), "contaminated")


def resampled(X: np.ndarray, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw `LEAST` rows with replacement from a table that has fewer."""
    if len(y) >= LEAST:
        return X, y
    rows = _generator(seed, _RESAMPLE).integers(len(y), size=LEAST)
    return X[rows], y[rows]


def capped(
    X: np.ndarray, y: np.ndarray, seed: int, most: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `most` rows, each at most once, from a table that has more."""
    if most is None or len(y) <= most:
        return X, y
    rows = _generator(seed, _CAP).permutation(len(y))[:most]
    return X[rows], y[rows]


def first_half(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the first half of the normal rows, and of the others and anomalies."""
    normal = np.flatnonzero(y == 0)
    half = round(len(normal) / 2)  # of an odd number, the even neighbour, as in their code
    return normal[:half], np.concatenate([normal[half:], np.flatnonzero(y == 1)])


def standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the columns of `train` mean 0 and deviation 1; constant ones are only centred."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def fewer(
    split: Split, seed: int, train_rows: int | None = None, test_rows: int | None = None
) -> Split:
    """Draw some of the rows, each at most once; those to be asked keep their share of anomalies."""
    generator = _generator(seed, _FEWER)
    known = generator.permutation(len(split.train))[:train_rows]
    asked = np.arange(len(split.truth))
    if test_rows is not None and test_rows < len(asked):
        odd = generator.permutation(np.flatnonzero(split.truth == 1))
        normal = generator.permutation(np.flatnonzero(split.truth == 0))
        count = max(1, round(test_rows * len(odd) / len(asked)))
        asked = np.concatenate([normal[: test_rows - count], odd[:count]])
    known.sort()
    train, test = standardised(split.train[known], split.test[asked])
    return Split(train, test, split.truth[asked], split.training_data)


def _split(
    X: np.ndarray, y: np.ndarray, known: np.ndarray, asked: np.ndarray, training_data: str
) -> Split:
    train, test = standardised(X[known], X[asked])
    return Split(train, test, y[asked], training_data)


def _generator(seed: int, what: int) -> np.random.Generator:
    return np.random.default_rng([seed, what])
