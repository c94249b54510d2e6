"""Benchmarks in sections: what each hands back, how they are run, and the table of their aims."""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.frame import Result, table


@dataclass(frozen=True)
class Aim:
    """A bound, and the figure that was measured for it.

    Attributes
    ----------
    what : str
        What the figure is.
    figure : float or None
        None where it could not be measured, infinity where it was never reached.
    bound : float
        What is asked for.
    at_least : bool
        Whether the figure must be at least the bound; otherwise it must be at most that.
    """

    what: str
    figure: float | None
    bound: float
    at_least: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None where nothing was measured."""
        if self.figure is None or math.isnan(self.figure):
            return None
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound


@dataclass
class Section:
    """What one section found.

    Attributes
    ----------
    title : str
        Its heading.
    texts : list of str
        Markdown: paragraphs and tables.
    metrics : dict of str to float
        The figures under keys that explain themselves; what is not finite is left out of the
        report's line of JSON.
    aims : list of Aim
        In the order of the table.
    """

    title: str
    texts: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    aims: list[Aim] = field(default_factory=list)

    def markdown(self) -> str:
        """Return the heading with all texts below it."""
        return "\n\n".join([f"## {self.title}", *self.texts])

    def finite_metrics(self) -> dict[str, float]:
        """Return the metrics that JSON can hold."""
        return {key: value for key, value in self.metrics.items() if math.isfinite(value)}


def aims_table(sections: Sequence[Section]) -> str:
    """Lay out one row an aim: the figure, the bound, and whether it is met."""
    rows = [
        [
            aim.what,
            shown(aim.figure),
            f"{'≥' if aim.at_least else '≤'} {aim.bound:g}",
            {True: "yes", False: "no", None: "–"}[aim.met],
        ]
        for section in sections
        for aim in section.aims
    ]
    return table(["aim", "figure", "bound", "met"], rows)


def shown(figure: float | None) -> object:
    """Return a figure as tables show it: a dash where there is none."""
    if figure is None or math.isnan(figure):
        return "–"
    return "never" if math.isinf(figure) else figure


def say(text: str) -> None:
    """Tell whoever waits what is being measured, and since when."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def add_sections(parser: argparse.ArgumentParser, sections: Mapping[str, str]) -> None:
    """Let sections be chosen; they are modules by name, with what each measures."""
    parser.add_argument("--sections", nargs="+", choices=sections, default=list(sections))


def run_sections(options: argparse.Namespace, package: str, explanation: str) -> Result:
    """Run the sections named in ``options.sections``, modules of the package, one after another."""
    sections, failed = [], 0
    for name in options.sections:
        say(name.replace("_", " "))
        try:
            sections.append(importlib.import_module(f"{package}.{name}").run(options))
        except Exception as error:  # an hour's figures are not thrown away for one section
            traceback.print_exc()
            kind = type(error).__name__
            sections.append(Section(name, [f"**This section failed: {kind}, {error}.**"]))
            failed += 1
    result = Result(explanation.partition("\n")[0], [explanation.partition("\n\n")[2]])
    if any(section.aims for section in sections):
        result.sections.append("## Aims\n\n" + aims_table(sections))
    for section in sections:
        result.sections.append(section.markdown())
        result.metrics |= section.finite_metrics()
    aims = [aim for section in sections for aim in section.aims if aim.met is not None]
    counts = {"aims_met": sum(bool(aim.met) for aim in aims), "aims_measured": len(aims)}
    result.metrics |= {**counts, "sections_failed": failed}
    return result
