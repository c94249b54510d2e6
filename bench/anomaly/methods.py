"""Detectors under one signature, and what is measured of them.

Each is a function of training rows, rows to be asked about, the kind of training rows and a seed;
it returns a score for each row that was asked about, high for anomalies.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

import numpy as np

from bench.anomaly.protocols import Split
from bench.frame import timed
from bench.sections import say

#: Neighbours of kNN: PyOD's default, and so that of the published figures.
NEIGHBOURS = 5

#: MCD multiplies and inverts hundreds of covariances: with more columns it would take hours.
MCD_COLUMNS = 200

#: What `measure` returns, in this order.
AUROC, AUPR, SECONDS = range(3)


def diabolo(train: np.ndarray, test: np.ndarray, training_data: str, seed: int) -> np.ndarray:
    """`AnomalyDetector` as it comes."""
    from diabolo import AnomalyDetector

    detector = AnomalyDetector(training_data=training_data, random_state=seed)
    return detector.fit(train).anomaly_score(test)


def knn(train: np.ndarray, test: np.ndarray, training_data: str, seed: int) -> np.ndarray:
    """Distance to the fifth neighbour among the training rows."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=NEIGHBOURS).fit(train).kneighbors(test)[0][:, -1]


def forest(train: np.ndarray, test: np.ndarray, training_data: str, seed: int) -> np.ndarray:
    """scikit-learn's IsolationForest as it comes."""
    from sklearn.ensemble import IsolationForest

    return -IsolationForest(random_state=seed).fit(train).score_samples(test)


def mcd(train: np.ndarray, test: np.ndarray, training_data: str, seed: int) -> np.ndarray:
    """scikit-learn's EllipticEnvelope: Mahalanobis distance, by the covariance of a core of rows.

    Raises
    ------
    ValueError
        With too many columns, or where half of the rows are equal.
    """
    from sklearn.covariance import EllipticEnvelope

    if train.shape[1] > MCD_COLUMNS:
        raise ValueError(f"{train.shape[1]} columns")
    with warnings.catch_warnings():  # of columns that depend on each other: every second table
        warnings.simplefilter("ignore")
        return -EllipticEnvelope(random_state=seed).fit(train).score_samples(test)


def pyod(train: np.ndarray, test: np.ndarray, training_data: str, seed: int) -> np.ndarray:
    """PyOD's AutoEncoder as it comes, on the CPU."""
    import torch
    from pyod.models.auto_encoder import AutoEncoder

    detector = AutoEncoder(random_state=seed, device=torch.device("cpu"), verbose=0)
    return detector.fit(train).decision_function(test)


#: Name → how it is called in tables, and the function.
METHODS: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray, str, int], np.ndarray]]] = {
    "diabolo": ("ours", diabolo),
    "knn": ("kNN", knn),
    "forest": ("forest", forest),
    "mcd": ("MCD", mcd),
    "pyod": ("PyOD", pyod),
}


def measure(name: str, split: Split, seed: int) -> np.ndarray:
    """Fit and score.

    Returns
    -------
    ndarray (3,)
        AUROC and average precision in percent, and the seconds of both calls together. NaN where
        the method fails, which is said: one table must not cost the figures of all others.
    """
    label, function = METHODS[name]
    try:
        timing = timed(lambda: function(split.train, split.test, split.training_data, seed))
        figures = [auroc(split.truth, timing.value), aupr(split.truth, timing.value)]
    except Exception as error:
        say(f"{label} failed: {type(error).__name__}, {error}")
        return np.full(3, np.nan)
    return np.array([*figures, timing.seconds])


def auroc(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the area under the ROC curve, in percent."""
    from sklearn.metrics import roc_auc_score

    return 100 * float(roc_auc_score(truth, scores))


def aupr(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the average precision, in percent."""
    from sklearn.metrics import average_precision_score

    return 100 * float(average_precision_score(truth, scores))


def warm_up(names: Iterable[str], columns: int = 4) -> tuple[list[str], list[str]]:
    """Run each method once, so that imports and lazy starts are in no time that is measured.

    Returns
    -------
    present, missing : list of str
        The methods that can be imported, and what is said of those that cannot.
    """
    rows = np.random.default_rng(0).normal(size=(200, columns))
    present, missing = [], []
    for name in names:
        try:
            METHODS[name][1](rows, rows, "clean", 0)
        except ImportError as error:
            missing.append(f"{METHODS[name][0]} is left out: {error}.")
        else:
            present.append(name)
    return present, missing
