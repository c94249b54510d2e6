"""Training a convolutional autoencoder on MNIST: 28 → 14 → 7 → 4 pixels, then the code."""

from __future__ import annotations

import argparse
import itertools
from functools import partial

import numpy as np
import torch
from torch import nn

from bench.engine.data import images, squared_error
from bench.frame import alternate, paired_ratio, table
from bench.peers import Fitted, Job
from bench.peers.ours import diabolo
from bench.peers.torch_peers import pythae, torch_loop
from bench.sections import Aim, Section, say

CHANNELS, CODE_SIZE = (32, 64, 128), 30

#: Side of the image before each strided layer, and after the last.
SIDES = (28, 14, 7, 4)

#: Images a second over those of a plain torch loop.
AIM = 1.5


def run(options: argparse.Namespace) -> Section:
    """Train the same net with Diabolo, a plain loop and pythae, in turns."""
    job = Job((), CODE_SIZE, epochs=options.epochs, batch_size=128)
    section = Section("Convolutional", [_explanation(options, job)])
    pictures = images("train", options.rows).astype(np.float32) / 255
    test = images("test", options.test_images).astype(np.float32) / 255
    names = {"diabolo": "Diabolo", "torch_loop": "torch, DataLoader loop", "pythae": "pythae AE"}
    functions = {"diabolo": _ours, "torch_loop": _torch_loop, "pythae": _pythae}
    for name in list(functions):
        try:  # imports are no part of a fit
            functions[name](pictures[:128], Job((), CODE_SIZE, epochs=1))
        except ImportError as error:
            del functions[name]
            section.texts.append(f"{names[name]} is left out: {error}.")
    say(f"convolutional, {', '.join(functions)}")
    fits = {name: partial(function, pictures, job) for name, function in functions.items()}
    timings = alternate(fits, options.rounds)
    epochs = {
        name: [float(np.median(t.value.epoch_seconds)) for t in turns]
        for name, turns in timings.items()
    }
    lines = []
    for name, turns in timings.items():
        seconds = float(np.median(epochs[name]))
        errors = [squared_error(t.value.reconstruct(test), test) for t in turns]
        values = {
            "seconds_per_epoch": seconds,
            "images_per_second": len(pictures) / seconds,
            "images_per_second_over_torch_loop": paired_ratio(epochs["torch_loop"], epochs[name]),
            "fit_seconds": float(np.median([t.seconds for t in turns])),
            "test_squared_error_per_image": float(np.median(errors)),
        }
        lines.append([names[name], *values.values()])
        for key, value in values.items():
            section.metrics[f"convolutional_{name}_{key}"] = value
    header = ["", "s/epoch", "images/s", "× torch loop", "fit, s", "test error"]
    section.texts.append(table(header, lines))
    over = section.metrics.get("convolutional_diabolo_images_per_second_over_torch_loop")
    section.aims.append(Aim("images/s over a plain torch loop's, convolutional", over, AIM))
    return section


def parts() -> tuple[nn.Sequential, nn.Sequential]:
    """Return encoder (n, 1, 28, 28) → (n, code) and decoder, as one writes them in torch."""
    down: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise((1, *CHANNELS)):
        down += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
    features = CHANNELS[-1] * SIDES[-1] ** 2
    encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(features, CODE_SIZE))
    up: list[nn.Module] = []
    widths = itertools.pairwise((*CHANNELS[::-1], 1))
    for (inputs, outputs), (side, to) in zip(widths, itertools.pairwise(SIDES[::-1]), strict=True):
        more = to - (2 * side - 1)  # output pixels that stride 2 leaves open
        layer = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=more)
        up += [nn.ReLU(), layer]
    shape = (CHANNELS[-1], SIDES[-1], SIDES[-1])
    return encoder, nn.Sequential(nn.Linear(CODE_SIZE, features), nn.Unflatten(1, shape), *up)


def _ours(pictures: np.ndarray, job: Job) -> Fitted:
    from diabolo.networks import Conv

    return diabolo(pictures, job, network=Conv(CHANNELS, 3, hidden=(), activation="relu"))


def _torch_loop(pictures: np.ndarray, job: Job) -> Fitted:
    return _with_channel(torch_loop(pictures[:, None], job, nn.Sequential(*_seeded(job))))


def _pythae(pictures: np.ndarray, job: Job) -> Fitted:
    return _with_channel(pythae(pictures[:, None], job, _seeded(job)))


def _seeded(job: Job) -> tuple[nn.Sequential, nn.Sequential]:
    torch.manual_seed(job.seed)
    return parts()


def _with_channel(fitted: Fitted) -> Fitted:
    """Let the net take images (n, 28, 28) as ours does."""
    inner = fitted.reconstruct
    return Fitted(lambda x: inner(x[:, None])[:, 0], fitted.epoch_seconds, fitted.model)


def _explanation(options: argparse.Namespace, job: Job) -> str:
    return (
        f"Strided convolutions of 3 × 3 with {', '.join(map(str, CHANNELS))} channels, a linear "
        f"code of {CODE_SIZE}, the mirror of it as decoder, ReLU, squared error, Adam at "
        f"{job.learning_rate:g}, batches of {job.batch_size}, {options.rows:,} images, "
        f"{job.epochs} epochs, {options.rounds} round(s) in turns. *images/s* go by the median "
        "epoch. Diabolo's last layer has a bias for each pixel, 783 more weights of 310,958."
    )
