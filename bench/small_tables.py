"""Small tables: the default model's error on rows kept apart, beside PCA with the same code size.

A quarter of each table is kept apart; values are standardised on the others. *bare* is the default
without its weight decay and skip: what a plain net of the same layers reaches.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from bench.frame import Result, table


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--seeds", type=int, default=3)


def run(options: argparse.Namespace) -> Result:
    """Fit every table with every net and compare."""
    from diabolo import Autoencoder
    from diabolo.networks import MLP
    from diabolo.training import Training

    bare = {"network": MLP(skip=False), "training": Training(weight_decay=0.0)}
    nets: dict[str, dict] = {"default": {}, "no skip": {"network": MLP(skip=False)}, "bare": bare}
    tables = _tables()
    if options.quick:
        options.seeds, tables = 1, dict(list(tables.items())[:2])
    rows = []
    ratios: dict[str, list[float]] = {name: [] for name in nets}
    for name, (data, code_size) in tables.items():
        line = []
        for net, choices in nets.items():
            ratio = np.mean(
                [
                    _over_pca(
                        data,
                        code_size,
                        seed,
                        lambda k, s, c=choices: Autoencoder(k, scaling="none", random_state=s, **c),
                    )
                    for seed in range(options.seeds)
                ]
            )
            ratios[net].append(float(ratio))
            line.append(float(ratio))
        rows.append([f"{name}, {data.shape[0]:,} × {data.shape[1]}", code_size, *line])
    means = {net: float(np.exp(np.mean(np.log(values)))) for net, values in ratios.items()}
    rows.append(["geometric mean", "", *means.values()])
    result = Result(__doc__.partition("\n")[0], [__doc__.partition("\n\n")[2]], {})
    result.sections.append(
        f"## Error over PCA's, mean of {options.seeds} splits\n\n"
        + table(["table", "code", *nets], rows)
    )
    for net, mean in means.items():
        result.metrics[f"error_over_pca_{net.replace(' ', '_')}"] = mean
    return result


def _tables() -> dict[str, tuple[np.ndarray, int]]:
    """Tables that ship with scikit-learn, and random ones that are linear but for noise."""
    from sklearn import datasets

    tables = {}
    for name in ("wine", "iris", "breast_cancer", "diabetes", "digits"):
        data = getattr(datasets, f"load_{name}")().data
        tables[name] = (data, max(1, min(8, data.shape[1] // 4)))
    rng = np.random.default_rng(1)
    for n, columns, rank in ((100, 20, 5), (300, 30, 7), (1000, 15, 3), (5000, 40, 8)):
        factors = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, columns))
        tables[f"linear {n}"] = (factors + 0.3 * rng.normal(size=(n, columns)), rank)
    return tables


def _over_pca(data: np.ndarray, code_size: int, seed: int, make: Callable) -> float:
    """Return the error of a net over that of PCA, on a quarter of the rows."""
    from sklearn.preprocessing import StandardScaler

    from diabolo.metrics import pca_reconstruction_error

    order = np.random.default_rng(seed).permutation(len(data))
    known, new = np.split(data[order], [len(data) * 3 // 4])
    scaler = StandardScaler().fit(known)
    known, new = scaler.transform(known), scaler.transform(new)
    by_pca = pca_reconstruction_error(known, new, code_size)
    return float(-make(code_size, seed).fit(known).score(new) / by_pca)
