"""The deep net on a GPU, where there is one: epochs, time to quality, share of the peak."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from bench.engine import time_to_quality
from bench.engine.data import images, pixels
from bench.engine.throughput import compare
from bench.frame import alternate, table
from bench.machine import matmul_ceiling
from bench.peers import PEERS, Job, warm_up
from bench.peers.ours import epoch_seconds
from bench.sections import Aim, Section, say

#: Batch sizes at which both are measured, and pythae's own and larger ones of ours.
EQUAL, THEIRS, OURS = (128, 512), (64,), (2048,)

#: pythae's seconds an epoch over ours.
AIM = 40.0

#: One large product fills a GPU.
SHAPES = ((8192, 8192, 8192),)


def run(options: argparse.Namespace) -> Section:
    """Measure on the GPU, or say that there is none."""
    section = Section("On a GPU")
    if not torch.cuda.is_available():
        section.texts.append("No GPU was at hand.")
        return section
    section.texts.append(torch.cuda.get_device_name())
    throughput(section, options, "cuda", SHAPES)
    train, test = images("train", options.images), images("test", options.test_images)
    section.texts.append("### Time to quality")
    quality(section, train, test, options, "cuda")
    return section


def throughput(
    section: Section,
    options: argparse.Namespace,
    device: str,
    shapes: tuple[tuple[int, int, int], ...],
) -> None:
    """Compare epochs of Diabolo and pythae, and Diabolo with the peak of matrix products.

    Parameters
    ----------
    section : Section
        Gets tables, figures and aims.
    options : Namespace
        Of the benchmark.
    device : str
        "cuda"; any other shows that this works.
    shapes : tuple of (int, int, int)
        Products whose best speed is the peak.
    """
    train = pixels(images("train", options.images))
    test = pixels(images("test", options.test_images))
    tiny = Job((8,), 2, epochs=1, device=device)
    present, missing = warm_up(("diabolo", "pythae"), train[:256], tiny)
    section.texts += missing
    say(f"GPU, ceilings and epochs of {', '.join(present)}")
    ceilings = {
        "bf16": matmul_ceiling(torch.bfloat16, device=device, shapes=shapes),
        "fp32": matmul_ceiling(device=device, shapes=shapes),
    }
    for key, value in ceilings.items():
        section.metrics[f"gpu_matmul_gflops_{key}"] = value
    jobs = {
        f"{name}_batch{batch}": (name, Job(epochs=options.epochs, batch_size=batch, device=device))
        for name in present
        for batch in (*EQUAL, *(OURS if name == "diabolo" else THEIRS))
    }
    functions: dict[str, Callable] = {
        key: partial(PEERS[name][1], train, job) for key, (name, job) in jobs.items()
    }
    lines = []
    for key, turns in alternate(functions, options.rounds).items():
        name, job = jobs[key]
        values = compare({key: turns}, len(train), job, test, ceilings["bf16"])[key]
        seconds, share = values["seconds_per_epoch"], values["ceiling_share"]
        lines.append([PEERS[name][0], job.batch_size, seconds, f"{share:.1%}"])
        section.metrics[f"gpu_{key}_seconds_per_epoch"] = seconds
        section.metrics[f"gpu_{key}_bf16_ceiling_share"] = share
    batch, seconds = as_it_comes(options, device)
    section.metrics["gpu_diabolo_default_seconds_per_epoch"] = seconds
    lines.append(["Diabolo, as it comes (Muon)", batch, seconds, "–"])
    section.texts.append(table(["", "batch", "s/epoch", "of the bf16 ceiling"], lines))
    for ours, theirs, what in (
        (f"batch{EQUAL[0]}", EQUAL[0], f"both Adam at batches of {EQUAL[0]}"),
        (f"batch{EQUAL[1]}", THEIRS[0], f"Adam at {EQUAL[1]} and {THEIRS[0]}"),
        ("default", THEIRS[0], "each as it comes"),
    ):
        faster = _over(section, f"pythae_batch{theirs}", f"diabolo_{ours}")
        section.aims.append(Aim(f"GPU, pythae's s an epoch over ours, {what}", faster, AIM))


def as_it_comes(options: argparse.Namespace, device: str) -> tuple[int, float]:
    """Return batch size and median seconds an epoch of the default, looks included.

    An epoch is one of all images, as it is for others: some are held out here, and count as if they
    took as long as those that are learned from.
    """
    from diabolo import Autoencoder

    pictures = images("train", options.images)
    model = Autoencoder(
        time_to_quality.CODE_SIZE,
        hidden=time_to_quality.WIDTHS,
        max_epochs=options.default_epochs,
        device=device,
        random_state=0,
    ).fit(pictures)
    of_all = len(pictures) / (len(pictures) - len(model.held_out_))
    return model.spec_.training.batch_size, of_all * float(np.median(epoch_seconds(model)))


def quality(
    section: Section,
    train: np.ndarray,
    test: np.ndarray,
    options: argparse.Namespace,
    device: str,
) -> None:
    """Watch Diabolo's error over time, beside pythae as its users train it."""
    runs = time_to_quality.ours(train, test, options, device)
    try:
        course = time_to_quality.theirs("pythae", train, test, options.budget, device)
        runs["pythae"] = "pythae AE", course
    except ImportError as error:
        section.texts.append(f"pythae AE is left out: {error}.")
    time_to_quality.report(section, runs, options.budget, "gpu_quality")


def _over(section: Section, theirs: str, ours: str) -> float:
    seconds = [
        section.metrics.get(f"gpu_{key}_seconds_per_epoch", math.nan) for key in (theirs, ours)
    ]
    return seconds[0] / seconds[1]
