"""Anomaly detection: how well, how soon, and beside whom?

Every method gets identical standardised rows, its own defaults and no label; `AnomalyDetector` is
told one thing, whether its training rows are normal (*clean*) or not all of them (*contaminated*).
Scores are called AUROC (area under the ROC curve) and AUPR (average precision), in percent. What
is published stands beside it: Livernoche et al. 2024, five seeds, on the same 29 sets.
"""

from __future__ import annotations

import argparse

from bench.frame import Result
from bench.sections import add_sections, run_sections

#: Name → what it measures; a section is a module of this package with ``run(options) -> Section``.
SECTIONS = {
    "adbench": "29 tables under three protocols, beside neighbours, forests, robust covariance",
    "times": "seconds and AUROC of the tables at all their rows, beside PyOD's AutoEncoder",
    "one_class": "images of one class against the others",
    "shoes": "a shoe among ten thousand digits",
    "growth": "seconds for more and more rows",
}

#: What a quick run takes where nobody chooses.
QUICK_SETS = ("breastw", "pima", "stamps", "thyroid", "wilt", "yeast")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    add_sections(parser, SECTIONS)
    parser.add_argument("--seeds", type=int, default=5, help="of the tables")
    parser.add_argument("--image-seeds", type=int, default=1, help="of each class and the shoes")
    parser.add_argument("--sets", nargs="+", help="some of the tables; 1_ALOI may be called aloi")
    parser.add_argument("--rows", type=int, help="most training rows of a table")
    parser.add_argument("--curve-rows", type=int, nargs="+", default=[500, 2_000, 8_000, 32_000])
    parser.add_argument("--growth-rows", type=int, nargs="+", default=[10**4, 10**5, 10**6])


def run(options: argparse.Namespace) -> Result:
    """Run the sections that were chosen, one after the other."""
    # No options for users: with other values these would be other benchmarks.
    options.test_rows = options.image_rows = options.image_test_rows = None
    options.classes, options.lecture_epochs, options.timed_sets = range(10), 30, options.sets
    if options.quick:
        shrink(options)
    return run_sections(options, "bench.anomaly", __doc__)


def shrink(options: argparse.Namespace) -> None:
    """Make everything so small that all sections show within ten minutes that they work."""
    options.seeds = options.image_seeds = 1
    options.rows, options.test_rows = min(options.rows or 2_000, 2_000), 5_000
    options.sets = options.sets or list(QUICK_SETS)
    options.timed_sets = options.sets[:3]
    options.curve_rows, options.growth_rows = [500], [10**4, 10**5]
    options.image_rows, options.image_test_rows, options.classes = 1_000, 1_000, (0, 1)
    options.lecture_epochs = 2
