"""Times: the sets at all their rows, and how good a detector is after how many seconds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from bench.anomaly import data, protocols
from bench.anomaly.methods import AUROC, METHODS, SECONDS, measure, warm_up
from bench.frame import table
from bench.sections import Aim, Section, say, shown

OURS, COMPARED = "diabolo", ("diabolo", "pyod", "forest")

#: PyOD's seconds over ours, and points of AUROC more than PyOD's.
AIM_TIME, AIM_AUROC = 1.0, 5.0

#: Set → number of training rows → method → what `measure` returns.
Found = dict[str, dict[int, dict[str, np.ndarray]]]


def run(options: argparse.Namespace) -> Section:
    """Measure each set with all of its rows and with some of them, all methods in turns."""
    present, missing = warm_up(COMPARED)
    section = Section("Times", [_explanation(), *missing])
    found: Found = {}
    for i, name in enumerate(data.names(options.timed_sets)):
        say(f"times, {name}")
        split = protocols.published(*data.load(name), 0, most=None)
        if options.rows or options.test_rows:
            split = protocols.fewer(split, 0, options.rows, options.test_rows)
        # No method always runs just after the same other one.
        turns = present[i % len(present) :] + present[: i % len(present)]
        found[name] = {}
        for rows in sizes(len(split.train), options.curve_rows):
            some = split if rows == len(split.train) else protocols.fewer(split, 0, rows)
            found[name][rows] = {method: measure(method, some, 0) for method in turns}
    _report_sets(section, found, present)
    _report_curve(section, found, present, options.curve_rows)
    return section


def sizes(rows: int, limits: Sequence[int]) -> list[int]:
    """Return how many training rows are measured, all of them last."""
    return sorted({min(rows, limit) for limit in limits} | {rows})


def at_limit(found: Found, method: str, limit: float) -> tuple[float, float]:
    """Return a method's seconds for all sets and its mean AUROC with at most so many rows each."""
    chosen = [max(rows for rows in by_rows if rows <= limit) for by_rows in found.values()]
    figures = np.array(
        [by_rows[r][method] for r, by_rows in zip(chosen, found.values(), strict=True)]
    )
    return float(figures[:, SECONDS].sum()), float(figures[:, AUROC].mean())


def _report_sets(section: Section, found: Found, present: list[str]) -> None:
    labels = [METHODS[method][0] for method in present]
    header = ["", "rows", *(f"{label}, s" for label in labels), *(f"{x}, AUROC" for x in labels)]
    lines: list[list[object]] = []
    for name, by_rows in found.items():
        rows = max(by_rows)
        figures = [by_rows[rows][m][what] for what in (SECONDS, AUROC) for m in present]
        lines.append([name, f"{rows:,}", *(shown(float(figure)) for figure in figures)])
    totals = {method: at_limit(found, method, np.inf) for method in present}
    both = [totals[method][i] for i in (0, 1) for method in present]
    lines.append(["sum of times, mean AUROC", "", *map(shown, both)])
    section.texts += ["### All rows", table(header, lines)]
    for method, (seconds, auroc) in totals.items():
        section.metrics[f"times_{method}_seconds"] = seconds
        section.metrics[f"times_{method}_auroc"] = auroc
    faster = better = None
    if "pyod" in totals:
        faster = totals["pyod"][0] / totals[OURS][0]
        better = totals[OURS][1] - totals["pyod"][1]
        section.metrics["times_pyod_seconds_over_diabolo"] = faster
        section.metrics["times_auroc_above_pyod"] = better
    section.aims += [
        Aim(f"PyOD's seconds over ours, {len(found)} sets, all rows", faster, AIM_TIME),
        Aim(f"AUROC above PyOD's, {len(found)} sets, all rows", better, AIM_AUROC),
    ]


def _report_curve(
    section: Section, found: Found, present: list[str], limits: Sequence[int]
) -> None:
    header = ["rows"]
    for method in present:
        header += [f"{METHODS[method][0]}, s", "AUROC"]
    lines: list[list[object]] = []
    for limit in [*sorted(limits), np.inf]:
        figures = [at_limit(found, method, limit) for method in present]
        lines.append([f"{limit:,}" if limit < np.inf else "all"])
        lines[-1] += [shown(figure) for pair in figures for figure in pair]
        for method, (seconds, auroc) in zip(present, figures, strict=True):
            if limit < np.inf:
                section.metrics[f"times_rows{limit}_{method}_seconds"] = seconds
                section.metrics[f"times_rows{limit}_{method}_auroc"] = auroc
    section.texts += ["### Quality against time, by the most training rows", table(header, lines)]


def _explanation() -> str:
    return (
        "The published split with one seed and without its cap: all rows of each set, in the order "
        "of its file. *ours* is `AnomalyDetector`, *PyOD* its AutoEncoder, *forest* "
        "IsolationForest, each as it comes; seconds are those to fit and to score, of all sets. "
        "Fewer training rows are drawn at random; all test rows are scored every time."
    )
