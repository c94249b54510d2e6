"""Parquet, Feather and Arrow streams."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.reading import put, same

from diabolo.data.readers import open_source
from diabolo.data.writers import write
from diabolo.errors import ReadError

FRAME = pd.DataFrame(
    {
        "i": pd.array([1, None, 3, 4], dtype="Int64"),
        "b": [True, False, None, True],
        "c": pd.Categorical(["u", "v", None, "u"], categories=["v", "u", "w"]),
        "k": pd.Categorical(["3", "1", "2", "2"], ordered=True),
        "s": ["x", None, "", "NA"],
        "f": np.float32([1.5, np.nan, 3, 4]),
        "t": pd.to_datetime(["2020-01-01", None, "2021-01-01", "2022-01-01"]),
    }
)


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrow"])
@pytest.mark.parametrize("rows", [1, 3, 100])
def test_tables(tmp_path, suffix, rows):
    write(tmp_path / f"x{suffix}", FRAME)
    source = open_source(tmp_path / f"x{suffix}")
    frame = source.read()
    assert frame["i"].dtype == frame["b"].dtype == "float64"
    assert frame["f"].dtype == "float32"
    assert frame["c"].dtype == FRAME["c"].dtype or suffix == ".parquet"
    assert frame["k"].cat.ordered
    assert frame["c"].astype(object).fillna("?").tolist() == ["u", "v", "?", "u"]
    assert frame["s"].fillna("?").tolist() == ["x", "?", "", "NA"]
    same(source, rows)


def test_row_groups_with_other_categories(tmp_path):
    first = pa.table({"c": pa.array(["a", "b"]).dictionary_encode(), "i": [1, 2]})
    second = pa.table({"c": pa.array(["z", "b"]).dictionary_encode(), "i": [None, 4]})
    with pq.ParquetWriter(tmp_path / "x.parquet", first.schema) as writer:
        writer.write_table(first)
        writer.write_table(second.cast(first.schema))
    source = open_source(tmp_path / "x.parquet")
    assert source.read()["c"].tolist() == ["a", "b", "z", "b"]
    assert source.read()["i"].dtype == "float64"
    for rows in (1, 2, 3):
        same(source, rows)


def test_a_saved_index_is_not_data(tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.Index(["u", "v"], name="name"))
    frame.to_parquet(tmp_path / "x.parquet")
    source = open_source(tmp_path / "x.parquet")
    assert list(source.read().columns) == ["x"]
    assert "'name'" in source.notes[0]
    same(source, 1)


def test_arrow_streams(tmp_path):
    table = pa.table({"x": [1, 2, 3]})
    with pa.ipc.new_stream(str(tmp_path / "x.arrow"), table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    source = open_source(tmp_path / "x.arrow")
    assert source.rows is None and source.notes == ()
    assert source.read()["x"].tolist() == [1, 2, 3]
    same(source, 2)
    raw = (tmp_path / "x.arrow").read_bytes()
    assert "cut off" in open_source(put(tmp_path, "y.arrow", raw[:-8])).notes[0]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pa.table([[1], [2]], names=["a", "a"]), "both called 'a'"),
        (pa.table({"l": [[1, 2]]}), "column 'l' holds list"),
        (pa.table({"b": [b"x"]}), "column 'b' holds binary"),
        (pa.table({}), "no columns"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, table, words):
    with pa.ipc.new_file(str(tmp_path / "x.arrow"), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ReadError, match=words):
        open_source(tmp_path / "x.arrow")
