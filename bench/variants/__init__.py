"""Kinds of autoencoders: is each as good as it should be at what it is for?

On MNIST, in sections that can be chosen with ``--sections``. What is chosen (epochs, widths, code
sizes) was chosen on training rows kept apart, never on the test set.
"""

from __future__ import annotations

import argparse

from bench.frame import Result
from bench.sections import add_sections, run_sections

#: Name → what it measures; a section is a module of this package with ``run(options) -> Section``.
SECTIONS = {
    "deep": "784-1000-500-250-30 from random and from pretrained weights",
    "denoising": "clean digits from masked ones; few labels after layer-wise pretraining",
    "sparse": "1,024 units of which 16 are used",
    "variational": "likelihood of binarised digits, collapse and its cures",
    "convolutional": "error with a code of 64 numbers",
    "every_recipe": "seconds, weights and error of each recipe",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    add_sections(parser, SECTIONS)
    parts = ("dense", "convolutional", "collapse")
    parser.add_argument("--variational", nargs="+", choices=parts, default=parts)
    parser.add_argument("--draws", type=int, default=5000, help="importance samples an image")
    parser.add_argument("--likelihood-images", type=int, default=1000)


def run(options: argparse.Namespace) -> Result:
    """Run the sections that were chosen, one after the other."""
    options.rows = options.test_rows = options.epochs = None
    if options.quick:
        options.rows, options.test_rows, options.epochs = 1500, 300, 2
        options.draws, options.likelihood_images = 20, 50
    return run_sections(options, "bench.variants", __doc__)
