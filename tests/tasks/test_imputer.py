"""Missing cells are filled, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.impute import KNNImputer
from sklearn.utils.estimator_checks import check_estimator
from tests.samples import low_rank, tiny

from diabolo import Autoencoder, Imputer, load, recipes
from diabolo.corruptions import Masking
from diabolo.errors import DataError, SchemaWarning, SpecError

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = recipes.imputing(4, hidden=(16,), max_epochs=3, random_state=0)


def table(rows=120):
    rng = np.random.default_rng(0)
    size = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "length": size,
            "kind": np.where(size > 0, "large", "small"),
            "count": pd.array(rng.integers(0, 9, rows), "Int64"),
            "heavy": pd.array(size > 0.5, "boolean"),
            "name": [f"n{i}" for i in range(rows)],
        },
        index=range(7, 7 + rows),
    )
    frame.loc[frame.index[::5], "length"] = None
    frame.loc[frame.index[1::5], "kind"] = None
    frame.loc[frame.index[2::5], "count"] = None
    frame.loc[frame.index[3::5], "heavy"] = None
    frame.loc[frame.index[4::5], "name"] = None
    return frame


@pytest.mark.filterwarnings("ignore::diabolo.errors.SchemaWarning")
def test_a_frame_comes_back_full_and_otherwise_as_it_was():
    frame = table()
    imputer = Imputer(SMALL).fit(frame)
    filled = imputer.transform(frame)
    assert filled.dtypes.equals(frame.dtypes) and filled.index.equals(frame.index)
    # A column of names is left out, and keeps its gaps.
    assert filled["name"].equals(frame["name"])
    for name in ("length", "kind", "count", "heavy"):
        assert not filled[name].isna().any()
        there = frame[name].notna()
        assert filled[name][there].equals(frame[name][there])
    assert set(filled["kind"]) == {"large", "small"}
    assert filled.columns.equals(frame.columns)
    # The same from every library, and from parts of the table.
    for other in (pl.from_pandas(frame), pa.Table.from_pandas(frame, preserve_index=False)):
        back = imputer.transform(other)
        assert type(back) is type(other) and back.schema == other.schema
        columns = back.to_pydict() if isinstance(back, pa.Table) else back.to_dict(as_series=False)
        assert columns["kind"] == filled["kind"].tolist()
        assert columns["count"] == filled["count"].tolist()
    again = imputer.transform(frame[["count", "kind", "heavy", "length"]][40:50])
    assert again["length"].equals(filled["length"][40:50])
    assert imputer.transform(filled).equals(filled)


@pytest.mark.parametrize("make", [np.float64, np.float32, torch.from_numpy], ids=str)
def test_arrays_and_tensors_come_back_full(make):
    X = low_rank()
    X[3, 2] = X[9, 0] = np.nan
    X = make(X)
    filled = Imputer(SMALL).fit(X).transform(X)
    assert type(filled) is type(X) and filled.dtype == X.dtype
    there = ~np.isnan(np.asarray(X))
    np.testing.assert_array_equal(np.asarray(filled)[there], np.asarray(X)[there])
    assert np.isfinite(np.asarray(filled)).all()
    # The input is left alone.
    assert np.isnan(np.asarray(X)).sum() == 2


def test_images_are_filled_where_they_are_nan():
    images = np.random.default_rng(0).random((60, 8, 8)).astype(np.float32)
    holes = images.copy()
    holes[:, 2:5, 3:6] = np.nan
    imputer = Imputer(SMALL).fit(images)
    filled = imputer.transform(holes)
    assert np.isfinite(filled).all() and (filled[:, 0] == images[:, 0]).all()
    with pytest.raises(SpecError, match="draws need a table"):
        imputer.draw(holes)


def test_filled_cells_are_nearer_than_means_and_neighbours():
    X = load_breast_cancer().data
    where = np.random.default_rng(0).random(X.shape) < 0.2
    holes = np.where(where, np.nan, X)
    scale = X.std(axis=0)

    def error(filled):
        return np.sqrt(np.mean((((filled - X) / scale)[where]) ** 2))

    ours = error(Imputer(random_state=0).fit_transform(holes))
    means = error(np.where(where, np.nanmean(holes, axis=0), X))
    deviations = np.nanstd(holes, axis=0)
    neighbours = error(KNNImputer().fit_transform(holes / deviations) * deviations)
    assert ours < 0.6 * means and ours < 1.05 * neighbours


def test_draws_spread_as_much_as_the_cells_are_uncertain():
    """b = a + noise of deviation 0.5: given a, so are the draws of b."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=4000)
    X = np.stack([a, a + 0.5 * rng.normal(size=4000)], axis=1)
    imputer = Imputer(recipes.imputing(2, hidden=(16,), max_epochs=30, random_state=0)).fit(X)
    probe = np.array([[0.5, np.nan]]).repeat(400, axis=0)
    draws = np.stack(imputer.draw(probe, 5, random_state=0))[:, :, 1]
    assert abs(draws.mean() - 0.5) < 0.15 and 0.4 < draws.std() < 0.65
    # Where both are missing they go together.
    both = imputer.draw(np.full((3000, 2), np.nan), 1, random_state=0)[0]
    assert np.corrcoef(both.T)[0, 1] > 0.75 and abs(np.corrcoef(X.T)[0, 1] - 0.89) < 0.01
    assert 0.8 < both[:, 0].std() < 1.2
    again = imputer.draw(probe, 5, random_state=0)
    np.testing.assert_array_equal(np.stack(again)[:, :, 1], draws)
    with pytest.raises(SpecError, match="n=0"):
        imputer.draw(probe, 0)


def test_levels_are_drawn_by_their_probabilities():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"x": rng.normal(size=3000), "level": rng.choice(["a", "b", "c"], 3000, p=[0.6, 0.3, 0.1])}
    )
    imputer = Imputer(recipes.imputing(2, hidden=(8,), max_epochs=20, random_state=0)).fit(frame)
    probe = pd.DataFrame(
        {"x": rng.normal(size=3000), "level": pd.Series([None] * 3000, dtype=object)}
    )
    shares = imputer.draw(probe, 1, random_state=1)[0]["level"].value_counts(normalize=True)
    assert abs(shares["a"] - 0.6) < 0.05 and abs(shares["c"] - 0.1) < 0.03
    assert (imputer.transform(probe)["level"] == "a").mean() > 0.95


def test_a_fitted_model_is_used_as_it_is(tmp_path):
    X = low_rank()
    model = tiny(corruption=Masking(0.5, missing=True)).fit(X)
    X[3, 2] = np.nan
    filled = Imputer(model).fit(None).transform(X)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(Imputer(load(tmp_path / "m")).fit(None).transform(X), filled)

    assert filled[3, 2] == model.reconstruct(X)[3, 2]
    with pytest.raises(SpecError, match=r"draws need.*fit\(X\)"):
        Imputer(model).fit(None).draw(X)
    assert len(Imputer(model).fit(X).draw(X, 2)) == 2
    with pytest.raises(SpecError, match=r"never had cells hidden.*imputing\(\)"):
        Imputer(tiny().fit(low_rank())).fit(X)
    with pytest.raises(SpecError, match="never had cells hidden"):
        Imputer(tiny(corruption=Masking(0.3)).fit(low_rank())).fit(X)
    for visible in ("masking", (Masking(0.3), "gaussian")):
        model_of_others = tiny(corruption=visible)
        with pytest.raises(SpecError, match="never had cells hidden"):
            Imputer(model_of_others).fit(low_rank())
    assert Imputer(tiny(corruption=("gaussian", Masking(0.3, missing=True)))).fit(low_rank())
    with pytest.raises(SpecError, match="model=3: pass an Autoencoder"):
        Imputer(3).fit(X)
    with pytest.raises(DataError, match="expecting 6"):
        Imputer(model).fit(None).transform(X[:, :3])


def test_an_unfitted_model_gets_what_imputing_needs():
    model = (
        Imputer(Autoencoder(2, hidden=(8,), max_epochs=1), random_state=3).fit(low_rank()).model_
    )
    assert model.corruption == recipes.imputing().corruption and model.spec_.seed == 3


def test_nets_of_tables_are_wide_and_others_as_usual():
    """Copying what is there is no illness of them either, though their codes have room for it."""
    X = np.random.default_rng(0).normal(size=(300, 6))  # of which no cell tells another
    model = recipes.imputing(max_epochs=200, random_state=0).fit(X)
    assert model.spec_.network.hidden == (256, 128) and model.spec_.code_size == 64
    assert model.vitals_.shuffled < 0.1 * model.vitals_.variance
    assert not {"identity"} & {finding.name for finding in model.diagnose()}
    spec = recipes.imputing(3, hidden=(7,), max_epochs=1).fit(X).spec_
    assert spec.network.hidden == (7,) and spec.code_size == 3
    images = np.random.default_rng(0).random((60, 8, 8))
    spec, plain = (
        make(max_epochs=1, random_state=0).fit(images).spec_
        for make in (recipes.imputing, Autoencoder)
    )
    assert (spec.network, spec.code_size) == (plain.network, plain.code_size)


def test_scikit_learns_checks_pass():
    check_estimator(Imputer(SMALL))


def test_what_is_left_out_is_told():
    with pytest.warns(SchemaWarning, match="'name'"):
        Imputer(SMALL).fit(table())


def test_a_loaded_imputer_fills_and_draws_alike(tmp_path):
    X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, -2.0, 3.0]
    X[::5, 1] = np.nan
    imputer = Imputer(recipes.imputing(max_epochs=5), random_state=0).fit(X)
    imputer.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert type(again) is Imputer
    np.testing.assert_array_equal(again.transform(X), imputer.transform(X))
    for drawn, known in zip(
        again.draw(X, 2, random_state=0), imputer.draw(X, 2, random_state=0), strict=True
    ):
        np.testing.assert_array_equal(drawn, known)


def test_a_slip_of_the_pen_does_not_ruin_its_row():
    rng = np.random.default_rng(0)
    z = rng.normal(size=500)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.round(100 + 30 * z), unit="D")
    frame = pd.DataFrame(
        {"a": z, "b": np.exp(2 * z), "day": days, "n": np.round(5 + z), "same": 5.0}
    )
    imputer = Imputer(random_state=0).fit(frame.mask(rng.random(frame.shape) < 0.1))
    rows = frame.iloc[:4].copy()
    rows.iloc[:, 1:] = [[np.nan, pd.NaT, np.nan, np.nan]] * 4
    rows["a"] = [1e12, -1e12, 30.0, 0.0]
    for filled in (imputer.transform(rows), *imputer.draw(rows, 3, random_state=0)):
        for name in ("b", "day", "n", "same"):
            assert filled[name].between(frame[name].min(), frame[name].max()).all()
        assert filled["a"].tolist() == rows["a"].tolist()
