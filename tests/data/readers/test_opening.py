"""Opening: suffix and content, options, damaged and foreign files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.data.reading import put, same

from diabolo.data.readers import READERS, array_source, known_suffixes, open_source
from diabolo.data.writers import write
from diabolo.errors import ReadError


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
