"""`AnomalyDetector` with the names and signs of PyOD, for programs that were written for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from diabolo.estimator.params import PartParams
from diabolo.tasks.anomaly import AnomalyDetector


class PyODDetector(PartParams):
    """An anomaly detector whose scores are high for anomalies, and whose labels are 0 and 1.

    Parameters
    ----------
    detector : AnomalyDetector, optional
        What does the work; ``AnomalyDetector()`` by default.
    contamination : float or None, default 0.1
        Share of the rows of training that are called anomalies; None keeps the threshold of the
        detector, which needs no such guess.

    Attributes
    ----------
    detector_ : AnomalyDetector
        The fitted one.
    decision_scores_ : ndarray of float64 (n,)
        Of the rows of training.
    threshold_ : float
        The score above which rows are anomalies.
    labels_ : ndarray of int64 (n,)
        Of the rows of training: 1 for anomalies, 0 for others.
    """

    def __init__(
        self, detector: AnomalyDetector | None = None, *, contamination: float | None = 0.1
    ):
        self.detector = detector
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> PyODDetector:
        """Learn from rows, as `AnomalyDetector.fit`."""
        # Not a clone, which would take the fit of a model away.
        options = {} if self.detector is None else self.detector.get_params(deep=False)
        if self.contamination is not None:
            options["contamination"] = self.contamination
        self.detector_ = detector = AnomalyDetector(**options).fit(X)
        self.threshold_ = -detector.offset_
        self.decision_scores_ = detector.anomaly_score(X)
        self.labels_ = self._labels(self.decision_scores_)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return how odd rows are, (n,) of float64: high for anomalies."""
        check_is_fitted(self)
        return self.detector_.anomaly_score(X)

    def predict(self, X: Any) -> np.ndarray:
        """Return 1 for anomalies and 0 for others, (n,) of int64."""
        return self._labels(self.decision_function(X))

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Return the labels of the rows of training."""
        return self.fit(X).labels_

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return scores between those of the rows of training, as shares of their range.

        Returns
        -------
        ndarray of float64 (n, 2)
            One minus the share, and the share, clipped to [0, 1]; a ranking and no probability.
        """
        scores = self.decision_function(X)
        low, high = self.decision_scores_.min(), self.decision_scores_.max()
        share = np.clip((scores - low) / (high - low if high > low else 1.0), 0, 1)
        return np.stack([1 - share, share], axis=1)

    def _labels(self, scores: np.ndarray) -> np.ndarray:
        return (scores > self.threshold_).astype(np.int64)
