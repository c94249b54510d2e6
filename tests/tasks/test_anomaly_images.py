"""`AnomalyDetector` on images: what the encoder makes of them counts too."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from diabolo import AnomalyDetector, datasets, load, recipes
from diabolo.errors import ModelError
from diabolo.networks import MLP
from diabolo.store import Section
from diabolo.tasks.assumed import usual_model

pytestmark = pytest.mark.usefixtures("one_thread")


def test_what_the_encoder_makes_of_images_counts_too(tmp_path):
    images = datasets.load("digits").data
    model = recipes.detecting(32, max_epochs=20, network=MLP((32,)))
    found = AnomalyDetector(model, random_state=0).fit(images[:600])
    new = images[600:620]
    x = torch.from_numpy(found.model_.schema_.scaled(new))
    module, oddness = found.model_.module_, found._oddness
    with torch.no_grad():
        seen, rebuilt = module.all_seen(x)
        errors, features = (x - rebuilt).flatten(2).numpy(), seen.numpy()
    members = range(len(errors))
    pairs = [(oddness.normal, errors[i]) for i in members]
    pairs += [(oddness.features[i], features[i]) for i in members]
    expected = np.zeros(20)
    for normal, values in pairs:
        scale, basis = normal.scale.numpy(), normal.basis.numpy()
        beside = float(normal.rest) * (np.eye(len(scale)) - basis @ basis.T)
        correlations = basis * normal.variances.numpy() @ basis.T + beside
        density = stats.multivariate_normal(normal.mean, correlations * np.outer(scale, scale))
        expected += density.logpdf(values) / len(members)
    np.testing.assert_allclose(found.score_samples(new), expected, rtol=1e-3)
    found.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.score_samples(new), found.score_samples(new))
    good = found.section()
    short = good.tensors | {"features_1_mean": good.tensors["features_1_mean"][:-1]}
    some = {k: v for k, v in good.tensors.items() if not k.startswith("features_2")}
    for tensors in (short, some):
        again.model_.sections_ = {"anomaly": Section(good.config, tensors)}
        with pytest.raises(ModelError, match="features_"):
            AnomalyDetector.of(again.model_)


@pytest.mark.parametrize("held_out", [False, True])
def test_false_alarms_keep_their_rate_on_images(held_out):
    images = datasets.load("digits").data
    order = np.random.default_rng(0).permutation(len(images))
    learned, new = images[order[:700]], images[order[700:]]
    model = recipes.detecting_images(network=MLP((64,), skip=False))
    members = 2 if held_out else 4
    model.set_params(training__steps=60, training__folds=not held_out, training__members=members)
    found = AnomalyDetector(model, false_alarm_rate=0.05, random_state=0).fit(learned)
    assert found.basis_ == ("held out" if held_out else "folds")
    scores = len(found.calibration_.scores)
    rank = int(0.05 * (scores + 1))
    low, high = stats.betabinom(len(new), rank, scores + 1 - rank).ppf([0.005, 0.995])
    assert low <= (found.predict(new) == -1).sum() <= high


@pytest.mark.needs_data
def test_simple_images_of_another_kind_are_told_apart():
    train, test = (datasets.load("mnist", split) for split in ("train", "test"))
    eights, asked, odd = train.data[train.labels == 8][:1500], test.data[:2000], test.labels[:2000]
    model = recipes.detecting_images(network=MLP((1024,), skip=False))
    model.set_params(training__members=1, training__folds=False, training__steps=100)
    found = AnomalyDetector(model, random_state=0).fit(eights)
    by_errors = dataclasses.replace(found._oddness, features=()).scores(found._rows(asked))
    both = roc_auc_score(odd != 8, found.anomaly_score(asked))
    assert both > 0.85 and both > roc_auc_score(odd != 8, -by_errors) + 0.03


def test_images_get_a_wide_layer_so_far_as_it_is_not_too_large():
    widths = [
        usual_model("clean", np.empty((10, *shape))).network.hidden
        for shape in ((28, 28), (64, 64, 3), (256, 256, 3), (140, 2))
    ]
    assert widths == [(2048,), (170,), (128,), (2048,)]
    assert usual_model("clean", np.empty((10, 140))).network.hidden == (128, 128)
