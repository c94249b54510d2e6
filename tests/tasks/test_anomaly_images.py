"""`AnomalyDetector` on images: what the encoder makes of them counts too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from diabolo import AnomalyDetector, Autoencoder, datasets, load, recipes
from diabolo.augmentations import Shift
from diabolo.errors import ModelError
from diabolo.networks import MLP
from diabolo.store import Section
from diabolo.tasks.assumed import usual_model
from diabolo.tasks.calibration import Calibration
from diabolo.tasks.finding import measured
from diabolo.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")


def test_an_image_is_as_odd_as_its_errors_or_what_the_encoder_makes_of_it(tmp_path):
    images = datasets.load("digits").data
    model = recipes.detecting(32, max_epochs=20, network=MLP((32,)))
    found = AnomalyDetector(model, random_state=0).fit(images[:600])
    new = np.concatenate([images[600:618], 1 - images[618:620]])
    x = torch.from_numpy(found.model_.schema_.scaled(new))
    learned = found._oddness.normal
    with torch.no_grad():
        seen, rebuilt = found.model_.module_.all_seen(x)
    expected = rebuilt.flatten(2).numpy()
    errors, features = x.flatten(1).numpy() - expected, seen.numpy()
    # Errors by the variance that they have around a value, and around all.
    low, high, overall = (float(getattr(learned.spread, k)) for k in ("low", "high", "overall"))
    edges = np.linspace(low, high, len(learned.spread.variances) + 1)
    part = np.digitize(expected, edges[1:-1])
    usual = (learned.spread.variances.numpy()[part] + overall) / 2
    by_errors = (errors**2 / usual).sum(axis=2).mean(axis=0)
    by_features = np.zeros(20)
    for normal, values in zip(learned.densities, features, strict=True):
        scale, basis = normal.scale.numpy(), normal.basis.numpy()
        beside = float(normal.rest) * (np.eye(len(scale)) - basis @ basis.T)
        covariance = (basis * normal.variances.numpy() @ basis.T + beside) * np.outer(scale, scale)
        away = values - normal.mean.numpy()
        by_features += (away * np.linalg.solve(covariance, away.T).T).sum(axis=1) / len(features)
    by_errors, by_features = (
        by_errors / learned.usual[0].numpy(),
        by_features / learned.usual[1].numpy(),
    )
    far = by_features + 10 * np.maximum(0, by_errors - 1)
    assert (by_errors > 1).any() and (by_errors < 1).any()
    np.testing.assert_allclose(found.anomaly_score(new), far, rtol=1e-3)
    # Of 600 scores those lie beyond 1 that are the farthest by errors, or by features.
    assert 1 <= (found.calibration_.scores < -1).sum() <= 2
    found.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.score_samples(new), found.score_samples(new))
    good = found.section()
    short = good.tensors | {"features_1_mean": good.tensors["features_1_mean"][:-1]}
    some = {k: v for k, v in good.tensors.items() if not k.startswith("features_2")}
    negative = good.tensors | {"usual": -good.tensors["usual"]}
    spread = good.tensors | {"spread_variances": -good.tensors["spread_variances"]}
    whole = good.tensors | {"features_0_mean": good.tensors["features_0_mean"].astype(np.int64)}
    damaged = {
        "features_1_mean": short,
        "features_2": some,
        "usual": negative,
        "spread_variances": spread,
        "features_0_mean": whole,
    }
    for name, tensors in damaged.items():
        again.model_.sections_ = {"anomaly": Section(good.config, tensors)}
        with pytest.raises(ModelError, match=name):
            AnomalyDetector.of(again.model_)


def test_reasons_are_the_errors_that_are_rare_where_they_are():
    images = datasets.load("digits").data
    model = Autoencoder(16, max_epochs=20, random_state=0).fit(images)
    by_squares = AnomalyDetector(model, density=None).fit(images)
    found = AnomalyDetector(model).fit(images)
    # Where values are rebuilt worst, and where they always are well.
    squares = by_squares.contributions(images).mean(axis=0)
    worst, corner = np.unravel_index(squares.argmax(), squares.shape), (0, 0)
    image = images[:1].copy()
    image[0, *worst] = (model.reconstruct(images[:1])[0, *worst] + 0.4) % 1
    image[0, *corner] = 0.3  # black in all digits
    plain, weighted = by_squares.contributions(image)[0], found.contributions(image)[0]
    assert weighted.shape == (8, 8) and weighted.sum() == pytest.approx(1)
    assert weighted[corner] / weighted[worst] > 2 * plain[corner] / plain[worst]


def test_images_that_are_all_alike_are_not_odd():
    images = np.full((60, 9, 9), 7, np.uint8)
    model = recipes.detecting_images(augmentation=None, max_epochs=30)
    found = AnomalyDetector(model, false_alarm_rate=0.05, random_state=0).fit(images)
    assert (found.predict(images[:3]) == 1).all()
    assert found.predict(images[:1] * 30) == -1


def test_rows_are_measured_by_the_others_so_that_few_keep_the_rate_too():
    rng = np.random.default_rng(0)
    far = 9 * np.exp(rng.normal(size=(30, 2)))
    usual, scores = measured(far)
    np.testing.assert_allclose(usual, np.quantile(far, 0.999, axis=0))
    for i, row in enumerate(far):
        errors, features = row / np.quantile(np.delete(far, i, axis=0), 0.999, axis=0)
        assert scores[i] == pytest.approx(-features - 10 * max(0, errors - 1), abs=1e-5)
    assert measured(far[:1])[1].shape == (1,)
    flagged = []
    for _ in range(400):
        shared = rng.normal(size=(99 + 200, 1))
        far = 50 * np.exp(shared + rng.normal(size=(99 + 200, 2)))
        usual, scores = measured(far[:99])
        new = far[99:] / usual
        odd = new[:, 1] + 10 * np.maximum(0, new[:, 0] - 1)
        flagged.append((-odd < Calibration.by_rate(scores, 0.01).offset).mean())
    assert np.mean(flagged) < 0.012


@pytest.mark.parametrize("held_out", [False, True])
def test_false_alarms_keep_their_rate_on_images(held_out):
    images = datasets.load("digits").data
    order = np.random.default_rng(0).permutation(len(images))
    learned, new = images[order[:700]], images[order[700:]]
    training = Training(steps=60, folds=not held_out, members=1 if held_out else 4)
    model = recipes.detecting_images(augmentation=None, training=training)
    found = AnomalyDetector(model, false_alarm_rate=0.05, random_state=0).fit(learned)
    assert found.basis_ == ("held out" if held_out else "folds")
    scores = len(found.calibration_.scores)
    rank = int(0.05 * (scores + 1))
    low, high = stats.betabinom(len(new), rank, scores + 1 - rank).ppf([0.005, 0.995])
    assert low <= (found.predict(new) == -1).sum() <= high


@pytest.mark.needs_data
def test_images_of_another_kind_are_told_apart():
    train, test = (datasets.load("mnist", split) for split in ("train", "test"))
    eights, asked, odd = train.data[train.labels == 8][:2000], test.data[:2000], test.labels[:2000]
    model = recipes.detecting_images(training=Training(steps=150))
    found = AnomalyDetector(model, random_state=0).fit(eights)
    far = found._oddness.distances(found._rows(asked)).T
    by_errors, both = (roc_auc_score(odd != 8, s) for s in (far[0], found.anomaly_score(asked)))
    assert both > 0.9 and both > by_errors + 0.03


@pytest.mark.needs_data
def test_what_is_no_digit_at_all_is_odder_than_digits():
    train, test = (datasets.load("mnist", split).data for split in ("train", "test"))
    clothes = datasets.load("fashion-mnist", "test")
    shoes = clothes.data[np.isin(clothes.labels, (5, 7, 9))][:500]
    model = recipes.detecting_images(64, training=Training(steps=200))
    found = AnomalyDetector(model, random_state=0).fit(train[:10_000])
    digits = found.anomaly_score(test[:2000])
    assert (found.anomaly_score(shoes) > np.quantile(digits, 0.99)).mean() > 0.9


def test_what_images_are_judged_by_goes_by_their_number_and_size():
    def of(n, *shape):
        model = usual_model("clean", np.empty((n, *shape), np.uint8))
        return model.code_size, model.augmentation, model.training.members

    assert of(5_000, 28, 28) == (16, Shift(2), 1)
    assert of(500, 28, 28) == (16, Shift(2), 2)
    assert of(10_000, 28, 28, 3) == (64, Shift(2), 1)
    assert of(5_000, 8, 8) == of(5_000, 140, 2) == (16, None, 1)
    assert usual_model("clean", np.empty((10, 140))).network.hidden == (128, 128)
