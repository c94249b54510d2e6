"""Public data sets: one table, downloaded when asked for, checked, kept in a cache.

A folder that the environment variable ``DIABOLO_DATA`` names is looked at first and never written
to: ``$DIABOLO_DATA/mnist/train-images-idx3-ubyte.gz`` and so on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from diabolo.datasets.downloads import damage, download
from diabolo.errors import ReadError, SpecError

SPLITS = ("train", "test")


@dataclass(frozen=True)
class File:
    """One file of a data set; the checksum is that of the unpacked bytes.

    Mirrors pack the same bytes differently, so a checksum of the ``.gz`` would refuse good files.
    """

    name: str
    sha256: str


@dataclass(frozen=True)
class Entry:
    """One row of `DATASETS`.

    Attributes
    ----------
    title, what, items, shape, origin, licence : str
        For people.
    folder : str
        Name of the folder below ``DIABOLO_DATA`` and below the cache.
    files : dict
        Split → its images and its labels. Empty for what scikit-learn brings along.
    addresses : tuple of str
        Where the files are, best first; a file's name is appended.
    """

    title: str
    what: str
    items: str
    shape: str
    origin: str
    licence: str
    folder: str = ""
    files: dict[str, tuple[File, File]] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split of a public data set.

    Attributes
    ----------
    name, split, title : str
    data : array of shape (n, ...)
        Pixels uint8; those of "digits" float32 in [0, 1].
    labels : int64 array of shape (n,)
    """

    name: str
    split: str
    data: np.ndarray
    labels: np.ndarray
    title: str


def _idx(train: tuple[str, str], test: tuple[str, str]) -> dict[str, tuple[File, File]]:
    return {
        split: (
            File(f"{stem}-images-idx3-ubyte.gz", images),
            File(f"{stem}-labels-idx1-ubyte.gz", labels),
        )
        for split, stem, (images, labels) in (("train", "train", train), ("test", "t10k", test))
    }


DATASETS: dict[str, Entry] = {
    "mnist": Entry(
        title="MNIST",
        what="handwritten digits, 10 classes",
        items="60,000 + 10,000",
        shape="28 × 28, uint8",
        origin="LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/",
        licence="CC BY-SA 3.0",
        folder="mnist",
        files=_idx(
            (
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            (
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        addresses=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
    "fashion-mnist": Entry(
        title="Fashion-MNIST",
        what="pictures of clothing, 10 classes",
        items="60,000 + 10,000",
        shape="28 × 28, uint8",
        origin="Xiao, Rasul and Vollgraf (Zalando), https://arxiv.org/abs/1708.07747",
        licence="MIT",
        folder="fashion-mnist",
        files=_idx(
            (
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            ),
            (
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
        addresses=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
    ),
    "digits": Entry(
        title="Digits",
        what="small handwritten digits, 10 classes; comes with scikit-learn, no download",
        items="1,437 + 360",
        shape="8 × 8, float32 in [0, 1]",
        origin="Alpaydin and Kaynak, https://doi.org/10.24432/C50P49 (the test part)",
        licence="CC BY 4.0",
    ),
}


def names() -> tuple[str, ...]:
    """Names of all data sets, as `fetch` and `load` take them."""
    return tuple(DATASETS)


def fetch(name: str) -> Path:
    """Make sure that a data set is there, and return the folder with its files.

    Parameters
    ----------
    name : str
        One of `names()`.

    Returns
    -------
    pathlib.Path
        The folder below ``DIABOLO_DATA`` if it has all files, otherwise the one in the cache,
        where missing files are downloaded (a download that broke off goes on where it stopped)
        and damaged ones are replaced. The bytes of all files are checked.

    Raises
    ------
    SpecError
        If there is no data set of this name.
    ReadError
        If a file below ``DIABOLO_DATA`` is damaged, or no address gave the right one.
    WriteError
        If the cache cannot be written.
    """
    entry = _entry(name)
    return _folder(entry, [file for files in entry.files.values() for file in files])


def load(name: str, split: str = "train") -> Dataset:
    """Load one split of a data set, fetching it first where necessary.

    Parameters
    ----------
    name : str
        One of `names()`.
    split : {"train", "test"}
        For "digits": 80 % and 20 % of each class, always the same ones.

    Returns
    -------
    Dataset
        Images of shape (n, height, width) and their labels.

    Raises
    ------
    SpecError
        If there is no such data set or split.
    ReadError, WriteError
        As `fetch`.
    """
    entry = _entry(name)
    if split not in SPLITS:
        raise SpecError(f"split={split!r}: {name} has {' and '.join(SPLITS)}")
    if not entry.files:
        return Dataset(name, split, *_digits(split), entry.title)
    from diabolo.data.readers.idx import open_idx

    images, labels = entry.files[split]
    folder = _folder(entry, [images, labels])
    data = open_idx(folder / images.name).read()
    return Dataset(
        name, split, data, open_idx(folder / labels.name).read().astype(np.int64), entry.title
    )


def _entry(name: str) -> Entry:
    if name not in DATASETS:
        raise SpecError(f"there is no data set {name!r}: choose one of {', '.join(DATASETS)}")
    return DATASETS[name]


def _digits(split: str) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(np.arange(len(labels)), test_size=0.2, random_state=0, stratify=labels)
    rows = np.sort(parts[SPLITS.index(split)])
    data = (images[rows] / 16).astype(np.float32).reshape(-1, 8, 8)  # (n, 64) -> (n, 8, 8)
    return data, labels[rows].astype(np.int64)


def _folder(entry: Entry, files: list[File]) -> Path:
    """Return the folder that has all these files, checked."""
    if not entry.files:
        import sklearn.datasets

        return Path(sklearn.datasets.__file__).parent / "data"
    if given := os.environ.get("DIABOLO_DATA"):
        folder = Path(given).expanduser() / entry.folder
        everything = [file for pair in entry.files.values() for file in pair]
        if all(os.access(folder / file.name, os.F_OK) for file in everything):
            for file in files:
                if problem := damage(folder / file.name, file.sha256):
                    raise ReadError(
                        f"{folder / file.name}: {problem}. Replace it, or unset DIABOLO_DATA to "
                        "have it downloaded."
                    )
            return folder
    import pooch

    folder = Path(pooch.os_cache("diabolo")) / entry.folder
    for file in files:
        if damage(folder / file.name, file.sha256):
            download(folder, file.name, file.sha256, entry.addresses)
    return folder
