"""``diabolo detect``: the same as in Python, ranked, with reasons."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.cli.conftest import table

from diabolo import AnomalyDetector, load

QUICK = ("--max-epochs", 3, "--quiet")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder that `train` wrote, of 300 rows."""
    from diabolo.cli.train import train

    folder = tmp_path_factory.mktemp("models")
    table(300).to_csv(folder / "people.csv", index=False)
    train(str(folder / "people.csv"), folder / "model", quiet=True, recipe="detecting")
    return folder / "model"


@pytest.fixture
def new(tmp_path):
    """A file in which row 7 is too heavy for its height."""
    rows = table(40, seed=1)
    rows.loc[7, "weight"] = 160.0
    rows.to_csv(tmp_path / "new.csv", index=False)
    return tmp_path / "new.csv"


def test_the_oddest_rows_are_printed_with_their_reasons(diabolo, model, new):
    done = diabolo("detect", model, new, "--top", 3)
    assert done.status == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    rows = [line for line in lines if line and line[0].isdigit()]
    assert len(rows) == 3 and rows[0][0] == "7" and rows[0][3] == "anomaly"
    assert "weight = 160 (expected" in done.out
    assert "of 40 rows are called anomalies" in done.err and "300" in done.err


def test_the_file_has_what_python_gives(diabolo, model, new, tmp_path):
    out = tmp_path / "judged.parquet"
    done = diabolo("detect", model, new, "--out", out)
    assert done.status == 0 and done.out.endswith(f"{out}\n"), done.err
    found, detector = pd.read_parquet(out), AnomalyDetector.of(load(model))
    rows = pd.read_csv(new)
    np.testing.assert_array_equal(found["anomaly_score"], detector.anomaly_score(rows))
    np.testing.assert_array_equal(found["p_value"], detector.p_value(rows))
    np.testing.assert_array_equal(found["anomaly"], detector.predict(rows) == -1)
    assert found["reasons"][7].startswith("weight = 160")


def test_another_rate_flags_other_rows(diabolo, model, new):
    counts = []
    for rate in (0.01, 0.5):
        done = diabolo("detect", model, new, "--false-alarm-rate", rate, "--json")
        assert done.status == 0, done.err
        found = json.loads(done.out)
        assert found["rows"] == 40 and len(found["top"]) == 20
        scores = [row["score"] for row in found["top"]]
        assert scores == sorted(scores, reverse=True)
        counts.append(found["anomalies"])
    assert counts[0] < counts[1]


def test_any_model_detects_and_the_plain_mode_is_its_error(diabolo, new, csv, tmp_path):
    assert diabolo("train", csv, "--out", tmp_path / "m", *QUICK).status == 0
    done = diabolo("detect", tmp_path / "m", new, "--top", 1)
    assert done.status == 0, done.err
    assert "expect more false alarms" in done.err and "0.01 was asked for" in done.err
    done = diabolo("detect", tmp_path / "m", new, "--plain", "--out", tmp_path / "s.csv")
    assert done.status == 0 and "p-value" not in done.out, done.err
    found = pd.read_csv(tmp_path / "s.csv")
    assert list(found.columns) == ["anomaly_score", "reasons"]
    errors = load(tmp_path / "m").reconstruction_error(pd.read_csv(new))
    np.testing.assert_allclose(found["anomaly_score"], errors, rtol=1e-5)


def test_images_are_named_by_their_files(diabolo, tmp_path):
    assert diabolo("train", "digits", "--out", tmp_path / "m", *QUICK).status == 0
    done = diabolo("detect", tmp_path / "m", "digits/test", "--top", 2)
    assert done.status == 0 and "expected" not in done.out, done.err


def test_what_cannot_be_is_refused(refused, fitted, new, csv, tmp_path):
    message = refused("detect", fitted, new)
    assert "saved without what normal rows score" in message
    for options, words in (
        (("--top", -1), "--top -1"),
        (("--out", tmp_path / "x.exe"), "suffix"),
        (("--columns", 0), "--columns 0"),
        (("--plain", "--false-alarm-rate", 0.1), "beside --plain"),
    ):
        assert words in refused("detect", fitted, new, *options)


def test_a_task_is_a_model_too(diabolo, model, new, tmp_path):
    AnomalyDetector.of(load(model)).save(tmp_path / "d")
    for command in (("encode", "--out", tmp_path / "z.csv"), ("detect",)):
        done = diabolo(command[0], tmp_path / "d", new, *command[1:])
        assert done.status == 0, done.err
    assert diabolo("info", tmp_path / "d").status == 0
