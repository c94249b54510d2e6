"""Growth: time and memory of one epoch as the table grows, each size in a process of its own.

``python -m bench.engine.growth ROWS`` is that process: it prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bench.frame import table
from bench.machine import ROOT
from bench.sections import Aim, Section, say, shown

COLUMNS, CODE_SIZE = 32, 8

#: Rows drawn at a time, so that drawing needs little more than the table itself.
BLOCK = 100_000

#: Up to this the batch size grows with the rows, and with it the time a row falls. So it does from
#: a million on, as the root.
STEADY_ROWS = 100_000

#: Time a row at the largest size over that at `STEADY_ROWS`, and bytes for each byte of data.
AIM_TIME, AIM_MEMORY = 1.2, 1.1


def run(options: argparse.Namespace) -> Section:
    """Measure every size, each in a fresh process."""
    section = Section("Growth", [_explanation()])
    sizes = {}
    for rows in options.growth_rows:
        say(f"growth, {rows:,} rows")
        command = [sys.executable, "-m", "bench.engine.growth", str(rows)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        sizes[rows] = json.loads(done.stdout.splitlines()[-1])
    report(section, sizes)
    return section


def measure(rows: int) -> dict[str, float]:
    """Fit one epoch on a table of this many rows and score it, in this process."""
    from diabolo import Autoencoder

    def model() -> Autoencoder:
        return Autoencoder(CODE_SIZE, max_epochs=1, device="cpu", random_state=0)

    small = draw(1_000)
    model().fit(small).reconstruction_error(small)  # imports and lazy starts are the constant
    baseline = _peak()
    x = draw(rows)
    fitted, seconds = _timed(lambda: model().fit(x))
    peak = _peak()
    _forget_peak()
    _, scoring = _timed(lambda: fitted.reconstruction_error(x))
    return {
        "rows": rows,
        "data_bytes": x.nbytes,
        "fit_seconds": seconds,
        "fit_bytes": peak - baseline,
        "scoring_seconds": scoring,
        "scoring_bytes": _peak() - baseline,
        "batch_size": fitted.spec_.training.batch_size,
    }


def draw(rows: int, columns: int = COLUMNS) -> np.ndarray:
    """Return a float32 table (rows, columns) of a quarter as many factors, and noise."""
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((columns // 4, columns), dtype=np.float32)
    x = np.empty((rows, columns), np.float32)
    for start in range(0, rows, BLOCK):
        block = x[start : start + BLOCK]
        rng.standard_normal(out=block, dtype=np.float32)
        block *= 0.3
        factors = rng.standard_normal((len(block), columns // 4), dtype=np.float32)
        block += factors @ mix
    return x


def report(section: Section, sizes: dict[int, dict[str, float]]) -> None:
    """Add the table, the figures and the aims."""
    lines = []
    for rows, size in sizes.items():
        millions = rows / 1e6
        values = {
            "fit_seconds": size["fit_seconds"],
            "fit_seconds_per_million_rows": size["fit_seconds"] / millions,
            "fit_bytes_per_data_byte": size["fit_bytes"] / size["data_bytes"],
            "scoring_seconds_per_million_rows": size["scoring_seconds"] / millions,
            "scoring_bytes_per_data_byte": size["scoring_bytes"] / size["data_bytes"],
        }
        lines.append([f"{rows:,}", size["batch_size"], *map(shown, values.values())])
        for key, value in values.items():
            section.metrics[f"growth_rows{rows}_{key}"] = value
    header = ["rows", "batch", "fit, s", "s a million", "bytes a byte", "scoring, s a million"]
    section.texts.append(table([*header, "bytes a byte"], lines))
    growth = {kind: time_growth(sizes, kind) for kind in ("fit", "scoring")}
    for kind, ratio in growth.items():
        section.metrics[f"growth_{kind}_time_per_row_ratio"] = ratio
    slopes = {kind: memory_slope(sizes, kind) for kind in ("fit", "scoring")}
    for kind, slope in slopes.items():
        section.metrics[f"growth_{kind}_bytes_per_further_data_byte"] = slope
    section.texts.append(
        "Between the two largest sizes each further byte of data takes "
        f"{slopes['fit']:.2f} bytes of memory in a fit and {slopes['scoring']:.2f} in scoring."
    )
    section.aims = [
        Aim(f"growth, {what} a row at the most rows over that at 10⁵", growth[kind], AIM_TIME)
        for kind, what in (("fit", "time"), ("scoring", "scoring time"))
    ]
    section.aims += [
        Aim("growth, bytes of memory for a further byte of data", slopes["fit"], AIM_MEMORY),
    ]
    section.aims = [Aim(a.what, a.figure, a.bound, at_least=False) for a in section.aims]


def time_growth(sizes: dict[int, dict[str, float]], kind: str) -> float:
    """Return the time a row at the largest size over that at the first steady one."""
    steady = [rows for rows in sizes if rows >= STEADY_ROWS]
    if len(steady) < 2:
        return math.nan
    first, last = min(steady), max(steady)
    return (sizes[last][f"{kind}_seconds"] / last) / (sizes[first][f"{kind}_seconds"] / first)


def memory_slope(sizes: dict[int, dict[str, float]], kind: str) -> float:
    """Return the bytes taken for each further byte of data, between the two largest sizes."""
    if len(sizes) < 2:
        return math.nan
    less, more = (sizes[rows] for rows in sorted(sizes)[-2:])
    taken = more[f"{kind}_bytes"] - less[f"{kind}_bytes"]
    return taken / (more["data_bytes"] - less["data_bytes"])


def _peak() -> float:
    """Return the most memory that this process has had, in bytes; NaN where it is not told.

    Not ``ru_maxrss``, which a process inherits from the one that started it.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # not Linux
        return math.nan
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return float(line.split()[1]) * 1024


def _forget_peak() -> None:
    """Begin again to look for the most memory, where Linux allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _timed(function) -> tuple:
    began = time.perf_counter()
    value = function()
    return value, time.perf_counter() - began


def _explanation() -> str:
    return (
        f"One epoch of `Autoencoder({CODE_SIZE})` on {COLUMNS} columns of float32 and then "
        "`reconstruction_error` of the same rows, each size in a fresh process. *s a million* is "
        "the whole call over millions of rows. *bytes a byte* is the most memory that the process "
        "had, the data included, less what it had before it made them, over the bytes of the data."
    )


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
