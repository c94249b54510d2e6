"""The training engine: how soon is a model good, and what does a step, a row, an epoch cost?

Everything is measured side by side in one run on one machine, in sections that can be chosen with
``--sections``. All of it takes less than an hour, and more than half of that are the five minutes
that each library gets in the first section.
"""

from __future__ import annotations

import argparse

from bench.frame import Result
from bench.sections import add_sections, run_sections

#: Name → what it measures; a section is a module of this package with ``run(options) -> Section``.
SECTIONS = {
    "time_to_quality": "error of the deep net over time, beside other libraries at their defaults",
    "throughput": "rows a second at equal batch size and optimiser, share of the ceiling",
    "small_table": "milliseconds an epoch, seconds to PyOD's loss",
    "convolutional": "images a second",
    "scoring": "rows a second of reconstruction errors, reduced precision, ONNX Runtime",
    "growth": "time and memory for more and more rows",
    "gpu": "epochs and time to quality on a GPU, where there is one",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    add_sections(parser, SECTIONS)
    parser.add_argument("--rounds", type=int, default=3, help="turns of all that is compared")
    parser.add_argument("--budget", type=float, default=300, help="seconds to reach quality in")
    parser.add_argument("--short-epochs", type=int, default=7, help="of Diabolo's short training")
    parser.add_argument(
        "--long-epochs", type=int, help="of Diabolo's long training; default: what fits the budget"
    )
    parser.add_argument("--rows", type=int, default=20_000, help="of MNIST, for throughput")
    parser.add_argument("--epochs", type=int, default=3, help="of each fit for throughput")
    parser.add_argument("--growth-rows", type=int, nargs="+", default=[10**4, 10**5, 10**6, 10**7])


def run(options: argparse.Namespace) -> Result:
    """Run the sections that were chosen, one after the other."""
    # No options for users: with other values these would be other benchmarks.
    options.images = options.test_images = None
    options.default_epochs, options.small_epochs = "auto", 20
    if options.quick:
        shrink(options)
    return run_sections(options, "bench.engine", __doc__)


def shrink(options: argparse.Namespace) -> None:
    """Make everything so small that all sections show within two minutes that they work."""
    options.images, options.test_images, options.rows = 600, 200, 600
    options.default_epochs, options.short_epochs, options.long_epochs = 2, 1, 3
    options.budget, options.epochs, options.small_epochs, options.rounds = 4.0, 2, 2, 1
    options.growth_rows = [10**4, 10**5]
