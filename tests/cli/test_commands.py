"""The commands do what Python does, to the bit, and print what they should where they should."""

from __future__ import annotations

import json
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from diabolo import Autoencoder, datasets, load
from diabolo.bottlenecks import Plain
from diabolo.cli import common
from diabolo.data.readers import open_source
from diabolo.likelihoods import MSE
from diabolo.networks import MLP
from diabolo.training import Training

QUICK = ("--max-epochs", 3, "--quiet")


# ---- the command line equals Python


def test_train_equals_fit(diabolo, csv, tmp_path):
    done = diabolo("train", csv, "--out", tmp_path / "model", "--code-size", 2, *QUICK)
    assert (done.status, done.out) == (0, f"{tmp_path / 'model'}\n"), done.err
    rows = open_source(csv).read()
    model = Autoencoder(2, max_epochs=3, random_state=0).fit(rows)
    other = load(tmp_path / "model")
    assert other.spec_ == model.spec_
    np.testing.assert_array_equal(other.transform(rows), model.transform(rows))


def test_every_option_of_train_arrives(diabolo, csv, tmp_path):
    options = """--code-size 3 --hidden 16,8 --activation tanh --code-activation softplus
        --likelihood relu --scaling scale --kind table --dropout 0.25 --batch-size 7
        --optimizer adam --learning-rate 0.01 --schedule constant --weight-decay 0.001
        --validation-fraction 0.25 --no-early-stopping --keep-on-interrupt --precision fp32
        --device cpu --seed 5 --max-epochs 2 --recipe undercomplete --quiet"""
    done = diabolo("train", csv, "--out", tmp_path / "model", *options.split())
    assert done.status == 0, done.err
    model = load(tmp_path / "model")
    same = Autoencoder(
        3,
        network=MLP((16, 8), "tanh", 0.25),
        bottleneck=Plain("softplus"),
        likelihood=MSE("relu"),
        scaling="scale",
        kind="table",
        max_epochs=2,
        training=Training(
            batch_size=7,
            optimizer="adam",
            learning_rate=0.01,
            schedule="constant",
            weight_decay=0.001,
            validation_fraction=0.25,
            early_stopping=False,
            on_interrupt="keep",
            precision="fp32",
        ),
        device="cpu",
        random_state=5,
    ).fit(open_source(csv).read())
    assert model.spec_ == same.spec_
    rows = open_source(csv).read()
    np.testing.assert_array_equal(model.transform(rows), same.transform(rows))


@pytest.mark.parametrize(("text", "hidden"), [("", ()), ("8", (8,)), ("auto", None)])
def test_widths(text, hidden, diabolo, csv, tmp_path):
    assert not diabolo("train", csv, "--out", tmp_path / "m", "--hidden", text, *QUICK).status
    found = load(tmp_path / "m").spec_.network.hidden
    assert found == hidden if hidden is not None else len(found) > 0


def test_encode_decode_reconstruct_equal_python(diabolo, fitted, people, tmp_path):
    rows, model = people.astype(np.float32), load(fitted)
    data, codes, back, again = (tmp_path / f"{name}.parquet" for name in "dzbr")
    rows.to_parquet(data)
    assert diabolo("encode", fitted, data, "--out", codes).out == f"{codes}\n"
    assert diabolo("decode", fitted, codes, "--out", back).out == f"{back}\n"
    assert diabolo("reconstruct", fitted, data, "--out", again).out == f"{again}\n"
    z = pd.read_parquet(codes)
    assert list(z.columns) == list(model.get_feature_names_out())
    np.testing.assert_array_equal(z, model.transform(rows))
    pd.testing.assert_frame_equal(pd.read_parquet(back), model.inverse_transform(z))
    pd.testing.assert_frame_equal(pd.read_parquet(again), model.reconstruct(rows))


def test_codes_with_other_columns_and_another_order_are_decoded(diabolo, fitted, people, tmp_path):
    codes = pd.DataFrame(load(fitted).transform(people), columns=["autoencoder0", "autoencoder1"])
    codes.to_csv(tmp_path / "z.csv", index=False)
    codes.iloc[:, ::-1].assign(note="x").to_csv(tmp_path / "mixed.csv", index=False)
    for name in ("z", "mixed"):
        done = diabolo(
            "decode", fitted, tmp_path / f"{name}.csv", "--out", tmp_path / f"{name}2.csv"
        )
        assert done.status == 0, done.err
    assert (tmp_path / "z2.csv").read_bytes() == (tmp_path / "mixed2.csv").read_bytes()


@pytest.mark.parametrize("verb", ["encode", "reconstruct"])
def test_pieces_equal_the_whole(verb, diabolo, fitted, people, tmp_path, monkeypatch):
    monkeypatch.setattr(common, "ROWS", 7)
    people.to_parquet(tmp_path / "d.parquet")
    assert diabolo(verb, fitted, tmp_path / "d.parquet", "--out", tmp_path / "out.npy").status == 0
    model = load(fitted)
    whole = model.transform(people) if verb == "encode" else model.reconstruct(people).to_numpy()
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), whole)


# ---- data as people have them


def test_a_csv_with_a_label_column(diabolo, people, tmp_path):
    labelled = people.assign(label=["tall" if h > 170 else "small" for h in people["height"]])
    labelled.to_csv(tmp_path / "d.csv", index=False)
    data, model = tmp_path / "d.csv", tmp_path / "model"
    done = diabolo("train", data, "--out", model, "--drop", "label", *QUICK)
    assert done.status == 0, done.err
    assert load(model).schema_.names == tuple(people.columns)
    assert diabolo("encode", model, data, "--out", tmp_path / "z.csv").status == 0
    assert diabolo("reconstruct", model, data, "--out", tmp_path / "r.csv").status == 0
    again = pd.read_csv(tmp_path / "r.csv")
    assert list(again.columns) == list(labelled.columns)
    assert list(again["label"]) == list(labelled["label"])
    done = diabolo("evaluate", model, data, "--labels", "label", "--json")
    result = json.loads(done.out)
    assert set(result) >= {"knn_accuracy_codes", "knn_accuracy_raw"}


def test_header_is_detected_and_can_be_said(diabolo, tmp_path):
    (tmp_path / "d.csv").write_text("1,2\n3,4\n5,6\n", "utf-8")
    done = diabolo("train", tmp_path / "d.csv", "--out", tmp_path / "a", *QUICK)
    assert "header: none" in done.err and "trained on 3 rows" in done.err
    done = diabolo("train", tmp_path / "d.csv", "--out", tmp_path / "b", "--header", *QUICK)
    assert "first line taken as column names" in done.err and "trained on 2 rows" in done.err
    assert load(tmp_path / "b").schema_.names == ("1", "2")


def test_few_rows_and_constant_columns_work(diabolo, people, tmp_path):
    tables = {"one": people[:1], "few": people[:3], "constant": people.assign(age=7, pulse=0.5)}
    for name, rows in tables.items():
        data, model = tmp_path / f"{name}.csv", tmp_path / name
        rows.to_csv(data, index=False)
        done = diabolo("train", data, "--out", model, *QUICK)
        assert done.status == 0, done.err
        assert diabolo("reconstruct", model, data, "--out", tmp_path / "r.csv").status == 0
        again = pd.read_csv(tmp_path / "r.csv")
        assert again.shape == rows.shape and np.isfinite(again.to_numpy()).all()
        assert diabolo("evaluate", model, data).status == 0


def test_folders_of_images(diabolo, tmp_path):
    digits = (datasets.load("digits", "test").data[:40] * 255).round().astype(np.uint8)
    for i, pixels in enumerate(digits):
        path = tmp_path / "pictures" / f"{i % 2}" / f"digit {i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    data, model = tmp_path / "pictures", tmp_path / "model"
    assert diabolo("train", data, "--out", model, "--size", "6x8", *QUICK).status == 0
    assert load(model).schema_.shape == (6, 8)
    done = diabolo("reconstruct", model, data, "--size", "6x8", "--out", tmp_path / "again")
    assert done.status == 0, done.err
    names = sorted(path.relative_to(data) for path in data.rglob("*.png"))
    again = tmp_path / "again"
    assert sorted(path.relative_to(again) for path in again.rglob("*.png")) == names
    source = open_source(data, image_size=(6, 8))
    expected = load(model).reconstruct(source.read())
    found = open_source(again)
    assert found.names == source.names
    np.testing.assert_array_equal(found.read(), expected)
    # Through a table of codes, too: pictures again, now without names.
    assert diabolo("encode", model, data, "--size", "6x8", "--out", tmp_path / "z.csv").status == 0
    done = diabolo("decode", model, tmp_path / "z.csv", "--out", tmp_path / "decoded")
    assert done.status == 0, done.err
    np.testing.assert_array_equal(open_source(tmp_path / "decoded").read(), expected)
    done = diabolo("evaluate", model, data, "--size", "6x8", "--json", "--top", 1)
    assert json.loads(done.out)["worst_rows"][0]["name"] in source.names


# ---- what is printed


def test_evaluate(diabolo, fitted, csv, people, tmp_path):
    model = load(fitted)
    done = diabolo("evaluate", fitted, csv, "--top", 2, "--json")
    assert done.out.count("\n") == 1
    result = json.loads(done.out)
    errors = model.reconstruction_error(people)
    assert result["rows"] == 60
    assert result["reconstruction_error"] == pytest.approx(errors.mean(), rel=1e-6)
    assert result["worst_rows"][0]["row"] == int(errors.argmax())
    assert len(result["worst_columns"]) == 2 and set(result["worst_columns"]) <= set(people)
    shown = diabolo("evaluate", fitted, csv).out
    assert "reconstruction error, mean" in shown and f"row {errors.argmax()}" in shown


def test_labels_of_a_file_and_of_a_public_data_set(diabolo, tmp_path):
    rows, labels, model = (tmp_path / name for name in ("d.npy", "labels.csv", "model"))
    assert diabolo("datasets", "digits", "--split", "test", "--out", rows, "--labels", labels).out
    assert diabolo("train", rows, "--out", model, "--code-size", 8, *QUICK).status == 0
    results = [
        json.loads(diabolo("evaluate", model, data, "--labels", of, "--json").out)
        for data, of in ((rows, labels), ("digits/test", "digits/test"))
    ]
    assert results[0]["knn_accuracy_codes"] == results[1]["knn_accuracy_codes"] > 0.3
    assert results[0]["knn_accuracy_raw"] > 0.85


def test_info(diabolo, fitted):
    done = diabolo("info", fitted)
    assert "height, weight, pulse, age" in done.out and done.err == ""
    done = diabolo("info", fitted, "--json")
    assert done.out.count("\n") == 1
    assert json.loads(done.out)["spec"]["code_size"] == 2


def test_datasets(diabolo, tmp_path):
    assert all(name in diabolo("datasets").out for name in datasets.names())
    done = diabolo("datasets", "digits", "--out", tmp_path / "d.npy")
    assert done.out == f"{tmp_path / 'd.npy'}\n"
    np.testing.assert_array_equal(np.load(tmp_path / "d.npy"), datasets.load("digits").data)


def test_warnings_are_remarks(diabolo, tmp_path):
    np.save(tmp_path / "d.npy", np.random.default_rng(0).random((60, 4)))
    np.save(tmp_path / "odd.npy", np.full((5, 4), 2.0))
    assert diabolo("train", tmp_path / "d.npy", "--out", tmp_path / "m", *QUICK).status == 0
    done = diabolo("evaluate", tmp_path / "m", tmp_path / "odd.npy", "--json")
    assert done.status == 0 and json.loads(done.out)["rows"] == 5
    assert done.err.count("odd.npy: 20 values lie outside") == 1


def test_the_demo(diabolo, tmp_path, monkeypatch):
    # Two epochs are enough to see that everything is written.
    monkeypatch.setattr("diabolo.Autoencoder", partial(Autoencoder, max_epochs=2))
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the second one replaces the first
        done = diabolo("demo", "--out", "show")
        assert done.status == 0, done.err
        assert "of a PCA of 8" in done.out and "show/index.html" in done.out
        assert "diabolo evaluate show/model" in done.err
        assert "diabolo train YOUR.csv" in done.err
    assert {p.name for p in (tmp_path / "show").iterdir()} == {
        *("index.html", "model", "codes.npy", "data.npy")
    }
    page = (tmp_path / "show" / "index.html").read_text("utf-8")
    assert "kNN accuracy" in page and not {'src="http', 'href="http'} & set(page.split())
    assert np.load(tmp_path / "show" / "codes.npy").shape == (360, 8)
    assert load(tmp_path / "show" / "model").spec_.code_size == 8


@pytest.mark.parametrize("verb", ["", "train", "encode", "decode", "evaluate", "info", "demo"])
def test_help_fits_into_80_columns(verb, diabolo):
    done = diabolo(*([verb] if verb else []), "--help")
    assert done.status == 0
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= 80
    # A name that is cut off cannot be copied.
    assert not re.search(r"--[\w-]*…", done.out)


def test_no_arguments_is_help(diabolo):
    done = diabolo()
    assert done.status == 0 and "reconstruct" in done.out


def test_a_warning_names_the_file_and_the_row(diabolo, tmp_path):
    rows = np.random.default_rng(0).random((9000, 4))
    np.save(tmp_path / "d.npy", rows[:60])
    rows[8200, 1] = 1.5
    np.save(tmp_path / "odd.npy", rows)
    assert diabolo("train", tmp_path / "d.npy", "--out", tmp_path / "m", *QUICK).status == 0
    done = diabolo("encode", tmp_path / "m", tmp_path / "odd.npy", "--out", tmp_path / "z.npy")
    (line,) = done.err.splitlines()
    assert "odd.npy (rows counted from row 8,192 on): 1 value lies outside" in line
    assert "1.5 in row 8, column 1" in line


def test_json_knows_no_infinity(diabolo, fitted, tmp_path, people):
    people.assign(height=1e36).to_csv(tmp_path / "far.csv", index=False)
    done = diabolo("evaluate", fitted, tmp_path / "far.csv", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out, parse_constant=pytest.fail)["reconstruction_error"] is None


def test_losses_are_those_of_the_kept_weights(diabolo, tmp_path):
    noise = np.random.default_rng(0).normal(size=(600, 4))
    np.save(tmp_path / "noise.npy", noise)
    options = ("--learning-rate", 0.1, "--max-epochs", 40, "--schedule", "constant", "--quiet")
    done = diabolo("train", tmp_path / "noise.npy", "--out", tmp_path / "m", *options)
    model = load(tmp_path / "m")
    best = min(row["held_out"] for row in model.history_)
    assert model.history_[-1]["held_out"] > best, "this test needs a run that gets worse"
    assert model.history_[model.kept_]["held_out"] == best
    for text in (
        done.err,
        diabolo("info", tmp_path / "m").out,
        (tmp_path / "m" / "README.md").read_text("utf-8"),
    ):
        assert f"{best:.5g} on" in text
