"""CSV and TSV: header, separators, types, and what it says of wrong text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.reading import put, same

from diabolo.data.readers import delimited, open_source
from diabolo.data.writers import write
from diabolo.errors import ReadError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b\n1,2\n", ["a", "b"]),
        ("1,2\n3,4\n", None),
        ("id,2019,2020\n1,2,3\n", ["id", "2019", "2020"]),
        ("label,x\ncat,dog\n", ["label", "x"]),
        ("red,small\nblue,small\n", None),
        ("cat,1\ndog,2\n", None),
        ("2020-01-01,true\n2020-01-02,false\n", None),
        ("2020-01-01\n2020-01-02\n", None),
        ("NA,1\n2,3\n", None),
        ("a,b\n,\n1,\n", ["a", "b"]),
        (",x\n0,1.5\n", ["c0", "x"]),
        ('"0","1"\n3,4\n', ["0", "1"]),
        ('"a\nb",c\n1,2\n', ["a\nb", "c"]),
        ("\n\r\na,b\n1,2\n", ["a", "b"]),
        ("\ufeffa,b\n1,2\n", ["a", "b"]),
        ("a,b", ["a", "b"]),
        ("a,b\n", ["a", "b"]),
    ],
)
@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_header(tmp_path, name, text, names):
    source = open_source(put(tmp_path, name, text))
    frame = source.read()
    assert source.notes[0].startswith("header: first line" if names else "header: none")
    assert list(frame.columns) == (names or [f"c{i}" for i in range(frame.shape[1])])
    same(source, 1)


def test_header_override(tmp_path):
    path = put(tmp_path, "x.csv", "1,2\n3,4\n")
    assert list(open_source(path, header=True).read().columns) == ["1", "2"]
    path = put(tmp_path, "x.csv", "a,b\n1,2\n")
    frame = open_source(path, header=False).read()
    assert frame["c0"].tolist() == ["a", "1"]
    counted = open_source(put(tmp_path, "x.csv", "0,1,2\n5,6,7\n"))
    assert len(counted.read()) == 2
    assert "0, 1, 2" in counted.notes[1]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a;b\n1;2\n3;4\n", "x.csv"),
        ("a\tb\n1\t2\n3\t4\n", "x.csv"),
        ("a\tb\n1\t2\n3\t4\n", "x.tsv"),
        ("a;b\n1,0;2,0\n3,0;4,0\n", "x.csv"),
        ("1,0;2,0\n3,0;4,0\n", "x.csv"),
        ('a,b\n"1","2"\n"3","4"\n', "x.csv"),
        ("a,b\r\n1,2\r\n3,4", "x.csv"),
    ],
)
def test_separators(tmp_path, text, name):
    frame = open_source(put(tmp_path, name, text)).read()
    np.testing.assert_array_equal(frame.to_numpy(), [[1, 2], [3, 4]])


def test_a_wide_file(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_HEAD", 1000)
    data = np.random.default_rng(0).random((3, 2000))
    path = put(tmp_path, "x.csv", "\n".join(",".join(map(str, row)) for row in data.tolist()))
    source = open_source(path)
    np.testing.assert_array_equal(source.read().to_numpy(), data)
    same(source, 2)


def test_missing_cells_and_types(tmp_path):
    text = "i,f,b,s,n,d,q\n1,1.5,true,x,,2020-01-02,?\n,NA,,null,NaN,,1\n"
    text += "3,-inf,false,z,,2020-01-04,2\n"
    source = open_source(put(tmp_path, "x.csv", text))
    frame = source.read()
    assert [str(dtype) for dtype in frame.dtypes[["i", "f", "b", "s", "n", "q"]]] == [
        *("float64", "float64", "float64", "str", "float64", "str")
    ]
    assert frame["d"].dtype.kind == "M"
    assert frame["s"].isna().tolist() == [False, True, False]
    assert frame["q"].tolist() == ["?", "1", "2"]
    same(source, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n3\n", "line 3: 1 fields, the first line has 2"),
        ('a,b\n"1\n\n",2\n\n3,4,5\n', "line 6: 3 fields"),
        ("1,2\n" * 300_000 + "3\n", "line 300001: 1 fields, expected 2"),
        ("a,b,a\n1,2,3\n", "line 1: column names are used twice: 'a'"),
        ("", "empty"),
        ("\n\n", "empty"),
        ("\ufeff", "empty"),
        (b"a,b\n1,caf\xe9\n", "line 2: byte 9 is not UTF-8"),
        (b"a\n" + b"x\n" * 2_000_000 + b"\xff\n", "line 2000002: byte 4000002 is not UTF-8"),
        (b"\xff\xfea\0,\0b\0", "UTF-16"),
        (b"a,b\n1,\x00\n", "does not look like delimited text"),
        ('a,b\n1,"2\n' + "3,4\n" * 5_000_000, "never closed"),
        ('a,b\n1,2\n1,"2\n3,4\n', "never closed"),
    ],
)
def test_wrong_text(tmp_path, text, words):
    path = put(tmp_path, "x.csv", text)
    with pytest.raises(ReadError, match=words):
        open_source(path).read()
    with pytest.raises(ReadError, match=words):
        for _ in open_source(path).chunks(100_000):
            pass


@pytest.mark.parametrize("cut", [15, 100, -9, -1])
def test_truncated_gzip(tmp_path, cut):
    rows = np.random.default_rng(0).random((2000, 3))
    write(tmp_path / "x.csv.gz", rows)
    path = tmp_path / "x.csv.gz"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ReadError, match="truncated"):
        open_source(path).read()


NUMBERS = ["1", "0", "-7", "2.5", "1e300", "inf", "nan", "07", "", "NA", "true", "false"]
TIMES = ["2020-01-01", "12:30:00", "2020-01-01 10:00:00", "2020-01-01T10:00:00.5"]
TEXTS = ["x", '"a,""b"', '"l\nm"', "é"]
CELLS = [*NUMBERS, *TIMES, *TEXTS]


@given(data=st.data(), rows=st.integers(1, 5))
@settings(max_examples=300, deadline=None)
def test_pieces_have_the_types_of_the_whole(data, rows, tmp_path_factory):
    """Blocks of a few bytes: every row is another block, and types change on the way."""
    width = data.draw(st.integers(2, 3))
    pools = [
        data.draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=3)) for _ in range(width)
    ]
    table = data.draw(
        st.lists(st.tuples(*(st.sampled_from(pool) for pool in pools)), min_size=1, max_size=30)
    )
    header = ",".join(f"col{i}" for i in range(width))
    text = "\n".join([header, *(",".join(row) for row in table)]) + "\n"
    path = put(tmp_path_factory.mktemp("csv"), "x.csv", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_BLOCK", 1)
        patch.setattr(delimited, "_LINES", 4)
        source = open_source(path, header=True)
        assert len(source.read()) == len(table)
        same(source, rows)


def test_every_change_of_type_on_the_way(tmp_path, monkeypatch):
    """One column for each pair of cells: the first in the first blocks, the other in the last."""
    monkeypatch.setattr(delimited, "_BLOCK", 1)
    monkeypatch.setattr(delimited, "_LINES", 4)
    pairs = [(a, b) for a in CELLS for b in CELLS if "\n" not in a + b]
    rows = [",".join(f"n{i}" for i in range(len(pairs)))]
    rows += [",".join(a for a, _ in pairs)] * 10 + [",".join(b for _, b in pairs)] * 10
    source = open_source(put(tmp_path, "x.csv", "\n".join(rows)), header=True)
    whole, types = source.read().dtypes, [set() for _ in pairs]
    for piece in source.chunks(10):
        for kinds, dtype in zip(types, piece.dtypes, strict=True):
            kinds.add(dtype)
    wrong = {
        pair: (kinds, dtype)
        for pair, kinds, dtype in zip(pairs, types, whole, strict=True)
        if kinds != {dtype}
    }
    assert wrong == {}
    same(source, 7)


def test_a_late_word_makes_a_text_column(tmp_path, monkeypatch):
    text = "a,b\n" + "1,2\n" * 500 + "x,3.5\n" + "4,\n"
    monkeypatch.setattr(delimited, "_BLOCK", 256)
    source = open_source(put(tmp_path, "x.csv", text))
    assert [str(dtype) for dtype in source.read().dtypes] == ["str", "float64"]
    same(source, 7)
