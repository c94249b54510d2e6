"""Bad input and bad options: exit status 2, one message that says where, nothing written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

# ---- data that cannot be trained on


def write_npy(path, array):
    np.save(path, array)
    return path


def spoiled(value):
    array = np.arange(12.0).reshape(6, 2)
    array[3, 1] = value
    return array


BAD_DATA = {
    "missing file": (lambda p: p / "none.csv", ["none.csv", "no such file"]),
    "unknown suffix": (lambda p: text(p / "a.xyz", "1,2\n"), ["'.xyz' is not known", ".parquet"]),
    "no suffix": (lambda p: text(p / "data", "1,2\n"), ["(none)", ".csv"]),
    "ragged": (lambda p: text(p / "a.csv", "a,b\n1,2\n3,4,5\n"), ["a.csv, line 3", "3 fields"]),
    "nothing but names": (
        lambda p: text(p / "a.csv", "who\n" + "".join(f"person {i}\n" for i in range(20))),
        ["a.csv", "no column can be used", "'who'", "a name or free text"],
    ),
    "a header that is not UTF-8": (
        lambda p: raw(p / "a.csv", "Preis €,b\n1,2\n".encode("cp1252")),
        ["a.csv, line 1: byte 6 is not UTF-8", "iconv"],
    ),
    "empty file": (lambda p: text(p / "a.csv", ""), ["a.csv", "empty"]),
    "header only": (lambda p: text(p / "a.csv", "a,b\n"), ["a.csv", "0 sample"]),
    "empty array": (lambda p: write_npy(p / "a.npy", np.ones((0, 3))), ["a.npy", "0 sample"]),
    "no columns": (lambda p: write_npy(p / "a.npy", np.ones((3, 0))), ["a.npy", "0 feature"]),
    "infinity": (lambda p: write_npy(p / "a.npy", spoiled(-np.inf)), ["infinite", "row 3"]),
    "objects": (
        lambda p: write_npy(p / "a.npy", np.array([["x", 1]], dtype=object)),
        ["a.npy", "pickle"],
    ),
    "not what it says": (lambda p: text(p / "a.parquet", "a,b\n1,2\n"), ["looks like text"]),
    "no images": (lambda p: text(p / "folder" / "a.txt", "x").parent, ["no images", ".png"]),
    "unknown split": (lambda p: "digits/nope", ["nope", "train and test"]),
}


def raw(path, content):
    path.write_bytes(content)
    return path


def text(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, "utf-8")
    return path


@pytest.mark.parametrize("case", BAD_DATA)
def test_data_that_cannot_be_trained_on(case, refused, tmp_path):
    make, words = BAD_DATA[case]
    message = refused("train", make(tmp_path), "--out", tmp_path / "model")
    assert all(word in message for word in words), message


# ---- data that do not fit the fitted model

BAD_ROWS = {
    "text in a number's place": (
        "height,weight,pulse,age\n170,70,60,old\n",
        ["new.csv", "'age'", "only numbers"],
    ),
    "a column less": ("height,weight,pulse\n1,2,3\n", ["new.csv", "lacks the column 'age'"]),
    "other columns": ("a,b,c,d\n1,2,3,4\n", ["'height'", "it has 'a'"]),
    "missing cell": ("height,weight,pulse,age\n1,2,3,4\n1,,3,4\n", ["row 1, column 'weight'"]),
    "infinity": ("height,weight,pulse,age\n1,2,inf,4\n", ["row 0, column 'pulse'"]),
    "clock times": (
        "height,weight,pulse,age\n1,2,3,12:30:00\n1,2,3,12:31:00\n",
        ["new.csv", "'age'", "no number"],
    ),
    "no rows": ("height,weight,pulse,age\n", ["new.csv", "no rows"]),
}


@pytest.mark.parametrize("verb", ["encode", "reconstruct"])
@pytest.mark.parametrize("case", BAD_ROWS)
def test_rows_that_do_not_fit_the_model(case, verb, refused, fitted, tmp_path):
    content, words = BAD_ROWS[case]
    data = text(tmp_path / "new.csv", content)
    message = refused(verb, fitted, data, "--out", text(tmp_path / "old.csv", "kept"))
    assert all(word in message for word in words), message


def test_wrong_width(refused, fitted, tmp_path):
    data = write_npy(tmp_path / "wide.npy", np.ones((3, 5)))
    for verb, words in (("encode", "5 features"), ("decode", "(5,)")):
        message = refused(verb, fitted, data, "--out", tmp_path / "out.npy")
        assert words in message and "wide.npy" in message


def test_a_bad_row_of_a_later_piece_is_named(refused, fitted, tmp_path, people):
    rows = pd.concat([people] * 150, ignore_index=True)
    rows.loc[8200, "pulse"] = np.nan
    rows.to_parquet(tmp_path / "long.parquet")
    message = refused("encode", fitted, tmp_path / "long.parquet", "--out", tmp_path / "out.npy")
    assert "rows counted from row 8,192 on" in message and "row 8, column 'pulse'" in message


@pytest.mark.parametrize(
    ("labels", "words"),
    [("none.csv", "no such file"), ("age.csv", "each of the 60 rows"), ("digits", "each of the")],
)
def test_labels_that_do_not_fit(labels, words, refused, fitted, tmp_path, people, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people.to_csv("people.csv", index=False)
    people[["age"]][:7].to_csv("age.csv", index=False)
    assert words in refused("evaluate", fitted, "people.csv", "--labels", labels)


# ---- model folders


def damage_tensors(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")


def damage_config(folder):
    (folder / "config.json").write_text('{"library": "diabolo"', "utf-8")


def newer(folder):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["format"], config["versions"]["diabolo"] = 999, "9.0"
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


BAD_MODELS = {
    "damaged tensors": (damage_tensors, ["model.safetensors", "checksum"]),
    "no tensors": (lambda f: (f / "model.safetensors").unlink(), ["model.safetensors"]),
    "damaged config": (damage_config, ["config.json", "damaged"]),
    "no config": (lambda f: (f / "config.json").unlink(), ["no Diabolo model"]),
    "newer": (newer, ["9.0", "upgrade"]),
    "missing": (shutil.rmtree, ["no such model folder"]),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_model_folders_that_cannot_be_used(case, refused, fitted, tmp_path, people):
    harm, words = BAD_MODELS[case]
    shutil.copytree(fitted, tmp_path / "model")
    harm(tmp_path / "model")
    people.to_csv(tmp_path / "people.csv", index=False)
    for command in (
        ("info", tmp_path / "model"),
        ("encode", tmp_path / "model", tmp_path / "people.csv", "--out", tmp_path / "z.npy"),
    ):
        message = refused(*command)
        assert all(word in message for word in words), message


# ---- targets


def test_targets_that_are_refused_before_any_work(refused, fitted, tmp_path, people):
    people.to_csv(tmp_path / "people.csv", index=False)
    text(tmp_path / "thesis" / "chapter.txt", "years of work")
    data = tmp_path / "people.csv"
    for target in (data, tmp_path / "thesis", tmp_path / "no" / "where"):
        refused("train", data, "--out", target)
    for target in (tmp_path / "z.xyz", tmp_path / "no" / "z.csv", tmp_path / "thesis"):
        refused("encode", fitted, data, "--out", target)
    for target in (data, tmp_path / "thesis"):
        refused("demo", "--out", target)


# ---- options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--hidden abc", ["--hidden", "256,128"]),
        ("--hidden 0", ["hidden", "from 1 to"]),
        ("--hidden 99999999999", ["hidden", "from 1 to"]),
        ("--hidden 2000000000,2000000000", ["not enough memory"]),
        ("--hidden 8,,4", ["--hidden", "256,128"]),
        ("--network cnn", ["--network", "'cnn'", "mlp, conv"]),
        ("--network mlp:depth=3", ["--network", "its options are hidden, activation"]),
        ("--network conv:(4,8) --kernel 5", ["--network conv:…", "--kernel", "one place"]),
        ("--bottleneck topk --code-activation relu", ["--code-activation", "TopK"]),
        ("--bottleneck topk:k=0", ["--bottleneck", "k=0"]),
        ("--bottleneck quantized --penalty contractive", ["Contractive", "bottleneck=Plain()"]),
        ("--network conv", ["network=Conv(", "'image'", "'table'", "MLP(…)"]),
        ("--network conv --dropout 0.5", ["--dropout", "conv has --channels, --kernel"]),
        ("--channels 8 --dropout 0.5", ["--network auto", "--dropout", "--channels"]),
        ("--kernel 2", ["kernel=2", "odd"]),
        ("--kernel x", ["--kernel", "whole number"]),
        ("--code-size -1", ["code_size=-1"]),
        ("--code-size 99999999999999999999", ["code_size=9", "whole number"]),
        ("--code-size 2.5", ["--code-size", "whole number, or auto"]),
        ("--recipe x", ["--recipe", "undercomplete"]),
        ("--likelihood nope", ["--likelihood", "bernoulli"]),
        ("--likelihood bernoulli", ["from 0 to 1", "row 0, column 'height'"]),
        ("--activation nope", ["--activation", "gelu"]),
        ("--scaling nope", ["--scaling", "minmax"]),
        ("--scaling unit", ["unsigned"]),
        ("--kind image", ["dimensions"]),
        ("--dropout 1", ["dropout=1"]),
        ("--dropout x", ["--dropout", "a number"]),
        ("--max-epochs 0", ["max_epochs=0"]),
        ("--batch-size 0", ["batch_size=0"]),
        ("--learning-rate nan", ["learning_rate=nan"]),
        ("--weight-decay -1", ["weight_decay=-1"]),
        ("--validation-fraction 1", ["validation_fraction=1"]),
        ("--precision fp8", ["--precision", "bf16"]),
        ("--device warp", ["device='warp'", "cpu"]),
        ("--device mps", ["device='mps'", "cpu"]),
        ("--seed x", ["--seed", "whole number"]),
        ("--seed -1", ["random_state=-1"]),
        ("--drop ages", ["no column 'ages'", "height"]),
        ("--size 3", ["--size", "32x32"]),
        ("--size 3x3", ["--size (image_size=)", ".png"]),
        ("--key a", ["--key (key=)", ".npz"]),
        ("--bogus", ["No such option", "diabolo train --help"]),
    ],
)
def test_bad_options(options, words, refused, tmp_path, people):
    people.to_csv(tmp_path / "people.csv", index=False)
    data, model = tmp_path / "people.csv", tmp_path / "model"
    message = refused("train", data, "--out", model, *options.split())
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("trian", "Did you mean 'train'"),
        ("train digits", "--out"),
        ("train --out", "--out"),
        ("encode", "MODEL"),
        ("evaluate m d --top -1", "--top"),
        ("datasets nope", "no data set 'nope'"),
        ("datasets --out x.npy", "name a data set"),
        ("datasets digits --out x.npy --split all", "train and test"),
        ("datasets digits --out x.npy --labels y.xyz", "'.xyz' is not known"),
        ("datasets digits --out x.npy --labels x.npy", "the same file"),
        ("demo --data nope", "no data set 'nope'"),
        ("train digits --out model --header", "--header is for files"),
        ("--bogus", "No such option"),
    ],
)
def test_usage_errors(command, words, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in refused(*command.split())


def test_refusals_of_a_real_process(process, tmp_path):
    for command, words in (
        (["train", "none.csv", "--out", "model"], "no such file"),
        (["train", "none.csv"], "--out"),
    ):
        done = process(*command, cwd=tmp_path)
        assert (done.status, done.out) == (2, "")
        assert len(done.err.splitlines()) == 1 and words in done.err
    assert not list(tmp_path.iterdir())


def test_a_model_with_other_files_in_it_is_not_replaced(refused, fitted, tmp_path, people):
    shutil.copytree(fitted, tmp_path / "model")
    (tmp_path / "model" / "codes.csv").write_text("dear to somebody")
    people.to_csv(tmp_path / "people.csv", index=False)
    message = refused("train", tmp_path / "people.csv", "--out", tmp_path / "model")
    assert "holds other things" in message


def test_a_project_with_a_model_in_it_is_no_demo(refused, fitted, tmp_path):
    shutil.copytree(fitted, tmp_path / "model")
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "holds other things" in refused("demo", "--out", tmp_path)


def test_a_name_that_is_too_long(refused, tmp_path, people):
    people.to_csv(tmp_path / "people.csv", index=False)
    message = refused("train", tmp_path / "people.csv", "--out", tmp_path / ("x" * 300))
    assert "name" in message


def test_a_folder_that_may_not_be_written_is_known_before_training(
    refused, tmp_path, people, monkeypatch
):
    people.to_csv(tmp_path / "people.csv", index=False)
    monkeypatch.setattr("diabolo.data.atomic.os.access", lambda *_: False)
    monkeypatch.setattr("diabolo.estimator.fitting.train", pytest.fail)
    message = refused("train", tmp_path / "people.csv", "--out", tmp_path / "model")
    assert "nothing can be written into" in message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_below_the_output(process, fitted):
    done = process("info", fitted, "--json", wrap='"$@" > /dev/full')
    assert done.status == 2
    assert done.err == "diabolo: standard output: the disk is full\n"


def test_codes_too_large_to_be_decoded(refused, fitted, tmp_path):
    data = write_npy(tmp_path / "codes.npy", np.array([[0.0, 0.0], [1e300, 0.0]]))
    message = refused("decode", fitted, data, "--out", tmp_path / "out.csv")
    assert "codes.npy: the code in row 1 is too large" in message


def test_a_target_below_a_file(refused, fitted, tmp_path, people):
    people.to_csv(tmp_path / "people.csv", index=False)
    out = tmp_path / "people.csv" / "z.npy"
    assert "people.csv is a file" in refused(
        "encode", fitted, tmp_path / "people.csv", "--out", out
    )


def test_a_closed_output(process, fitted):
    done = process("info", fitted, wrap='"$@" >&-')
    assert (done.status, done.err) == (0, "")
