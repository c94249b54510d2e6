"""Filling hidden cells of real tables: errors and seconds, beside other imputers.

Cells that are there are hidden, and everybody fills the same ones, having learned from all the
others: of each cell with the same chance, or, *by value*, with one that grows with a number's rank
in its column and with the rarity of a level. Columns of names and free text are dropped. Numbers:
root mean squared error over the column's standard deviation; levels, which truth values are too:
share of the cells that got the right one; means over the columns, then mean ± standard deviation
over seeds, which hide other cells too. The others are described in ``bench/impute/fillers.py``.
"""

from __future__ import annotations

import argparse
import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from bench.frame import Result, table, timed
from bench.impute.fillers import FILLERS, warm_up
from bench.impute.hiding import PATTERNS
from bench.impute.measures import MEASURES, behind, measured, ratio_to_best
from bench.impute.tables import TABLES, read
from bench.sections import Aim, Section, aims_table, say

#: Rows of a table in a quick run.
QUICK_ROWS = 300


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--adult-seeds", type=int, default=2, help="of the largest table")


def run(options: argparse.Namespace) -> Result:
    """Hide, fill and compare, table by table."""
    rows = QUICK_ROWS if options.quick else None
    present, missing = warm_up(read("penguins", 60))
    sections, all_seconds = [], {}
    for name in options.tables:
        seeds = options.adult_seeds if name == "adult" else options.seeds
        figures = fill_all(name, read(name, rows), present, 1 if options.quick else seeds)
        sections.append(compared(name, figures))
        all_seconds[name] = figures.groupby("filler")["seconds"].mean()
    sections.append(_time(all_seconds))
    result = Result(__doc__.partition("\n")[0], [__doc__.partition("\n\n")[2], *missing])
    result.sections.append("## Aims\n\n" + aims_table(sections))
    for section in sections:
        result.sections.append(section.markdown())
        result.metrics |= section.finite_metrics()
    return result


def fill_all(name: str, truth: pd.DataFrame, fillers: list[str], seeds: int) -> pd.DataFrame:
    """Return a row for each pattern, seed and filler, with its measures and seconds."""
    found: list[dict[str, Any]] = []
    for pattern, hide in PATTERNS.items():
        for seed in range(seeds):
            hidden = hide(truth, seed)
            holes = truth.mask(hidden)
            for filler in fillers:
                say(f"{name}, {pattern}, seed {seed}: {FILLERS[filler].title}")
                fill: Callable = functools.partial(FILLERS[filler].fill, holes.copy(), seed)
                timing = timed(fill)
                measures = measured(timing.value, truth, hidden)
                what = {"pattern": pattern, "seed": seed, "filler": filler}
                found.append({**what, **measures, "seconds": timing.seconds})
    return pd.DataFrame(found)


def compared(name: str, figures: pd.DataFrame) -> Section:
    """Return the measures of all fillers on a table, and in how many settings ours is the best.

    A setting is a pattern and a measure. Another filler is better there only if the difference to
    ours is more than noise, see `behind`.
    """
    section = Section(f"{name.capitalize()}, {figures['seed'].nunique()} seeds")
    good, settings = 0, 0
    for measure, (title, error) in MEASURES.items():
        means, deviations = (
            figures.groupby(["filler", "pattern"], sort=False)[measure].agg(how).unstack(sort=False)
            for how in ("mean", "std")
        )
        lines = []
        for filler in means.index:
            pairs = zip(means.loc[filler], deviations.loc[filler], strict=True)
            lines.append([FILLERS[filler].title, *(f"{m:.3f} ± {d:.3f}" for m, d in pairs)])
            for pattern, mean in means.loc[filler].items():
                section.metrics[f"{name}_{_key(pattern)}_{filler}_{measure}"] = float(mean)
        for _, setting in figures.groupby("pattern", sort=False):
            seeds = setting.pivot(index="seed", columns="filler", values=measure)
            lag, noise = behind(error(seeds))
            good, settings = good + int(lag <= np.nan_to_num(noise)), settings + 1
        section.metrics[f"{name}_{measure}_error_over_best"] = ratio_to_best(error(means))
        section.texts += [f"{title}:", table(["", *means.columns], lines)]
    section.metrics[f"{name}_settings_best_or_within_noise"] = good
    several = figures["seed"].nunique() > 1
    section.aims.append(
        Aim(
            f"{name}: of {settings} settings, ours the best or within noise of it",
            good if several else None,
            settings,
        )
    )
    return section


def _time(seconds: dict[str, pd.Series]) -> Section:
    """Return the seconds of learning from a table and filling it, means over all its settings."""
    section = Section("Seconds")
    fillers = list(next(iter(seconds.values())).index)
    fillers = [filler for filler in FILLERS if filler in fillers]
    lines = [
        [FILLERS[filler].title, *(float(s[filler]) for s in seconds.values())] for filler in fillers
    ]
    section.texts.append(table(["", *seconds], lines))
    for name, of_table in seconds.items():
        section.metrics |= {f"{name}_{f}_seconds": float(of_table[f]) for f in fillers}
    if "adult" in seconds:
        others = [f for f in fillers if FILLERS[f].learned and f != "ours"]
        fastest = min(float(seconds["adult"][f]) for f in others) if others else None
        ratio = fastest / float(seconds["adult"]["ours"]) if fastest else None
        what = "adult: seconds of the fastest other learned imputer over ours"
        section.aims.append(Aim(what, ratio, 1.0))
    return section


def _key(text: str) -> str:
    return re.sub(r"\W+", "_", text.replace("%", "percent")).strip("_")
