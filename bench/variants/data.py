"""The data of the benchmark, and what several sections do with a model."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from bench.frame import Timing, timed


def mnist(options: argparse.Namespace, split: str) -> np.ndarray:
    """Return MNIST images in file order, uint8 (n, 28, 28)."""
    return labelled(options, split)[0]


def labelled(options: argparse.Namespace, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return MNIST images and their labels, (n,)."""
    from diabolo import datasets

    part = datasets.load("mnist", split)
    rows = options.rows if split == "train" else options.test_rows
    return part.data[:rows], np.asarray(part.labels)[:rows]


def fitted(options: argparse.Namespace, model: Any, X: np.ndarray) -> Timing[Any]:
    """Fit a model, with the few epochs of a quick run where it is one."""
    if options.epochs is not None:
        model.set_params(max_epochs=options.epochs)
    return timed(lambda: model.fit(X))


def error(model: Any, X: np.ndarray, damaged: np.ndarray | None = None) -> float:
    """Return the squared error of X (pixels from 0 to 1), summed over an image, mean over images.

    Of reconstructions of `damaged` images, where they are given.
    """
    return error_of(model.reconstruct(X if damaged is None else damaged), X)


def error_of(images: np.ndarray, X: np.ndarray) -> float:
    """Return the squared error of images in place of X, both of grey values, as `error` does."""
    from diabolo.metrics import squared_error

    return float(squared_error(X, images).mean()) / 255**2
