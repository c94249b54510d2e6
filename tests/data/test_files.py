"""Paths and URIs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diabolo.data.files import (
    has_scheme,
    list_files,
    natural_key,
    open_input,
    suffix_of,
)
from diabolo.errors import ReadError


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.CSV", (".csv", False)),
        ("b.csv.GZ", (".csv", True)),
        ("train-images-idx3-ubyte", (".idx", False)),
        ("train-images-idx3-ubyte.gz", (".idx", True)),
        ("t10k.idx1-ubyte", (".idx", False)),
        ("x.idx", (".idx", False)),
        ("my-idx", ("", False)),
        ("folder.d/name", ("", False)),
        ("name.gz", ("", True)),
        ("s3://bucket/x.parquet?region=eu-north-1", (".parquet", False)),
        ("file:///a/b%20c.npy", (".npy", False)),
        (Path("x.tar.gz"), (".tar", True)),
    ],
)
def test_suffix_of(path, expected):
    assert suffix_of(path) == expected


def test_a_windows_drive_is_no_scheme():
    assert not has_scheme("C://x.csv")
    assert has_scheme("s3://x.csv")


def test_natural_order():
    names = ["img10.png", "img2.png", "Img1.png", "10", "9", "a/2", "a/10"]
    expected = ["9", "10", "Img1.png", "a/2", "a/10", "img2.png", "img10.png"]
    assert sorted(names, key=natural_key) == expected


@given(st.lists(st.text(max_size=6), max_size=8))
def test_natural_order_takes_any_names(names):
    assert sorted(sorted(names, key=natural_key)) == sorted(names)


def test_list_files(tmp_path, monkeypatch):
    for name in ["b/img10", "b/img2", "a", ".hidden"]:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("")
    expected = [".hidden", "a", "b/img2", "b/img10"]
    assert list_files(tmp_path) == expected
    assert list_files(f"{tmp_path}//") == expected
    assert list_files(tmp_path.as_uri()) == expected
    monkeypatch.chdir(tmp_path)
    assert list_files(".") == list_files("./") == expected
    assert list_files("b") == ["img2", "img10"]


def test_open_input_reads_paths_and_uris(tmp_path):
    file = tmp_path / "a b.bin"
    file.write_bytes(b"hello")
    for path in (file, str(file), file.as_uri()):
        with open_input(path) as opened:
            assert opened.read() == b"hello"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none.csv", "no such file"),
        (lambda folder: folder, "folder"),
        (lambda folder: "/dev/null", "regular file"),
        (lambda folder: "nope://x/y.csv", "nope://"),
        (lambda folder: (folder / "none").as_uri(), "no such file"),
    ],
)
def test_open_input_says_what_is_wrong(tmp_path, make, words):
    with pytest.raises(ReadError, match=words):
        open_input(make(tmp_path))
