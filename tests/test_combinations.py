"""Every part with every other of another axis, through the front door: fit, results, store.

A part that is added to its axis's table is walked here without another line.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from diabolo import Autoencoder, load
from diabolo.augmentations import AUGMENTATIONS
from diabolo.bottlenecks import BOTTLENECKS
from diabolo.corruptions import CORRUPTIONS
from diabolo.data.schema import KINDS
from diabolo.errors import SpecError
from diabolo.likelihoods import LIKELIHOODS
from diabolo.networks import NETWORKS
from diabolo.penalties import PENALTIES
from diabolo.pretraining import PRETRAINING, RBM
from diabolo.random import Noise

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # Two epochs on 60 rows make no healthy model.
    pytest.mark.filterwarnings("ignore::diabolo.errors.HealthWarning"),
]

AXES = {
    "network": NETWORKS,
    "bottleneck": BOTTLENECKS,
    "augmentation": [None, *AUGMENTATIONS],
    "corruption": [None, *(name for name in CORRUPTIONS if name != "chain")],
    "likelihood": LIKELIHOODS,
    "penalties": [(), *PENALTIES],
    # Few epochs: sixty rows would make a thousand steps of them.
    "pretraining": [None, *(part(epochs=2) for part in PRETRAINING.values())],
    # Of rows; None is the first kind that the network is for, images before others.
    "kind": [None, *(kind for kind in KINDS if kind != "image")],
}


def pairs():
    """All pairs of parts of two axes, with the first part of each other axis."""
    first = [next(iter(parts)) for parts in AXES.values()]
    found = {}
    for (i, some), (j, others) in itertools.combinations(enumerate(AXES.values()), 2):
        for a, b in itertools.product(some, others):
            names = list(first)
            names[i], names[j] = a, b
            if names[-1] is None or names[-1] in NETWORKS[names[0]].kinds:
                found[tuple(names)] = None
    return list(found)


def terms_are_finite_and_sum_to_the_total(model, X):
    x = torch.from_numpy(model.schema_.scaled(X[:9]))
    for noise, learning in ((None, False), (Noise(0), False), (Noise(0), True)):
        loss = model.module_.objective(x, noise, learning)
        assert "reconstruction" in loss.terms
        assert all(
            term.shape == (9,) and torch.isfinite(term).all() for term in loss.terms.values()
        )
        torch.testing.assert_close(sum(loss.terms.values()), loss.total)


@pytest.mark.parametrize("names", pairs(), ids=str)
def test_every_pair_of_parts_works_as_a_model_does(names, tmp_path):
    X = np.random.default_rng(0).uniform(0, 1, (60, 7, 6))
    X /= X.sum(axis=2, keepdims=True)  # for the categorical likelihood
    parts = dict(zip(AXES, names, strict=True))
    kinds = NETWORKS[parts["network"]].kinds
    kind = parts.pop("kind") or ("image" if "image" in kinds else kinds[0])
    X = X[:, 0] if kind == "table" else X
    refusals = {
        "augmentation=None": parts["augmentation"] in ("shift", "flip")
        and (kind != "image" or parts["likelihood"] == "categorical"),
        r"corruption=Masking\(": parts["corruption"] == "block" and kind == "table",
        "likelihood='bernoulli'": parts["augmentation"] == "binarise"
        and parts["likelihood"] != "bernoulli",
        r"Plain\('sigmoid'\)": parts["penalties"] == "kl_sparsity",
        r"bottleneck=Plain\(\)": (
            parts["penalties"] == "contractive" and not BOTTLENECKS[parts["bottleneck"]].smooth
        )
        or (isinstance(parts["pretraining"], RBM) and parts["bottleneck"] in ("topk", "quantized")),
        r"pretraining=Layerwise\(\)": isinstance(parts["pretraining"], RBM)
        and parts["likelihood"] in ("categorical", "mixed"),
        r"network=MLP\(": parts["pretraining"] is not None and parts["network"] != "mlp",
    }
    for alternative, refused in refusals.items():
        if refused:
            with pytest.raises(SpecError, match=alternative):
                Autoencoder(3, **parts, kind=kind, max_epochs=2).fit(X)
            return

    def fitted():
        return Autoencoder(3, **parts, kind=kind, max_epochs=2, random_state=0).fit(X)

    model = fitted()
    assert model.transform(X).shape == (60, 3)
    assert model.reconstruct(X).shape == X.shape
    assert model.history_[-1]["train"] != model.history_[0]["train"]
    np.testing.assert_array_equal(model.transform(X[7:9]), model.transform(X)[7:9])
    np.testing.assert_array_equal(fitted().transform(X), model.transform(X))
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.spec_ == model.spec_
    for method in ("transform", "reconstruct", "reconstruction_error", "score_samples"):
        result = getattr(model, method)(X)
        assert np.isfinite(result).all()
        np.testing.assert_array_equal(getattr(again, method)(X), result)
    terms_are_finite_and_sum_to_the_total(model, X)  # learning changes what some parts keep


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_takes_its_kinds_of_rows_and_names_another_for_the_others(name, kind):
    X = np.random.default_rng(0).normal(size=(20, 8) if kind == "table" else (20, 8, 3))
    model = Autoencoder(2, network=name, kind=kind, max_epochs=1)
    if kind in NETWORKS[name].kinds:
        assert model.fit(X).reconstruct(X).shape == X.shape
        return
    suits = [cls.__name__ for cls in NETWORKS.values() if kind in cls.kinds]
    with pytest.raises(SpecError, match=rf"{kind!r}: pass network={suits[0]}\("):
        model.fit(X)
