"""Columns of every kind: what a cell becomes, and that it comes back."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from diabolo.data.arrow import as_type
from diabolo.data.columns import DAY, Boolean, Categorical, Date, Numeric, Ordinal
from diabolo.data.containers import arrow_column, as_frame, pack_cells
from diabolo.data.inference import find, find_columns
from diabolo.data.table import Table
from diabolo.errors import DataError, SchemaWarning, SpecError

NOON = dt.datetime(2024, 2, 29, 12)
DAYS = [NOON, None, NOON + dt.timedelta(days=40, hours=3), NOON + dt.timedelta(days=800)]
#: Name → cells with one missing, and the kind that they are taken for.
CELLS = {
    "float": ([1.5, None, -3.0, 4.0], Numeric()),
    "whole": ([7, None, 3, 9], Numeric()),
    "truth": ([True, None, False, True], Boolean()),
    "bits": ([1, None, 0, 1], Boolean()),
    "text": (["b", None, "b", "a"], Categorical(("b",))),
    "digits": (["1.5", "?", "2", "3"], Numeric()),
    "when": (DAYS, Date((DAY, 7 * DAY, 365.2425 * DAY))),
    "written": (
        ["2024-01-01", None, "2024-02-15", "2026-03-01"],
        Date((7 * DAY, 365.2425 * DAY), days=True),
    ),
    "clock": (
        ["2024-01-01 06:30:00", None, "2024-01-02 07:00:05", "2024-01-03 00:00:00"],
        Date((DAY,)),
    ),
    "length": ([dt.timedelta(hours=h) if h else None for h in (1, 0, 3, 2)], Numeric()),
}
BACKENDS = {
    "pandas": pd.DataFrame,
    "pandas-own": lambda d: pd.DataFrame(d).convert_dtypes(),
    "pandas-arrow": lambda d: pd.DataFrame(d).convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.DataFrame,
    "arrow": pa.table,
}


def types(frame) -> list:
    return list(frame.schema.types) if isinstance(frame, pa.Table) else list(frame.dtypes)


def lists(frame) -> dict[str, list]:
    frame = as_frame(frame)
    return {name: arrow_column(frame[name]).to_pylist() for name in frame.columns}


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
def test_cells_are_read_alike_from_every_library_and_come_back(backend):
    frame = backend({name: cells for name, (cells, _) in CELLS.items()})
    found = find_columns(frame, {})
    assert {f.name: f.column for f in found} == {n: column for n, (_, column) in CELLS.items()}
    columns = tuple(f.column for f in found)
    view = as_frame(frame)
    cells = np.stack(
        [c.read(arrow_column(view[n])) for n, c in zip(CELLS, columns, strict=True)], axis=1
    )
    assert np.isnan(cells).sum() == len(CELLS) and np.isnan(cells[1]).all()
    names = tuple(CELLS)
    # Nothing is replaced: the frame as it was.
    same = pack_cells(frame, names, columns, cells, np.zeros(cells.shape, bool))
    assert types(same) == types(frame) and lists(same) == lists(frame)
    # The missing row is replaced by the first, all else stays.
    filled = np.where(np.isnan(cells), cells[0], cells)
    back = pack_cells(frame, names, columns, filled, np.isnan(cells))
    assert type(back) is type(frame) and types(back) == types(frame)
    before, after = lists(frame), lists(back)
    for name in names:
        assert [after[name][i] for i in (0, 2, 3)] == [before[name][i] for i in (0, 2, 3)]
        assert after[name][1] == before[name][0]
    # Whole columns are replaced, levels that are rare by one that is not.
    again = lists(pack_cells(frame, names, columns, filled))
    assert again == {**after, "text": ["b"] * 4, "digits": ["1.5", "1.5", "2", "3"]}


@pytest.mark.parametrize(("cells", "column"), CELLS.values(), ids=CELLS)
def test_values_lead_back_to_cells(cells, column):
    array = pa.array(cells)
    read = column.read(array)
    values = column.expand(read)
    assert values.shape == (4, column.width)
    assert (np.isnan(values) == np.isnan(read)[:, None]).all()
    there = ~np.isnan(read)
    known = there & (read < len(column.levels)) if isinstance(column, Categorical) else there
    np.testing.assert_allclose(column.collapse(values)[known], read[known])
    written = as_type(column.write(column.collapse(np.nan_to_num(values))), array.type)
    assert written.type == array.type


def test_levels_are_single_ones_and_the_unknown_has_its_own_place():
    column = Categorical(("a", "b"))
    cells = column.read(pa.array(["b", "a", "zebra", None, " a "]))
    np.testing.assert_array_equal(cells, [1, 0, 2, np.nan, 0])
    np.testing.assert_array_equal(column.expand(cells[:3]), [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    # What is filled in has a name.
    np.testing.assert_array_equal(column.collapse(np.array([[0.1, 0.2, 0.7]])), [1])


def test_ordered_levels_keep_their_order_and_refuse_others():
    sizes = pd.Series(pd.Categorical(["l", "s", "m", "s"], ["s", "m", "l"], ordered=True))
    found = find("size", pa.array(sizes))
    assert found.column == Ordinal(("s", "m", "l"))
    np.testing.assert_array_equal(found.column.read(pa.array(sizes)), [2, 0, 1, 0])
    assert found.column.write(np.array([1.6, -3.0, 0.4])).to_pylist() == ["l", "s", "s"]
    with pytest.raises(DataError, match=r"row 1 holds 'xl'.*'s', 'm', 'l'"):
        found.column.read(pa.array(["s", "xl"]))


def test_points_in_time_have_their_place_in_day_week_and_year():
    column = Date((DAY, 7 * DAY))
    when = pa.array([dt.datetime(1970, 1, 1, 6), dt.datetime(1970, 1, 8, 6)])
    values = column.expand(column.read(when))  # 1970 began on a Thursday, like periods of a week
    assert values[:, 0].tolist() == [6 * 3600, 6 * 3600 + 7 * DAY]
    np.testing.assert_allclose(values[:, 1], 1, atol=1e-9)  # a quarter of a day
    np.testing.assert_allclose(values[:, 2], np.sin(2 * np.pi / 28), atol=1e-9)
    np.testing.assert_allclose(values[0, 1:], values[1, 1:], atol=1e-9)


@pytest.mark.parametrize(
    ("cells", "kind", "note"),
    [
        ([f"person {i}" for i in range(40)], None, "free text"),
        ([*map(str, np.arange(40) / 7), "19 %"], None, "'19 %' is no number"),
        (list(range(1, 40)), None, "numbers the rows"),
        ([None] * 5, None, "empty"),
        (["?", "NA", " ", None], None, "empty"),
        ([[1, 2], [3]], None, "list"),
        (["a"] * 5, Categorical(("a",)), ""),
        ([3.5] * 5, Numeric(), ""),
        (["a", "b"] * 9 + ["c"], Categorical(("a", "b")), "1 rare"),
        ([0, 0, 0], Numeric(), ""),
        ([dt.date(2024, 1, 1), dt.date(2024, 1, 3)], Date((), days=True), ""),
        (["2024-01-01", "?", "2024-01-03T05:00"], Date((DAY,)), "dates written"),
    ],
)
def test_columns_are_taken_for_what_they_look_like(cells, kind, note):
    found = find("x", pa.array(cells))
    assert found.column == kind and note in found.note


@pytest.mark.parametrize("length", [1, 7, 1000])
def test_the_first_cell_that_is_none_is_named(length):
    row = 2 * length // 3
    for column, good, bad, message in (
        (Date(), "2024-05-12", "2030-13-45", "no date"),
        (Numeric(), "3.5", "abc", "no number"),
    ):
        cells = [good] * length
        cells[row] = bad
        cells[-1] = cells[-1] if row == length - 1 else "also not"
        with pytest.raises(DataError, match=f"row {row} holds '{bad}', which is {message}"):
            column.read(pa.array(cells))


def test_days_are_filled_with_days():
    assert Date((), days=True).write(np.array([0.4 * DAY, 1.6 * DAY])).to_pylist() == [
        dt.datetime(1970, 1, 1),
        dt.datetime(1970, 1, 3),
    ]


def test_what_the_user_says_counts():
    frame = pd.DataFrame({"class": [1, 2, 3] * 4, "id": range(12), "text": [*"abcdefghijkl"]})
    said = {"class": "ordinal", "id": "numeric", "text": "categorical"}
    columns = {f.name: f.column for f in find_columns(frame, said)}
    # Each level is rare, so there is one, and a place for all others.
    assert columns == {"class": Ordinal((1, 2, 3)), "id": Numeric(), "text": Categorical(("a",))}
    with pytest.raises(SpecError, match=r"'colour'.*class, id, text"):
        find_columns(frame, {"colour": "numeric"})
    with pytest.raises(SpecError, match=r"'id'.*number.*choose one of numeric, robust"):
        find_columns(frame, {"id": "number"})
    with pytest.raises(DataError, match="'class' as boolean: row 1 holds 2"):
        find_columns(frame, {"class": "boolean"})
    with pytest.raises(DataError, match=r"'text' as boolean: it holds text: 'categorical'"):
        find_columns(frame, {"text": "boolean"})
    with pytest.raises(DataError, match="'text' as numeric"):
        find_columns(frame, {"text": "numeric"})
    with pytest.raises(SpecError, match="no names"):
        find_columns(np.zeros((3, 2)), {"x": "numeric"})


def test_many_levels_are_grouped():
    cells = [f"level {i % 150 if i < 3000 else 0}" for i in range(4000)]
    column = find("x", pa.array(cells)).column
    assert len(column.levels) == 100 and column.levels[0] == "level 0"


def test_values_of_a_kind_are_neighbours():
    table = Table(
        (Categorical(("a", "b")), Numeric(), Boolean(), Date((DAY,)), Categorical(("c",))),
        ("string", "double", "bool", "timestamp[us]", "string"),
    )
    assert table.width == 3 + 1 + 1 + 3 + 2
    assert table.places == (slice(5, 8), slice(0, 1), slice(4, 5), slice(1, 4), slice(8, 10))
    cells = np.array([[1, -2.5, 1, 6 * 3600, 1], [2, 7.0, np.nan, 0, 0]])
    values = table.expand(cells)
    np.testing.assert_array_equal(values[0, [0, 1, 4, 5, 6, 7]], [-2.5, 6 * 3600, 1, 0, 1, 0])
    back = table.collapse(values)
    np.testing.assert_array_equal(back[:, 1:4], cells[:, 1:4])
    assert table.columns_of_values == (1, 3, 3, 3, 2, 0, 0, 0, 4, 4)


def test_left_out_columns_are_told_of():
    frame = pd.DataFrame({"x": np.arange(30.0) ** 2, "name": [f"n{i}" for i in range(30)]})
    from diabolo import Autoencoder

    with pytest.warns(SchemaWarning, match=r"left out: 'name' \(30 levels in 30 cells"):
        model = Autoencoder(1, hidden=(4,), max_epochs=1, random_state=0).fit(frame)
    assert model.feature_names_in_.tolist() == ["x", "name"] and model.n_features_in_ == 2
    assert model.transform(frame).shape == (30, 1)
    assert model.reconstruct(frame)["name"].equals(frame["name"])
