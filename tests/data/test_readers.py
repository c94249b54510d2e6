"""Every reader: content, types, pieces, and what it says of damaged and foreign files."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diabolo.data.readers import READERS, array_source, delimited, known_suffixes, open_source
from diabolo.data.writers import write
from diabolo.errors import ReadError


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def same(source, rows: int) -> None:
    """The pieces put together equal the whole."""
    whole, pieces = source.read(), list(source.chunks(rows))
    assert [len(piece) for piece in pieces[:-1]] == [rows] * (len(pieces) - 1)
    if source.rows is not None:
        assert source.rows == len(whole)
    if not len(whole):
        assert pieces == []
    elif source.kind == "table":
        for piece in pieces:
            pd.testing.assert_series_equal(piece.dtypes, whole.dtypes)
        pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), whole)
    else:
        for piece in pieces:
            assert piece.dtype == whole.dtype
            assert piece.flags.writeable
        np.testing.assert_array_equal(np.concatenate(pieces), whole)


# ---- opening


def test_an_unknown_suffix_lists_the_known(tmp_path):
    with pytest.raises(ReadError, match=r"\.xlsx.*\.csv, \.csv\.gz.*\.npy"):
        open_source(put(tmp_path, "a.xlsx", "x"))
    with pytest.raises(ReadError, match=r"\.npy\.gz"):
        open_source(put(tmp_path, "a.npy.gz", "x"))
    with pytest.raises(ReadError, match="no such file"):
        open_source(tmp_path / "missing.xlsx")
    assert ".tsv.gz" in known_suffixes()


def test_options_that_do_not_apply(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    for option in ({"header": True}, {"image_size": (2, 2)}, {"key": "X"}):
        with pytest.raises(ReadError, match="applies to"):
            open_source(tmp_path / "a.npy", **option)


@pytest.mark.parametrize("suffix", known_suffixes())
def test_foreign_content(tmp_path, suffix):
    text = suffix.removesuffix(".gz") in (".csv", ".tsv")
    content = b"\x89PNG\r\n\x1a\n\0\0\0\0" if text else b"a,b\n1,2\n"
    (tmp_path / f"x{suffix}").write_bytes(content)
    with pytest.raises(ReadError, match=r"does not look like .*; it looks like (a PNG|text)"):
        open_source(tmp_path / f"x{suffix}")


@pytest.mark.parametrize("suffix", known_suffixes())
def test_an_empty_file(tmp_path, suffix):
    (tmp_path / f"x{suffix}").write_bytes(b"")
    with pytest.raises(ReadError, match="empty"):
        open_source(tmp_path / f"x{suffix}")


@pytest.mark.filterwarnings("ignore::UserWarning")  # PIL's, on the way to its error
@pytest.mark.parametrize("suffix", [s for s in known_suffixes() if s not in (".csv", ".tsv")])
def test_truncated_and_damaged_files(tmp_path, suffix):
    """A cut anywhere is a ReadError; a flipped byte is one too, or changes what is read."""
    rng = np.random.default_rng(0)
    path = tmp_path / f"x{suffix}"
    image = suffix in (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
    if image:
        Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(path)
    else:
        write(path, rng.random((50, 3)).astype(np.float32))
    good = path.read_bytes()
    whole = np.asarray(open_source(path).read())
    for cut in [1, 3, 5, 9, 20, len(good) // 2, len(good) - 5, len(good) - 1]:
        path.write_bytes(good[:cut])
        if suffix == ".webp" and cut == len(good) - 1:
            continue  # RIFF pads to an even length; the last byte may be nothing
        if suffix in (".png", ".jpg", ".jpeg") and cut > len(good) - 12:
            continue  # the end mark, which no decoder misses: all pixels are there
        with pytest.raises(ReadError, match="x"):
            open_source(path).read()
        with pytest.raises(ReadError, match="x"):
            list(open_source(path).chunks(7))
    for position in rng.integers(0, len(good), 60):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0x55]) + good[position + 1 :])
        try:
            with np.errstate(all="ignore"):
                read = np.asarray(open_source(path).read())
        except ReadError:
            continue
        assert isinstance(read, np.ndarray) and whole.size  # no other error, no crash


def test_file_uri(tmp_path):
    folder = tmp_path / "a b"
    folder.mkdir()
    data = np.arange(12.0).reshape(6, 2)
    for name in ("x.csv", "x.parquet", "x.npy", "x.npz", "x.idx.gz"):
        write(folder / name, data)
        source = open_source((folder / name).as_uri())
        np.testing.assert_array_equal(np.asarray(source.read()), data)
        same(source, 4)


# ---- delimited text


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


# ---- Parquet and Arrow


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


# ---- NumPy and IDX


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f4", ">f8", "u1", "?", ">i2"])
@pytest.mark.parametrize("shape", [(7,), (7, 3), (4, 3, 2), (0, 3), (3, 0)])
def test_npy(tmp_path, order, dtype, shape):
    array = np.asarray(np.random.default_rng(0).integers(0, 2, shape), dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    source = open_source(tmp_path / "x.npy")
    read = source.read()
    np.testing.assert_array_equal(read, array)
    assert read.dtype.isnative
    same(source, 3)


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([{}, []], dtype=object), "pickle"),
        (np.array(["a"]), "not plain numbers"),
        (np.array([1j]), "not plain numbers"),
        (np.zeros(3, dtype=[("a", "f4"), ("b", "O")]), "pickle"),
        (np.float64(3), "single number"),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path, name, array, words):
    (np.save if name.endswith("y") else np.savez)(tmp_path / name, array)
    with pytest.raises(ReadError, match=words):
        open_source(tmp_path / name)


def test_npy_with_a_forged_shape(tmp_path):
    buffer = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (2**40, 2**40)}
    np.lib.format.write_array_header_1_0(buffer, header)
    with pytest.raises(ReadError, match="truncated"):
        open_source(put(tmp_path, "x.npy", buffer.getvalue()))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("X.npy", buffer.getvalue())
    with pytest.raises(ReadError, match="truncated"):
        open_source(tmp_path / "x.npz")


def test_two_arrays_in_one_npy(tmp_path):
    with (tmp_path / "x.npy").open("wb") as file:
        np.save(file, np.zeros(3))
        np.save(file, np.zeros(3))
    with pytest.raises(ReadError, match="longer than its header"):
        open_source(tmp_path / "x.npy")


def test_npz_keys(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, foo=np.ones((5, 2)))
    same(open_source(path), 2)
    np.savez(path, y=np.zeros(2), X=np.ones((5, 2)))
    source = open_source(path)
    assert source.rows == 5 and "'X'" in source.notes[0]
    assert open_source(path, key="y").read().shape == (2,)
    with pytest.raises(ReadError, match=r"no array 'z'.*y, X"):
        open_source(path, key="z")
    np.savez(path, a=np.zeros(2), b=np.ones(2))
    with pytest.raises(ReadError, match=r"a, b"):
        open_source(path)
    np.savez(path)
    with pytest.raises(ReadError, match="no arrays"):
        open_source(path)


@pytest.mark.parametrize("name", ["x.idx", "t-idx3-ubyte", "t-idx3-ubyte.gz", "t.idx1-ubyte"])
@pytest.mark.parametrize(
    ("code", "dtype"),
    [(8, ">u1"), (9, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")],
)
def test_idx(tmp_path, name, code, dtype):
    for shape in [(5,), (5, 2), (4, 3, 2, 2), (0, 3)]:
        array = np.random.default_rng(0).integers(-9, 99, shape).astype(dtype)
        raw = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
        source = open_source(put(tmp_path, name, raw + array.tobytes()))
        np.testing.assert_array_equal(source.read(), array)
        assert source.read().dtype == np.dtype(dtype).newbyteorder("=")
        same(source, 2)


@pytest.mark.parametrize("name", ["x.idx", "x.idx.gz"])
@pytest.mark.parametrize(
    ("lengths", "data", "words"),
    [
        ((3, 2), bytes(5), "truncated"),
        ((3, 2), bytes(7), "longer"),
        ((2**32 - 1, 2**32 - 1), bytes(7), "truncated"),
        ((2**32 - 1,) * 4, bytes(7), "truncated"),
    ],
)
def test_idx_with_wrong_lengths(tmp_path, name, lengths, data, words):
    raw = bytes([0, 0, 8, len(lengths)]) + struct.pack(f">{len(lengths)}I", *lengths) + data
    path = put(tmp_path, name, raw)
    with pytest.raises(ReadError, match=words):
        open_source(path).read()


# ---- images


def picture(mode: str, size: tuple[int, int] = (6, 4), seed: int = 0) -> Image.Image:
    width, height = size
    rng = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, (height, width)).astype(np.uint16))
    rgb = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    return Image.fromarray(rgb, "RGBA").convert("RGB" if mode == "P" else mode).convert(mode)


@pytest.mark.parametrize(
    ("modes", "shape", "dtype", "note"),
    [
        (("L", "L"), (2, 4, 6), "u1", None),
        (("1", "1"), (2, 4, 6), "u1", None),
        (("RGB", "RGB"), (2, 4, 6, 3), "u1", None),
        (("RGBA", "RGBA"), (2, 4, 6, 4), "u1", None),
        (("P", "P"), (2, 4, 6, 3), "u1", None),
        (("I;16", "I;16"), (2, 4, 6), "u2", None),
        (("L", "RGB"), (2, 4, 6, 3), "u1", "1 greyscale"),
        (("RGBA", "RGB"), (2, 4, 6, 3), "u1", "alpha channel of 1"),
        (("LA", "L"), (2, 4, 6), "u1", "alpha channel of 1"),
        (("LA", "LA"), (2, 4, 6, 4), "u1", None),
    ],
)
def test_image_modes(tmp_path, modes, shape, dtype, note):
    for number, mode in enumerate(modes):
        picture(mode, seed=number).save(tmp_path / f"{number}.png")
    source = open_source(tmp_path)
    images = source.read()
    assert images.shape == shape and images.dtype == dtype and source.kind == "images"
    assert source.names == ("0.png", "1.png")
    assert any(note in each for each in source.notes) if note else source.notes == ()
    same(source, 1)
    first = picture(modes[0])
    if modes[0] == "I;16":
        np.testing.assert_array_equal(images[0], np.asarray(first))
    if modes == ("1", "1"):
        assert set(np.unique(images)) == {0, 255}


def test_image_folder(tmp_path):
    names = ["b/img2.jpg", "b/img10.png", "a.tif", "c.webp"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture("RGB").save(tmp_path / name)
    put(tmp_path, "notes.txt", "x")
    put(tmp_path, "._a.png", "a Mac's remains")
    source = open_source(tmp_path)
    assert source.names == ("a.tif", "b/img2.jpg", "b/img10.png", "c.webp")
    assert source.notes == ("2 file(s) that are no images ignored",)
    same(source, 3)
    assert open_source(tmp_path / "a.tif").read().shape == (1, 4, 6, 3)
    np.testing.assert_array_equal(open_source(tmp_path.as_uri()).read(), source.read())


def test_image_sizes(tmp_path):
    picture("L", (6, 4)).save(tmp_path / "a.png")
    picture("L", (5, 4)).save(tmp_path / "b.png")
    with pytest.raises(ReadError, match=r"a\.png is 4x6, b\.png is 4x5.*--size 4x6"):
        open_source(tmp_path)
    source = open_source(tmp_path, image_size=(8, 3))
    assert source.read().shape == (2, 8, 3)
    assert source.notes == ("2 image(s) resized to 8x3",)
    same(source, 1)
    with pytest.raises(ReadError, match="0x3"):
        open_source(tmp_path, image_size=(0, 3))
    (tmp_path / "deep").mkdir()
    picture("I;16").save(tmp_path / "deep/a.png")
    assert open_source(tmp_path / "deep", image_size=(3, 3)).read().dtype == np.uint16
    with pytest.raises(ReadError, match="depth"):
        open_source(tmp_path, image_size=(3, 3))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_exif_orientation(tmp_path, name):
    image = picture("L")
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the picture is at its right side
    image.save(tmp_path / name, exif=exif)
    upright = open_source(tmp_path).read()[0]
    assert upright.shape == (6, 4)
    error = np.abs(upright - np.rot90(np.asarray(image), -1).astype(float)).mean()
    assert error < 30 if name == "a.jpg" else error == 0


def test_colours_of_16_bits_are_noted(tmp_path):
    raw = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        import zlib

        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    import zlib

    data = chunk(b"IHDR", raw) + chunk(b"IDAT", zlib.compress(bytes(7))) + chunk(b"IEND", b"")
    source = open_source(put(tmp_path, "a.png", b"\x89PNG\r\n\x1a\n" + data))
    assert "16 to 8 bits" in source.notes[0]


def test_damaged_and_dangerous_images(tmp_path, monkeypatch):
    picture("RGB").save(tmp_path / "a.png")
    picture("RGB").save(tmp_path / "b.png")
    good = (tmp_path / "b.png").read_bytes()
    put(tmp_path, "b.png", good[:-30])
    with pytest.raises(ReadError, match=r"b\.png: this image is damaged"):
        open_source(tmp_path).read()
    put(tmp_path, "b.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n")
    with pytest.raises(ReadError, match=r"b\.png: the content does not look like an image"):
        open_source(tmp_path)
    put(tmp_path, "b.png", good)
    for limit in (23, 11):  # PIL warns at the limit, and refuses at twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ReadError, match="bomb"):
            open_source(tmp_path)


def test_a_folder_without_images(tmp_path):
    with pytest.raises(ReadError, match="it is empty"):
        open_source(tmp_path)
    put(tmp_path, "x.csv", "a")
    with pytest.raises(ReadError, match=r"1 \.csv"):
        open_source(tmp_path)


def test_pieces_of_no_rows(tmp_path):
    with pytest.raises(ReadError, match="at least 1"):
        open_source(put(tmp_path, "x.csv", "a\n1\n")).chunks(0)


def test_what_is_in_memory_reads_like_a_file():
    array = np.arange(10.0).reshape(5, 2)
    for data, kind in ((array, "array"), (pd.DataFrame(array), "table")):
        source = array_source("name", data)
        assert source.kind == kind
        assert source.read() is data
        same(source, 2)


def test_every_reader_is_registered_once():
    assert all(suffix.startswith(".") and suffix.islower() for suffix in READERS)
