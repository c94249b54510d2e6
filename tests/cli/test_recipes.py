"""``diabolo train`` with recipes and parts builds what Python does."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from diabolo import AnomalyDetector, load
from diabolo.bottlenecks import Gaussian, Plain, TopK
from diabolo.corruptions import Masking
from diabolo.errors import HealthWarning
from diabolo.likelihoods import Huber
from diabolo.networks import MLP, Conv
from diabolo.penalties import L1, Contractive
from diabolo.pretraining import Layerwise
from diabolo.recipes import RECIPES

QUICK = ("--max-epochs", 3, "--quiet")


@pytest.mark.parametrize(
    ("options", "network"),
    [
        ("--network conv", Conv()),
        (
            "--channels 4,8 --kernel 5 --hidden 6 --activation relu",
            Conv((4, 8), 5, (6,), "relu"),
        ),
        ("--network mlp", MLP()),
        ("--activation tanh", MLP(activation="tanh")),
        ("--hidden 6 --dropout 0.5", MLP((6,), dropout=0.5)),
        ("--network auto --channels auto --hidden auto", MLP()),
    ],
)
def test_options_of_the_network_arrive(options, network, diabolo, tmp_path):
    images = np.random.default_rng(0).random((40, 7, 5))
    np.save(tmp_path / "images.npy", images)
    data, model = tmp_path / "images.npy", tmp_path / "model"
    done = diabolo(
        *("train", data, "--out", model, "--code-size", 3, "--max-epochs", 1, *options.split())
    )
    assert done.status == 0, done.err
    network = network.resolved((7, 5))
    assert load(model).spec_.network == network
    between = "".join(" × ".join(map(str, size)) + " → " for size in network.sizes((7, 5)))
    assert f"7 × 5 → {between}3, " in done.err
    assert repr(network.activation) in diabolo("info", model).out


@pytest.mark.parametrize(
    ("options", "field", "part"),
    [
        ("--bottleneck topk:k=2", "bottleneck", TopK(2)),
        ("--bottleneck plain --code-activation relu", "bottleneck", Plain("relu")),
        ("--recipe variational", "bottleneck", Gaussian()),
        ("--recipe variational --bottleneck gaussian:0.5", "bottleneck", Gaussian(0.5)),
        ("--corruption masking:0.4", "corruption", Masking(0.4)),
        ("--corruption masking --corruption-level 0.2", "corruption", Masking(0.2)),
        ("--penalty l1:weight=0.3", "penalties", (L1(0.3),)),
        ("--likelihood huber:0.5", "likelihood", Huber(0.5)),
        ("--network mlp:(6,4),skip=True", "network", MLP((6, 4), skip=True)),
        (
            "--pretraining layerwise:epochs=1,batch_size=16,learning_rate=0.01",
            "pretraining",
            Layerwise(epochs=1, batch_size=16, learning_rate=0.01),
        ),
        ("--recipe stacked --pretraining none", "pretraining", None),
        ("--recipe masked", "corruption", Masking(0.5)),
        ("--recipe detecting_images --augmentation none", "augmentation", None),
    ],
)
def test_parts_with_options_arrive(options, field, part, diabolo, csv, tmp_path):
    command = ("train", csv, "--out", tmp_path / "m", "--code-size", 4, *options.split(), *QUICK)
    done = diabolo(*command)
    assert done.status == 0, done.err
    assert getattr(load(tmp_path / "m").spec_, field) == part


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_by_name_as_in_python(recipe, diabolo, tmp_path):
    X = np.random.default_rng(0).random((60, 9, 8))
    np.save(tmp_path / "images.npy", X)
    done = diabolo(
        *("train", tmp_path / "images.npy", "--out", tmp_path / "m", "--recipe", recipe),
        *("--code-size", 4, "--max-epochs", 2),
    )
    assert done.status == 0, done.err
    model = load(tmp_path / "m")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HealthWarning)
        same = RECIPES[recipe](4, max_epochs=2, random_state=0).fit(X)
    assert model.spec_ == same.spec_
    np.testing.assert_array_equal(model.transform(X), same.transform(X))


@pytest.mark.parametrize(
    ("recipe", "options", "same"),
    [
        ("deep", ("--hidden", "8,6"), {"hidden": (8, 6)}),
        ("deep", ("--activation", "relu"), {"activation": "relu"}),
        ("deep", ("--dropout", "0.1"), {"network": MLP(dropout=0.1, activation="sigmoid")}),
        ("convolutional", ("--hidden", "8"), {"network": Conv(hidden=(8,))}),
        ("convolutional", ("--activation", "relu"), {"network": Conv(activation="relu")}),
        ("masked", ("--corruption", "none"), {"corruption": None}),
        ("denoising", ("--corruption-level", "0.5"), {"corruption": Masking(0.5)}),
        ("masked", ("--corruption-level", "0.6"), {"corruption": Masking(0.6)}),
        ("contractive", ("--penalty-weight", "0.5"), {"penalties": Contractive(0.5)}),
        ("variational", ("--bottleneck", "none"), None),
        ("variational", ("--code-activation", "sigmoid"), None),
        ("convolutional", ("--dropout", "0.1"), None),
    ],
    ids=str,
)
def test_options_beside_a_recipe_change_nothing_else_of_it(
    recipe, options, same, diabolo, tmp_path
):
    X = np.random.default_rng(0).random((60, 9, 8))
    np.save(tmp_path / "images.npy", X)
    done = diabolo(
        *("train", tmp_path / "images.npy", "--out", tmp_path / "m", "--recipe", recipe, *options),
        *("--code-size", 4, "--max-epochs", 1),
    )
    if same is None:
        assert done.status and "--" in done.err
        return
    assert done.status == 0, done.err
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HealthWarning)
        model = RECIPES[recipe](4, max_epochs=1, random_state=0, **same).fit(X)
    assert load(tmp_path / "m").spec_ == model.spec_


def test_options_that_are_usual_count_where_a_recipe_has_others(diabolo, csv, tmp_path):
    command = ("train", csv, "--out", tmp_path / "m", "--recipe", "detecting", *QUICK)
    done = diabolo(*command, "--members", 1, "--batch-size", "auto")
    assert done.status == 0, done.err
    training = load(tmp_path / "m").spec_.training
    assert training.members == 1 and not training.folds and training.optimizer == "adam"


def test_a_recipe_that_leaves_rows_out_expects_anomalies_among_them(diabolo, csv, tmp_path):
    done = diabolo("train", csv, "--out", tmp_path / "m", "--recipe", "detecting_robust", *QUICK)
    assert done.status == 0, done.err
    assert AnomalyDetector.of(load(tmp_path / "m")).training_data == "contaminated"
