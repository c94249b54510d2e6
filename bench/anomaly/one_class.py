"""One class: images of one kind to learn from, and all kinds to be asked about."""

from __future__ import annotations

import argparse

import numpy as np

from bench.anomaly.methods import auroc, diabolo, knn
from bench.frame import table, timed
from bench.sections import Aim, Section, say

#: Data set → (mean AUROC over ten classes that is asked for, DeepSVDD's, ARAE's), in percent.
SETS = {"mnist": (97.5, 94.8, 97.5), "fashion-mnist": (93.5, 92.8, 93.6)}


def run(options: argparse.Namespace) -> Section:
    """Train on each class and rank the test images."""
    from diabolo import datasets

    section = Section("One class", [_explanation(options.image_seeds)])
    for name, (aim, svdd, arae) in SETS.items():
        known, asked = (datasets.load(name, split) for split in ("train", "test"))
        test, labels = (x[: options.image_test_rows] for x in (asked.data, asked.labels))
        lines: list[list[object]] = []
        for label in options.classes:
            say(f"one class, {name} {label}")
            train = of_class(known.data, known.labels, label, options.image_rows)
            truth = (labels != label).astype(int)
            lines.append([label, *_figures(train, test, truth, options.image_seeds)])
        mean = [float(np.mean([line[i] for line in lines])) for i in (1, 2, 3)]
        key = name.replace("-", "_")
        section.metrics[f"one_class_{key}_diabolo_auroc"] = mean[0]
        section.metrics[f"one_class_{key}_knn_auroc"] = mean[1]
        section.metrics[f"one_class_{key}_diabolo_seconds"] = mean[2]
        for line in lines:
            section.metrics[f"one_class_{key}_class{line[0]}_diabolo_auroc"] = line[1]
        section.texts += [
            f"### {name}",
            table(["class", "ours", "kNN", "ours, s"], [*lines, ["mean", *mean]]),
            f"Published means over ten classes: DeepSVDD {svdd}, ARAE {arae}.",
        ]
        section.aims.append(Aim(f"one class, {name}: mean AUROC", mean[0], aim))
    return section


def of_class(
    images: np.ndarray, labels: np.ndarray, label: int, rows: int | None = None
) -> np.ndarray:
    """Return the images of one class, in the order of the file."""
    return images[labels == label][:rows]


def _figures(train: np.ndarray, test: np.ndarray, truth: np.ndarray, seeds: int) -> list[float]:
    """Return our AUROC, that of neighbours, and our seconds, means over seeds."""
    figures = []
    for seed in range(seeds):
        timing = timed(lambda s=seed: diabolo(train, test, "clean", s))
        figures.append([auroc(truth, timing.value), timing.seconds])
    ours, seconds = np.mean(figures, axis=0)
    pixels = [x.reshape(len(x), -1).astype(np.float32) / 255 for x in (train, test)]
    return [float(ours), auroc(truth, knn(*pixels, "clean", 0)), float(seconds)]


def _explanation(seeds: int) -> str:
    return (
        "Trained on all training images of one class, asked about the official test set: AUROC in "
        f"percent of that class against the nine others, mean of {seeds} seed(s). *ours* is "
        "`AnomalyDetector` as it comes on the images as they are, *kNN* the distance to the fifth "
        "neighbour by pixels, *s* the time to fit and score."
    )
