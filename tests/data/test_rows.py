"""Rows that are scaled as they are asked for are those that are scaled in advance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diabolo import Autoencoder
from diabolo.data import rows as rows_room
from diabolo.data import statistics as statistics_room
from diabolo.data.containers import unpack
from diabolo.data.rows import Rows
from diabolo.data.schema import Schema
from diabolo.data.statistics import statistics_of
from diabolo.errors import DataError, RangeWarning
from diabolo.training import Training


@pytest.fixture(params=["in advance", "when asked"])
def way(request, monkeypatch):
    if request.param == "when asked":
        monkeypatch.setattr(rows_room, "room", lambda device: 0)
    return request.param


def table(n=37, dtype="float64"):
    return np.random.default_rng(0).normal(50, 9, (n, 3)).astype(dtype)


def schema_of(X, scaling="standard"):
    data = unpack(X)
    kind = "table" if data.array.ndim == 2 else "image"
    return Schema.fit(data, statistics_of(data.array), kind, scaling)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "uint8", "int64"])
def test_any_choice_of_rows_is_scaled(way, dtype):
    X = table(dtype=dtype)
    schema = schema_of(X)
    scaled = schema.encode(unpack(X))
    rows = Rows(schema, unpack(X))
    assert (rows.values is None) == (way == "when asked")
    assert len(rows) == 37 and rows.shape == (37, 3) and rows.device.type == "cpu"
    numbers = torch.tensor([3, 30, 0, 3], dtype=torch.int32)
    for index in (slice(5, 9), slice(30, 99), numbers):
        assert rows[index].dtype == torch.float32
        expected = scaled[index if isinstance(index, slice) else index.numpy()]
        np.testing.assert_array_equal(rows[index].numpy(), expected)


def test_data_without_scaling_is_not_shared_with_the_user(way):
    X = table(dtype="float32")
    rows = Rows(schema_of(X, "none"), unpack(X))
    rows[:2].zero_()
    assert (X[:2] > 1).all()


def test_values_outside_the_support_are_counted_over_all_pieces(way, monkeypatch):
    monkeypatch.setattr(statistics_room, "VALUES", 12)  # four rows of three
    X = np.full((11, 3), 0.5)
    schema = schema_of(X, "none")
    assert Rows(schema, unpack(X), (0.0, 1.0)).outside is None
    X[6, 1], X[10, 2] = 7.0, -1.0
    assert Rows(schema, unpack(X), (0.0, 1.0)).outside == (2, "7 in row 6, column 1")
    assert Rows(schema, unpack(X)).outside is None
    X[9, 0] = 1e60
    with pytest.raises(DataError, match=r"1e\+60 in row 9, column 0 is too large"):
        Rows(schema, unpack(X))[:]


def test_models_and_results_are_the_same_either_way(monkeypatch):
    X = np.random.default_rng(1).uniform(0, 1, (700, 4)) @ np.ones((4, 9)) / 4
    X += np.random.default_rng(2).normal(0, 0.01, X.shape)

    def results():
        model = Autoencoder(2, max_epochs=2, training=Training(members=2), random_state=0).fit(X)
        return model.history_[-1]["held_out"], model.transform(X), model.reconstruct(X)

    expected = results()
    monkeypatch.setattr(rows_room, "room", lambda device: 0)
    for one, other in zip(results(), expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_values_outside_the_range_warn_either_way(way):
    X = np.random.default_rng(0).uniform(0, 1, (60, 4))
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(X)
    with pytest.warns(RangeWarning, match=r"1 value lies .*2 in row 3, column 1"):
        X[3, 1] = 2
        model.transform(X)
