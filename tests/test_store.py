"""Model folders: what comes back is equal to the bit, and a damaged folder is a `ModelError`."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest

from diabolo import Autoencoder, load, store
from diabolo.bottlenecks import Plain
from diabolo.corruptions import Chain, GaussianNoise, Masking
from diabolo.errors import WriteError
from diabolo.likelihoods import MSE
from diabolo.networks import MLP, Conv
from diabolo.pretraining import Layerwise
from diabolo.training import Training

rng = np.random.default_rng(0)
TABLE = rng.normal(size=(30, 4))
FRAME = pd.DataFrame({"b": rng.integers(0, 9, 30), "a": rng.normal(size=30), "c": TABLE[:, 0] > 0})
CASES = {
    "table": (TABLE, {}),
    "frame": (FRAME, {"hidden": [8]}),
    "pixels": ((TABLE[:, :, None] * 40 + 120).clip(0, 255).astype(np.uint8), {}),
    "images": (
        rng.integers(0, 256, (30, 5, 6, 2), np.uint8),
        {"hidden": "auto", "network": Conv((4, 6), kernel=5, hidden=(8,))},
    ),
    "series": (rng.normal(size=(30, 5, 2)), {"kind": "series", "hidden": np.array([8])}),
    "pretrained": (
        TABLE,
        {"pretraining": Layerwise(epochs=2, corruption=Chain((Masking(), GaussianNoise())))},
    ),
    "parts": (
        np.abs(TABLE),
        {
            "hidden": "auto",
            "network": MLP((8, 4), "tanh", 0.1),
            "bottleneck": Plain("sigmoid"),
            "likelihood": MSE("relu"),
            "training": Training(batch_size=8, optimizer="muon", validation_fraction=0.2),
            "random_state": np.random.RandomState(3),
        },
    ),
}


pytestmark = pytest.mark.usefixtures("one_thread")


def fitted(X=TABLE, **options):
    options = {"hidden": (8,), "max_epochs": 2, "random_state": 0, **options}
    return Autoencoder(2, **options).fit(X)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder that tests copy before they damage it."""
    path = tmp_path_factory.mktemp("store") / "model"
    fitted().save(path)
    return path


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def outputs(model, X):
    z = model.transform(X)
    return {
        "transform": z,
        "inverse_transform": model.inverse_transform(z),
        "reconstruct": np.asarray(model.reconstruct(X)),
        "error": model.reconstruction_error(X),
        "per value": model.reconstruction_error(X, per_value=True),
        "score_samples": model.score_samples(X),
        "score": model.score(X),
        "names": model.get_feature_names_out(),
        "held out": model.held_out_,
    }


@pytest.mark.parametrize(("X", "options"), CASES.values(), ids=CASES)
def test_what_is_loaded_equals_what_was_saved_to_the_bit(X, options, tmp_path):
    model = fitted(X, **options)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    wanted = outputs(model, X)
    for name, value in outputs(again, X).items():
        np.testing.assert_array_equal(value, wanted[name], err_msg=name)
    assert again.spec_ == model.spec_
    assert again.history_ == model.history_ and again.stopped_ == model.stopped_
    assert again.n_features_in_ == model.n_features_in_
    assert again.module_.encoder.layers[0].weight.requires_grad
    if options.get("random_state") is None:
        refitted = again.fit(X)
        np.testing.assert_array_equal(refitted.transform(X), wanted["transform"])
    # A second generation is the same model too.
    load(tmp_path / "model").save(tmp_path / "second")
    first, second = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("model", "second"))
    assert first == second


def test_a_folder_holds_three_files_and_no_pickle(saved):
    assert sorted(p.name for p in saved.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    config = json.loads((saved / "config.json").read_text("utf-8"))
    tensors = (saved / "model.safetensors").read_bytes()
    assert config["tensors_sha256"] == hashlib.sha256(tensors).hexdigest()
    assert int.from_bytes(tensors[:8], "little") < len(tensors)  # safetensors' header length
    for path in saved.iterdir():
        data = path.read_bytes()
        assert data[:2] not in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")
        with pytest.raises(Exception):  # noqa: B017, whatever pickle says of bytes that are none
            pickle.loads(data)


def test_the_card_tells_the_facts(saved, tmp_path):
    card = (saved / "README.md").read_text("utf-8")
    model = load(saved)
    # The code sees the hidden layer and the input, the output layer the hidden one and the code.
    weights = (4 * 8 + 8) + (12 * 2 + 2) + (2 * 8 + 8) + (10 * 4 + 4)
    facts = (
        "library_name: diabolo",
        "4 values to a code of 2",
        "MLP(hidden=(8,)",
        "MSE(",
        "2 of 2",
    )
    for fact in (*facts, f"| weights | {weights} |", f"{model.history_[-1]['train']:.5g}"):
        assert fact in card
    fitted(np.tile(TABLE, (500 // len(TABLE) + 1, 1))).save(tmp_path / "m")
    assert "on held-out rows" in (tmp_path / "m" / "README.md").read_text("utf-8")
    assert "held-out" not in card


def test_an_unfitted_model_is_not_saved(tmp_path):
    with pytest.raises(Exception, match="not fitted"):
        Autoencoder().save(tmp_path / "model")
    assert not any(tmp_path.iterdir())


def test_failure_midway_leaves_the_old_model(folder, monkeypatch):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    other = fitted(random_state=1)
    write_text = type(folder).write_text

    def full(self, text, *args, **kwargs):
        if self.name == "README.md":
            raise OSError(28, "No space left on device")
        return write_text(self, text, *args, **kwargs)

    monkeypatch.setattr(type(folder), "write_text", full)
    with pytest.raises(WriteError, match="the disk is full"):
        other.save(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert list(folder.parent.iterdir()) == [folder]


def test_targets(folder, tmp_path):
    model = fitted(random_state=1)
    model.save(folder)  # a model is replaced, with nothing of the old one left
    np.testing.assert_array_equal(load(folder).transform(TABLE), model.transform(TABLE))
    (tmp_path / "empty").mkdir()
    store.check_target(tmp_path / "empty")
    model.save(tmp_path / "empty")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("x")
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "config.json").write_text("[" * 100_000)
    for name in ("foreign", "file", "json", "missing/deeper"):
        for refuse in (model.save, store.check_target):
            with pytest.raises(WriteError, match=name.split("/")[0]):
                refuse(tmp_path / name)
    assert (tmp_path / "foreign" / "thesis.tex").read_text() == "years of work"
    assert (tmp_path / "file").read_text() == "x"
