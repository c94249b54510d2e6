"""Draws have keys, and nobody else's random state is touched."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diabolo import Autoencoder
from diabolo.networks import MLP
from diabolo.random import Noise, derive_seed, numpy_generator, torch_generator

KEYS = [
    (0,),
    (1,),
    (0, "weights"),
    (0, "noise"),
    (0, "order", 3),
    (0, "order", 4),
    (0, "noise", 3, 4),
    (0, "noise", 4, 3),
    (1, "noise", 3, 4),
]
parts = st.lists(st.integers(0, 2**40) | st.text(max_size=5), max_size=4)


@given(st.integers(0, 2**70), parts)
def test_a_seed_is_a_function_of_its_key_and_fits_torch(seed, key):
    derived = derive_seed(seed, *key)
    assert derived == derive_seed(seed, *key)
    assert 0 <= derived < 2**63
    torch.Generator().manual_seed(derived)


def test_different_keys_give_different_numbers():
    numpys = [tuple(numpy_generator(*key).random(4)) for key in KEYS]
    torches = [tuple(torch.rand(4, generator=torch_generator(*key)).tolist()) for key in KEYS]
    assert len(set(numpys)) == len(set(torches)) == len(KEYS)


def test_a_longer_key_is_another_key():
    assert derive_seed(0, "a") != derive_seed(0, "a", 0)


def test_the_same_key_gives_the_same_numbers():
    for key in KEYS:
        np.testing.assert_array_equal(
            numpy_generator(*key).random(9), numpy_generator(*key).random(9)
        )
        torch.testing.assert_close(
            torch.rand(9, generator=torch_generator(*key)),
            torch.rand(9, generator=torch_generator(*key)),
            rtol=0,
            atol=0,
        )


def test_derived_seeds_do_not_collide_over_a_long_run():
    seeds = {derive_seed(0, "noise", epoch, i) for epoch in range(60) for i in range(60)}
    assert len(seeds) == 3600


def test_noise_draws_from_its_key_only():
    x = torch.zeros(5, 3)
    torch.manual_seed(0)
    first = Noise(1, "noise", 2).uniform(x.shape)
    torch.manual_seed(99)
    again = Noise(1, "noise", 2).uniform(x.shape)
    assert torch.equal(first, again)
    noise = Noise(1, "noise", 2)
    assert not torch.equal(noise.uniform(x.shape), noise.uniform(x.shape))


def test_noise_is_uniform():
    uniform = Noise(0).uniform((200, 500))
    assert uniform.min() >= 0 and uniform.max() < 1
    # Five standard errors of 100,000 draws.
    assert abs(uniform.mean() - 1 / 2) < 5 * (1 / 12 / 1e5) ** 0.5


def global_states() -> tuple:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return torch.get_rng_state().tolist(), name, keys.tolist(), *rest


def test_nothing_touches_global_random_state(tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 4))
    model = Autoencoder(2, network=MLP((8,), dropout=0.2), max_epochs=2, random_state=0)
    works = {
        "fit": lambda: model.fit(X),
        "transform": lambda: model.transform(X),
        "reconstruct": lambda: model.reconstruct(X),
        "score": lambda: model.score(X),
        "save": lambda: model.save(tmp_path / "model"),
    }
    for name, work in works.items():
        before = global_states()
        work()
        assert global_states() == before, name


def test_importing_touches_no_global_random_state():
    code = (
        "import torch, numpy as np; a = torch.get_rng_state(); b = np.random.get_state()[1].copy();"
        "import diabolo.estimator, diabolo.loading, diabolo.datasets, diabolo.metrics;"
        "print(torch.equal(a, torch.get_rng_state()), (b == np.random.get_state()[1]).all())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_global_seeds_do_not_change_a_model():
    X = np.random.default_rng(0).normal(size=(60, 4))
    codes = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        network = MLP((8,), dropout=0.2)
        model = Autoencoder(2, network=network, max_epochs=2, random_state=0)
        codes.append(model.fit_transform(X))
    for a, b in itertools.pairwise(codes):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.5])
def test_dropout_drops_what_it_says_in_any_precision(dtype, rate):
    x = torch.ones(1_000_000, dtype=dtype)
    dropped = Noise(0, "noise").dropout(x, rate)
    assert dropped.dtype == dtype
    share = float((dropped == 0).double().mean())
    assert abs(share - rate) < 5 * (rate * (1 - rate) / 1e6) ** 0.5
