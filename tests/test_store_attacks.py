"""Attacks on model folders: whatever is in one, loading it gives a model or a `ModelError`."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as tensors_of
from safetensors.numpy import save as bytes_of

from diabolo import Autoencoder, load
from diabolo.errors import DiaboloError, ModelError

TABLE = np.random.default_rng(0).normal(size=(30, 4))


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder that tests copy before they damage it."""
    path = tmp_path_factory.mktemp("store") / "model"
    model = Autoencoder(2, hidden=(8,), max_epochs=2, random_state=0)
    model.fit(TABLE).save(path)
    return path


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def edit(folder, change):
    """Apply `change` to the configuration, and write it back."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def put(*path_and_value):
    """Return a change that sets config[path…] = value."""
    *path, last, value = path_and_value

    def change(config):
        for key in path:
            config = config[key]
        config[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("library", "keras"), "no Diabolo model"),
        (put("format", "1"), "names no format"),
        (put("format", 999), "has format 999, written by Diabolo .*upgrade"),
        (lambda c: c.update(format=2, versions=[1]), "unknown.*upgrade"),
        (put("kind", "gan"), "kind 'gan'"),
        (put("kind", []), "kind"),
        (put("tensors_sha256", "0" * 64), "checksum"),
        (lambda c: c.pop("tensors_sha256"), "checksum"),
        (lambda c: c.pop("spec"), "spec"),
        (lambda c: c["spec"].pop("network"), "network"),
        (put("spec", "network", {"part": "cnn"}), "unknown part 'cnn'"),
        (put("spec", "network", "mlp"), "do not fit together"),
        (put("spec", "network", {"part": "conv", "channels": [4]}), "network"),
        (put("spec", "network", "hidden", [9]), "size mismatch"),
        (put("spec", "network", "hidden", [10**9, 10**9]), "do not fit together"),
        (put("spec", "network", "hidden", "auto"), "network"),
        (put("spec", "code_size", 3), "vitals"),
        (put("spec", "code_size", 10**30), "do not fit together"),
        (put("spec", "code_size", 2.0), "code_size"),
        (put("spec", "scaling", "robust"), "scaling"),
        (put("spec", "surprise", 1), "surprise"),
        (put("spec", "pretraining", {"part": "rbm"}), "pretraining"),
        (put("spec", "pretraining", {"part": "masking"}), "pretraining"),
        (put("spec", "pretraining", ["rbm"]), "pretraining"),
        (put("schema", "kind", "graph"), "kind"),
        (put("schema", "shape", [2, 2]), "schema"),
        (put("schema", "shape", 4), "schema|TypeError"),
        (put("schema", "dtypes", ["object"]), "dtypes"),
        (put("schema", "dtypes", ["quaternion"]), "quaternion"),
        (put("schema", "names", ["a", "b"]), "names"),
        (put("schema", "blocks", [{"kind": "text", "start": 0, "stop": 4}]), "blocks"),
        (put("params", "colour", "red"), "colour"),
        (put("params", "device", []), "device"),
        (put("history", "long"), "history"),
        (put("params", "verbose", float("nan")), "the value NaN"),
        (put("history", [{"epoch": "last"}]), "history"),
    ],
)
def test_an_edited_configuration_is_refused(folder, change, message):
    edit(folder, change)
    with pytest.raises(ModelError, match=message) as caught:
        load(folder)
    assert str(folder) in str(caught.value)


def replace_tensors(folder, change):
    """Change the tensors and make the checksum fit, as an attacker would."""
    tensors = {
        k: v.copy() for k, v in tensors_of((folder / "model.safetensors").read_bytes()).items()
    }
    change(tensors)
    data = bytes_of(tensors)
    (folder / "model.safetensors").write_bytes(data)
    edit(folder, put("tensors_sha256", hashlib.sha256(data).hexdigest()))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("schema.scale"),
        lambda t: t.pop("module.encoder.layers.0.weight"),
        lambda t: t.update({"module.extra": np.ones(3, np.float32)}),
        lambda t: t.update({"schema.shift": np.zeros(3)}),
        lambda t: t.update({"schema.shift": np.array([0, 0, np.nan, 0])}),
        lambda t: t.update({"schema.scale": np.zeros(4)}),
        lambda t: t.update({"held_out": np.ones((2, 2))}),
        lambda t: t.clear(),
    ],
)
def test_tensors_that_do_not_fit_are_refused(folder, change):
    replace_tensors(folder, change)
    with pytest.raises(ModelError, match="do not fit together"):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize(
    "damage", ["missing", "empty", "pickle", "folder", "half", "utf-16", "deep"]
)
def test_damaged_files_are_refused(folder, name, damage):
    path = folder / name
    data = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        half = data[: len(data) // 2]
        pickled = pickle.dumps({"library": "diabolo"})
        contents = {"empty": b"", "pickle": pickled, "half": half, "utf-16": b"\xff\xfe{\0"}
        path.write_bytes(contents.get(damage, b"[" * 1_000_000))
    with pytest.raises(ModelError, match="model"):
        load(folder)


def test_what_is_no_folder_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "nowhere", tmp_path / "empty", folder / "config.json"):
        with pytest.raises(ModelError, match=r"no (such|Diabolo) model|this is no folder"):
            load(path)


def copied(saved, tmp_path):
    """A fresh copy for each example of a property test."""
    folder = tmp_path / "model"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(saved, folder)
    return folder


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_byte_or_a_cut_is_never_believed(saved, tmp_path, data):
    folder = copied(saved, tmp_path)
    path = folder / "model.safetensors"
    raw = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(raw[: data.draw(st.sampled_from([place + 1, len(raw)]))]))
    with pytest.raises(ModelError, match="damaged"):
        load(folder)


scalars = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4)
)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_configuration_raises_anything_but_our_errors(saved, tmp_path, data):
    folder = copied(saved, tmp_path)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    here = config
    while True:
        key = data.draw(
            st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here)))
        )
        if isinstance(here[key], dict | list) and here[key] and data.draw(st.booleans()):
            here = here[key]
            continue
        if isinstance(here, dict) and data.draw(st.booleans()):
            del here[key]
        else:
            here[key] = data.draw(values)
        break
    (folder / "config.json").write_text(json.dumps(config))
    try:
        model = load(folder)
        model.inverse_transform(model.transform(TABLE))
        model.reconstruct(TABLE)
        model.score(TABLE)
        model.score_samples(TABLE)
        model.get_feature_names_out()
        model.save(tmp_path / "again")
    except DiaboloError as error:
        assert str(error)
