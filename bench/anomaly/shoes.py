"""The lecture's experiment: a shoe among ten thousand digits (Michelucci, arXiv 2201.03898)."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from bench.frame import table, timed
from bench.sections import Aim, Section, say
from bench.seeds import SHOES, lecture, ranks

CODE_SIZE = 64

#: Percent of the shoes that are first.
AIM = 99.0


def run(options: argparse.Namespace) -> Section:
    """Rank each shoe of the test set by the lecture's error, and by ours."""
    from diabolo import datasets

    train = datasets.load("mnist", "train").data[: options.image_rows]
    digits = datasets.load("mnist", "test").data[: options.image_test_rows]
    clothes = datasets.load("fashion-mnist", "test")
    odd = np.isin(clothes.labels, SHOES)
    shoes, kinds = clothes.data[odd], clothes.labels[odd]
    section, lines = Section("Shoes"), []
    for key, (label, scores) in METHODS.items():
        figures = []
        for seed in range(options.image_seeds):
            say(f"shoes, {label}")
            timing = timed(lambda f=scores, s=seed: f(train, options.lecture_epochs, s))
            rank = ranks(timing.value(digits), timing.value(shoes))
            figures.append([*first(rank, kinds), float(rank.mean()), timing.seconds])
        mean = [float(value) for value in np.mean(figures, axis=0)]
        lines.append([label, *mean])
        section.metrics[f"shoes_first_percent_{key}"] = mean[0]
        section.metrics[f"shoes_mean_rank_{key}"] = mean[-2]
    section.aims.append(
        Aim("shoes ranked first, %", section.metrics["shoes_first_percent_diabolo"], AIM)
    )
    section.texts += [
        f"{len(shoes):,} shoes, each alone among {len(digits):,} digits; trained on "
        f"{len(train):,} other digits; mean of {options.image_seeds} seed(s). How many of a "
        "hundred are first, of all shoes and of each kind.",
        table(["", "first, %", "sandals", "sneakers", "boots", "mean rank", "fit, s"], lines),
    ]
    return section


def first(rank: np.ndarray, kinds: np.ndarray) -> list[float]:
    """Return the percent of the shoes with rank 1: of all, and of each kind in `SHOES`."""
    chosen = [rank, *(rank[kinds == kind] for kind in SHOES)]
    return [100 * float((some == 1).mean()) for some in chosen]


def _lecture(train: np.ndarray, epochs: int, seed: int) -> Callable:
    return lecture(CODE_SIZE, seed, epochs).fit(train).reconstruction_error


def _lecture_as_model(train: np.ndarray, epochs: int, seed: int) -> Callable:
    from diabolo import AnomalyDetector

    model = lecture(CODE_SIZE, seed, epochs).fit(train)
    return AnomalyDetector(model, random_state=seed).fit(train).anomaly_score


def _plain_code(train: np.ndarray, epochs: int, seed: int) -> Callable:
    from diabolo import AnomalyDetector, Autoencoder

    return AnomalyDetector(Autoencoder(CODE_SIZE), random_state=seed).fit(train).anomaly_score


def _ours(train: np.ndarray, epochs: int, seed: int) -> Callable:
    from diabolo import AnomalyDetector

    return AnomalyDetector(random_state=seed).fit(train).anomaly_score


#: Key → how it is called, and (training images, epochs of the lecture's net, seed) → its score.
METHODS: dict[str, tuple[str, Callable[[np.ndarray, int, int], Callable]]] = {
    "lecture": ("784-64-784 of the lecture, its error", _lecture),
    "lecture_model": ("the same net, fitted, in `AnomalyDetector`", _lecture_as_model),
    "code": ("`AnomalyDetector(Autoencoder(64))`", _plain_code),
    "diabolo": ("`AnomalyDetector`", _ours),
}
