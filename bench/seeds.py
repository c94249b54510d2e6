"""The lecture's pipeline on full MNIST and Fashion-MNIST, beside the default.

After Michelucci, *An Introduction to Autoencoders* (arXiv 2201.03898) and its notebook: a
feed-forward net 784-k-784 with a ReLU code, sigmoid output and cross-entropy, Adam, 30 epochs of
batches of 256; then a k-nearest-neighbours classifier (k = 7) on the codes, the bytes that codes
take, and the images with the largest reconstruction error.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.frame import Result, table
from bench.sections import Aim, Section, aims_table

NEIGHBOURS = 7
SHOES = (5, 7, 9)

#: Accuracy of neighbours, by data and code size; raw pixels have 0.969 and 0.854.
AIMS = {("mnist", 8): 0.97, ("fashion-mnist", 8): 0.855, ("fashion-mnist", 16): 0.87}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--seeds", type=int, default=3)


def lecture(code_size: int, seed: int, epochs: int = 30):
    """Return the lecture's net, unfitted."""
    from diabolo import Autoencoder
    from diabolo.bottlenecks import Plain
    from diabolo.training import Training

    return Autoencoder(
        code_size,
        hidden=(),
        bottleneck=Plain("relu"),
        likelihood="bernoulli",
        augmentation=None,
        max_epochs=epochs,
        training=Training(
            optimizer="adam",
            learning_rate=1e-3,
            batch_size=256,
            schedule="constant",
            early_stopping=False,
            validation_fraction=0.0,
            weight_decay=0.0,
            averaging=0.0,
            precision="fp32",
        ),
        random_state=seed,
    )


def default(code_size: int, seed: int):
    """Return what a user gets who names nothing but the code size."""
    from diabolo import Autoencoder

    return Autoencoder(code_size, random_state=seed)


def run(options: argparse.Namespace) -> Result:
    """Train, classify, compress and rank."""
    from diabolo import datasets

    parts = {
        f"{name}_{split}": datasets.load(name, split)
        for name in ("mnist", "fashion-mnist")
        for split in ("train", "test")
    }
    data = {key: (part.data, part.labels) for key, part in parts.items()}
    seeds, epochs = options.seeds, 30
    if options.quick:
        seeds, epochs = 1, 3
        data = {key: (x[:3000], y[:3000]) for key, (x, y) in data.items()}
    result = Result(__doc__.partition("\n")[0], [__doc__.partition("\n\n")[2]], {})
    _raw(data, result)
    _codes(data, seeds, epochs, result)
    _anomaly(data, seeds, epochs, result)
    aims = [
        Aim(
            f"{name}, code {size}: neighbours of the default's codes",
            result.metrics[f"{_key(name)}_code{size}_default_knn_accuracy"],
            bound,
        )
        for (name, size), bound in AIMS.items()
    ]
    result.sections.insert(0, "## Aims\n\n" + aims_table([Section("Aims", aims=aims)]))
    return result


def _raw(data: dict, result: Result) -> None:
    """Classify the raw pixels: our exact search beside scikit-learn's brute force."""
    from sklearn.neighbors import KNeighborsClassifier

    from diabolo.metrics import knn_accuracy

    rows = []
    for name in ("mnist", "fashion-mnist"):
        (train, y), (test, truth) = data[f"{name}_train"], data[f"{name}_test"]
        train, test = (x.reshape(len(x), -1).astype(np.float32) for x in (train, test))
        theirs = KNeighborsClassifier(NEIGHBOURS, algorithm="brute")
        for who, accuracy in (
            ("ours", lambda t=train, y=y, q=test, z=truth: knn_accuracy(t, y, q, z, NEIGHBOURS)),
            ("sklearn", lambda t=train, y=y, q=test, z=truth, m=theirs: m.fit(t, y).score(q, z)),
        ):
            value, seconds = _timed(accuracy)
            rows.append([name, who, value, seconds])
            result.metrics[f"{_key(name)}_raw_knn_accuracy_{who}"] = value
            result.metrics[f"{_key(name)}_raw_knn_seconds_{who}"] = seconds
    result.sections.append(
        "## Raw pixels, exact kNN, k = 7\n\n" + table(["data", "by", "accuracy", "s"], rows)
    )


def _codes(data: dict, seeds: int, epochs: int, result: Result) -> None:
    """Train, encode, classify the codes, and weigh them."""
    from diabolo.metrics import knn_accuracy

    rows = []
    for name, size, label, make in (
        ("mnist", 8, "lecture", lambda k, s: lecture(k, s, epochs)),
        ("mnist", 8, "default", default),
        ("fashion-mnist", 8, "lecture", lambda k, s: lecture(k, s, epochs)),
        ("fashion-mnist", 8, "default", default),
        ("fashion-mnist", 16, "lecture", lambda k, s: lecture(k, s, epochs)),
        ("fashion-mnist", 16, "default", default),
    ):
        (train, y), (test, truth) = data[f"{name}_train"], data[f"{name}_test"]
        figures: list[list[float]] = []
        for seed in range(seeds):
            model = make(size, seed)
            _, fit_seconds = _timed(lambda m=model, x=train: m.fit(x))
            known, asked = model.transform(train), model.transform(test)
            accuracy, knn_seconds = _timed(
                lambda a=known, b=asked, y=y, z=truth: knn_accuracy(a, y, b, z, NEIGHBOURS)
            )
            errors = model.reconstruction_error(test)
            dead = int((known == 0).all(axis=0).sum())
            figures.append([accuracy, fit_seconds, knn_seconds, float(errors.mean()), dead])
        mean = np.mean(figures, axis=0)
        spread = np.ptp([row[0] for row in figures])
        rows.append([name, size, label, mean[0], spread, mean[1], mean[2], mean[3] * 784, mean[4]])
        key = f"{_key(name)}_code{size}_{label}"
        for measure, value in zip(
            ("knn_accuracy", "fit_seconds", "knn_seconds", "mse_per_pixel", "dead_units"),
            mean,
            strict=True,
        ):
            result.metrics[f"{key}_{measure}"] = float(value)
        result.metrics[f"{key}_knn_accuracy_min"] = float(min(row[0] for row in figures))
        if name == "mnist":
            _bytes(test, asked, float(mean[3]), label, result)
    header = ["data", "code", "net", "kNN accuracy", "max − min", "fit, s", "kNN, s"]
    result.sections.append(
        f"## Codes, kNN with k = 7, mean of {seeds} seeds\n\n"
        + table([*header, "squared error an image", "dead units"], rows)
    )


def _bytes(images: np.ndarray, codes: np.ndarray, error: float, label: str, result: Result) -> None:
    """Write test images and codes as .npy, as the lecture does, and count."""
    from diabolo.data.writers import write

    with tempfile.TemporaryDirectory() as folder:
        sizes = []
        pixels = images.reshape(len(images), -1).astype(np.float32) / 255
        for name, array in (("images", pixels), ("codes", codes)):
            path = Path(folder) / f"{name}.npy"
            write(path, array)
            sizes.append(path.stat().st_size)
            result.metrics[f"mnist_test_{name}_npy_bytes"] = sizes[-1]
    result.sections.append(
        f"## Bytes of the MNIST test set as float32 .npy ({label} net)\n\n"
        + table(
            ["images", "codes of 8", "ratio", "squared error per pixel"],
            [[f"{sizes[0]:,}", f"{sizes[1]:,}", sizes[0] / sizes[1], error]],
        )
    )


def _anomaly(data: dict, seeds: int, epochs: int, result: Result) -> None:
    """Rank each shoe alone among all digits by reconstruction error."""
    digits, clothes = data["mnist_test"][0], data["fashion-mnist_test"]
    shoes = clothes[0][np.isin(clothes[1], SHOES)]
    kinds = clothes[1][np.isin(clothes[1], SHOES)]
    rows = []
    for label, make in (("lecture", lambda k, s: lecture(k, s, epochs)), ("default", default)):
        figures = []
        for seed in range(seeds):
            model = make(64, seed).fit(data["mnist_train"][0])
            normal, odd = (model.reconstruction_error(images) for images in (digits, shoes))
            rank = ranks(normal, odd)
            first = [float((rank[kinds == kind] == 1).mean()) for kind in SHOES]
            figures.append(
                [float((rank == 1).mean()), float(rank.mean()), *first, normal.max(), odd.mean()]
            )
        mean = np.mean(figures, axis=0)
        rows.append([label, *mean])
        result.metrics[f"shoes_ranked_first_{label}"] = float(mean[0])
        result.metrics[f"shoes_mean_rank_{label}"] = float(mean[1])
    header = ["784-64-784", "first", "mean rank", "sandals", "sneakers", "boots"]
    result.sections.append(
        f"## {len(shoes):,} shoes, each alone among {len(digits):,} digits, by reconstruction "
        f"error, mean of {seeds} seeds\n\n"
        + table([*header, "largest error of a digit", "mean error of shoes"], rows)
    )


def ranks(normal: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """Return the place of each of `odd`, alone among all of `normal`: 1 for a larger score.

    An equal score among the normal ones comes before it.
    """
    return 1 + len(normal) - np.searchsorted(np.sort(normal), odd, side="left")


def _timed(function: Callable) -> tuple:
    began = time.perf_counter()
    value = function()
    return value, time.perf_counter() - began


def _key(name: str) -> str:
    return name.replace("-", "_")
