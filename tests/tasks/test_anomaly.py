"""`AnomalyDetector`: what it finds, what its thresholds promise, and why it says so."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import check_estimator
from tests.samples import low_rank, tiny

from diabolo import AnomalyDetector, Autoencoder, datasets, load, recipes
from diabolo.corruptions import GaussianNoise
from diabolo.densities import GaussianDensity
from diabolo.errors import HealthWarning, ModelError, SpecError
from diabolo.store import Section
from diabolo.tasks.pyod import PyODDetector
from diabolo.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")


def plane(rows, seed=0, broken=False):
    """Rows of six columns that go together, or whose first does not go with the others."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 2)) @ np.random.default_rng(9).normal(size=(2, 6))
    X += 0.1 * rng.normal(size=X.shape)
    if broken:
        X[:, 0] = rng.permutation(X[:, 0]) + 1.0
    return 5 + X * 10.0 ** np.arange(6)


def small(**options):
    """A detector that trains in a moment."""
    model = recipes.detecting(32, max_epochs=20, hidden="auto", network=None)
    model.set_params(hidden=(32,))
    return AnomalyDetector(model, random_state=0, **options)


@pytest.fixture(scope="module")
def detector():
    return AnomalyDetector(random_state=0).fit(plane(1000))


def test_rows_whose_columns_do_not_go_together_are_found(detector):
    normal, odd = plane(1000, seed=1), plane(300, seed=2, broken=True)
    both, y = np.concatenate([normal, odd]), np.repeat([0, 1], [1000, 300])
    found = roc_auc_score(y, detector.anomaly_score(both))
    forest = IsolationForest(random_state=0).fit(plane(1000))
    assert found > 0.93 and found > roc_auc_score(y, -forest.score_samples(both)) + 0.1
    # No column is odd by itself.
    assert np.abs((odd - plane(1000).mean(axis=0)) / plane(1000).std(axis=0)).max() < 6


def test_predict_decision_and_p_value_agree(detector):
    X = np.concatenate([plane(2000, seed=1), plane(200, seed=2, broken=True)])
    flagged = detector.predict(X) == -1
    scores = detector.score_samples(X)
    np.testing.assert_array_equal(flagged, detector.decision_function(X) < 0)
    np.testing.assert_array_equal(flagged, scores < detector.offset_)
    np.testing.assert_array_equal(flagged, detector.p_value(X) <= detector.false_alarm_rate)
    np.testing.assert_array_equal(detector.anomaly_score(X), -scores)
    assert scores.dtype == np.float64


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_false_alarms_keep_their_rate_on_unseen_rows(rate):
    """Split conformal: exactly the beta-binomial distribution of so many scores."""
    model = Autoencoder(2, hidden=(16,), max_epochs=20, random_state=0)
    model.set_params(training=Training(validation_fraction=0.4))
    detector = AnomalyDetector(model, false_alarm_rate=rate).fit(plane(5000))
    count = len(detector.calibration_.scores)
    assert (detector.basis_, count) == ("held out", 2000)
    k = int(rate * (count + 1))
    low, high = stats.betabinom(4000, k, count + 1 - k).interval(0.99)
    assert low <= (detector.predict(plane(4000, seed=3)) == -1).sum() <= high


def test_false_alarms_keep_their_rate_where_no_row_can_be_spared():
    """Cross-conformal: each row is judged by the member that never saw it."""
    detector = AnomalyDetector(false_alarm_rate=0.05, random_state=0).fit(plane(400))
    assert (detector.basis_, len(detector.calibration_.scores)) == ("folds", 400)
    low, high = stats.betabinom(4000, 20, 381).interval(0.99)
    assert low <= (detector.predict(plane(4000, seed=3)) == -1).sum() <= high
    # The rows that all members but one have learned would not do.
    own = detector.score_samples(plane(400))
    assert own.mean() > detector.calibration_.scores.mean()


def test_too_few_rows_for_a_rate_are_told():
    with pytest.warns(HealthWarning, match=r"60 scores cannot tell.*0.01.*0.016"):
        found = small().fit(plane(60))
    assert found.offset_ == found.calibration_.scores[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(false_alarm_rate=0.1).fit(plane(60))


@pytest.mark.parametrize("training_data", ["clean", "contaminated"])
@pytest.mark.parametrize("giant", [1e4, 1e12])
def test_one_giant_among_the_rows_hides_no_other(training_data, giant):
    X = np.random.default_rng(0).normal(size=(400, 3))
    X[7] = giant
    found = AnomalyDetector(training_data=training_data, random_state=0).fit(X)
    assert found.predict([[0, 0, 0], [0, 7, 0], [9, 0, 0], X[7]]).tolist() == [1, -1, -1, -1]


def test_contamination_is_the_share_of_the_rows_of_training():
    X = np.concatenate([plane(270), plane(30, seed=2, broken=True)])
    found = small(contamination=0.1).fit(X)
    assert (found.predict(X) == -1).sum() == 30 and found.basis_ == "training"
    np.testing.assert_array_equal(found.predict(X) == -1, found.p_value(X) <= found.level_)


def test_outliers_among_the_rows_are_not_learned():
    X, odd = plane(900), plane(100, seed=2, broken=True)
    both = np.concatenate([X, odd])
    y = np.repeat([0, 1], [900, 100])
    found = AnomalyDetector(training_data="contaminated", random_state=0).fit(both)
    assert found.model_.spec_.training.trim == 0.5
    assert roc_auc_score(y, found.anomaly_score(both)) > 0.85


def test_the_plain_mode_is_the_reconstruction_error():
    X = plane(300)
    model = tiny().fit(plane(200, seed=1))
    for found in (AnomalyDetector(model, density=None).fit(X), AnomalyDetector.plain(model)):
        np.testing.assert_allclose(found.anomaly_score(X), model.reconstruction_error(X), rtol=1e-6)


def test_explanations_name_the_column_and_what_was_expected(detector):
    X = plane(20, seed=4)
    odd = X.copy()
    odd[3, 2] += 500.0  # 5 deviations of that column
    told = detector.explain(odd, columns=2)
    assert list(told.columns) == ["row", "column", "observed", "expected", "share"]
    assert len(told) == 40
    first = told[told["row"] == 3].iloc[0]
    assert first["column"] == 2 and first["observed"] == odd[3, 2]
    assert abs(first["expected"] - X[3, 2]) < 0.2 * 500
    assert first["share"] > 0.5
    shares = detector.contributions(odd)
    assert shares.shape == odd.shape and (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    with pytest.raises(SpecError, match="columns=0"):
        detector.explain(odd, columns=0)


def test_explanations_take_frames_and_files(detector, tmp_path):
    X = plane(5, seed=4)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    assert detector.explain(frame)["observed"].tolist() == detector.explain(X)["observed"].tolist()
    found = small(false_alarm_rate=0.1).fit(pd.DataFrame(plane(100), columns=list("abcdef")))
    frame.assign(other="x")[["other", *"fedcba"]].to_csv(tmp_path / "f.csv", index=False)
    told = found.explain(str(tmp_path / "f.csv"), columns=6)
    assert sorted(told["column"][:6]) == list("abcdef")
    np.testing.assert_allclose(
        told["share"].astype(float), found.explain(frame, columns=6)["share"], rtol=1e-5
    )


def test_another_rate_by_the_same_scores(detector):
    again = AnomalyDetector(detector.model_).fit(plane(1000))
    before = again.false_alarm_rate
    with pytest.raises(SpecError, match="between 0 and 1"):
        again.recalibrate(3)
    assert again.false_alarm_rate == before
    again.recalibrate(0.2)
    assert again.level_ == 0.2 and (again.predict(plane(1000, seed=1)) == -1).mean() > 0.1


def test_tables_as_they_are_with_levels_and_gaps():
    rng = np.random.default_rng(0)
    size = rng.normal(size=800)
    frame = pd.DataFrame(
        {
            "kind": np.where(size > 0, "dog", "cat"),
            "weight": 20 + 5 * size,
            "height": 50 + 10 * size + rng.normal(size=800),
            "fed": size > -0.5,
        },
        index=range(7, 807),
    )
    frame.loc[::5, "height"] = np.nan
    found = AnomalyDetector(random_state=0).fit(frame)
    odd = frame.iloc[1:2].assign(kind="dog", weight=12.0, height=34.0, fed=False)
    assert found.p_value(odd) <= 0.01
    told = found.explain(odd, columns=4)
    assert told.iloc[0]["column"] == "kind"
    assert (told.iloc[0]["observed"], told.iloc[0]["expected"]) == ("dog", "cat")
    # A level and a gap that training did not know are odd, and no error.
    assert np.isfinite(found.score_samples(odd.assign(kind="horse", weight=1e30))).all()
    told = found.explain(frame.iloc[:1].convert_dtypes(), columns=4).set_index("column")
    assert told["observed"].isna().sum() == 1 and told["share"]["height"] == 0


def test_no_finite_value_is_refused_and_all_are_odd(detector):
    X = plane(4)
    for value in (1e9, -1e38, 1e300, np.finfo(float).max):
        odd = X.copy()
        odd[1, 3] = value
        scores = detector.score_samples(odd)
        assert np.isfinite(scores).all() and scores.argmin() == 1
        assert detector.predict(odd)[1] == -1
        assert detector.contributions(odd)[1].argmax() == 3


def test_a_departure_from_a_constant_column_is_evidence():
    X = np.column_stack([plane(400), np.full(400, 3.0)])
    found = small().fit(X)
    moved = X[:50].copy()
    moved[:, 6] = 4.0
    assert (found.predict(moved) == -1).all()
    assert (found.contributions(moved).argmax(axis=1) == 6).all()


def test_images_and_series_have_errors_too():
    images = datasets.load("digits").data
    found = small().fit(images[:600])
    odd = images[600:640].copy()
    odd[:, 0, 0] = 255
    assert found.score_samples(odd).mean() < found.score_samples(images[600:640]).mean()
    assert found.contributions(odd).shape == (40, 8, 8)
    assert found.explain(odd[:1])["column"][0] == (0, 0)
    series = low_rank(200, 12).reshape(200, 6, 2)
    model = Autoencoder(3, kind="series", max_epochs=2, random_state=0).fit(series[:100])
    found = AnomalyDetector(model, false_alarm_rate=0.1).fit(series[120:])
    assert found.predict(series).shape == (200,)


def test_a_fitted_model_is_used_as_it_is():
    X = plane(600)
    model = tiny().fit(X)
    before = model.transform(X)
    found = AnomalyDetector(model, false_alarm_rate=0.1).fit(X)
    assert found.model_ is model and found.basis_ == "held out"
    np.testing.assert_array_equal(model.transform(X), before)
    few = AnomalyDetector(model, false_alarm_rate=0.1).fit(X[:50])
    assert few.basis_ == "given" and len(few.calibration_.scores) == 50
    frozen = AnomalyDetector(FrozenEstimator(model), false_alarm_rate=0.1)
    assert clone(frozen).fit(X).model_.module_ is model.module_
    assert PyODDetector(AnomalyDetector(model)).fit(X).detector_.model_ is model


def test_rows_that_a_model_has_learned_say_little_of_new_ones():
    model = tiny().fit(plane(300))
    with pytest.warns(HealthWarning, match="kept none of its rows apart"):
        AnomalyDetector(model).fit(plane(300))
    # Others than those of training, of which the members know none.
    folded = small(false_alarm_rate=0.1).fit(plane(300)).model_
    assert AnomalyDetector(folded, false_alarm_rate=0.1).fit(plane(200, seed=1)).basis_ == "given"
    assert AnomalyDetector(folded, false_alarm_rate=0.1).fit(plane(300)).basis_ == "folds"


def test_all_rows_are_scored_however_large_they_are(monkeypatch):
    from diabolo.tasks import finding

    monkeypatch.setattr(finding, "VALUES", 6 * 4 * 100)  # densities are of a hundred rows
    found = small(false_alarm_rate=0.05).fit(plane(400))
    assert len(found.calibration_.scores) == 400
    assert 0.01 < (found.predict(plane(1000, seed=3)) == -1).mean() < 0.12


@pytest.mark.parametrize("scaling", ["none", "scale", "minmax", "standard"])
def test_values_are_told_apart_whatever_the_scaling(scaling):
    rows = 5e4 + low_rank(350).astype(np.float64)
    X = rows[:200]
    model = Autoencoder(2, scaling=scaling, likelihood="mse", max_epochs=3, random_state=0).fit(X)
    found = AnomalyDetector(model, false_alarm_rate=0.1).fit(rows[200:])
    odd = np.repeat(X[:1], 3, axis=0)
    odd[1:, 0] = [5.02e4, 5.2e4]  # one deviation is 1
    scores = found.anomaly_score(odd)
    assert scores[0] < scores[1] < scores[2]


def test_a_loaded_detector_gives_the_same_numbers(detector, tmp_path):
    X = plane(50, seed=5)
    detector.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert isinstance(again, AnomalyDetector)
    np.testing.assert_array_equal(again.score_samples(X), detector.score_samples(X))
    np.testing.assert_array_equal(again.p_value(X), detector.p_value(X))
    assert again.offset_ == detector.offset_ and again.basis_ == detector.basis_
    assert again.explain(X).equals(detector.explain(X))
    # The autoencoder inside keeps what was learned beside it.
    again.model_.save(tmp_path / "inside")
    inside = load(tmp_path / "inside")
    assert isinstance(inside, Autoencoder)
    np.testing.assert_array_equal(AnomalyDetector.of(inside).p_value(X), detector.p_value(X))


def test_damaged_sections_are_refused(detector):
    good = detector.section()
    model = Autoencoder(**detector.model_.get_params(deep=False)).set_params(max_epochs=1)
    model.fit(plane(100))
    with pytest.raises(SpecError, match="without what normal rows score"):
        AnomalyDetector.of(model)
    for change in (
        {"scores": good.tensors["scores"][::-1]},
        {"scores": good.tensors["scores"][:0]},
        {"0_mean": good.tensors["0_mean"][:-1]},
        {"0_scale": -good.tensors["0_scale"]},
        {"0_rest": np.array(np.nan)},
    ):
        model.sections_ = {"anomaly": Section(good.config, {**good.tensors, **change})}
        with pytest.raises(ModelError, match="section 'anomaly' is damaged"):
            AnomalyDetector.of(model)
    bad = {**good.config["params"], "false_alarm_rate": "x"}
    for change in (
        {"level": 2.0},
        {"params": {}},
        {"level": None},
        {"basis": "foo"},
        {"params": bad},
    ):
        model.sections_ = {"anomaly": Section({**good.config, **change}, good.tensors)}
        with pytest.raises(ModelError, match="section 'anomaly' is damaged"):
            AnomalyDetector.of(model)


def test_options_that_make_no_sense_are_refused():
    X = plane(30)
    for options, words in (
        ({"training_data": "dirty"}, "'clean', 'contaminated'"),
        ({"false_alarm_rate": 0}, "between 0 and 1"),
        ({"false_alarm_rate": 1.5}, "between 0 and 1"),
        ({"contamination": 0.6}, "at most 0.5"),
        ({"density": "cauchy"}, "density='cauchy' is not known"),
        ({"model": 3}, "pass an Autoencoder"),
    ):
        with pytest.raises(SpecError, match=words):
            AnomalyDetector(**options).fit(X)


def test_a_density_of_ones_own():
    X = plane(300)
    model = tiny().fit(plane(200, seed=1))
    soft = AnomalyDetector(model, density=GaussianDensity(0.9), false_alarm_rate=0.1).fit(X)
    hard = AnomalyDetector(model, density="gaussian", false_alarm_rate=0.1).fit(X)
    assert not np.allclose(soft.score_samples(X), hard.score_samples(X))


def test_pyods_names_and_signs():
    X = np.concatenate([plane(270), plane(30, seed=2, broken=True)])
    found = PyODDetector(small(), contamination=0.1).fit(X)
    assert found.labels_.sum() == 30 and set(found.labels_) == {0, 1}
    np.testing.assert_array_equal(found.decision_scores_, found.decision_function(X))
    np.testing.assert_array_equal(found.labels_, found.predict(X))
    np.testing.assert_array_equal(found.labels_, found.decision_scores_ > found.threshold_)
    shares = found.predict_proba(X)
    assert shares.shape == (300, 2) and shares.min() == 0 and shares.max() == 1
    assert roc_auc_score(np.repeat([0, 1], [270, 30]), shares[:, 1]) > 0.7
    calibrated = PyODDetector(small(), contamination=None).fit(X)
    assert calibrated.detector_.basis_ == "folds"


def test_scikit_learns_checks_pass():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HealthWarning)
        check_estimator(small(false_alarm_rate=0.1))


def test_the_recipe_is_what_the_detector_trains():
    spec = AnomalyDetector(random_state=0).fit(plane(120)).model_.spec_
    assert spec.corruption == GaussianNoise((0.05, 0.7), logarithmic=True)
    assert spec.training.folds and spec.training.members == 4


@pytest.mark.parametrize("density", ["gaussian", "mixture", None])
def test_densities_by_name_are_saved(density, tmp_path):
    X = plane(200)
    found = small(density=density).fit(X)
    # What it is from now on is another matter than what was fitted.
    found.set_params(training_data="contaminated").save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").score_samples(X), found.score_samples(X))
