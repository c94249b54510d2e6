"""Tables: every set under every protocol, every method on the same rows."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.anomaly import data, protocols
from bench.anomaly.methods import AUPR, AUROC, METHODS, NEIGHBOURS, SECONDS, measure
from bench.anomaly.protocols import Split
from bench.frame import table
from bench.sections import Aim, Section, say, shown

OURS, PEERS = "diabolo", ("knn", "forest", "mcd")


@dataclass(frozen=True)
class Protocol:
    """A way to divide tables, and what is known of it.

    Attributes
    ----------
    title, text : str
        For people.
    split : callable
        (X, y, seed) → Split.
    aim : float
        Mean AUROC over all sets that is asked for.
    setting : str or None
        Which of the published tables belongs to it.
    columns : tuple of str
        Published methods that are shown.
    """

    title: str
    text: str
    split: Callable[[np.ndarray, np.ndarray, int], Split]
    aim: float
    setting: str | None = None
    columns: tuple[str, ...] = ()


PROTOCOLS = {
    "published": Protocol(
        "Semi-supervised, published split",
        "Trained on the first half of the normal rows, asked about the others and all anomalies. "
        "Sets of fewer than 1,000 rows are first drawn up to as many, with replacement.",
        protocols.published,
        85.0,
        "semisup",
        ("DTE-NP", "KNN", "VAE"),
    ),
    "random": Protocol(
        "Semi-supervised, random split",
        "Trained on a random half of the normal rows, asked about the others and all anomalies. "
        "The cleaner question, and an easier one; nothing is published for it.",
        protocols.random_half,
        85.5,
    ),
    "unsupervised": Protocol(
        "Unsupervised",
        "Trained on a bootstrap of all rows, asked about all of them. kNN on such rows does not "
        "give the published figures of kNN, which it does on the published split.",
        protocols.unsupervised,
        79.5,
        "unsup",
        ("DTE-NP", "MCD", "KNN", "VAE"),
    ),
}


@dataclass(frozen=True)
class Measured:
    """What all methods did on one set.

    Attributes
    ----------
    rows, columns : int
        Of the training rows.
    figures : dict of str to ndarray (seeds, 3)
        Method → what `measure` returns, a row for each seed.
    """

    rows: int
    columns: int
    figures: dict[str, np.ndarray]


def run(options: argparse.Namespace) -> Section:
    """Measure all sets under each protocol."""
    sets = data.names(options.sets)
    section = Section("ADBench", [_explanation(options.seeds)])
    for key, protocol in PROTOCOLS.items():
        found = {}
        for name in sets:
            say(f"{protocol.title.lower()}, {name}")
            found[name] = measured(name, protocol, options)
        report(section, key, protocol, found)
    return section


def measured(name: str, protocol: Protocol, options: argparse.Namespace) -> Measured:
    """Run all methods on one set with every seed."""
    X, y = data.load(name)
    figures: dict[str, list[np.ndarray]] = {method: [] for method in (OURS, *PEERS)}
    for seed in range(options.seeds):
        split = protocol.split(X, y, seed)
        if options.rows or options.test_rows:
            split = protocols.fewer(split, seed, options.rows, options.test_rows)
        for method, rows in figures.items():
            rows.append(measure(method, split, seed))
    stacked = {method: np.stack(rows) for method, rows in figures.items()}
    return Measured(*split.train.shape, stacked)


def report(section: Section, key: str, protocol: Protocol, found: dict[str, Measured]) -> None:
    """Add a protocol's tables, figures and aim."""
    means = {
        method: np.array([one.figures[method].mean(axis=0) for one in found.values()])
        for method in (OURS, *PEERS)
    }  # (sets, 3); NaN where a method failed with any seed
    published = {
        f"{column}, pub": [
            data.published(protocol.setting, column)[data.published_name(name)] for name in found
        ]
        for column in protocol.columns
        if protocol.setting
    }
    section.texts += [
        f"### {protocol.title}",
        protocol.text,
        _per_set(found, means, published),
        _summary(section, key, means),
    ]
    mean = overall(OURS, means[OURS])[AUROC]
    by_seed = np.mean([one.figures[OURS][:, AUROC] for one in found.values()], axis=0)
    section.texts.append(
        f"Mean AUROC of ours with each seed: {', '.join(f'{value:.2f}' for value in by_seed)}."
    )
    section.metrics[f"adbench_{key}_diabolo_auroc_std_of_seeds"] = float(by_seed.std())
    for name, row in zip(found, means[OURS], strict=True):
        label = data.published_name(name).replace("-", "_")
        section.metrics[f"adbench_{key}_{label}_auroc"] = float(row[AUROC])
    what = f"{protocol.title.lower()}: mean AUROC of {len(found)} sets"
    section.aims.append(Aim(what, mean, protocol.aim))


def overall(method: str, means: np.ndarray) -> np.ndarray:
    """Return the mean over sets (sets, 3), and NaN if one of ours is missing.

    Peers are averaged over the sets that they can do.
    """
    if method == OURS:
        return means.mean(axis=0)
    done = means[np.isfinite(means[:, AUROC])]
    return done.mean(axis=0) if len(done) else np.full(3, np.nan)


def won_and_lost(ours: np.ndarray, theirs: np.ndarray) -> tuple[int, int]:
    """Count the sets on which ours is higher and lower; a missing figure counts for nobody."""
    return int((ours > theirs).sum()), int((ours < theirs).sum())


def _per_set(
    found: dict[str, Measured], means: dict[str, np.ndarray], published: dict[str, list[float]]
) -> str:
    header = ["AUROC, %", "rows", "columns", *(METHODS[m][0] for m in means), *published]
    lines: list[list[object]] = []
    for i, (name, one) in enumerate(found.items()):
        figures = [float(rows[i, AUROC]) for rows in means.values()]
        theirs = [values[i] for values in published.values()]
        lines.append([name, f"{one.rows:,}", one.columns, *map(shown, figures + theirs)])
    figures = [float(overall(method, rows)[AUROC]) for method, rows in means.items()]
    theirs = [float(np.mean(values)) for values in published.values()]
    lines.append(["mean", "", "", *map(shown, figures + theirs)])
    return table(header, lines)


def _summary(section: Section, key: str, means: dict[str, np.ndarray]) -> str:
    lines: list[list[object]] = []
    for method, rows in means.items():
        mean, done = overall(method, rows), int(np.isfinite(rows[:, AUROC]).sum())
        seconds = float(np.nansum(rows[:, SECONDS]))
        figures = {"auroc": float(mean[AUROC]), "aupr": float(mean[AUPR]), "seconds": seconds}
        lines.append([METHODS[method][0], *map(shown, figures.values()), done, "", ""])
        if method != OURS:
            won, lost = won_and_lost(means[OURS][:, AUROC], rows[:, AUROC])
            lines[-1][-2:] = won, lost
            section.metrics[f"adbench_{key}_sets_won_against_{method}"] = won
            section.metrics[f"adbench_{key}_sets_lost_against_{method}"] = lost
        for what, value in figures.items():
            section.metrics[f"adbench_{key}_{method}_{what}"] = value
    return table(["", "AUROC, %", "AUPR, %", "s", "sets", "ours won", "ours lost"], lines)


def _explanation(seeds: int) -> str:
    return (
        f"Means of {seeds} seed(s), each with its own draw of rows. Sets of more than "
        f"{protocols.MOST:,} rows are drawn down to as many; columns are standardised on the "
        "training rows. *rows* are those trained on. *ours* is `AnomalyDetector` as it comes. "
        f"*kNN* is the distance to the {NEIGHBOURS}th neighbour, *forest* IsolationForest, *MCD* "
        "EllipticEnvelope, all of scikit-learn and otherwise at its defaults. A dash is a failure, "
        "or too many columns for MCD; means of a peer are over the *sets* that it can do. *s* is "
        "the time to fit and score all sets once. *won* and *lost* count sets by their AUROC. "
        "Columns with *pub* are published."
    )
