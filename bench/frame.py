"""What every benchmark shares: timing in turns, and the report.

A benchmark returns a `Result`; `publish` prints it, keeps it as ``bench/results/NAME.md`` and ends
with one line of JSON, so that a program can read the figures from the last line of the output.
"""

from __future__ import annotations

import datetime
import gc
import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from bench.machine import ROOT, commit, machine

T = TypeVar("T")

#: Share of the processors in other hands above which times are not to be trusted.
BUSY = 0.05

RESULTS = ROOT / "bench" / "results"


@dataclass(frozen=True)
class Timing(Generic[T]):
    """What a function returned, and the wall-clock seconds that it took."""

    value: T
    seconds: float


def timed(function: Callable[[], T]) -> Timing[T]:
    """Call a function once and take the time."""
    gc.collect()
    start = time.perf_counter()
    value = function()
    return Timing(value, time.perf_counter() - start)


def alternate(functions: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[Timing[T]]]:
    """Time several functions in turns, so that a slow minute of the machine hits all of them.

    Each round calls every function once and starts one place later than the round before, so no
    function always follows the same neighbour. Compare within a round: see `paired_ratio`.

    Parameters
    ----------
    functions : mapping of str to callable
        What to call, by name.
    rounds : int
        How often each is called.

    Returns
    -------
    dict of str to list of Timing
        Per name one timing a round, in the order of the rounds.
    """
    names = list(functions)
    timings: dict[str, list[Timing[T]]] = {name: [] for name in names}
    for r in range(rounds):
        start = r % len(names)
        for name in names[start:] + names[:start]:
            timings[name].append(timed(functions[name]))
    return timings


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Median of the ratios of values that belong to the same round."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


@dataclass
class Result:
    """What a benchmark found.

    Attributes
    ----------
    title : str
        Heading of the report.
    sections : list of str
        Markdown: paragraphs, headings, tables made by `table`.
    metrics : dict of str to float
        The figures under flat, self-explaining keys that stay the same between versions.
    """

    title: str
    sections: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """Which benchmark ran, with which options, how long, beside how much other work.

    Attributes
    ----------
    name : str
        Name of the benchmark.
    arguments : sequence of str
        Its options, as typed.
    seconds : float
        Wall-clock time.
    others : float
        Share of the processors that other programs took meanwhile; NaN where unknown.
    quick : bool
        Whether the figures only show that the benchmark works.
    """

    name: str
    arguments: Sequence[str]
    seconds: float
    others: float = float("nan")
    quick: bool = False

    @property
    def command(self) -> str:
        """The command line, with folders cut from paths: a report names no place of a machine."""
        words = [re.sub(r"[^=]*/", "", word) for word in self.arguments]
        return " ".join(["python -m bench", self.name, *words])


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out a markdown table, first column to the left, the others to the right.

    Floats are shown with three significant digits, or as whole numbers from 1,000 on.
    """
    cells = [[_cell(value) for value in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    rule = ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]
    return "\n".join([line(cells[0]), line(rule), *map(line, cells[1:])])


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def report(run: Run, result: Result) -> str:
    """Write the whole report as markdown: heading, circumstances, sections, kept notes."""
    facts = [
        ["machine", machine()],
        ["date", f"{datetime.date.today()}"],
        ["commit", commit()],
        ["command", f"`{run.command}`"],
        ["duration", f"{run.seconds:.0f} s"],
    ]
    if run.others >= 0:  # it is known
        facts.append(["other programs", f"took {run.others:.0%} of the processors meanwhile"])
    parts = [f"# {result.title}"]
    if run.quick:
        parts.append("**Quick run: it shows that the benchmark works, its figures mean little.**")
    if run.others > BUSY:
        parts.append("**The machine was busy with something else: measure again.**")
    parts += ["\n".join(f"- {key}: {value}" for key, value in facts), *result.sections]
    notes = RESULTS / f"{run.name}.notes.md"
    if notes.exists():
        parts.append("## Notes\n\n" + notes.read_text(encoding="utf-8").strip())
    return "\n\n".join(part.strip() for part in parts) + "\n"


def publish(run: Run, result: Result, out: Path | None = None) -> None:
    """Print the report, keep it, and close with one line of JSON.

    Parameters
    ----------
    run : Run
        What was run. A quick run is kept only when ``out`` is given.
    result : Result
        What it found.
    out : Path, optional
        File for the report instead of ``bench/results/NAME.md``.
    """
    text = report(run, result)
    if out is None and not run.quick:
        out = RESULTS / f"{run.name}.md"
    if out is not None:
        _write(out, text)
    print(text)
    facts = {"bench": run.name, "metrics": result.metrics, "machine": machine()}
    print(json.dumps({**facts, "commit": commit(), "quick": run.quick}), flush=True)


def _write(path: Path, text: str) -> None:
    """Put the file in place in one step: a run that is stopped never leaves half a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary = Path(file.name)
    temporary.chmod(0o644)
    temporary.replace(path)
