"""`Autoencoder` as scikit-learn knows estimators, and every rule of "auto"."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.samples import tiny

from diabolo import Autoencoder
from diabolo.bottlenecks import Plain
from diabolo.errors import DataError, RangeWarning, SpecError
from diabolo.likelihoods import MSE, Bernoulli
from diabolo.networks import MLP
from diabolo.training import Training

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 5)) * [1, 2, 3, 4, 5] + 10
UNIT = rng.random((60, 5))


pytestmark = pytest.mark.usefixtures("one_thread")


@parametrize_with_checks([Autoencoder(hidden=(8,), max_epochs=2)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_the_constructor_only_stores_its_arguments():
    nonsense = {name: object() for name in Autoencoder().get_params(deep=False)}
    model = Autoencoder(**nonsense)
    assert all(getattr(model, name) is value for name, value in nonsense.items())
    assert vars(model).keys() == nonsense.keys()
    with pytest.raises(TypeError):
        Autoencoder(2, (8,))  # only the code size has a place


def test_clone_and_parameters_that_reach_into_parts():
    model = Autoencoder(network=MLP((8,), dropout=0.1), training=Training(patience=3))
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert copied.get_params()["network__dropout"] == 0.1
    assert copied.get_params()["training__patience"] == 3
    copied.set_params(network__dropout=0.5, network__hidden=(4,), training__patience=7, code_size=3)
    assert copied.network == MLP((4,), dropout=0.5)
    assert (copied.training.patience, copied.code_size) == (7, 3)
    assert model.network == MLP((8,), dropout=0.1), "the original keeps its part"
    copied.set_params(network__dropout=0.2, network=MLP((6,)))
    assert copied.network == MLP((6,), dropout=0.2)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"colour": 1}, "Invalid parameter 'colour'"),
        ({"network__dropout": 0.1}, "network=None has no fields.*as a part first"),
        ({"training__colour": 1}, "training: .*colour"),
        ({"training__patience": 0}, "patience=0"),
        ({"code_size__x": 1}, "no fields"),
    ],
)
def test_parameters_that_do_not_exist(params, message):
    with pytest.raises(SpecError, match=message):
        Autoencoder(training=Training()).set_params(**params)


def test_grids_over_the_code_size_and_over_fields_of_parts():
    draw = np.random.default_rng(0).normal
    low_rank = draw(size=(90, 2)) @ draw(size=(2, 6))
    training = Training(learning_rate=1e-2, optimizer="adam")
    model = Autoencoder(network=MLP((8,)), max_epochs=100, training=training, random_state=0)
    grid = {"code_size": [1, 2], "network__dropout": [0.0, 0.9]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(low_rank)
    assert search.best_params_ == {"code_size": 2, "network__dropout": 0.0}
    assert search.best_estimator_.spec_.network == MLP((8,), skip=True)
    assert (search.cv_results_["mean_test_score"] < 0).all()


def test_pipelines_scale_encode_and_come_back():
    pipeline = make_pipeline(MinMaxScaler(), tiny(likelihood="bernoulli"))
    codes = pipeline.fit_transform(X)
    assert codes.shape == (60, 2) and codes.dtype == np.float32
    back = pipeline.inverse_transform(codes)
    assert back.shape == X.shape
    assert (back >= X.min(axis=0)).all() and (back <= X.max(axis=0)).all()
    assert make_pipeline(StandardScaler(), tiny()).fit(X).score(X) < 0


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_set_output_and_names(kind):
    frame = pd.DataFrame(X, columns=list("abcde"), index=range(100, 160))
    model = tiny().set_output(transform=kind).fit(frame)
    codes = model.transform(frame)
    assert type(codes).__module__.startswith(kind)
    assert list(codes.columns) == ["autoencoder0", "autoencoder1"]
    assert list(model.get_feature_names_out()) == ["autoencoder0", "autoencoder1"]
    assert model.feature_names_in_.tolist() == list("abcde")
    assert kind != "pandas" or codes.index.equals(frame.index)
    assert not hasattr(model.fit(X), "feature_names_in_")


def test_fit_on_a_path(tmp_path):
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame.to_csv(tmp_path / "x.csv", index=False)
    np.save(tmp_path / "x.npy", X)
    for path in (str(tmp_path / "x.csv"), tmp_path / "x.npy"):
        model = tiny().fit(path)
        np.testing.assert_array_equal(model.transform(path), tiny().fit(X).transform(X))
    assert tiny().fit(tmp_path / "x.csv").feature_names_in_.tolist() == list("abcde")


BITS = UNIT < 0.5
BYTES = (UNIT * 255).astype(np.uint8)
LIKELIHOODS = {
    "bytes": (BYTES, Bernoulli(), "unit"),
    "byte images": (BYTES.reshape(20, 3, 5), Bernoulli(), "unit"),
    "sixteen bits": ((UNIT * 65535).astype(np.uint16), Bernoulli(), "unit"),
    "booleans": (BITS, Bernoulli(), "none"),
    "zeros and ones": (BITS.astype(int), Bernoulli(), "none"),
    "shares": (UNIT, Bernoulli(), "none"),
    "images in [0, 1]": (UNIT.reshape(20, 3, 5), Bernoulli(), "none"),
    "a frame of bytes": (pd.DataFrame(BYTES), Bernoulli(), "unit"),
    "numbers": (X, MSE(), "standard"),
    "whole numbers": (X.astype(int), MSE(), "standard"),
    "one cell above 1": (np.vstack([UNIT, [0, 0, 0, 0, 1.01]]), MSE(), "standard"),
    "one cell below 0": (np.vstack([UNIT, [0, 0, 0, 0, -0.01]]), MSE(), "standard"),
    "images of numbers": (X.reshape(20, 3, 5), MSE(), "standard"),
}


@pytest.mark.parametrize(("data", "likelihood", "scaling"), LIKELIHOODS.values(), ids=LIKELIHOODS)
def test_likelihood_and_scaling_auto(data, likelihood, scaling):
    spec = tiny(max_epochs=1).fit(data).spec_
    assert (spec.likelihood, spec.scaling) == (likelihood, scaling)


@pytest.mark.parametrize(
    ("data", "options", "likelihood", "scaling"),
    [
        (UNIT, {"likelihood": "mse"}, MSE(), "standard"),
        (UNIT, {"scaling": "standard"}, MSE(), "standard"),
        (X, {"scaling": "minmax"}, Bernoulli(), "minmax"),
        (X, {"scaling": "none"}, MSE(), "none"),
        (UNIT, {"scaling": "none"}, Bernoulli(), "none"),
        (BYTES, {"likelihood": MSE()}, MSE(), "unit"),
        (np.abs(X), {"likelihood": MSE("relu")}, MSE("relu"), "scale"),
        (UNIT.reshape(20, 3, 5), {"likelihood": "mse"}, MSE(), "none"),
    ],
)
def test_one_choice_settles_the_other(data, options, likelihood, scaling):
    spec = tiny(max_epochs=1, **options).fit(data).spec_
    assert (spec.likelihood, spec.scaling) == (likelihood, scaling)


@pytest.mark.parametrize("rank", [1, 3, 9])
def test_code_size_auto_is_the_pca_rank_of_90_percent(rank):
    data = rng.normal(size=(300, rank)) @ rng.normal(size=(rank, 12)) + 0.3 * rng.normal(
        size=(300, 12)
    )
    data *= np.arange(1, 13)
    scaled = StandardScaler().fit_transform(data)
    wanted = max(2, PCA(0.9, svd_solver="full").fit(scaled).n_components_)
    assert tiny(code_size="auto", max_epochs=1).fit(data).spec_.code_size == wanted


@pytest.mark.filterwarnings("ignore::diabolo.errors.HealthWarning")
@pytest.mark.parametrize(
    ("data", "size"),
    [
        (rng.normal(size=(400, 100)), 64),
        (rng.normal(size=(20, 1)), 1),
        (rng.normal(size=(1, 6)), 2),
        pytest.param(np.full((20, 6), 3.0), 2),
    ],
)
def test_code_size_auto_stays_within_its_bounds(data, size):
    assert tiny(code_size="auto", max_epochs=1).fit(data).spec_.code_size == size


@pytest.mark.parametrize(
    ("shape", "options", "kind"),
    [
        ((9, 5), {}, "table"),
        ((9, 4, 5), {}, "image"),
        ((9, 4, 5, 3), {}, "image"),
        ((9, 4, 5, 9), {"kind": "image"}, "image"),
        ((9, 4, 5), {"kind": "series"}, "series"),
        ((9, 4), {"kind": "series"}, "series"),
    ],
)
def test_kind_auto(shape, options, kind):
    data = rng.normal(size=shape)
    model = tiny(max_epochs=1, **options).fit(data)
    assert model.spec_.kind == kind and model.schema_.shape == shape[1:]
    assert model.reconstruct(data).shape == shape
    assert model.reconstruction_error(data, per_value=True).shape == shape


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((9, 3, 8, 8), {}, r"channels come last.*transpose\(0, 2, 3, 1\)"),
        ((9, 8, 8, 8), {}, "1 to 4 channels.*kind='image'"),
        ((9, 2, 2, 2, 2), {}, r"shape \(9, 2, 2, 2, 2\)"),
        ((9, 4, 4), {"kind": "table"}, "kind='table' needs 2 dimensions"),
        ((9, 4), {"kind": "image"}, "kind='image' needs 3 or 4 dimensions"),
    ],
)
def test_shapes_that_fit_no_kind(shape, options, message):
    with pytest.raises(DataError, match=message):
        tiny(**options).fit(np.zeros(shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": MLP((8,))}, r"hidden=\(8,\) beside network=.*inside the network"),
        ({"network": "mlp", "hidden": "auto", "activation": "relu"}, "activation='relu' beside"),
        ({"network": "conv"}, r"hidden=\(8,\) beside network='conv'"),
        ({"network": "cnn", "hidden": "auto"}, "network='cnn'.*mlp"),
        ({"hidden": (8, 0)}, "hidden"),
        ({"activation": "swish"}, "swish"),
        ({"bottleneck": "plane"}, "bottleneck='plane'.*plain"),
        ({"likelihood": "poisson"}, "likelihood='poisson'.*bernoulli"),
        ({"scaling": "robust"}, "scaling='robust'.*standard"),
        ({"kind": "graph"}, "kind='graph'.*image"),
        ({"device": "toaster"}, "toaster.*cpu"),
        ({"random_state": -1}, "random_state"),
        *(({"code_size": size}, "code_size") for size in (0, -1, 2.5, True, "many", None)),
    ],
    ids=str,
)
def test_options_that_do_not_exist_or_do_not_fit(options, message):
    with pytest.raises(SpecError, match=message):
        tiny(**options).fit(X)


def test_shortcuts_and_defaults_of_the_network():
    assert tiny(hidden=[8, 4], activation="tanh").fit(X).spec_.network == MLP(
        (8, 4), "tanh", skip=True
    )
    assert tiny(hidden=8).fit(X).spec_.network == MLP((8,), skip=True)
    assert tiny(hidden=()).fit(X).spec_.network == MLP((), skip=False)
    assert tiny(network=MLP(dropout=0.1), hidden="auto").fit(X).spec_.network.hidden == (64, 32)
    assert tiny(bottleneck="plain").fit(X).spec_.bottleneck == Plain()


def test_bernoulli_is_refused_outside_its_range_with_the_cure():
    frame = pd.DataFrame(UNIT, columns=list("abcde"))
    frame.loc[7, "d"] = 1.5
    with pytest.raises(
        DataError, match=r"from 0 to 1, and 1 lie.*1\.5 in row 7, column 'd'.*'minmax'"
    ):
        tiny(likelihood="bernoulli").fit(frame)
    assert tiny(likelihood="bernoulli", scaling="minmax").fit(frame).spec_.scaling == "minmax"


def test_values_out_of_range_at_transform_warn_and_work():
    model = tiny().fit(UNIT)
    odd = UNIT[:3] + np.eye(3, 5)
    for method in (model.transform, model.reconstruct, model.reconstruction_error):
        with pytest.warns(RangeWarning, match=r"3 values lie outside.*row 0, column 0"):
            result = method(odd)
        assert np.isfinite(result).all() and len(result) == 3
    assert model.reconstruction_error(UNIT).shape == (60,)  # no warning: pytest makes it an error


def test_a_rectified_output_suits_data_that_are_never_negative():
    model = tiny(likelihood=MSE("relu"), max_epochs=20).fit(np.abs(X))
    assert model.reconstruct(np.abs(X)).min() >= 0
    with pytest.raises(DataError, match=r"from 0 to inf, and 1 lie.*-3 in row 2, column 1.*'mse'"):
        tiny(likelihood=MSE("relu")).fit([[1.0, 2], [3, 4], [1, -3]])
