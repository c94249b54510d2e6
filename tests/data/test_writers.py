"""Every writer: what is written comes back, and what cannot be written leaves nothing."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from diabolo.data.readers import known_suffixes as readable
from diabolo.data.readers import open_source
from diabolo.data.writers import WRITERS, known_suffixes, write
from diabolo.errors import ReadError, WriteError

TABLES = [".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".pq", ".feather", ".arrow", ".ipc"]
RELAXED = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def cut(array, rows):
    return [array[first : first + rows] for first in range(0, len(array), rows)]


def test_all_that_is_written_can_be_read():
    assert set(known_suffixes()) <= set(readable())
    assert set(TABLES) | {".npy", ".npz", ".idx", ".idx.gz"} == set(known_suffixes())
    assert {suffix.removesuffix(".gz") for suffix in known_suffixes()} == set(WRITERS)


# ---- round trips


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@RELAXED
@given(
    array=hnp.arrays(
        dtype=st.one_of(
            hnp.boolean_dtypes(),
            hnp.integer_dtypes(endianness="?"),
            hnp.unsigned_integer_dtypes(endianness="?"),
            hnp.floating_dtypes(sizes=(16, 32, 64), endianness="?"),
        ),
        shape=hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5),
    ),
    rows=st.integers(1, 6),
    fortran=st.booleans(),
)
def test_arrays_come_back(suffix, array, rows, fortran, tmp_path):
    array = np.asfortranarray(array) if fortran else array
    path = tmp_path / f"x{suffix}"
    for pieces in [array, cut(array, rows) or [array]]:
        assert write(path, pieces) == len(array)
        source = open_source(path)
        read = source.read()
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype.newbyteorder("=")
        assert source.rows == len(array)
        if len(array):
            np.testing.assert_array_equal(np.concatenate(list(source.chunks(rows))), array)


@pytest.mark.parametrize("suffix", [".idx", ".idx.gz"])
@RELAXED
@given(
    array=hnp.arrays(
        dtype=st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]),
        shape=hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5),
    ),
    rows=st.integers(1, 6),
)
def test_idx_comes_back(suffix, array, rows, tmp_path):
    path = tmp_path / f"x{suffix}"
    write(path, cut(array, rows) or [array])
    source = open_source(path)
    np.testing.assert_array_equal(source.read(), array)
    assert source.read().dtype == array.dtype
    if len(array):
        np.testing.assert_array_equal(np.concatenate(list(source.chunks(rows))), array)


@pytest.mark.parametrize("suffix", TABLES)
@RELAXED
@given(
    array=hnp.arrays(
        dtype=st.sampled_from(["f2", "f4", "f8", "i1", "i8", "u2", "u8", "?", ">f4", ">i4"]),
        shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5),
    ),
    rows=st.integers(1, 6),
)
def test_arrays_as_tables_come_back(suffix, array, rows, tmp_path):
    path = tmp_path / f"x{suffix}"
    write(path, cut(array, rows))
    source = open_source(path)
    frame = source.read()
    flat = array.reshape(len(array), -1)
    letter = "p" if array.ndim > 2 else "c"
    assert list(frame.columns) == [f"{letter}{i}" for i in range(flat.shape[1])]
    text = suffix.startswith((".csv", ".tsv"))
    for position, name in enumerate(frame.columns):
        if not text:
            assert frame[name].dtype == array.dtype.newbyteorder("=")
        read, expected = frame[name].to_numpy(), flat[:, position]
        if text and array.dtype == "u8" and (expected > 2**63 - 1).any():
            # Whole numbers beyond 64 bits are floats in text, as pandas reads them too.
            expected = expected.astype(float)
        np.testing.assert_array_equal(read.astype(expected.dtype), expected)
    pieces = list(source.chunks(rows))
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), frame)


# Words that are missing cells in text are left out: no text file can tell them from words.
WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1
).filter(
    lambda word: (
        any(map(str.isalpha, word))
        and word.strip().lower().strip("#-")
        not in (
            "na",
            "n/a",
            "nan",
            "null",
            "true",
            "false",
            "inf",
            "infinity",
            "t",
            "f",
            "1.#ind",
            "1.#qnan",
            "-inf",
            "+inf",
            "+infinity",
            "-infinity",
        )
    )
)


@pytest.mark.parametrize("suffix", TABLES)
@RELAXED
@given(
    cells=st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(allow_nan=False)),
            st.integers(-(2**53), 2**53),
            st.one_of(st.none(), WORDS.map("w".__add__)),
            st.one_of(st.none(), st.booleans()),
        ),
        min_size=1,
        max_size=8,
    ),
    name=WORDS,
    rows=st.integers(1, 9),
    width=st.sampled_from([1, 4]),
)
def test_frames_come_back(suffix, cells, name, rows, width, tmp_path):
    path = tmp_path / f"x{suffix}"
    frame = pd.DataFrame(cells, columns=["float", "int", f"{name} ", "bool"])
    frame = frame.astype({"float": "float64", f"{name} ": "str", "bool": "boolean"})
    for columns in [[column] for column in frame] if width == 1 else [list(frame)]:
        part = frame[columns]
        write(path, [each.set_axis(range(9, 9 + len(each))) for each in cut(part, rows)])
        options = {"header": True} if "csv" in suffix or "tsv" in suffix else {}
        source = open_source(path, **options)
        read = source.read()
        assert list(read.columns) == columns and len(read) == len(frame)
        for column in columns:
            assert read[column].isna().tolist() == part[column].isna().tolist()
            ok = part[column].notna()
            assert read[column][ok].tolist() == part[column][ok].tolist()
        pieces = pd.concat(list(source.chunks(rows)), ignore_index=True)
        pd.testing.assert_frame_equal(pieces, read)


@RELAXED
@given(
    images=hnp.arrays(
        dtype=st.sampled_from(["u1", "u2", "?", "f4"]),
        shape=st.tuples(*[st.integers(1, 4)] * 3),
        elements={"min_value": 0, "max_value": 1},
    ),
    channels=st.sampled_from([0, 1, 3, 4]),
    rows=st.integers(1, 5),
)
def test_images_come_back(images, channels, rows, tmp_path_factory):
    if images.dtype == "u2" and channels > 1:
        images = images.astype("u1")
    full = np.repeat(images[..., None], channels, -1) if channels else images
    folder = tmp_path_factory.mktemp("images") / "out"
    assert write(folder, cut(full, rows)) == len(images)
    source = open_source(folder)
    assert source.names == tuple(f"{i:05d}.png" for i in range(len(images)))
    expected = full[..., 0] if channels == 1 else full
    if images.dtype.kind in "fb":
        expected = np.rint(255 * expected.astype(float)).astype("u1")
    np.testing.assert_array_equal(source.read(), expected)
    assert source.read().dtype == expected.dtype


# ---- bytes and layout


@pytest.mark.parametrize(("width", "size"), [(784, 31_360_128), (8, 320_128)])
def test_npy_has_the_bytes_of_numpy(tmp_path, width, size):
    array = np.random.default_rng(0).random((10_000, width), dtype=np.float32)
    buffer = io.BytesIO()
    np.save(buffer, array)
    for pieces in (array, iter(cut(array, 4096))):
        write(tmp_path / "x.npy", pieces)
        assert (tmp_path / "x.npy").stat().st_size == size
        assert (tmp_path / "x.npy").read_bytes() == buffer.getvalue()


def test_npy_keeps_the_order_of_one_array(tmp_path):
    for array in (
        np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
        np.arange(24)[::2],
        np.arange(24, dtype=">i4").reshape(4, 6).T,
        np.zeros((0, 3)),
    ):
        buffer = io.BytesIO()
        np.save(buffer, array)
        write(tmp_path / "x.npy", array)
        assert (tmp_path / "x.npy").read_bytes() == buffer.getvalue()


def test_small_pieces_share_a_row_group(tmp_path):
    write(tmp_path / "x.parquet", (np.zeros((10, 2)) for _ in range(100)))
    assert pq.ParquetFile(tmp_path / "x.parquet").metadata.num_row_groups == 1


def test_a_large_array_becomes_a_table_part_by_part(tmp_path, monkeypatch):
    from diabolo.data.writers import tables

    monkeypatch.setattr(tables, "_GROUP", 1000)
    array = np.random.default_rng(0).random((100, 5))
    write(tmp_path / "x.parquet", array, columns=list("abcde"))
    frame = open_source(tmp_path / "x.parquet").read()
    assert list(frame.columns) == list("abcde")
    np.testing.assert_array_equal(frame.to_numpy(), array)
    assert pq.ParquetFile(tmp_path / "x.parquet").metadata.num_row_groups > 1


def test_names_that_are_numbers_come_back_from_csv(tmp_path):
    write(tmp_path / "x.csv", pd.DataFrame(np.zeros((3, 4))))
    frame = open_source(tmp_path / "x.csv").read()
    assert list(frame.columns) == ["0", "1", "2", "3"] and len(frame) == 3


def test_categories_come_back(tmp_path):
    frame = pd.DataFrame({"k": pd.Categorical(["b", None, "a", "b"], categories=["b", "a"])})
    for suffix in (".parquet", ".feather", ".arrow"):
        write(tmp_path / f"x{suffix}", cut(frame, 2))
        pd.testing.assert_frame_equal(open_source(tmp_path / f"x{suffix}").read(), frame)
    write(tmp_path / "x.csv", frame)
    assert open_source(tmp_path / "x.csv").read()["k"].fillna("").tolist() == ["b", "", "a", "b"]


def test_frames_of_mixed_numbers_become_arrays(tmp_path):
    frame = pd.DataFrame({"b": [True, False], "f": np.float32([1.5, 2]), "i": [1, 2]})
    frame["n"] = pd.array([1, None], dtype="Int64")
    write(tmp_path / "x.npy", frame)
    read = open_source(tmp_path / "x.npy").read()
    np.testing.assert_array_equal(read, [[1, 1.5, 1, 1], [0, 2, 2, np.nan]])
    assert read.dtype == np.float64


def test_image_names(tmp_path):
    images = np.zeros((3, 2, 2), np.uint8)
    write(tmp_path / "out", images, names=["b/img.1.jpg", "a.TIFF", "scan.001"])
    assert open_source(tmp_path / "out").names == ("a.png", "b/img.1.png", "scan.001.png")
    write(f"{tmp_path}/with.dot/", images)
    assert len(open_source(tmp_path / "with.dot").read()) == 3
    assert Image.open(tmp_path / "out/a.png").mode == "L"


# ---- refusals


def refuse(path, pieces, words, **options):
    before = names_in(path.parent)
    with pytest.raises(WriteError, match=words):
        write(path, pieces, **options)
    assert names_in(path.parent) == before


ZEROS = np.zeros((2, 3))
IMAGES = np.zeros((2, 4, 4), np.uint8)
TEXT = pd.DataFrame({"x": [1.0], "name": ["a"]})


@pytest.mark.parametrize(
    ("name", "pieces", "words", "options"),
    [
        ("x.xlsx", ZEROS, r"\.csv, \.csv\.gz", {}),
        ("x.npy.gz", ZEROS, r"\.npy\.gz", {}),
        ("x.csv", [], "nothing to write", {}),
        ("x.npy", [ZEROS, np.zeros((2, 4))], "piece 2 has rows of shape", {}),
        ("x.npy", [ZEROS, ZEROS.astype("f4")], "piece 2 has elements", {}),
        ("x.csv", [ZEROS, TEXT], "piece 2 is a DataFrame", {}),
        ("x.csv", [TEXT, TEXT.iloc[:, ::-1]], "other columns", {}),
        ("x.csv", [[1, 2]], "piece 1 is a list", {}),
        ("x.csv", np.array(3.0), "no rows", {}),
        ("x.csv", 3.0, "cannot write a float", {}),
        ("x.csv", ZEROS, "2 column names for 3", {"columns": ["a", "b"]}),
        ("x.csv", ZEROS, "two columns are called 'a'", {"columns": ["a", "b", "a"]}),
        ("x.csv", np.zeros((3, 0)), "no columns", {}),
        ("x.csv", ZEROS.astype(complex), "complex128", {}),
        ("x.parquet", pd.DataFrame({"x": [1, "a"]}), "column x", {}),
        ("x.csv", pd.DataFrame({"x": [[1, 2]]}), "as text", {}),
        ("x.parquet", [TEXT[["x"]], pd.DataFrame({"x": ["a"]})], "piece 2 changes column 'x'", {}),
        ("x.npy", TEXT, "column 'name'", {}),
        ("x.npy", np.array([{}]), "object", {}),
        ("x.idx", np.zeros(3, np.int64), "IDX has no element type for int64", {}),
        ("folder", ZEROS, "shape \\(2, 3\\)", {}),
        ("folder", TEXT, "a DataFrame", {}),
        ("folder", np.zeros((1, 4, 4, 2), "u1"), "1, 3 or 4 channels", {}),
        ("folder", IMAGES.astype("f4") - 1, r"00000\.png: floats must lie in \[0, 1\]", {}),
        ("folder", IMAGES * np.float32("nan"), "floats must lie", {}),
        ("folder", IMAGES.astype("i8"), "int64", {}),
        ("folder", np.zeros((1, 4, 4, 3), "u2"), "uint16", {}),
        ("folder", IMAGES, "1 names for more", {"names": ["a"]}),
        ("folder", IMAGES, "3 names for 2", {"names": ["a", "b", "c"]}),
        ("folder", IMAGES, "both become 'a.png'", {"names": ["a.jpg", "a.tif"]}),
        ("folder", IMAGES, "out of the folder", {"names": ["../a", "b"]}),
        ("folder", IMAGES, "out of the folder", {"names": ["a", "/b"]}),
        ("folder", IMAGES, "out of the folder", {"names": ["a", "c\\..\\b"]}),
        ("folder", IMAGES, "cannot be written", {"names": ["a.png", "a.png/b"]}),
    ],
)
def test_what_cannot_be_written_leaves_nothing(tmp_path, name, pieces, words, options):
    refuse(tmp_path / name, pieces, words, **options)


def test_targets_that_are_not_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/x.tex").write_text("years")
    refuse(tmp_path / "thesis", IMAGES, "other things")
    (tmp_path / "x.csv").mkdir()
    refuse(tmp_path / "x.csv", ZEROS, "is a folder")
    with pytest.raises(WriteError, match="local paths only"):
        write("s3://bucket/x.csv", ZEROS)
    with pytest.raises(WriteError, match="does not exist"):
        write(tmp_path / "none/x.csv", ZEROS)


@pytest.mark.parametrize("name", [*(f"x{suffix}" for suffix in known_suffixes()), "folder"])
def test_a_source_that_breaks_while_it_is_read(tmp_path, name):
    target = tmp_path / name
    if name != "folder":
        target.write_bytes(b"old")

    def pieces():
        yield IMAGES
        raise ReadError("the source broke")

    with pytest.raises(ReadError, match="the source broke"):
        write(target, pieces())
    assert names_in(tmp_path) == ([name] if name != "folder" else [])
    if name != "folder":
        assert target.read_bytes() == b"old"


def test_no_work_is_done_for_a_bad_target(tmp_path):
    def pieces():
        pytest.fail("asked for data before the target was checked")
        yield ZEROS

    for name in ("x.xlsx", "none/x.csv"):
        with pytest.raises(WriteError):
            write(tmp_path / name, pieces())
