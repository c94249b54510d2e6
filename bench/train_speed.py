"""Training 784-1000-500-250-30-250-500-1000-784 on MNIST, beside other libraries.

The same net, loss, optimiser, batch size and number of epochs for all (see ``bench/peers.py``), in
one run, in turns.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import torch

from bench.frame import Result, Timing, alternate, paired_ratio, table
from bench.machine import matmul_ceiling
from bench.peers import PEERS, Fitted, Job

#: Key of the metrics → (name in the table, type, path) of each way to multiply matrices.
CEILINGS = {
    "fp32_default": ("fp32, torch's default", torch.float32, "default"),
    "fp32_medium": ('fp32, precision "medium"', torch.float32, "medium"),
    "bf16": ("bf16", torch.bfloat16, "default"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[60_000], help="sizes of the training set"
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3, help="turns that each library gets")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))


def run(options: argparse.Namespace) -> Result:
    """Train every peer in turns and compare time and loss."""
    if options.quick:
        options.rows, options.epochs, options.rounds = [2_000], 2, 1
    job = Job(epochs=options.epochs, batch_size=options.batch_size)
    train, test = _mnist()
    for name in options.peers:  # imports are no part of a fit; compiling the net in question is
        PEERS[name][1](train[:256], Job(widths=(8,), code_size=2, epochs=1))

    ceilings = {key: matmul_ceiling(dtype, path) for key, (_, dtype, path) in CEILINGS.items()}
    result = Result(
        "Training speed of the deep net",
        [__doc__.partition("\n\n")[2], _explanation(job, options.rounds), _ceiling_table(ceilings)],
        {f"matmul_gflops_{key}": value for key, value in ceilings.items()},
    )
    for rows in options.rows:
        functions = {name: partial(PEERS[name][1], train[:rows], job) for name in options.peers}
        timings = alternate(functions, options.rounds)
        columns = _compare(timings, rows, job, test, max(ceilings.values()))
        result.sections.append(_comparison_table(columns, rows))
        for name, values in columns.items():
            for key, value in values.items():
                result.metrics[f"rows{rows}_{name}_{key}"] = value
    return result


def _mnist() -> tuple[np.ndarray, np.ndarray]:
    """Training and test rows in file order, (n, 784), float32 in [0, 1]."""
    from diabolo import datasets

    def rows(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1).astype(np.float32) / 255

    return rows(datasets.load("mnist").data), rows(datasets.load("mnist", split="test").data)


def _compare(
    timings: dict[str, list[Timing[Fitted]]], rows: int, job: Job, test: np.ndarray, ceiling: float
) -> dict[str, dict[str, float]]:
    """Boil the rounds down to one dict of figures per peer."""
    # Six operations per weight and row: multiply and add, forward, and twice that backward.
    flops = 6 * job.weights(test.shape[1]) * rows
    epochs = {n: [_median(t.value.epoch_seconds) for t in turns] for n, turns in timings.items()}
    fits = {name: [t.seconds for t in turns] for name, turns in timings.items()}
    columns = {}
    for name, turns in timings.items():
        seconds = _median(epochs[name])
        gflops = flops / seconds / 1e9
        columns[name] = {
            "seconds_per_epoch": seconds,
            "rows_per_second": rows / seconds,
            "gflops": gflops,
            "ceiling_share": gflops / ceiling,
            "fit_seconds": _median(fits[name]),
            "first_fit_seconds": fits[name][0],
            "test_squared_error_per_image": _median([_loss(t.value, test) for t in turns]),
        }
        if "diabolo" in timings:
            columns[name]["epoch_time_over_diabolo"] = paired_ratio(epochs[name], epochs["diabolo"])
            columns[name]["fit_time_over_diabolo"] = paired_ratio(fits[name], fits["diabolo"])
    return columns


def _loss(fitted: Fitted, test: np.ndarray) -> float:
    """Squared error summed over the pixels, mean over held-out images; the same for all."""
    return float(np.square(fitted.reconstruct(test) - test).sum(axis=1).mean())


def _median(values: list[float]) -> float:
    return float(np.median(values))


def _explanation(job: Job, rounds: int) -> str:
    return (
        f"Adam at {job.learning_rate:g}, batches of {job.batch_size}, {job.epochs} epochs, "
        f"{rounds} round(s); each figure is the median over rounds, and ratios are taken within a "
        "round. *s/epoch* is the median epoch of a fit; *fit* is the whole call with everything "
        "that it does before and after the epochs. *test "
        "error* is the squared error summed over the pixels of an image, mean over the 10,000 "
        "test images. *of ceiling* is 6 × weights × rows / s, over the fastest matrix product "
        "measured below."
    )


def _ceiling_table(ceilings: dict[str, float]) -> str:
    rows = [[CEILINGS[key][0], value] for key, value in ceilings.items()]
    return "## What this machine's matrix products reach\n\n" + table(["", "GFLOP/s"], rows)


def _comparison_table(columns: dict[str, dict[str, float]], rows: int) -> str:
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
    return f"## {rows:,} rows\n\n" + table([*header, "test error", "of ceiling"], lines)
