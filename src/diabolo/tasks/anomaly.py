"""Finding anomalies."""

from __future__ import annotations

import math
import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import OutlierMixin, clone
from sklearn.utils.validation import check_is_fitted

from diabolo.data.rows import Rows
from diabolo.densities import DENSITIES, Density
from diabolo.errors import HealthWarning, ModelError, SpecError
from diabolo.estimator import Autoencoder, folder
from diabolo.estimator.fitting import read_rows
from diabolo.spec import is_number, require, resolve_part
from diabolo.store import Section
from diabolo.tasks.assumed import ASSUMED, usual_density, usual_model
from diabolo.tasks.base import Task
from diabolo.tasks.calibration import Calibration, warn_of_few, warn_of_own_rows
from diabolo.tasks.finding import find
from diabolo.tasks.oddness import Oddness
from diabolo.tasks.sections import TITLE, USE, read_section, section_of

if TYPE_CHECKING:
    import pandas as pd

KIND = "anomaly_detector"

#: Times as far from zero as in training a value is at most, once scaled: what lies farther is odd
#: enough, and stays a number.
FAR = 1e4


class AnomalyDetector(OutlierMixin, Task):
    """Find rows that are unlike those that were learned from, and say why.

    An autoencoder learns to take noise of many strengths out of rows. What it does not explain of a
    row is compared with what it does not explain of others: that is the score. Of images and series
    it is what its encoder makes of them, and what it does not explain where that is unusual. Scores
    of rows that were not learned from say which are alarming, so that no share of anomalies has to
    be guessed.

    Parameters
    ----------
    model : Autoencoder, optional
        A fitted one is used as it is; an unfitted one is trained. By default
        ``recipes.detecting()``, or with "contaminated" data ``recipes.detecting_robust()``; for
        arrays of more than two axes ``recipes.detecting_images()``, one net from 2,000 on, and a
        code of 64 from 10,000. scikit-learn's `clone` takes the fit away;
        ``FrozenEstimator(model)`` keeps it.
    training_data : {"clean", "contaminated"}, default "clean"
        "clean": (nearly) all rows are normal. "contaminated": up to a third may be anomalies,
        nobody knows which.
    false_alarm_rate : float, default 0.01
        Share of normal rows that are called anomalies. It holds for rows of the kind that were
        learned from, so far as the number of scores allows; if anomalies were among those, fewer
        are called so.
    contamination : float, optional
        Share of the rows of training that are called anomalies, instead.
    density : Density, str or None, default "auto"
        What judges errors, and of images and series what the encoder makes of them, for example
        ``GaussianDensity(shrinkage=0.1)``. "auto" is for tables ``Mixture(shrinkage=0.003)``, one
        normal density for each region of rows, and for images ``GaussianDensity()``; with
        "contaminated" data it is a density of the rows that go together best, 0.7 of them, of
        images half. None is the plain mode: the mean squared error alone.
    random_state : int, RandomState or None, default None
        Seed, where the model has none.

    Attributes
    ----------
    model_ : Autoencoder
        The fitted model.
    offset_ : float
        The score below which rows are anomalies.
    level_ : float
        The p-value up to which rows are anomalies: `false_alarm_rate`, or the least that so few
        rows can tell.
    calibration_ : Calibration or None
        The scores that p-values and the threshold come from, ascending.
    basis_ : {"held out", "folds", "given", "training"}
        Whose scores these are: rows that were held out from training; all rows, each judged by the
        member of the ensemble that never saw it; rows that were given to a fitted model, and are
        others than those of training or were all learned from; or all rows as they were learned,
        where `contamination` is given.

    Examples
    --------
    >>> import numpy as np
    >>> from diabolo import AnomalyDetector
    >>> X = np.random.default_rng(0).normal(size=(400, 1)) @ [[1.0, 2.0, 3.0]]
    >>> detector = AnomalyDetector(random_state=0).fit(X)
    >>> detector.predict([[1.0, 2.0, 3.0], [1.0, 2.0, -3.0]])
    array([ 1, -1])
    """

    calibration_: Calibration | None
    _oddness: Oddness
    _density: Density | None

    def __init__(
        self,
        model: Autoencoder | None = None,
        *,
        training_data: str = "clean",
        false_alarm_rate: float = 0.01,
        contamination: float | None = None,
        density: Any = "auto",
        random_state: Any = None,
    ):
        self.model = model
        self.training_data = training_data
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.density = density
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> AnomalyDetector:
        """Learn what rows are like, unless the model has learned already, and how odd new ones are.

        Parameters
        ----------
        X : as in `Autoencoder.fit`
            For a fitted model its training data, or others of the same kind.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        SpecError
            If an option is out of its range.
        DataError
            As in `Autoencoder.fit`.
        """
        density = self._checked()
        file, X = _is_file(X), read_rows(X)
        fitted = self._fitted()
        self._use(self._trained(X) if fitted is None else fitted)
        # Giants among the rows of training must not decide what is usual.
        learned = int(self.model_.vitals_.learned_rows) + len(self.model_.held_out_)
        rows = self._rows(X, file, self.model_.schema_.most(learned))
        if density == "auto":
            density = usual_density(self.training_data, self.model_.schema_.kind)
        self._density, found = density, find(self.model_, density, rows)
        self._oddness = found.oddness
        if self.contamination is None:
            self._calibrate(found.scores, found.basis)
        else:
            scores = found.oddness.scores(rows)
            self.basis_ = "training"
            self._set(Calibration.by_share(scores, self.contamination))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Return how normal rows are: high is normal.

        Parameters
        ----------
        X : as in `Autoencoder.transform`
            Any finite value is taken, however odd.

        Returns
        -------
        ndarray of float64 (n,)
            The log-density of what the model does not explain, in nats. For images and series
            minus the squared distance of what the encoder makes of them from what is usual, and
            where their errors are unusual more than that; 1 is what one in a thousand normal rows
            has. In plain mode minus the mean squared error. Means over the members of an ensemble.

        Raises
        ------
        DataError
            If X holds infinities, or NaN where training knew no missing cells.
        """
        check_is_fitted(self)
        return self._oddness.scores(self._rows(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return `score_samples` less `offset_`: negative for anomalies, (n,) of float64."""
        return self.score_samples(X) - self.known().offset

    def predict(self, X: Any) -> np.ndarray:
        """Return −1 for anomalies and +1 for normal rows, (n,) of int64."""
        scores = self.score_samples(X)
        return np.where(self.known().flagged(scores), -1, 1)

    def anomaly_score(self, X: Any) -> np.ndarray:
        """Return how odd rows are, (n,) of float64: the negative of `score_samples`."""
        return -self.score_samples(X)

    def p_value(self, X: Any) -> np.ndarray:
        """Return how often a normal row is at least as odd, (n,) of float64.

        A row is called an anomaly where this is at most `level_`.
        """
        scores = self.score_samples(X)
        return self.known().p_values(scores)

    def contributions(self, X: Any) -> np.ndarray:
        """Return which share each cell has of what is odd in a row's errors.

        Returns
        -------
        ndarray of float64 (n, columns), (n, h, w), …
            Never negative; those of a row sum to 1.
        """
        check_is_fitted(self)
        return self._shares(self._rows(X)).reshape(-1, *self.model_.schema_.low.shape)

    def explain(self, X: Any, *, columns: int = 3) -> pd.DataFrame:
        """Return for each row the cells that make it odd, those that do most first.

        Parameters
        ----------
        X : as in `score_samples`
        columns : int, default 3
            Cells for each row.

        Returns
        -------
        DataFrame
            ``row`` (its place in X), ``column`` (its name, or its place in a row), ``observed``
            and ``expected`` in original units and levels, ``share`` of the row's oddness, from 0
            to 1. What is expected of a cell is what the model says of it when it knows all others.
        """
        from diabolo.tasks.explanation import explain

        check_is_fitted(self)
        file, X = _is_file(X), read_rows(X)
        rows = self._rows(X, file)
        return explain(self.model_, X, rows, self._shares(rows), columns)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write model and thresholds as one folder, from which `load` makes the detector again."""
        check_is_fitted(self)
        folder.save(self.model_, path, KIND, {TITLE: self.section()}, USE)

    def section(self) -> Section:
        """Return what was learned besides the model, as a section of its folder."""
        check_is_fitted(self)
        return section_of(self, self._oddness, self.known())

    @classmethod
    def of(cls, model: Autoencoder) -> AnomalyDetector:
        """Return the detector of a loaded model whose folder holds one.

        Raises
        ------
        SpecError
            If it holds none.
        ModelError
            If what it holds is damaged.
        """
        params, density, oddness, calibration, basis = read_section(model)
        detector = cls(**params)
        try:
            detector._checked()
        except SpecError as error:
            raise ModelError(f"the section {TITLE!r} is damaged: {error}") from None
        detector._use(model)
        detector._density, detector._oddness, detector.basis_ = density, oddness, basis
        detector._set(calibration)
        return detector

    @classmethod
    def plain(cls, model: Autoencoder) -> AnomalyDetector:
        """Return a detector that ranks rows by the reconstruction error of a model, and no more.

        It knows no threshold.
        """
        detector = cls(model, density=None)
        detector._use(model)
        detector._oddness = Oddness(model, None)
        detector.calibration_ = None
        return detector

    def recalibrate(self, false_alarm_rate: float) -> AnomalyDetector:
        """Call another share of normal rows anomalies, by the same scores."""
        calibration = self.known()
        clone(self).set_params(false_alarm_rate=false_alarm_rate)._checked()
        self.false_alarm_rate, self.contamination = false_alarm_rate, None
        self._calibrate(calibration.scores, self.basis_)
        return self

    def _checked(self) -> Any:
        """Refuse options that are none, and return the density, which may still be "auto"."""
        require(
            self.training_data in ASSUMED,
            f"training_data={self.training_data!r}: choose one of {', '.join(map(repr, ASSUMED))}",
        )
        rate, share = self.false_alarm_rate, self.contamination
        require(
            is_number(rate) and 0 < rate < 1,
            f"false_alarm_rate={rate!r} must be a number between 0 and 1, for example 0.01",
        )
        require(
            share is None or (is_number(share) and 0 < share <= 0.5),
            f"contamination={share!r} must be a number above 0 and at most 0.5, or None",
        )
        if self.density is None or self.density == "auto":
            return self.density
        return resolve_part(self.density, DENSITIES, "density")

    def _trained(self, X: Any) -> Autoencoder:
        """Return a model that has learned from X."""
        default = usual_model(self.training_data, X)
        with warnings.catch_warnings():
            # A wide code that is trained with noise may look like a copy; nobody asked for it here.
            if self.model is None:
                warnings.filterwarnings("ignore", ".*the model copies", HealthWarning)
            return self._unfitted(default).fit(X)

    def _rows(self, X: Any, file: bool = False, most: float = math.inf) -> Rows:
        """Return X checked and scaled, to `most` if need be; a file may have more columns."""
        schema = self.model_.schema_
        data = schema.unpack(read_rows(X), extra_columns=file or _is_file(X))
        return Rows(schema, data, most=min(most, FAR * max(1.0, float(schema.reach.max()))))

    def _shares(self, rows: Rows) -> np.ndarray:
        """Return the share that each cell has of the oddness of rows, (n, cells)."""
        odd = self._oddness.contributions(rows).reshape(len(rows), -1)
        total = odd.sum(axis=1, keepdims=True)
        # A row without any oddness owes none of it to any cell more than to the others.
        return np.where(total > 0, odd / np.where(total > 0, total, 1), 1 / odd.shape[1])

    def _calibrate(self, scores: np.ndarray, basis: str) -> None:
        """Take the threshold from scores of rows that were not learned from."""
        self.basis_ = basis
        own = int(self.model_.vitals_.learned_rows) + len(self.model_.held_out_)
        if basis == "given" and own == len(scores):
            warn_of_own_rows(stacklevel=4)  # the line that calls `fit`
        warn_of_few(len(scores), self.false_alarm_rate, stacklevel=4)
        self._set(Calibration.by_rate(scores, self.false_alarm_rate))

    def known(self) -> Calibration:
        """Return what normal rows score.

        Raises
        ------
        SpecError
            If this is a plain ranking.
        """
        if self.calibration_ is None:
            raise SpecError("a plain ranking knows no threshold: fit the detector on rows")
        return self.calibration_

    def _set(self, calibration: Calibration) -> None:
        self.calibration_ = calibration
        self.offset_, self.level_ = calibration.offset, calibration.level

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "calibration_")


def _is_file(X: Any) -> bool:
    return isinstance(X, str | os.PathLike)


def load(
    cls: type[AnomalyDetector], config: dict[str, Any], tensors: dict[str, np.ndarray]
) -> AnomalyDetector:
    """Return the detector of a folder that `store.read` has read."""
    return cls.of(folder.load(Autoencoder, config, tensors))
