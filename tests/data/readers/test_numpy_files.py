"""npy, npz and IDX."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest
from tests.data.reading import put, same

from diabolo.data.readers import open_source
from diabolo.errors import ReadError


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
