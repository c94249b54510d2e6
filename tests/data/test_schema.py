"""Scaling there and back, statistics, and messages that say where the fault is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from diabolo.data import statistics as statistics_room
from diabolo.data.casts import as_dtype
from diabolo.data.checks import refuse_non_finite
from diabolo.data.containers import unpack
from diabolo.data.schema import SCALINGS, Schema
from diabolo.data.statistics import pieces_of, statistics_of, without_giants
from diabolo.errors import DataError, SchemaError, SpecError

DTYPES = ("bool", "int8", "uint8", "uint16", "int32", "int64", "uint64", "float16", "float32")
EPS32 = 2.0**-24  # largest relative rounding error of fp32


def fitted(X, scaling="standard", kind="table"):
    data = unpack(X)
    return Schema.fit(data, statistics_of(data.array), kind, scaling)


def round_trip(X, scaling, kind="table"):
    schema = fitted(X, scaling, kind)
    values = schema.encode(schema.unpack(X))
    assert values.dtype == np.float32
    return schema, values, schema.decode(values)


def tables(dtype, elements=None):
    shape = st.tuples(st.integers(1, 9), st.integers(1, 4))
    return hnp.arrays(dtype, shape, elements=elements)


def check_round_trip(X, scaling):
    schema, values, back = round_trip(X, scaling)
    assert back.dtype == X.dtype and back.shape == X.shape
    exact = X.astype(np.float64)
    # One rounding to fp32 in scaled units (and where it has no more digits), one to X's type.
    slack = (2 * EPS32 * np.abs(values.astype(np.float64)) + 1e-44) * schema.scale
    slack += 4e-16 * (np.abs(exact) + np.abs(schema.shift))
    if X.dtype.kind in "iu":
        slack = np.where(slack < 0.49, 0, slack + 1 + 2048 * (np.abs(exact) > 2**62))
    elif X.dtype.kind == "f":
        info = np.finfo(X.dtype)
        slack = slack + float(info.eps) * np.abs(exact) + 4 * float(info.smallest_subnormal)
    assert (np.abs(back.astype(np.float64) - exact) <= slack).all()


@pytest.mark.parametrize("scaling", [s for s in SCALINGS if s != "unit"])
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_any_table_comes_back(scaling, dtype, data):
    finite = {"allow_nan": False, "allow_infinity": False}
    elements = hnp.from_dtype(np.dtype(dtype), **(finite if "float" in dtype else {}))
    X = data.draw(tables(dtype, elements))
    if scaling == "none" and dtype == "float16":
        X = X.astype(np.float16)
    check_round_trip(X, scaling)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("scaling", ["unit", "none", "standard", "minmax"])
def test_every_pixel_value_comes_back_exactly(dtype, scaling):
    X = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 1)
    _, values, back = round_trip(X, scaling)
    np.testing.assert_array_equal(back, X)
    if scaling == "unit":
        assert values.min() == 0 and values.max() == 1


def test_extremes_of_int64_stay_in_range():
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    X = np.array([[low, high], [high, low], [0, 0]], np.int64)
    for scaling in ("standard", "minmax", "none", "scale"):
        back = round_trip(X, scaling)[2]
        np.testing.assert_array_equal(np.sign(back), np.sign(X))
        np.testing.assert_allclose(back.astype(float), X.astype(float), rtol=1e-6)
    wide = as_dtype(np.array([-1e30, 1e30, 2.5, -3.5]), "int64")
    assert wide.tolist() == [low, 2**63 - 1024, 2, -4]
    assert as_dtype(np.array([-5.0, 300.0]), "uint8").tolist() == [0, 255]


@given(centre=st.sampled_from([0.0, 1.6e9, -1.6e9, 1e12, 1e-8]), seed=st.integers(0, 99))
def test_columns_far_from_zero_keep_their_digits(centre, seed):
    X = centre + np.random.default_rng(seed).uniform(-1, 1, (50, 3))
    for scaling in ("standard", "minmax"):
        _, values, back = round_trip(X, scaling)
        tolerance = 1e-6 + 1e-15 * abs(centre)
        np.testing.assert_allclose(back, X, rtol=0, atol=tolerance)
    _, values, _ = round_trip(X, "standard")
    np.testing.assert_allclose(values.astype(float).std(axis=0), 1, rtol=1e-3)
    np.testing.assert_allclose(values.astype(float).mean(axis=0), 0, atol=1e-3)


def test_what_the_scalings_do():
    X = np.random.default_rng(0).normal(5, 3, (400, 3)) * [1, 10, 100]
    encoded = {s: round_trip(X, s)[1].astype(float) for s in ("standard", "minmax", "scale")}
    mean, deviation = X.mean(axis=0), X.std(axis=0)
    np.testing.assert_allclose(encoded["standard"], (X - mean) / deviation, atol=1e-5)
    np.testing.assert_allclose(encoded["scale"], X / deviation, rtol=1e-6)
    np.testing.assert_allclose(
        encoded["minmax"], (X - X.min(axis=0)) / np.ptp(X, axis=0), atol=1e-6
    )
    np.testing.assert_array_equal(round_trip(X, "none")[1], X.astype(np.float32))


@pytest.mark.parametrize("value", [0.0, 7.25, 0.1, -1.6e9, 1e-300])
@pytest.mark.parametrize("scaling", [s for s in SCALINGS if s != "unit"])
def test_a_constant_column_keeps_its_place_with_scale_one(value, scaling):
    X = np.column_stack([np.full(1000, value), np.arange(1000.0)])
    schema, values, back = round_trip(X, scaling)
    assert schema.scale[0] == 1
    assert np.isfinite(values).all()
    np.testing.assert_allclose(back[:, 0], value, rtol=1e-7, atol=1e-30)
    odd = schema.encode(schema.unpack(X[:1] + np.array([3, 0])))
    if scaling in ("standard", "minmax") or abs(value) < 1e6:  # else fp32 has no such digits
        assert odd[0, 0] - values[0, 0] == pytest.approx(3, rel=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 13, 64, 1000])
def test_statistics_in_many_pieces_equal_numpys(rows, monkeypatch):
    monkeypatch.setattr(statistics_room, "VALUES", 24)  # six rows of four
    X = 1.6e9 + np.random.default_rng(0).normal(size=(rows, 4)) * [1, 1e-3, 1e3, 0]
    pieces = list(pieces_of(X))
    assert len(pieces) == -(-rows // 6)
    np.testing.assert_array_equal(np.concatenate([piece for _, piece in pieces]), X)
    got = statistics_of(X)
    assert got.rows == rows
    np.testing.assert_array_equal(got.low, X.min(axis=0))
    np.testing.assert_array_equal(got.high, X.max(axis=0))
    np.testing.assert_allclose(got.mean, X.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(got.deviation, (X - X[0]).std(axis=0), rtol=1e-4, atol=1e-9)
    assert got.constant.tolist() == [rows == 1] * 3 + [True]


def test_encoding_does_not_depend_on_the_pieces(monkeypatch):
    X = np.random.default_rng(0).normal(size=(50, 4))
    whole = round_trip(X, "standard")[1]
    monkeypatch.setattr(statistics_room, "VALUES", 12)
    np.testing.assert_allclose(round_trip(X, "standard")[1], whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "shape", "axes"),
    [
        ("table", (30, 4), (0,)),
        ("image", (30, 4, 5), (0, 1, 2)),
        ("image", (30, 4, 5, 3), (0, 1, 2)),
        ("series", (30, 6, 2), (0, 1)),
        ("series", (30, 6), (0, 1)),
    ],
)
def test_scaling_is_shared_within_a_channel(kind, shape, axes):
    rng = np.random.default_rng(0)
    X = rng.normal(3, 2, shape) + 5 * rng.normal(size=shape[1:])
    schema = fitted(X, "standard", kind)
    mean, deviation = X.mean(axis=axes, keepdims=True), X.std(axis=axes, keepdims=True)
    np.testing.assert_allclose(schema.shift, np.broadcast_to(mean, X[:1].shape)[0])
    np.testing.assert_allclose(schema.scale, np.broadcast_to(deviation, X[:1].shape)[0])
    schema = fitted(X, "minmax", kind)
    np.testing.assert_allclose(
        schema.shift, np.broadcast_to(X.min(axes, keepdims=True), X.shape)[0]
    )


@pytest.mark.parametrize(("bad", "word"), [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "inf")])
def test_non_finite_cells_are_named(bad, word, monkeypatch):
    monkeypatch.setattr(statistics_room, "VALUES", 8)
    X = np.zeros((30, 4))
    X[17, 2] = bad
    with pytest.raises(DataError, match=rf"{word}.* row 17, column 2"):
        refuse_non_finite(unpack(X))
    with pytest.raises(DataError, match=rf"{word}.* row 17, column 'c'"):
        refuse_non_finite(unpack(pd.DataFrame(X, columns=list("abcd"))))
    with pytest.raises(DataError, match=rf"{word}.* row 17, position \(1, 0\)"):
        refuse_non_finite(unpack(X.reshape(30, 2, 2)))
    with pytest.raises(DataError, match=word):
        fitted(np.zeros((3, 4))).unpack(X)


@pytest.mark.parametrize("X", [[[1e300, 0.0], [-1e300, 1.0]], [[1e308, 0.0], [1.5e308, 0.0]]])
def test_numbers_too_large_to_be_squared_are_refused_in_fit(X):
    with pytest.raises(DataError, match=r"too large.*e\+30"):
        fitted(np.array(X))


def test_numbers_too_large_once_scaled_are_refused():
    schema = fitted(pd.DataFrame({"a": [0.0, 1.0], "b": [0.0, 1.0]}))
    with pytest.raises(DataError, match=r"1e\+60 in row 1, column 'b' is too large"):
        schema.encode(schema.unpack(pd.DataFrame({"a": [0.0, 0.0], "b": [0.0, 1e60]})))


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535)])
def test_another_unit_than_the_fitted_one_is_refused(dtype, top):
    schema = fitted(np.array([[0, 9], [top, 3]], dtype), "unit")
    for X in ([[0.0, 1.0]], [[0.5, 20.0]]):
        with pytest.raises(SchemaError, match=f"0 to {top}.*fractions.*multiply by {top}"):
            schema.unpack(X)
    with pytest.raises(SchemaError, match="bool"):
        schema.unpack(np.array([[True, False]]))
    for same in (np.array([[3, 9]], "int64"), [[3.0, 9.0]], np.array([[3, 9]], dtype)):
        values = schema.encode(schema.unpack(same))
        np.testing.assert_allclose(values, [[3 / top, 9 / top]], rtol=1e-6)


def test_bytes_are_refused_where_sixteen_bits_were_fitted():
    schema = fitted(np.array([[0, 9], [65535, 3]], "uint16"), "unit")
    with pytest.raises(SchemaError, match=r"uint8.*convert it to uint16"):
        schema.unpack(np.array([[3, 9]], "uint8"))


def test_unit_needs_unsigned_integers_and_scalings_have_names():
    with pytest.raises(SpecError, match=r"'unit'.*float64.*minmax"):
        fitted(np.ones((3, 2)), "unit")
    with pytest.raises(SpecError, match=r"'robust'.*standard"):
        fitted(np.ones((3, 2)), "robust")


@pytest.mark.parametrize(
    ("fitted_on", "X", "message"),
    [
        ((9, 4), np.ones((2, 3)), "X has 3 features, but Autoencoder is expecting 4"),
        ((9, 4, 4), np.ones((2, 4, 5)), r"rows have shape \(4, 5\).*fitted on \(4, 4\)"),
        ((9, 4), np.ones((2, 2, 2)), r"rows have shape \(2, 2\).*fitted on \(4,\)"),
        ((9, 4), np.ones((0, 4)), r"0 sample\(s\)"),
    ],
)
def test_other_shapes_are_refused(fitted_on, X, message):
    with pytest.raises(DataError, match=message):
        fitted(np.random.default_rng(0).normal(size=fitted_on)).unpack(X)


def test_the_support_has_room_for_a_rounding_error_only():
    X = np.linspace(0.1, 0.7, 31).reshape(-1, 1)
    schema = fitted(X, "minmax")
    assert schema.out_of_support(schema.encode(unpack(X)), (0, 1)) is None
    found = schema.out_of_support(schema.encode(unpack(np.array([[0.4], [0.72]]))), (0, 1))
    assert found == (1, "0.72 in row 1, column 0")


def test_the_largest_float_comes_back_finite():
    X = np.array([[3.4028235e38], *[[0.0]] * 6], np.float32)
    assert np.isfinite(round_trip(X, "standard")[2]).all()


def test_column_names():
    assert fitted(np.ones((2, 3))).column_names() == ("x0", "x1", "x2")
    assert fitted(pd.DataFrame({"b": [1, 2], "a": [1, 2]})).column_names() == ("b", "a")


def test_pixels_in_other_units_are_refused_both_ways():
    dark = np.zeros((3, 2, 2))
    for fitted_on, foreign, words in (
        (np.uint8([[[0, 255]]]), np.uint16([[[0, 65535]]]), "uint16, whose range is another"),
        (np.uint16([[[0, 65535]]]), np.uint8([[[0, 255]]]), "uint8, whose range is another"),
        (np.array([[[0.0, 1.0]]]), np.uint8([[[0, 255]]]), "uint8 up to 255: divide by 255"),
        (np.uint8([[[0, 255]]]), np.array([[[0.0, 1.0]]]), "fractions"),
    ):
        schema = fitted(fitted_on, "unit" if fitted_on.dtype.kind == "u" else "none", "image")
        with pytest.raises(SchemaError, match=words):
            schema.unpack(foreign)
    bright = fitted(np.full((3, 2, 2), 255, np.uint8), "unit", "image")
    assert (bright.unpack(dark).array == 0).all()
    bits = fitted(np.array([[0, 1], [1, 0]]), "none")
    assert bits.unpack(np.uint8([[1, 1]])).array.dtype == np.uint8


def test_giants_have_no_say_in_the_scale_and_what_is_rare_by_nature_has():
    rng = np.random.default_rng(0)
    X = rng.normal(3.0, 2.0, (2000, 6))
    X[5, 1] = 1e9
    X[[5, 6], 2] = 1e6, -1e12  # one behind the other
    X[:, 3] = 0.0
    X[9, 3] = 1e5  # a departure from a constant
    X[:, 4] = np.where(
        rng.random(2000) < 0.01, rng.lognormal(3, 2, 2000), rng.normal(0, 1e-3, 2000)
    )
    X[rng.random(2000) < 0.2, 5] = np.nan
    X[7, 5] = 1e7
    raw = statistics_of(X)
    found = without_giants(raw, X)
    for j, giants in ((1, [5]), (2, [5, 6]), (5, [7])):
        rest = np.delete(X[:, j], giants)
        assert found.mean[j] == pytest.approx(np.nanmean(rest))
        assert found.deviation[j] == pytest.approx(np.nanstd(rest))
    for j in (0, 3, 4):
        assert found.mean[j] == raw.mean[j] and found.deviation[j] == raw.deviation[j]
    np.testing.assert_array_equal(found.high, raw.high)
    schema = Schema.fit(unpack(X), found, "table", "standard", hidden=True)
    assert 10 <= schema.most(2000) < 45  # √2000, which a departure from a constant reaches
    plain = Schema.fit(unpack(X[:, :1]), statistics_of(X[:, :1]), "table", "standard")
    assert plain.most(2000) == np.inf
