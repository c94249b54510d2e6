"""What a fitted `Autoencoder` computes: the same for the same seed, row by row, and good."""

from __future__ import annotations

import copy
import io
import math
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from tests.samples import tiny

from diabolo import Autoencoder, datasets, recipes
from diabolo.bottlenecks import Plain
from diabolo.bottlenecks.heads.plain import PlainHead
from diabolo.errors import DataError, HealthWarning, SpecError
from diabolo.layers import chunk_rows
from diabolo.networks import MLP, Conv
from diabolo.training import Training

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 5)) * [1, 2, 3, 4, 5] + 10
UNIT = rng.random((60, 5))


pytestmark = pytest.mark.usefixtures("one_thread")


def state(model):
    return {name: value.numpy() for name, value in model.module_.state_dict().items()}


def same(a, b):
    return all(np.array_equal(value, state(b)[name]) for name, value in state(a).items())


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (X, {}),
        (X, {"hidden": "auto", "network": MLP((8,), dropout=0.3)}),
        (X.reshape(20, 3, 5), {"hidden": "auto", "network": Conv((4,))}),
    ],
    ids=["default", "dropout", "conv"],
)
def test_the_same_seed_gives_the_same_weights_to_the_bit(data, options):
    first = tiny(**options).fit(data)
    assert same(first, tiny(**options).fit(data))
    assert not same(first, tiny(**options | {"random_state": 1}).fit(data))
    before = state(first)
    np.testing.assert_equal(state(first.fit(data)), before)
    assert not same(first.fit(UNIT.reshape(data.shape)), tiny(**options).fit(data))


def test_the_sources_of_a_seed():
    assert same(tiny(random_state=np.int64(7)).fit(X), tiny(random_state=7).fit(X))
    states = [np.random.RandomState(3) for _ in range(2)]
    assert same(*(tiny(random_state=one).fit(X) for one in states))
    assert not same(*(tiny(random_state=states[0]).fit(X) for _ in range(2)))
    assert not same(*(tiny(random_state=None).fit(X) for _ in range(2)))
    # The seed that was drawn makes the model again.
    drawn = tiny(random_state=None).fit(X)
    assert same(drawn, tiny(random_state=drawn.spec_.seed).fit(X))


@pytest.mark.parametrize("copier", ["pickle", "joblib", "deepcopy"])
def test_copies_of_a_fitted_model_are_equal_to_the_bit(copier):
    model = tiny().fit(X)
    if copier == "joblib":
        file = io.BytesIO()
        joblib.dump(model, file)
        again = joblib.load(file)
    else:
        again = copy.deepcopy(model) if copier == "deepcopy" else pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    with torch.no_grad():
        again.module_.encoder.layers[0].weight.zero_()
    assert not np.array_equal(again.transform(X), model.transform(X)), "copies share no weights"


@pytest.fixture(
    scope="module",
    params=[((7,), MLP((300, 20))), ((6, 5), Conv((64,), hidden=(20,)))],
    ids=["mlp", "conv"],
)
def many(request):
    """A fitted model whose chunk is smaller than the data, and the data."""
    shape, network = request.param
    data = np.random.default_rng(1).normal(size=(9000, *shape))
    model = Autoencoder(3, network=network, max_epochs=1, random_state=0)
    return model.fit(data[:500]), data


@pytest.mark.parametrize("n", [1, 5, 700, 5000])
def test_results_do_not_depend_on_the_rows_beside_to_the_bit(many, n):
    model, data = many
    assert 700 < chunk_rows(model.module_) < 5000
    methods = (model.transform, model.reconstruct, model.reconstruction_error, model.score_samples)
    order = rng.permutation(n)
    cuts = np.unique(rng.integers(0, n, 4))[1:]
    for method in methods:
        whole = method(data[:n])
        assert len(whole) == n
        np.testing.assert_array_equal(method(data[:n][order]), whole[order])
        pieces = [method(piece) for piece in np.split(data[:n], cuts) if len(piece)]
        np.testing.assert_array_equal(np.concatenate(pieces), whole)
        for row in {0, n // 2, n - 1}:
            np.testing.assert_array_equal(method(data[row : row + 1]), whole[row : row + 1])
        np.testing.assert_array_equal(method(data)[:n], whole)
    z = model.transform(data[:n])
    single = np.concatenate([model.inverse_transform(row[None]) for row in z[:50]])
    np.testing.assert_array_equal(model.inverse_transform(z)[:50], single)


@pytest.mark.filterwarnings("ignore::diabolo.errors.HealthWarning")
@pytest.mark.parametrize(
    "data",
    [X[:1], X[:2], X[:20], UNIT[:1], np.full((800, 3), 7.5), np.zeros((80, 3)), np.ones((1, 1))],
)
def test_few_rows_and_constant_columns_train(data):
    model = tiny(training=Training(batch_size=64)).fit(data)
    assert np.isfinite(model.reconstruct(data)).all()
    assert model.transform(data).shape == (len(data), 2)
    assert math.isfinite(model.score(data))
    assert len(model.held_out_) == (0 if len(data) < 500 else 80)


def test_a_constant_column_is_kept_and_a_departure_from_it_is_an_error():
    data = np.column_stack([X, np.full(60, 4.0)])
    model = tiny(max_epochs=100, training=Training(learning_rate=1e-2)).fit(data)
    np.testing.assert_allclose(model.reconstruct(data)[:, 5], 4, atol=2)
    odd = data.copy()
    odd[:, 5] = 40
    # The departure counts in the column's own units: its scale is 1.
    errors = model.reconstruction_error(odd, per_value=True)[:, 5]
    assert (errors > 20**2).all()


def test_held_out_rows_by_size_of_the_data():
    rows = np.tile(X, (9, 1))
    assert len(tiny().fit(rows[:499]).held_out_) == 0
    assert len(tiny().fit(rows[:500]).held_out_) == 50
    model = tiny(training=Training(validation_fraction=0.5)).fit(X)
    assert len(set(model.held_out_)) == 30
    assert not np.array_equal(
        model.held_out_,
        tiny(training=Training(validation_fraction=0.5), random_state=1).fit(X).held_out_,
    )


@pytest.mark.parametrize("data", [X, UNIT, (UNIT * 255).astype(np.uint8), UNIT.reshape(20, 3, 5)])
def test_errors_and_scores_by_hand(data):
    model = tiny().fit(data)
    scale, shift = model.schema_.scale, model.schema_.shift
    scaled = (data.astype(float) - shift) / scale
    x_hat = (model.inverse_transform(model.transform(data)).astype(float) - shift) / scale
    if data.dtype == np.uint8:  # rounded to whole pixels
        with torch.no_grad():
            x_hat = model.module_.reconstruct(torch.from_numpy(scaled).float()).double().numpy()
    squared = (scaled - x_hat) ** 2
    error = model.reconstruction_error(data)
    np.testing.assert_allclose(error, squared.reshape(len(data), -1).mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(
        model.reconstruction_error(data, per_value=True), squared, rtol=1e-3, atol=1e-6
    )
    assert model.score(data) == pytest.approx(-error.astype(float).mean(), rel=1e-6)
    if model.spec_.scaling == "standard":
        log_prob = -0.5 * squared - 0.5 * math.log(2 * math.pi)
    else:
        log_prob = scaled * np.log(x_hat) + (1 - scaled) * np.log(1 - x_hat)
    np.testing.assert_allclose(
        model.score_samples(data), log_prob.reshape(len(data), -1).sum(axis=1), rtol=1e-4
    )
    np.testing.assert_array_equal(
        model.reconstruct(data), model.inverse_transform(model.transform(data))
    )


@pytest.mark.parametrize(
    "Z", [np.zeros((3, 1)), np.zeros((3, 3)), np.zeros((3, 2, 1)), [[np.nan, 0]]]
)
def test_codes_of_another_shape_or_with_nan_are_refused(Z):
    with pytest.raises(DataError, match=r"codes have shape|NaN.*row 0, column 0"):
        tiny().fit(X).inverse_transform(Z)


def test_what_is_not_fitted_says_so():
    for method in ("transform", "inverse_transform", "reconstruct", "score", "score_samples"):
        with pytest.raises(Exception, match="not fitted yet"):
            getattr(Autoencoder(), method)(X)


def test_recipes_return_configured_estimators():
    model = recipes.RECIPES["undercomplete"](3, hidden=(8,), max_epochs=1)
    assert type(model) is Autoencoder
    assert model.get_params() == Autoencoder(3, hidden=(8,), max_epochs=1).get_params()


def test_a_linear_autoencoder_reaches_the_error_of_pca():
    # Baldi & Hornik 1989: every minimum of the linear autoencoder spans the principal subspace.
    data = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 10)) + 0.3 * rng.normal(size=(500, 10))
    data -= data.mean(axis=0)
    training = Training(learning_rate=3e-2, validation_fraction=0, batch_size=100)
    model = Autoencoder(
        3,
        hidden=(),
        likelihood="mse",
        scaling="none",
        max_epochs=1000,
        training=training,
        random_state=0,
    ).fit(data)
    pca = PCA(3).fit(data)
    best = np.mean((pca.inverse_transform(pca.transform(data)) - data) ** 2)
    assert best * (1 - 1e-6) <= -model.score(data) <= 1.01 * best
    # The same subspace: projecting the decoder's directions loses nothing.
    directions = model.module_.decoder.output.weight.detach().numpy()
    inside = pca.components_.T @ (pca.components_ @ directions)
    assert np.linalg.norm(inside - directions) < 0.05 * np.linalg.norm(directions)


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits"), datasets.load("digits", "test")


def test_eight_numbers_for_a_digit_beat_pca_and_keep_the_classes(digits):
    train, test = digits
    model = Autoencoder(8, random_state=0).fit(train.data)
    flat, flat_test = (part.data.reshape(len(part.data), -1) for part in digits)
    pca = PCA(8).fit(flat)
    linear = np.mean((pca.inverse_transform(pca.transform(flat_test)) - flat_test) ** 2)
    assert -model.score(test.data) < 0.75 * linear
    neighbours = KNeighborsClassifier(5).fit(model.transform(train.data), train.labels)
    assert neighbours.score(model.transform(test.data), test.labels) >= 0.92


OWN = {"training": Training(optimizer="adam", learning_rate=1e-3)}


@pytest.mark.parametrize(
    ("seed", "options"), [(0, OWN), (1, OWN), pytest.param(1, {}, id="default")]
)
def test_a_rectified_code_keeps_all_units_alive(digits, seed, options):
    # A HealthWarning would be an error here.
    options = {"bottleneck": Plain("relu"), "max_epochs": 20, **options}
    model = Autoencoder(16, random_state=seed, **options).fit(digits[0].data)
    z = model.transform(digits[0].data)
    assert (z > 0).any(axis=0).all()
    assert (z == 0).any(), "the code is rectified"


def test_a_dead_unit_is_named(monkeypatch):
    centre = PlainHead.centre

    def kill(self, h):
        centre(self, h)
        with torch.no_grad():
            self.layer.bias[1] = -1e4

    monkeypatch.setattr(PlainHead, "centre", kill)
    with pytest.warns(HealthWarning, match=r"1 of 3 code units.*\(units 1\).*bottleneck=Plain\(\)"):
        tiny(code_size=3, bottleneck=Plain("relu")).fit(X)


def test_constant_data_are_no_illness_of_a_linear_code():
    tiny().fit(np.full((80, 3), 7.5))


def test_paths_are_read_wherever_data_is(tmp_path):
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])]).assign(name="x")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    model = tiny().fit(frame.drop(columns="name"))
    seen = model.reconstruct(tmp_path / "rows.csv")
    pd.testing.assert_frame_equal(seen, model.reconstruct(pd.read_csv(tmp_path / "rows.csv")))
    assert list(seen.columns) == list(frame.columns)
    codes = model.transform(frame.drop(columns="name"))
    np.save(tmp_path / "codes.npy", codes)
    np.testing.assert_array_equal(
        model.inverse_transform(tmp_path / "codes.npy"), model.inverse_transform(codes)
    )


def test_the_users_defaults_of_torch_change_nothing():
    expected = tiny().fit(X).transform(X)
    flag = torch.get_float32_matmul_precision()
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("high")
    try:
        np.testing.assert_array_equal(tiny().fit(X).transform(X), expected)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision(flag)


@settings(max_examples=15)
@given(
    shape=st.sampled_from([(1, 1), (7, 3), (4, 5, 6), (3, 4, 4, 3), (40, 2)]),
    dtype=st.sampled_from(["bool", "uint8", "uint16", "int64", "float16", "float32", "float64"]),
    code_size=st.integers(1, 9),
)
def test_any_shape_and_type_comes_back(shape, dtype, code_size):
    values = np.random.default_rng(0).random(shape) * (200 if dtype[0] in "ui" else 1)
    data = (values > 0.5) if dtype == "bool" else values.astype(dtype)
    model = tiny(code_size=code_size, max_epochs=1).fit(data)
    codes = model.transform(data)
    assert codes.shape == (len(data), code_size) and codes.dtype == np.float32
    for back in (model.inverse_transform(codes), model.reconstruct(data)):
        assert back.shape == data.shape and back.dtype == data.dtype
    assert model.reconstruction_error(data).shape == (len(data),)


def test_a_file_may_have_other_columns(tmp_path):
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    model = tiny().fit(frame)
    frame[frame.columns[::-1]].assign(name="x").to_csv(tmp_path / "more.csv", index=False)
    np.testing.assert_allclose(model.transform(tmp_path / "more.csv"), model.transform(frame))


def test_a_random_state_that_is_none_is_named():
    with pytest.raises(SpecError, match=r"random_state=.*RandomState"):
        tiny(random_state=np.random.default_rng(0)).fit(X)


def test_a_linear_autoencoder_is_pca():
    # Baldi & Hornik 1989: its only minimum without a slope is the span of the first components.
    rng = np.random.default_rng(0)
    X = (
        rng.normal(size=(1000, 8))
        * np.array([5, 4, 3, 1, 0.8, 0.6, 0.4, 0.2])
        @ np.linalg.qr(rng.normal(size=(8, 8)))[0]
    )
    model = Autoencoder(
        3,
        network=MLP((), skip=False),
        likelihood="mse",
        scaling="none",
        augmentation=None,
        max_epochs=150,
        random_state=0,
        training=Training(weight_decay=0.0, validation_fraction=0.0, learning_rate=2e-2),
    ).fit(X)
    pca = PCA(3).fit(X)
    rebuilt = pca.inverse_transform(pca.transform(X))
    assert model.reconstruction_error(X).mean() == pytest.approx(
        np.mean((X - rebuilt) ** 2), rel=1e-3
    )
    decoder = model.module_.decoder.output.weight.detach().numpy()
    angles = subspace_angles(decoder, pca.components_.T)
    assert np.degrees(angles).max() < 1
