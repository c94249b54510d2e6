"""Public data sets: the table, and real files where there are some."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from diabolo import datasets
from diabolo.datasets import DATASETS
from diabolo.errors import SpecError


def test_table_is_complete() -> None:
    assert datasets.names() == tuple(DATASETS) == ("mnist", "fashion-mnist", "digits")
    for entry in DATASETS.values():
        assert all((entry.title, entry.what, entry.items, entry.shape, entry.origin, entry.licence))
        assert bool(entry.files) == bool(entry.addresses) == bool(entry.folder)
        assert all(address.endswith("/") for address in entry.addresses)
    checksums = [f.sha256 for e in DATASETS.values() for pair in e.files.values() for f in pair]
    assert len(set(checksums)) == len(checksums) == 8
    assert all(len(checksum) == 64 for checksum in checksums)


def test_import_is_cheap() -> None:
    code = (
        "import sys; from diabolo import datasets; datasets.names()\n"
        "slow = {'torch', 'sklearn', 'pooch', 'requests', 'pandas', 'pyarrow', 'rich'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_unknown_names() -> None:
    with pytest.raises(SpecError, match="no data set 'mnits': choose one of mnist, fashion-mnist"):
        datasets.fetch("mnits")
    with pytest.raises(SpecError, match="no data set"):
        datasets.load("")
    with pytest.raises(SpecError, match="split='valid': digits has train and test"):
        datasets.load("digits", "valid")


@pytest.mark.needs_data
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize(("split", "count"), [("train", 60_000), ("test", 10_000)])
def test_real_files(name: str, split: str, count: int, data_folder: Path) -> None:
    loaded = datasets.load(name, split)
    assert (loaded.name, loaded.split, loaded.title) == (name, split, DATASETS[name].title)
    assert loaded.data.shape == (count, 28, 28) and loaded.data.dtype == np.uint8
    assert loaded.labels.shape == (count,) and loaded.labels.dtype == np.int64
    assert np.array_equal(np.unique(loaded.labels), np.arange(10))
    assert loaded.data.max() == 255
    assert datasets.fetch(name) == data_folder / name


@pytest.mark.needs_data
def test_mnist_has_the_published_checksums(data_folder: Path) -> None:
    published = {  # md5 of the unpacked files, http://yann.lecun.com/exdb/mnist/
        "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
    }
    for pair in DATASETS["mnist"].files.values():
        for file in pair:
            raw = gzip.decompress((data_folder / "mnist" / file.name).read_bytes())
            assert hashlib.md5(raw).hexdigest() == published[file.name]
            assert hashlib.sha256(raw).hexdigest() == file.sha256


def test_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIABOLO_DATA", "nowhere")
    train, test = datasets.load("digits"), datasets.load("digits", "test")
    assert train.data.shape == (1437, 8, 8) and test.data.shape == (360, 8, 8)
    for part in (train, test):
        assert part.data.dtype == np.float32 and part.labels.dtype == np.int64
        assert part.data.min() == 0 and part.data.max() == 1
    share = np.bincount(test.labels) / np.bincount(np.concatenate([train.labels, test.labels]))
    assert np.allclose(share, 0.2, atol=0.005)
    # The split is a promise: the same rows in all versions.
    split = hashlib.sha256(train.labels.astype("<i8").tobytes()).hexdigest()
    assert split.startswith("834db2c141908ff9")
    assert np.array_equal(datasets.load("digits").data, train.data)
    assert (datasets.fetch("digits") / "digits.csv.gz").is_file()
