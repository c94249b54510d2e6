"""Scoring: the reconstruction error of MNIST's images under the deep net, rows a second."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from bench.engine import onnx_graph
from bench.engine.data import images
from bench.frame import Timing, alternate, paired_ratio, table
from bench.peers import Job
from bench.peers.torch_peers import pyod
from bench.sections import Aim, Section, say

WIDTHS, CODE_SIZE = (1000, 500, 250), 30

#: Rows a second over PyOD's decision_function.
AIM = 2.0

#: The largest errors, as a share of all rows, that reduced precision should keep.
TOP = 0.01

#: Rows a call for PyOD, beside its default of 32, and for ONNX Runtime.
LARGE_BATCH = 1024


def run(options: argparse.Namespace) -> Section:
    """Score the training images in turns, and compare ranks."""
    from diabolo import Autoencoder

    say("scoring, training the nets")
    pictures = images("train", options.images).astype(np.float32) / 255
    x = pictures.reshape(len(pictures), -1)
    model = Autoencoder(
        CODE_SIZE, hidden=WIDTHS, max_epochs=options.epochs, device="cpu", random_state=0
    ).fit(pictures)
    section = Section("Scoring", [_explanation(x)])
    functions: dict[str, Callable[[], np.ndarray]] = {
        "diabolo": partial(model.reconstruction_error, pictures),
        "diabolo_bf16": partial(reduced_errors, model, pictures),
    }
    names = {
        "diabolo": "Diabolo, `reconstruction_error`",
        "diabolo_bf16": "the same in bf16",
        "pyod": "PyOD, `decision_function`",
        "pyod_large_batch": f"the same with batch_size={LARGE_BATCH}",
        "onnxruntime": "ONNX Runtime, Diabolo's weights",
    }
    try:
        detector = pyod(x[:2_000], Job(WIDTHS, CODE_SIZE, epochs=1, batch_size=32)).model
        functions["pyod"] = partial(detector.decision_function, x)
        functions["pyod_large_batch"] = partial(detector.decision_function, x, LARGE_BATCH)
    except ImportError as error:
        section.texts.append(f"PyOD is left out: {error}.")
    try:
        graph = onnx_graph.error_graph(model.module_)
        running = onnx_graph.session(graph, torch.get_num_threads())
        functions["onnxruntime"] = partial(onnx_errors, running, x)
    except ImportError as error:
        section.texts.append(f"ONNX Runtime is left out: {error}.")
    for function in functions.values():
        function()  # lazy starts count for nobody
    say(f"scoring, {', '.join(functions)}")
    timings = alternate(functions, options.rounds)
    _report_speed(section, timings, names, len(x))
    _report_ranks(section, timings)
    for name in ("pyod", "pyod_large_batch"):
        over = section.metrics.get(f"scoring_{name}_time_over_diabolo")
        section.aims.append(Aim(f"scoring, rows/s over those of {names[name]}", over, AIM))
    return section


def reduced_errors(model: Any, pictures: np.ndarray) -> np.ndarray:
    """Return the reconstruction errors with products in bf16, checked, scaled and in chunks too."""
    from diabolo.device import arithmetic
    from diabolo.layers import chunk_rows

    module, rows = model.module_, model._encode_input(pictures)
    chunk = chunk_rows(module)
    pieces = (rows[i : i + chunk] for i in range(0, len(rows), chunk))
    with torch.inference_mode(), arithmetic("bf16"):
        errors = [
            (piece - module.reconstruct(piece).float()).square().flatten(1).mean(dim=1)
            for piece in pieces
        ]
    return torch.cat(errors).numpy()


def onnx_errors(session: Any, x: np.ndarray) -> np.ndarray:
    """Return the reconstruction errors by ONNX Runtime, (n,)."""
    starts = range(0, len(x), LARGE_BATCH)
    pieces = [session.run(["error"], {"x": x[i : i + LARGE_BATCH]})[0] for i in starts]
    return np.concatenate(pieces)


def rank_change(exact: np.ndarray, reduced: np.ndarray) -> dict[str, float]:
    """Return Spearman's correlation of two scores, and the share of the top that both agree on."""
    from scipy.stats import spearmanr

    count = max(1, round(TOP * len(exact)))
    tops = [set(np.argsort(scores)[-count:].tolist()) for scores in (exact, reduced)]
    return {
        "spearman": float(spearmanr(exact, reduced).statistic),
        "top_percent_kept": len(tops[0] & tops[1]) / count,
    }


def _report_speed(
    section: Section, timings: dict[str, list[Timing]], names: dict[str, str], rows: int
) -> None:
    seconds = {name: [t.seconds for t in turns] for name, turns in timings.items()}
    lines = []
    for name, values in seconds.items():
        median = float(np.median(values))
        over = paired_ratio(values, seconds["diabolo"])
        lines.append([names[name], median, rows / median, over])
        section.metrics[f"scoring_{name}_rows_per_second"] = rows / median
        section.metrics[f"scoring_{name}_time_over_diabolo"] = over
    section.texts.append(table(["", "s", "rows/s", "time × Diabolo"], lines))


def _report_ranks(section: Section, timings: dict[str, list[Timing]]) -> None:
    exact = timings["diabolo"][0].value
    change = rank_change(exact, timings["diabolo_bf16"][0].value)
    for key, value in change.items():
        section.metrics[f"scoring_bf16_{key}"] = value
    text = (
        f"Ranks in bf16 and in fp32 have a correlation (Spearman) of {change['spearman']:.6f}, and "
        f"{change['top_percent_kept']:.1%} of the rows in the top {TOP:.0%} stay there."
    )
    if "onnxruntime" in timings:
        apart = float(np.abs(timings["onnxruntime"][0].value / exact - 1).max())
        section.metrics["scoring_onnxruntime_largest_relative_difference"] = apart
        text += f" ONNX Runtime's errors differ from ours by {apart:.1e} of themselves at most."
    section.texts.append(text)


def _explanation(x: np.ndarray) -> str:
    return (
        f"{len(x):,} images in [0, 1], float32, through a trained 784-1000-500-250-30 and back, in "
        f"fp32 on {torch.get_num_threads()} thread(s). PyOD's net has the same widths, "
        "ReLU and a linear output where ours has SiLU and a sigmoid, and neither scaling nor batch "
        "norm. ONNX Runtime runs Diabolo's own weights, the error included, "
        f"{LARGE_BATCH:,} rows a call."
    )
