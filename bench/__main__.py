"""Choose a benchmark and run it: ``python -m bench NAME [--quick] [options of that benchmark]``.

A benchmark is a module ``bench/NAME.py``, or a package, with ``run(options) -> Result`` and, if it
has options of its own, ``add_options(parser)``. It is registered by one line in `BENCHES`.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

from bench.frame import Run, publish
from bench.machine import Watch

#: Name → what it measures. Nothing is imported for the list.
BENCHES = {
    "anomaly": "anomalies in tables and images: how well and how soon, beside other detectors",
    "engine": "training and scoring: time to quality, throughput, memory, beside other libraries",
    "impute": "hidden cells of tables with numbers and levels: errors, seconds, beside others",
    "seeds": "the lecture on MNIST and Fashion-MNIST: codes and neighbours, bytes, anomalies",
    "small_tables": "error on rows kept apart, beside PCA",
    "variants": "what each kind of autoencoder is for: deep, denoising, sparse, variational, …",
}


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line names.

    Parameters
    ----------
    arguments : list of str, optional
        The command line without the program's name; ``sys.argv`` by default.

    Returns
    -------
    int
        Exit status: 0, or 1 when a benchmark of ``all`` failed.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        print(_listing())
        return 0
    name, rest = arguments[0], arguments[1:]
    if name == "all":
        return _run_all(rest)
    if name not in BENCHES:
        print(f"There is no benchmark {name!r}.\n\n{_listing()}", file=sys.stderr)
        return 2
    return _run_one(name, rest)


def _run_one(name: str, arguments: list[str]) -> int:
    bench = importlib.import_module(f"bench.{name}")
    parser = argparse.ArgumentParser(prog=f"python -m bench {name}", description=bench.__doc__)
    parser.add_argument("--quick", action="store_true", help="a small run that shows it works")
    parser.add_argument("--out", type=Path, help="write the report to this file")
    if hasattr(bench, "add_options"):
        bench.add_options(parser)
    options = parser.parse_args(arguments)

    watch = Watch()
    result = bench.run(options)
    run = Run(name, arguments, watch.seconds, watch.others, options.quick)
    publish(run, result, out=options.out)
    return 0


def _run_all(arguments: list[str]) -> int:
    # A process each: no benchmark inherits another's seeds, flags, memory or warm caches.
    commands = [[sys.executable, "-m", "bench", name, *arguments] for name in BENCHES]
    return max(min(1, subprocess.run(command).returncode) for command in commands)


def _listing() -> str:
    width = max(map(len, BENCHES))
    lines = [
        f"  {name:<{width}}  {what}" for name, what in {**BENCHES, "all": "all of them"}.items()
    ]
    return "\n".join(["Benchmarks (python -m bench NAME [--quick]):", *lines])


if __name__ == "__main__":
    sys.exit(main())
