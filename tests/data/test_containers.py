"""The container that goes in comes out of `Autoencoder.reconstruct`, and bad ones are named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch

from diabolo import Autoencoder
from diabolo.data.containers import new_frame, pack_like, select, unpack
from diabolo.errors import DataError, SchemaError

ROWS = 12
rng = np.random.default_rng(0)
MIXED = {
    "whole": rng.integers(-9, 9, ROWS),
    "small": rng.integers(0, 200, ROWS).astype(np.uint8),
    "yes": rng.random(ROWS) < 0.5,
    "half": rng.normal(size=ROWS).astype(np.float32),
    "full": 1e6 + rng.normal(size=ROWS),
}
MAKERS = {
    "pandas": pd.DataFrame,
    "pandas-arrow": lambda d: pd.DataFrame(d).convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.DataFrame,
    "arrow": pa.table,
}


pytestmark = pytest.mark.usefixtures("one_thread")


def fitted(X, **options):
    return Autoencoder(2, hidden=(8,), max_epochs=2, random_state=0, **options).fit(X)


def columns(frame) -> dict[str, np.ndarray]:
    if isinstance(frame, pa.Table):
        return {name: frame[name].to_numpy() for name in frame.column_names}
    return {str(name): np.asarray(frame[name].to_numpy()) for name in frame.columns}


def types(frame) -> list:
    return list(frame.schema.types) if isinstance(frame, pa.Table) else list(frame.dtypes)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_a_frame_comes_back_as_the_same_kind_of_frame(maker):
    frame = maker(MIXED)
    model = fitted(frame)
    back = model.reconstruct(frame)
    assert type(back) is type(frame)
    assert list(columns(back)) == list(MIXED)
    assert types(back) == types(frame)
    # The numbers are those of the net, in the column that they belong to.
    names = list(MIXED)
    array = unpack(frame).array
    z = torch.from_numpy(model.schema_.encode(unpack(frame)))
    with torch.no_grad():
        scaled = model.module_.reconstruct(z).numpy()
    by_hand = scaled * model.schema_.scale + model.schema_.shift
    assert array.shape == by_hand.shape
    for name in ("half", "full"):
        np.testing.assert_allclose(columns(back)[name], by_hand[:, names.index(name)], rtol=1e-5)
    np.testing.assert_array_equal(columns(back)["whole"], np.round(by_hand[:, 0]))
    np.testing.assert_array_equal(columns(back)["yes"], by_hand[:, 2] >= 0.5)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_other_columns_and_another_order_pass_through(maker):
    model = fitted(maker(MIXED))
    plain = columns(model.reconstruct(maker(MIXED)))
    text = [f"row {i}" for i in range(ROWS)]
    wider = maker({"text": text, **dict(reversed(MIXED.items())), "gap": [None, 1.5] * (ROWS // 2)})
    back = model.reconstruct(wider)
    assert list(columns(back)) == list(columns(wider))
    assert types(back) == types(wider)
    assert columns(back)["text"].tolist() == text
    np.testing.assert_array_equal(pd.isna(columns(back)["gap"]), np.tile([True, False], ROWS // 2))
    for name in MIXED:
        np.testing.assert_allclose(
            columns(back)[name].astype(float), plain[name].astype(float), rtol=1e-6
        )


def test_pandas_keeps_its_index_and_its_names():
    index = pd.Index([5, 5, "x", *range(ROWS - 3)], name="key")
    frame = pd.DataFrame(rng.normal(size=(ROWS, 3)), index=index, columns=[0, "b", 7])
    back = fitted(frame).reconstruct(frame)
    pd.testing.assert_index_equal(back.index, frame.index)
    pd.testing.assert_index_equal(back.columns, frame.columns)
    turned = fitted(frame).reconstruct(frame[::-1])
    pd.testing.assert_frame_equal(turned, back[::-1])


def test_pandas_nullable_types_come_back():
    frame = pd.DataFrame(MIXED).convert_dtypes()
    assert str(frame.dtypes["whole"]) == "Int64"
    assert fitted(frame).reconstruct(frame).dtypes.tolist() == frame.dtypes.tolist()


def test_whole_numbers_are_not_forced_on_a_model_of_fractions():
    frame = pd.DataFrame(rng.normal(size=(ROWS, 2)), columns=["a", "b"])
    model = fitted(frame)
    ones = pd.DataFrame({"a": [1, 1], "b": [-1, 2]})
    wanted = model.reconstruct(ones.astype(float)).to_numpy()
    assert (wanted % 1 != 0).any()
    for kind in ("int64", "Int64", "int64[pyarrow]"):
        np.testing.assert_array_equal(model.reconstruct(ones.astype(kind)).to_numpy(), wanted)


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "int64", "uint8", "bool", ">f8"]
)
def test_arrays_come_back_in_the_fitted_type(dtype):
    X = rng.integers(0, 2, (ROWS, 3)).astype(dtype)
    back = fitted(X).reconstruct(X)
    assert type(back) is np.ndarray
    assert back.dtype == X.dtype.newbyteorder("=") and back.shape == X.shape


def test_lists_give_arrays_and_tensors_give_tensors():
    X = rng.normal(size=(ROWS, 3))
    model = fitted(X)
    wanted = model.reconstruct(X)
    np.testing.assert_array_equal(model.reconstruct(X.tolist()), wanted)
    tensor = torch.from_numpy(X).requires_grad_()
    back = model.reconstruct(tensor)
    assert isinstance(back, torch.Tensor) and back.dtype == torch.float64
    np.testing.assert_array_equal(back.numpy(), wanted)
    assert fitted(tensor.float()).reconstruct(tensor.float()).dtype == torch.float32
    rough = torch.from_numpy(X).bfloat16()
    np.testing.assert_array_equal(model.transform(rough), model.transform(rough.float()))


def test_a_model_of_arrays_gives_frames_back_too():
    X = rng.normal(size=(ROWS, 3))
    frame = pd.DataFrame(X, columns=list("abc"), index=range(5, 5 + ROWS))
    model = fitted(X)
    back = model.reconstruct(frame)
    np.testing.assert_array_equal(back.to_numpy(), model.reconstruct(X))
    assert back.columns.tolist() == list("abc") and back.index.equals(frame.index)


def test_a_model_of_frames_takes_arrays():
    frame = pd.DataFrame(rng.normal(size=(ROWS, 3)), columns=list("abc"))
    model = fitted(frame)
    X = frame.to_numpy()
    np.testing.assert_array_equal(model.transform(X), model.transform(frame))
    assert isinstance(model.reconstruct(X), np.ndarray)


def test_inverse_transform_gives_a_frame_for_a_frame_of_codes():
    frame = pd.DataFrame({"b": rng.integers(0, 9, ROWS), "a": rng.normal(size=ROWS)})
    model = fitted(frame).set_output(transform="pandas")
    codes = model.transform(frame[3:])
    back = model.inverse_transform(codes)
    pd.testing.assert_frame_equal(back, model.reconstruct(frame[3:]))
    assert isinstance(model.inverse_transform(codes.to_numpy()), np.ndarray)


def test_unpack_takes_the_named_columns_in_the_given_order():
    frame = pd.DataFrame({"b": [1, 2], "t": ["x", "y"], "a": [0.5, 1.5]})
    data = unpack(frame, ("a", "b"))
    np.testing.assert_array_equal(data.array, [[0.5, 1], [1.5, 2]])
    assert data.names == ("a", "b") and data.dtypes == ("float64", "int64")
    assert select(frame, ("a", "b")).columns.tolist() == ["a", "b"]


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_packing_alone(maker):
    frame = maker({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    packed = pack_like(frame, ("b",), [np.array([7.5, 8.5])])
    assert {k: v.tolist() for k, v in columns(packed).items()} == {"a": [1, 2], "b": [7.5, 8.5]}
    assert columns(frame)["b"].tolist() == [3, 4]  # the user's frame is left alone
    made = new_frame(frame, ("x", "y"), [np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    assert {k: v.tolist() for k, v in columns(made).items()} == {"x": [1, 2], "y": [3, 4]}


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(3), r"one dimension.*reshape\(-1, 1\)"),
        (pd.Series([1.0, 2.0]), "one dimension"),
        (3.5, "single number"),
        (np.ones((3, 2)) * 1j, "[Cc]omplex data not supported"),
        (pd.DataFrame({"a": [1.0], "c": [1j]}), "'c'"),
        (scipy.sparse.csr_array(np.eye(3)), r"sparse.*toarray\(\)"),
        (torch.eye(3).to_sparse(), r"sparse.*to_dense\(\)"),
        (np.array([["1", "x"], ["2", "y"]]), "X holds text.*'x'"),
        (np.array([[1, "x"], [2, "y"]], dtype=object), "X holds text.*'x'"),
        (np.array([["2024-01-01"]], "datetime64[D]"), "datetime64"),
        ([[1, 2], [3]], "rows differ in length"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a' occurs more than once"),
        (pa.table([[1], [2]], names=["a", "a"]), "'a' occurs more than once"),
        (np.ones((0, 3)), r"0 sample\(s\)"),
        (np.ones((3, 0)), r"0 feature\(s\)"),
        (pd.DataFrame({"a": []}), "."),
        (pd.DataFrame(index=range(3)), r"0 feature\(s\)"),
        (pd.DataFrame({"word": [*"abcdefghijklmn"]}), "no column can be used.*'word'"),
        (pa.table({"a": [1.0, 2.0, float("inf")]}), r"inf.*row 2, column 'a'"),
    ],
)
def test_what_cannot_be_used_is_named(X, message):
    with pytest.raises(DataError, match=message):
        Autoencoder(1, hidden=(4,), max_epochs=1).fit(X)


def test_what_is_no_number_at_all_is_a_type_error():
    with pytest.raises(TypeError, match="X holds something that is no number"):
        unpack(np.array([[1, {}], [2, 3]], dtype=object))


def test_objects_that_are_numbers_are_numbers():
    np.testing.assert_array_equal(unpack(np.array([[1, 2.5]], dtype=object)).array, [[1, 2.5]])
    frame = pd.DataFrame({"a": np.array([1, 2.5], dtype=object)})
    np.testing.assert_array_equal(unpack(frame).array, [[1], [2.5]])


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_other_columns_than_the_fitted_ones_are_named(maker):
    model = fitted(maker({"a": [1.0, 2.0, 4.0], "b": [3.0, 5.0, 4.0]}))
    with pytest.raises(SchemaError, match=r"unseen at fit time:\n- c\n.*missing:\n- b"):
        model.transform(maker({"a": [1.0], "c": [2.0]}))
    with pytest.raises(SchemaError, match="same order"):
        model.transform(maker({"b": [1.0], "a": [2.0]}))
    with pytest.raises(SchemaError, match=r"lacks the column 'b'.*it has 'a', 'c'"):
        model.reconstruct(maker({"a": [1.0], "c": [2.0]}))
    with pytest.raises(SchemaError, match=r"X has 3 features.*expecting 2"):
        model.transform(np.ones((1, 3)))


@pytest.mark.parametrize(
    ("X", "place"),
    [
        (pd.DataFrame({"a": [1.0, None], "b": [1, 2]}), "row 1, column 'a'"),
        (pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [1, 2]}), "row 1, column 'a'"),
        (pl.DataFrame({"a": [1, 2], "b": [None, True]}), "row 0, column 'b'"),
        (np.ma.masked_array(np.ones((2, 2)), mask=[[0, 1], [0, 0]]), "row 0, column 1"),
    ],
)
def test_missing_cells_are_named_where_the_model_saw_none(X, place):
    full = np.arange(8.0).reshape(4, 2)
    names = list(getattr(X, "columns", []))
    model = fitted(type(X)(dict(zip(names, full.T, strict=True))) if names else full)
    with pytest.raises(DataError, match=rf"NaN\) in {place}.*never saw one"):
        model.transform(X)
