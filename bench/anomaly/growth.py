"""Growth: seconds to fit and to score as the table grows."""

from __future__ import annotations

import argparse
import math

import numpy as np

from bench.engine.growth import draw, time_growth
from bench.frame import table, timed
from bench.sections import Aim, Section, say

COLUMNS = 30

#: Seconds to score as many rows, and time a row at the most rows over that at 10⁵.
MANY, AIM_SCORING, AIM_GROWTH = 10**6, 5.0, 1.2

#: Times that scoring is repeated; the median counts.
ROUNDS = 3


def run(options: argparse.Namespace) -> Section:
    """Fit and score tables of each size, under both assumptions."""
    section = Section("Growth", [_explanation()])
    for training_data in ("clean", "contaminated"):
        measure(draw(1_000, COLUMNS), training_data)  # imports and lazy starts
        sizes = {}
        for rows in options.growth_rows:
            say(f"growth, {training_data}, {rows:,} rows")
            sizes[rows] = measure(draw(rows, COLUMNS), training_data)
        report(section, training_data, sizes)
    return section


def measure(x: np.ndarray, training_data: str) -> dict[str, float]:
    """Return the seconds to fit a table and to score it."""
    from diabolo import AnomalyDetector

    fit = timed(lambda: AnomalyDetector(training_data=training_data, random_state=0).fit(x))
    scoring = [timed(lambda: fit.value.score_samples(x)).seconds for _ in range(ROUNDS)]
    return {"fit_seconds": fit.seconds, "scoring_seconds": float(np.median(scoring))}


def report(section: Section, training_data: str, sizes: dict[int, dict[str, float]]) -> None:
    """Add the table, the figures and the aims."""
    lines = []
    for rows, size in sizes.items():
        millions = rows / 1e6
        per_million = [seconds / millions for seconds in size.values()]
        lines.append([f"{rows:,}", *size.values(), *per_million])
        for key, value in size.items():
            section.metrics[f"growth_{training_data}_rows{rows}_{key}"] = value
    header = ["rows", "fit, s", "scoring, s", "fit, s a million", "scoring, s a million"]
    section.texts += [f"### {training_data}", table(header, lines)]
    growth = time_growth(sizes, "fit")
    section.metrics[f"growth_{training_data}_time_per_row_ratio"] = growth
    scoring = sizes.get(MANY, {}).get("scoring_seconds", math.nan)
    section.aims += [
        Aim(f"{training_data}: seconds to score 10⁶ rows", scoring, AIM_SCORING, at_least=False),
        Aim(
            f"{training_data}: fit, time a row at the most rows over that at 10⁵",
            growth,
            AIM_GROWTH,
            at_least=False,
        ),
    ]


def _explanation() -> str:
    return (
        f"`AnomalyDetector` as it comes on {COLUMNS} columns of float32 that follow a quarter as "
        "many factors, with noise: the time to fit, and then to score the same rows."
    )
