"""How numbers of a column are scaled: by what shape, and against scikit-learn's scalers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.preprocessing import QuantileTransformer, RobustScaler

from diabolo import Autoencoder, Imputer, load, recipes
from diabolo.data.columns import COLUMNS, Numeric, Quantile, Robust
from diabolo.data.inference import describe
from diabolo.data.shape import by_shape
from diabolo.errors import DataError, SpecError
from diabolo.spec import from_json, to_json


def normal(n=2000, seed=0):
    return np.random.default_rng(seed).normal(size=n)


#: Name → cells of a column, and how they are scaled.
SHAPES = {
    "normal": (normal(), Numeric),
    "amounts": (np.exp(1.5 * normal()), Quantile),
    "debts": (-np.exp(1.5 * normal()), Quantile),
    "with gaps": (np.where(normal(seed=1) > 1, np.nan, np.exp(1.5 * normal())), Quantile),
    "waiting": (np.random.default_rng(0).gamma(4.0, size=2000), Numeric),
    "mostly nothing": (np.where(normal(seed=1) > 0.8, np.exp(normal()), 0.0), Quantile),
    "one giant": (np.r_[normal(), 1e9], Quantile),
    "all alike": (np.ones(50), Numeric),
    "rarely": (np.r_[np.zeros(99), 1.0], Numeric),
    "rounded": (np.r_[np.full(500, 0.3), np.full(3, 0.1 + 0.2), np.nextafter(0.3, 0)], Numeric),
    "one": (np.ones(1), Numeric),
    "none": (np.full(5, np.nan), Numeric),
}


@pytest.mark.parametrize(("cells", "kind"), SHAPES.values(), ids=SHAPES)
def test_the_shape_of_a_column_decides(cells, kind):
    (column,) = by_shape((Numeric(),), cells[:, None])
    assert type(column) is kind
    assert by_shape((Numeric(),), cells[:, None], said=[0]) == (Numeric(),)


def test_ranks_are_scikit_learns():
    cells = np.exp(2 * normal(500))
    values = Quantile.of(cells).expand(cells)
    known = QuantileTransformer(n_quantiles=500, output_distribution="normal")
    inner = np.abs(known.fit_transform(cells[:, None])) < 2.5
    np.testing.assert_allclose(values[inner], known.transform(cells[:, None])[inner], atol=0.1)


def test_numbers_come_back_and_keep_their_order_beyond_the_ends():
    cells = np.exp(2 * normal(500))
    column = Quantile.of(cells)
    np.testing.assert_allclose(column.collapse(column.expand(cells)), cells, rtol=1e-9)
    asked = np.array([-1e6, -1.0, cells.min(), cells.max(), 1e3 * cells.max(), 1e12])
    values = column.expand(asked)[:, 0]
    assert np.isfinite(values).all() and (np.diff(values) > 0).all()
    np.testing.assert_allclose(column.collapse(values[:, None]), asked, rtol=1e-6)
    assert np.isnan(column.expand(np.array([np.nan]))).all()
    ties = Quantile.of(np.repeat([0.0, 1.0, 5.0], [90, 9, 1]))
    assert ties.knots == (0.0, 1.0, 5.0)
    assert (np.diff(ties.expand(np.array([-1.0, 0, 0.5, 1, 5, 9]))[:, 0]) > 0).all()


def test_the_robust_scale_is_scikit_learns():
    cells = np.r_[normal(99), 1e6]
    known = RobustScaler(unit_variance=True).fit_transform(cells[:, None])
    np.testing.assert_allclose(Robust.of(cells).expand(cells), known, rtol=1e-6)
    spike = Robust.of(np.r_[np.zeros(90), np.arange(10.0)])
    assert spike.spread > 0 and spike.middle == 0
    halves = Robust.of(np.r_[np.full(50, 0.3), np.full(49, 0.1 + 0.2), 7.0])
    assert halves.spread > 0.1


def test_scales_are_parts_and_damaged_ones_are_refused():
    for column in (Quantile.of(normal(50)), Robust(1.0, 2.0)):
        assert from_json(to_json(column, COLUMNS), COLUMNS) == column
    for bad in (
        lambda: Quantile((1.0, 1.0), (0.0, 1.0)),
        lambda: Quantile((1.0, 2.0), (0.0,)),
        lambda: Quantile((1.0, "2"), (0.0, 1.0)),
        lambda: Robust(0.0, 0.0),
        lambda: Robust(float("nan"), 1.0),
    ):
        with pytest.raises(SpecError):
            bad()


@pytest.fixture(scope="module")
def frame():
    z = normal(600)
    amounts = np.exp(1.7 * z + 0.1 * normal(600, seed=1))
    return pd.DataFrame({"z": z, "amount": amounts, "count": np.exp(3 + 2 * z).astype(int)})


def kinds(model):
    return [column.kind for column in model.schema_.table.columns]


def test_the_schema_tells_it_and_the_user_overrides_it(frame):
    lines = describe(frame, {})
    assert [("skewed" in line[4]) for line in lines] == [False, True, True]
    said = {"z": "quantile", "amount": "robust", "count": "numeric"}
    assert [(line[1], line[4]) for line in describe(frame, said)] == [
        (kind, "") for kind in said.values()
    ]
    filling = recipes.imputing(max_epochs=1, random_state=0)
    assert kinds(filling.fit(frame)) == ["numeric", "quantile", "quantile"]
    assert kinds(filling.set_params(schema=said).fit(frame)) == [*said.values()]
    # A scaling for all columns is one for each of them; and what is odd must stay odd.
    for options in ({"scaling": "minmax"}, {"corruption": None}):
        model = recipes.imputing(likelihood="mse", max_epochs=1).set_params(**options)
        assert kinds(model.fit(frame)) == ["numeric"] * 3


def test_small_amounts_are_filled_well_in_frames_and_arrays(frame, tmp_path):
    gaps = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.2)
    hidden = gaps["amount"].isna().to_numpy()
    truth = np.log(frame["amount"][hidden])
    filled = Imputer(random_state=0).fit(gaps).transform(gaps)["amount"][hidden]
    imputer = Imputer(random_state=0).fit(gaps.to_numpy())
    of_array = imputer.transform(gaps.to_numpy())
    for amounts in (filled, of_array[hidden, 1]):
        assert np.corrcoef(np.log(np.clip(amounts, 1e-9, None)), truth)[0, 1] > 0.7
    plain = Imputer(random_state=0).fit(np.log(gaps[["z"]].to_numpy() ** 2 + 1))
    assert plain.model_.schema_.table is None
    imputer.model_.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(
        again.reconstruct(gaps.to_numpy()), imputer.model_.reconstruct(gaps.to_numpy())
    )


def test_frames_of_numbers_and_arrays_stay_what_they_are(frame):
    gaps = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.1)
    for kind in (pl.from_pandas, pa.Table.from_pandas, lambda f: f):
        X = kind(gaps)
        imputer = Imputer(recipes.imputing(max_epochs=1), random_state=0).fit(X)
        assert type(imputer.transform(X)) is type(X) is type(imputer.model_.reconstruct(X))
        # What has no frame to be like is an array, skewed or not.
        assert isinstance(imputer.model_.reconstruct(gaps.to_numpy()), np.ndarray)
        assert isinstance(imputer.model_.inverse_transform(np.zeros((2, 64))), np.ndarray)
    of_array = Imputer(recipes.imputing(max_epochs=1), random_state=0).fit(gaps.to_numpy())
    assert list(of_array.transform(gaps).columns) == list(frame.columns)
    drawn = of_array.draw(gaps, 2, random_state=0)[0]
    assert not drawn.isna().any(axis=None)


def test_numbers_too_large_to_be_scaled_are_refused_by_name():
    frame = pd.DataFrame({"a": normal(60), "b": np.r_[np.zeros(50), np.full(10, 1e200)]})
    for kind in ("robust", "quantile"):
        with pytest.raises(DataError, match=r"'b'.*too large"):
            Autoencoder(2, schema={"b": kind}, max_epochs=1).fit(frame)
    with pytest.raises(DataError, match="column 'a'"):
        model = Autoencoder(2, likelihood="bernoulli", scaling="minmax", schema={"a": "quantile"})
        model.fit(frame[:40].assign(b=normal(40)))


def test_the_scaling_that_is_asked_for_is_that_of_all(frame):
    model = recipes.imputing(scaling="standard", max_epochs=1).fit(frame.to_numpy())
    assert model.schema_.table is None
