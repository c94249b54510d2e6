"""Tables with columns of several kinds, and their gaps, on the command line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from diabolo import Imputer, load, recipes
from diabolo.data.columns import Categorical, Numeric, Ordinal
from diabolo.data.readers import open_source

QUICK = ("--max-epochs", 3, "--quiet")


@pytest.fixture
def pets(tmp_path):
    """A file with levels, dates, names and gaps."""
    rng = np.random.default_rng(0)
    weight = rng.lognormal(2, 0.5, 80)
    frame = pd.DataFrame(
        {
            "name": [f"pet {i}" for i in range(80)],
            "kind": np.where(weight > 8, "dog", "cat"),
            "weight": weight.round(3),
            "legs": rng.choice([3, 4], 80),
            "born": (pd.Timestamp("2020-01-01") + pd.to_timedelta(range(80), "D")).strftime("%F"),
        }
    )
    frame.loc[::4, "kind"] = None
    frame.loc[1::4, "weight"] = None
    path = tmp_path / "pets.csv"
    frame.to_csv(path, index=False)
    return path


def test_the_columns_are_shown_and_nothing_is_trained(diabolo, pets, tmp_path):
    done = diabolo("train", pets, "--schema", "show", "--schema", "legs=ordinal")
    assert done.status == 0, done.err
    lines = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line.split()}
    assert lines["kind"] == ["categorical", "3", "20", "dog,", "cat"]
    assert lines["weight"] == ["numeric", "1", "20"]
    assert lines["legs"] == ["ordinal", "1", "0", "3,", "4"]
    assert lines["born"][:2] == ["date", "3"]
    assert lines["name"][:2] == ["left", "out"]
    assert list(tmp_path.iterdir()) == [pets]


def test_what_is_said_of_columns_counts(diabolo, pets, tmp_path):
    said = ("--schema", "legs=ordinal", "--schema", "born=drop", "--schema", "name=drop")
    done = diabolo("train", pets, "--out", tmp_path / "m", *said, *QUICK)
    assert done.status == 0, done.err
    assert "left out" not in done.err
    schema = load(tmp_path / "m").schema_
    assert schema.names == ("kind", "weight", "legs")
    assert schema.table.columns == (Categorical(("dog", "cat")), Numeric(), Ordinal((3, 4)))


def test_impute_equals_python_and_changes_nothing_else(diabolo, pets, tmp_path):
    done = diabolo("train", pets, "--out", tmp_path / "m", "--recipe", "imputing", *QUICK)
    assert done.status == 0, done.err
    assert "left out: 'name'" in done.err
    done = diabolo("impute", tmp_path / "m", pets, "--out", tmp_path / "full.csv")
    assert (done.status, done.out) == (0, f"{tmp_path / 'full.csv'}\n"), done.err
    rows = open_source(pets).read()
    model = recipes.imputing(max_epochs=3, random_state=0)
    with pytest.warns(match="'name'"):
        filled = Imputer(model).fit(rows).transform(rows)
    before, after = pd.read_csv(pets), pd.read_csv(tmp_path / "full.csv")
    assert list(after.columns) == list(before.columns) and not after.isna().any().any()
    for name in before:
        there = before[name].notna()
        assert after[name][there].equals(before[name][there])
    assert after["kind"].tolist() == filled["kind"].tolist()
    np.testing.assert_array_equal(after["weight"], filled["weight"])


def test_counts_are_filled_with_whole_numbers(diabolo, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=200), "count": rng.poisson(4, 200).astype(float)})
    frame.loc[::7, "count"] = np.nan
    frame.to_csv(tmp_path / "in.csv", index=False, float_format="%g")
    for command in (
        ("train", tmp_path / "in.csv", "--out", tmp_path / "m", "--recipe", "imputing", *QUICK),
        ("impute", tmp_path / "m", tmp_path / "in.csv", "--out", tmp_path / "out.csv"),
    ):
        assert diabolo(*command).status == 0
    after = pd.read_csv(tmp_path / "out.csv")
    assert (after["count"] % 1 == 0).all() and (after["x"] % 1 != 0).any()


def test_codes_lead_back_to_units_and_levels(diabolo, pets, tmp_path):
    assert diabolo("train", pets, "--out", tmp_path / "m", *QUICK).status == 0
    assert diabolo("encode", tmp_path / "m", pets, "--out", tmp_path / "z.csv").status == 0
    done = diabolo("decode", tmp_path / "m", tmp_path / "z.csv", "--out", tmp_path / "back.csv")
    assert done.status == 0, done.err
    back = pd.read_csv(tmp_path / "back.csv")
    assert list(back.columns) == ["kind", "weight", "legs", "born"] and len(back) == 80
    assert set(back["kind"]) <= {"cat", "dog"} and back["legs"].dtype.kind == "i"
    for command in ("evaluate", "info", "doctor"):
        data = () if command == "info" else (pets,)
        done = diabolo(command, tmp_path / "m", *data)
        assert done.status == 0 and done.out, done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--schema", "legs"), ["--schema 'legs'", "NAME=KIND", "ordinal"]),
        (("--schema", "legs=counts"), ["'legs=counts'", "categorical"]),
        (("--schema", "arms=numeric"), ["'arms'", "name, kind, weight"]),
        (("--schema", "kind=numeric"), ["'kind' as numeric", "pets.csv"]),
        (("--schema", "weight=boolean"), ["'weight' as boolean", "of 0 and 1"]),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(options, words, refused, pets, tmp_path):
    message = refused("train", pets, "--out", tmp_path / "m", *options, *QUICK)
    assert all(word in message for word in words), message


def test_missing_cells_need_a_model_that_knows_them(refused, diabolo, fitted, csv, tmp_path):
    frame = pd.read_csv(csv)
    frame.loc[3, "pulse"] = None
    frame.to_csv(csv, index=False)
    message = refused("impute", fitted, csv, "--out", tmp_path / "full.csv")
    assert "never had cells hidden" in message and "imputing" in message
    message = refused("encode", fitted, csv, "--out", tmp_path / "z.csv")
    assert "NaN" in message and "row 3, column 'pulse'" in message
