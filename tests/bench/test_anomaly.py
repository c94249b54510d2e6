"""The parts of the anomaly benchmark that decide what its figures mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from bench.anomaly import adbench, data, growth, methods, one_class, protocols, shoes, times
from bench.anomaly.protocols import Split
from bench.sections import Section
from bench.seeds import SHOES, ranks

import diabolo
from bench import anomaly


class Fake:
    """A detector in place of ours: how far a row is from the mean of the training rows."""

    told: ClassVar[list] = []

    def __init__(self, model=None, *, training_data="clean", random_state=None):
        self.told.append((training_data, random_state))

    def fit(self, X):
        self.mean = X.mean(axis=0)
        return self

    def anomaly_score(self, X):
        return np.square(X - self.mean).reshape(len(X), -1).sum(axis=1)

    def score_samples(self, X):
        return -self.anomaly_score(X)


@pytest.fixture
def fake(monkeypatch):
    """Put the fake in our place; what its constructor was told is in its list."""
    monkeypatch.setattr(Fake, "told", [])
    monkeypatch.setattr(diabolo, "AnomalyDetector", Fake, raising=False)
    return Fake


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Two small tables in the place and form of ADBench, and what is published for them."""
    folder = tmp_path / "adbench"
    folder.mkdir()
    for name, seed in (("1_ONE", 1), ("2_two-b", 2)):
        X, y = planted(1_200, seed)
        np.savez(folder / f"{name}.npz", X=X, y=y)
    pd.DataFrame({"name": ["1_ONE", "2_two-b"]}).to_csv(folder / "INDEX.csv", index=False)
    columns = {f"{name}_mean": [50.0, 60.0] for name in ("DTE-NP", "KNN", "VAE", "MCD")}
    frame = pd.DataFrame({"dataset": ["two-b", "one"], **columns})
    for setting in ("semisup", "unsup"):
        frame.to_csv(folder / f"published_aucroc_DTE_{setting}.csv", index=False)
    monkeypatch.setenv("DIABOLO_DATA", str(tmp_path))


def planted(rows, seed=0, columns=3, odd=20):
    """Normal rows, and at places that are drawn some that are far away."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(rows, columns)), np.zeros(rows, int)
    y[rng.permutation(rows)[:odd]] = 1
    X[y == 1] += 8 * rng.choice([-1, 1], size=(odd, columns))
    return X, y


def test_scores_are_measured_in_percent():
    truth = np.array([0, 0, 1, 1])
    assert methods.auroc(truth, np.array([1, 2, 3, 4.0])) == 100
    assert methods.auroc(truth, np.array([4, 3, 2, 1.0])) == 0
    assert methods.auroc(truth, np.array([1, 3, 2, 4.0])) == 75
    # Ranks 1 and 3 are anomalies: (1/1 + 2/3) / 2.
    assert methods.aupr(truth, np.array([1, 3, 2, 4.0])) == pytest.approx(100 * 5 / 6)


@pytest.mark.parametrize("name", ["diabolo", "knn", "forest", "mcd", "pyod"])
def test_every_method_finds_what_is_far_away(name, fake):
    if name == "pyod":
        pytest.importorskip("pyod")
    split = protocols.published(*planted(1_000), seed=0)
    found = methods.measure(name, split, seed=7)
    assert found[methods.AUROC] > 98 and found[methods.AUPR] > 90 and found[methods.SECONDS] > 0


def test_ours_is_told_the_assumption_and_the_seed_alone(fake):
    X, y = planted(1_000)
    for split in (protocols.published(X, y, 0), protocols.unsupervised(X, y, 0)):
        methods.measure("diabolo", split, seed=7)
    assert fake.told == [("clean", 7), ("contaminated", 7)]


def test_neighbours_are_those_of_the_training_rows():
    train = np.arange(10.0)[:, None]
    np.testing.assert_allclose(methods.knn(train, np.array([[0.0], [20.0]]), "clean", 0), [4, 15])


def test_a_method_that_fails_leaves_a_gap_and_says_so(monkeypatch, capsys):
    wide = np.zeros((10, methods.MCD_COLUMNS + 1))
    split = Split(wide, wide, np.arange(10) % 2, "clean")
    assert np.isnan(methods.measure("mcd", split, 0)).all()
    assert "MCD failed: ValueError, 201 columns" in capsys.readouterr().err
    monkeypatch.setitem(methods.METHODS, "nan", ("NaN", lambda *_: np.full(10, np.nan)))
    assert np.isnan(methods.measure("nan", split, 0)).all()


def test_missing_detectors_are_named_and_left_out(monkeypatch):
    def absent(*_):
        raise ImportError("No module named 'absent'")

    monkeypatch.setitem(methods.METHODS, "absent", ("Absent", absent))
    monkeypatch.setitem(methods.METHODS, "here", ("Here", lambda *_: None))
    assert methods.warm_up(["here", "absent"]) == (
        ["here"],
        ["Absent is left out: No module named 'absent'."],
    )


def test_means_of_peers_are_over_what_they_can_do_and_ours_over_all():
    gaps = np.array([[80.0, 1, 1], [np.nan] * 3, [90, 3, 3]])
    assert adbench.overall("knn", gaps).tolist() == [85, 2, 2]
    assert np.isnan(adbench.overall("diabolo", gaps)).all()
    assert np.isnan(adbench.overall("knn", gaps[1:2])).all()
    ours, theirs = np.array([90, 80, 70, 60.0]), np.array([80, 80, 75, np.nan])
    assert adbench.won_and_lost(ours, theirs) == (1, 1)


def test_tables_are_found_by_both_of_their_names(tables):
    assert data.names() == ["1_ONE", "2_two-b"]
    assert data.names(["TWO-B"]) == data.names(["2_two-b"]) == ["2_two-b"]
    with pytest.raises(ValueError, match="no table three"):
        data.names(["one", "three"])
    X, y = data.load("1_ONE")
    assert X.shape == (1_200, 3) and X.dtype == np.float64 and y.sum() == 20
    assert data.published("unsup", "KNN") == {"two-b": 50.0, "one": 60.0}


def test_without_tables_it_says_what_to_set(monkeypatch):
    monkeypatch.delenv("DIABOLO_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="DIABOLO_DATA"):
        data.names()


@pytest.mark.needs_data
def test_the_published_means_over_our_tables_are_known():
    for setting, method, mean in (
        ("semisup", "DTE-NP", 82.68),
        ("semisup", "KNN", 82.02),
        ("semisup", "VAE", 75.71),
        ("unsup", "MCD", 78.21),
        ("unsup", "VAE", 73.25),
    ):
        values = data.published(setting, method)
        ours = [values[data.published_name(name)] for name in data.names()]
        assert len(ours) == 29 and np.mean(ours) == pytest.approx(mean, abs=0.005)


def options(**changes):
    """Options of a run that takes no time."""
    usual = {"seeds": 2, "sets": None, "rows": None, "test_rows": None, "timed_sets": None}
    return argparse.Namespace(**(usual | {"curve_rows": [100], "growth_rows": [500]} | changes))


def test_the_tables_are_measured_under_every_protocol(tables, fake):
    section = adbench.run(options(rows=200, test_rows=400))
    text, metrics = section.markdown(), section.metrics
    for key, protocol in adbench.PROTOCOLS.items():
        assert f"### {protocol.title}\n" in text
        for method in ("diabolo", "knn", "forest", "mcd"):
            assert metrics[f"adbench_{key}_{method}_auroc"] > 95
            assert metrics[f"adbench_{key}_{method}_aupr"] > 50
        won, lost = (metrics[f"adbench_{key}_sets_{x}_against_forest"] for x in ("won", "lost"))
        assert 0 <= won + lost <= 2
        assert metrics[f"adbench_{key}_two_b_auroc"] > 95
    assert [aim.bound for aim in section.aims] == [85.0, 85.5, 79.5]
    assert all(aim.met for aim in section.aims)
    # Two sets, two seeds, and three protocols of which the last has anomalies to learn from.
    assert fake.told == 2 * 2 * [("clean", 0), ("clean", 1)] + 2 * [
        ("contaminated", 0),
        ("contaminated", 1),
    ]
    line = next(line for line in text.splitlines() if line.startswith("| 2_two-b"))
    assert [cell.strip() for cell in line.split("|")][-4:-1] == ["50.0"] * 3


def test_all_methods_get_the_same_rows(tables, monkeypatch):
    seen = []

    def watch(train, test, training_data, seed):
        seen.append((train.copy(), test.copy()))
        return test.sum(axis=1)

    for name in ("diabolo", "knn", "forest", "mcd"):
        monkeypatch.setitem(methods.METHODS, name, (name, watch))
    adbench.measured("1_ONE", adbench.PROTOCOLS["unsupervised"], options(seeds=1, rows=100))
    assert len(seen) == 4 and len(seen[0][0]) == 100
    for train, test in seen[1:]:
        np.testing.assert_array_equal(train, seen[0][0])
        np.testing.assert_array_equal(test, seen[0][1])


def test_times_are_summed_over_sets_and_rows_limited():
    def figures(auroc, seconds):
        return {"diabolo": np.array([auroc, 0, seconds])}

    found = {
        "small": {80: figures(60.0, 1.0)},
        "large": {100: figures(70.0, 2.0), 500: figures(80.0, 5.0), 900: figures(90.0, 7.0)},
    }
    assert times.at_limit(found, "diabolo", 500) == (6.0, 70.0)
    assert times.at_limit(found, "diabolo", np.inf) == (8.0, 75.0)
    assert times.sizes(900, [100, 500]) == [100, 500, 900]
    assert times.sizes(80, [100, 500]) == [80]


def test_times_compare_with_pyod(tables, fake):
    pytest.importorskip("pyod")
    section = times.run(options())
    metrics = section.metrics
    ratio = metrics["times_pyod_seconds"] / metrics["times_diabolo_seconds"]
    assert metrics["times_pyod_seconds_over_diabolo"] == pytest.approx(ratio)
    assert metrics["times_rows100_diabolo_auroc"] > 95
    assert [aim.figure for aim in section.aims] == [
        metrics["times_pyod_seconds_over_diabolo"],
        metrics["times_auroc_above_pyod"],
    ]


def test_one_class_is_learned_and_the_others_are_odd(fake, monkeypatch):
    images = np.zeros((60, 4, 4), np.uint8)
    labels = np.arange(60) % 3
    images[np.arange(60), labels, labels] = 255  # each class has a pixel of its own
    part = argparse.Namespace(data=images, labels=labels)
    monkeypatch.setattr(diabolo.datasets, "load", lambda name, split: part)
    section = one_class.run(
        argparse.Namespace(image_seeds=1, image_rows=None, image_test_rows=None, classes=(1, 2))
    )
    assert section.metrics["one_class_mnist_diabolo_auroc"] == 100
    assert section.metrics["one_class_fashion_mnist_knn_auroc"] == 100
    assert [aim.bound for aim in section.aims] == [97.5, 93.5]
    assert len(one_class.of_class(images, labels, 1, rows=5)) == 5


def test_a_shoe_is_first_where_its_score_is_the_largest():
    normal = np.array([0.1, 0.5, 0.3])
    assert ranks(normal, np.array([0.6, 0.5, 0.4, 0.0])).tolist() == [1, 2, 2, 4]
    kinds = np.array([*SHOES, SHOES[0]])
    assert shoes.first(np.array([1, 2, 1, 3]), kinds) == [50, 50, 0, 100]


def test_growth_measures_both_assumptions(fake):
    section = growth.run(options())
    for kind in ("clean", "contaminated"):
        assert section.metrics[f"growth_{kind}_rows500_fit_seconds"] > 0
    assert all(aim.met is None for aim in section.aims)  # so few rows tell nothing
    section = Section("Growth")
    sizes = {10**5: {"fit_seconds": 1.0, "scoring_seconds": 0.3}}
    sizes[10**6] = {"fit_seconds": 15.0, "scoring_seconds": 3.0}
    growth.report(section, "clean", sizes)
    assert [aim.figure for aim in section.aims] == [3.0, pytest.approx(1.5)]
    assert [aim.met for aim in section.aims] == [True, False]


def test_every_section_has_a_module():
    for name in anomaly.SECTIONS:
        source = (Path(anomaly.__file__).parent / f"{name}.py").read_text()
        assert "\ndef run(" in source


def test_a_quick_run_is_small():
    parser = argparse.ArgumentParser()
    anomaly.add_options(parser)
    chosen = parser.parse_args(["--rows", "500"])
    anomaly.shrink(chosen)
    assert chosen.rows == 500 and chosen.seeds == 1 and max(chosen.growth_rows) <= 10**5
