"""Throughput of the deep net, 784-1000-500-250-30, at equal batch size and optimiser."""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import torch

from bench.engine.data import images, pixels, squared_error
from bench.frame import Timing, alternate, paired_ratio, table
from bench.machine import matmul_ceiling
from bench.peers import PEERS, Fitted, Job, warm_up
from bench.sections import Aim, Section, say

#: Key of the metrics → (name in the table, type, path) of each way to multiply matrices.
CEILINGS = {
    "fp32_default": ("fp32, torch's default", torch.float32, "default"),
    "fp32_medium": ('fp32, precision "medium"', torch.float32, "medium"),
    "bf16": ("bf16", torch.bfloat16, "default"),
}

BATCHES = (128, 512)

#: The batch that we choose ourselves for 60,000 images and up to a million; and those for 4 and 16
#: million rows.
OWN_BATCH, LARGER_BATCHES = 512, (1024, 2048)

#: Who takes part.
COMPARED = (
    "diabolo",
    "diabolo_fp32",
    "torch_loop",
    "torch_loop_medium",
    "skorch",
    "pythae",
    "pyod",
    "keras",
)

#: Peer → how many times its rows a second are asked of Diabolo at a batch of 128.
AIMS = {"pyod": 2.0, "pythae": 4.0, "skorch": 4.0}

#: The share of the bf16 ceiling that is asked for at our own batch size.
AIM_SHARE = 0.75


def run(options: argparse.Namespace) -> Section:
    """Train every peer in turns at each batch size."""
    train = pixels(images("train", options.rows))
    test = pixels(images("test", options.test_images))
    # Compiling the net in question is part of a fit, imports are not.
    present, missing = warm_up(COMPARED, train[:256], Job((8,), 2, epochs=1))
    section = Section("Throughput", [_explanation(options), *missing])
    say("throughput, ceilings")
    repeats = 1 if options.quick else 5
    ceilings = {
        key: matmul_ceiling(dtype, path, repeats=repeats)
        for key, (_, dtype, path) in CEILINGS.items()
    }
    _report_ceilings(section, ceilings)
    for batch in BATCHES:
        say(f"throughput, batches of {batch}: {', '.join(present)}")
        job = Job(epochs=options.epochs, batch_size=batch)
        functions = {name: partial(PEERS[name][1], train, job) for name in present}
        timings = alternate(functions, options.rounds)
        columns = compare(timings, len(train), job, test, max(ceilings.values()))
        _report_batch(section, columns, batch)
        if batch == BATCHES[0]:
            section.aims += [
                Aim(
                    f"rows/s over {PEERS[name][0]}'s, batches of {batch}",
                    columns.get(name, {}).get("epoch_time_over_diabolo"),
                    bound,
                )
                for name, bound in AIMS.items()
            ]
    _own_batch(section, train, test, options, ceilings["bf16"])
    return section


def _own_batch(
    section: Section,
    train: np.ndarray,
    test: np.ndarray,
    options: argparse.Namespace,
    ceiling: float,
) -> None:
    """Measure Diabolo at its own batches, and the share of the bf16 ceiling that it reaches."""
    say("throughput, our own batch")
    jobs = {str(b): Job(epochs=options.epochs, batch_size=b) for b in (OWN_BATCH, *LARGER_BATCHES)}
    functions = {key: partial(PEERS["diabolo"][1], train, job) for key, job in jobs.items()}
    timings = alternate(functions, options.rounds)
    rows = []
    for key, turns in timings.items():
        values = compare({key: turns}, len(train), jobs[key], test, ceiling)[key]
        share = values["ceiling_share"]
        rows.append([key, values["seconds_per_epoch"], values["rows_per_second"], f"{share:.0%}"])
        section.metrics[f"throughput_own_batch{key}_rows_per_second"] = values["rows_per_second"]
        section.metrics[f"throughput_own_batch{key}_bf16_ceiling_share"] = share
    own = section.metrics[f"throughput_own_batch{OWN_BATCH}_bf16_ceiling_share"]
    section.aims.append(Aim("share of the bf16 ceiling at our own batch", own, AIM_SHARE))
    section.texts += [
        "### Diabolo at its own batches",
        f"{OWN_BATCH} is what it takes for MNIST's 60,000 images, and up to a million rows; the "
        "others are those for 4 and 16 million. The aim is at the first.",
        table(["batch", "s/epoch", "rows/s", "of the bf16 ceiling"], rows),
    ]


def compare(
    timings: dict[str, list[Timing[Fitted]]], rows: int, job: Job, test: np.ndarray, ceiling: float
) -> dict[str, dict[str, float]]:
    """Boil the rounds down to one dict of figures per peer.

    Parameters
    ----------
    timings : dict of str to list of Timing
        Per peer one fit a round.
    rows : int
        That were trained on.
    job : Job
        What was trained.
    test : ndarray (n, columns)
        Rows for the loss.
    ceiling : float
        GFLOP/s that stand for 100 %.
    """
    flops = job.operations(test.shape[1]) * rows
    epochs = {n: [_median(t.value.epoch_seconds) for t in turns] for n, turns in timings.items()}
    fits = {name: [t.seconds for t in turns] for name, turns in timings.items()}
    columns = {}
    for name, turns in timings.items():
        seconds = _median(epochs[name])
        gflops = flops / seconds / 1e9
        errors = [squared_error(t.value.reconstruct(test), test) for t in turns]
        columns[name] = {
            "seconds_per_epoch": seconds,
            "rows_per_second": rows / seconds,
            "gflops": gflops,
            "ceiling_share": gflops / ceiling,
            "fit_seconds": _median(fits[name]),
            "first_fit_seconds": fits[name][0],
            "test_squared_error_per_image": _median(errors),
        }
        if "diabolo" in timings:
            columns[name]["epoch_time_over_diabolo"] = paired_ratio(epochs[name], epochs["diabolo"])
            columns[name]["fit_time_over_diabolo"] = paired_ratio(fits[name], fits["diabolo"])
    return columns


def _median(values: list[float]) -> float:
    return float(np.median(values))


def _report_ceilings(section: Section, ceilings: dict[str, float]) -> None:
    rows = [[CEILINGS[key][0], value] for key, value in ceilings.items()]
    section.texts += [
        "### What this machine's matrix products reach",
        table(["", "GFLOP/s"], rows),
    ]
    for key, value in ceilings.items():
        section.metrics[f"matmul_gflops_{key}"] = value


def _report_batch(section: Section, columns: dict[str, dict[str, float]], batch: int) -> None:
    header = ["", "s/epoch", "rows/s", "× Diabolo", "first fit, s", "fit, s", "× Diabolo"]
    lines = [
        [
            PEERS[name][0],
            values["seconds_per_epoch"],
            values["rows_per_second"],
            values.get("epoch_time_over_diabolo", "–"),
            values["first_fit_seconds"],
            values["fit_seconds"],
            values.get("fit_time_over_diabolo", "–"),
            values["test_squared_error_per_image"],
            f"{values['ceiling_share']:.0%}",
        ]
        for name, values in columns.items()
    ]
    section.texts += [
        f"### Batches of {batch}",
        table([*header, "test error", "of ceiling"], lines),
    ]
    for name, values in columns.items():
        for key, value in values.items():
            section.metrics[f"throughput_batch{batch}_{name}_{key}"] = value


def _explanation(options: argparse.Namespace) -> str:
    return (
        f"The same net, loss, batch size and number of epochs for all (`bench/peers`), Adam at "
        f"{Job().learning_rate:g}, {options.rows:,} rows, {options.epochs} epochs, "
        f"{options.rounds} round(s) in turns; each figure is the median over rounds, and ratios "
        "are taken within a round. *s/epoch* is the median epoch of a fit; *fit* is the whole call "
        "with everything that it does before and after the epochs. *test error* is the squared "
        "error summed over the pixels of a test image. *of ceiling* are the operations of "
        "the products a second (six a weight and row, less the gradient by the pixels), over the "
        "fastest matrix product measured below."
    )
