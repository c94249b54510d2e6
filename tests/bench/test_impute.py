"""What the benchmark of imputers hides, measures, and calls better."""

from __future__ import annotations

import argparse
import math

import numpy as np
import pandas as pd
import pytest
from bench.impute import fillers, hiding, measures, tables

from bench import impute

pytestmark = pytest.mark.usefixtures("one_thread")


def table(rows=400):
    """Two numbers that follow each other, a level that follows them, a rare truth, real gaps."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "x": x,
            "twice": 2 * x + 0.1 * rng.normal(size=rows),
            "kind": np.where(x > 0.5, "rare", "usual"),
            "is": (x > 1).astype(int),
        }
    )
    frame.loc[::10, "x"] = None
    frame.loc[5::10, "kind"] = None
    return frame


def test_text_and_zeros_and_ones_are_levels():
    assert tables.levels_of(table()) == ["kind", "is"]
    assert tables.levels_of(pd.DataFrame({"n": [1, 2], "with gaps": [0.0, np.nan]})) == [
        "with gaps"
    ]


@pytest.mark.needs_data
def test_the_tables_are_read_without_names_and_with_their_gaps():
    shapes = {name: tables.read(name).shape for name in tables.TABLES}
    assert shapes == {"titanic": (891, 8), "penguins": (344, 7), "adult": (32561, 15)}
    adult = tables.read("adult", 500)
    assert adult.shape == (500, 15) and adult["workclass"].isna().any()
    assert set(adult["income"]) == {"<=50K", ">50K"}


def test_tables_that_are_not_there_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("DIABOLO_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"DIABOLO_DATA .* tables/penguins.csv"):
        tables.read("penguins")


@pytest.mark.parametrize("pattern", hiding.PATTERNS)
def test_the_share_is_hidden_of_what_is_there(pattern):
    frame = table(20_000)
    hidden = hiding.PATTERNS[pattern](frame, 0)
    there = frame.notna().to_numpy()
    assert not (hidden & ~there).any()
    shares = hidden.sum(axis=0) / there.sum(axis=0)
    np.testing.assert_allclose(shares, int(pattern.split()[0]) / 100, atol=0.015)
    np.testing.assert_array_equal(hidden, hiding.PATTERNS[pattern](frame, 0))
    assert (hidden != hiding.PATTERNS[pattern](frame, 1)).any()


def test_large_numbers_and_rare_levels_are_hidden_by_value():
    frame = table(20_000)
    hidden = hiding.by_value(frame, 0, share=0.3)
    low, high = frame["x"].quantile([0.1, 0.9])
    assert hidden[frame["x"] < low, 0].mean() < 0.05 and hidden[frame["x"] > high, 0].mean() > 0.5
    for j, (rare, usual) in {2: ("rare", "usual"), 3: (1, 0)}.items():
        column = frame.iloc[:, j]
        # Of two levels the rarer one, with a share of p: 2 × 0.3 × (1 − p / 2).
        chance = 0.6 * (1 - (column == rare).sum() / column.count() / 2)
        assert hidden[column == rare, j].mean() == pytest.approx(chance, abs=0.03)
        assert hidden[column == usual, j].mean() < 0.3


def test_measures_have_known_answers():
    truth = pd.DataFrame(
        {"a": [0.0, 2.0, 0.0, 2.0], "b": [0.0, 0.0, 0.0, 4.0], "t": ["u", "v", "v", None]}
    )
    hidden = np.zeros((4, 3), bool)
    hidden[:, 0] = hidden[:3, 2] = True
    holes = truth.mask(hidden)
    filled = holes.assign(a=1.0, t=["v", "v", "v", None])
    # The mean of all cells of a column errs by its deviation; b has no hidden cell.
    assert measures.measured(filled, truth, hidden) == {"rmse": 1.0, "accuracy": 2 / 3}
    hidden[3, 1] = True
    filled["b"] = [0.0, 0.0, 0.0, 4.0 - math.sqrt(3)]
    assert measures.measured(filled, truth, hidden)["rmse"] == pytest.approx((1 + 1) / 2)
    with pytest.raises(ValueError, match="left empty"):
        measures.measured(holes, truth, hidden)
    with pytest.raises(ValueError, match="'b' changed"):
        measures.measured(filled.assign(b=9.0), truth, hidden)


def test_a_difference_counts_seed_by_seed():
    # The seeds are far apart, and ours is better by about a tenth on each of them.
    errors = pd.DataFrame({"ours": [1.0, 2.0, 3.0], "a": [1.1, 2.1, 3.13], "b": [4.0, 4.0, 4.0]})
    lag, noise = measures.behind(errors)
    assert lag == pytest.approx(-0.11) and noise == pytest.approx(2 * 0.01, rel=1e-6)
    lag, noise = measures.behind(errors[["ours", "b"]] * [1.0, 0.2])
    assert lag == pytest.approx(1.2) and noise == pytest.approx(2 / math.sqrt(3))
    assert math.isnan(measures.behind(errors[:1])[1])
    means = pd.DataFrame({"10 %": [1.0, 2.0, 4.0], "30 %": [4.0, 2.0, 3.0]}, ["ours", "a", "b"])
    assert measures.ratio_to_best(means) == pytest.approx(1.0)  # a half, and two


def test_a_frame_becomes_numbers_and_comes_back():
    frame = table()
    coding = fillers.Coding(frame)
    assert np.nanmean(coding.matrix[:, 0]) == pytest.approx(0, abs=1e-12)
    assert np.nanstd(coding.matrix[:, 1]) == pytest.approx(1)
    assert list(coding.levels) == [2, 3] and coding.expanded().shape == (400, 1 + 1 + 2 + 2)
    full = np.nan_to_num(coding.matrix)
    filled = coding.decoded(full)
    pd.testing.assert_frame_equal(filled.where(frame.notna()), frame)
    assert (filled["x"][::10] == frame["x"].mean()).all() and (
        filled["kind"][5::10] == "rare"
    ).all()
    np.testing.assert_array_equal(coding.collapsed(np.nan_to_num(coding.expanded())), full)
    # What is no level is rounded to one.
    assert set(coding.decoded(np.full((400, 4), 7.3))["kind"][5::10]) == {"usual"}


@pytest.mark.parametrize("name", [name for name in fillers.FILLERS if name != "ours"])
def test_the_others_fill_by_what_they_should(name, monkeypatch):
    monkeypatch.setattr(fillers, "KNN_ROWS", 200)
    pytest.importorskip("miceforest") if name == "boosted" else None
    truth = table()
    hidden = hiding.at_random(truth, 0, share=0.2)
    filler = fillers.FILLERS[name]
    found = measures.measured(filler.fill(truth.mask(hidden), 0), truth, hidden)
    if name == "mean_or_mode":
        usual = (truth["kind"] == "usual").sum() / truth["kind"].count()
        assert found["rmse"] == pytest.approx(1, abs=0.1)
        assert abs(found["accuracy"] - (usual + (truth["is"] == 0).mean()) / 2) < 0.05
    else:
        assert found["rmse"] < 0.75 and found["accuracy"] > 0.8


def test_what_cannot_be_imported_is_named_and_left_out(monkeypatch):
    def absent(holes, seed):
        raise ImportError("No module named 'absent'")

    monkeypatch.setattr(
        fillers,
        "FILLERS",
        {
            "absent": fillers.Filler("Absent", absent),
            "mean_or_mode": fillers.FILLERS["mean_or_mode"],
        },
    )
    assert fillers.warm_up(table(20)) == (
        ["mean_or_mode"],
        ["Absent is left out: No module named 'absent'."],
    )


def aim(result):
    """The cells of the aim about settings, without its name."""
    (line,) = [line for text in result.sections for line in text.split("\n") if "of 8 set" in line]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.mark.parametrize("wins", [True, False])
def test_a_run_compares_and_judges(wins, monkeypatch, capsys):
    """Beside means one that knows the answer, so that in all settings it is better."""
    truth = table(200)
    known = fillers.Filler("Known", lambda holes, seed: holes.fillna(truth))
    means = fillers.FILLERS["mean_or_mode"]
    pair = (known, means) if wins else (means, known)
    monkeypatch.setattr(impute, "FILLERS", dict(zip(("ours", "other"), pair, strict=True)))
    monkeypatch.setattr(impute, "warm_up", lambda holes: (["ours", "other"], ["Absent is."]))
    monkeypatch.setattr(impute, "read", lambda name, rows=None: truth)
    options = argparse.Namespace(quick=False, tables=["adult"], seeds=9, adult_seeds=2)
    result = impute.run(options)
    assert result.metrics["adult_settings_best_or_within_noise"] == (8 if wins else 0)
    ours = result.metrics["adult_10_percent_ours_rmse"]
    assert ours == pytest.approx(0.0 if wins else 1.0, abs=0.15)
    text = "\n".join(result.sections)
    assert "Absent is." in text and "Adult, 2 seeds" in text and "30 % by value" in text
    assert "| 0.000 ± 0.000 | 0.000 ± 0.000 |" in text
    assert aim(result) == (["8", "≥ 8", "yes"] if wins else ["0", "≥ 8", "no"])
    assert "seconds of the fastest other learned imputer" in text
    assert "30 % by value, seed 1: Known" in capsys.readouterr().err

    quick = impute.run(argparse.Namespace(**{**vars(options), "quick": True}))
    assert aim(quick) == ["–", "≥ 8", "–"]
