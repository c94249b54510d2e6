"""Replays give what the recorded computation gives, to the last bit."""

from __future__ import annotations

import pytest
import torch
from tests.samples import a_step, low_rank

from diabolo import Autoencoder
from diabolo.bottlenecks import Plain
from diabolo.likelihoods import MSE, Bernoulli
from diabolo.networks import MLP
from diabolo.random import Noise
from diabolo.training.tape import record

pytestmark = pytest.mark.usefixtures("one_thread")

PARTS = [
    (MLP((8,)), Plain(), MSE()),
    (MLP((8, 5), "relu", skip=False), Plain("relu"), Bernoulli()),
    (MLP((8,), "tanh", dropout=0.3), Plain("sigmoid"), MSE("relu")),
    (MLP((), skip=False), Plain(), MSE()),
]


@pytest.mark.parametrize("parts", PARTS, ids=str)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("optimizer", "trim"), [("adam", 0.0), ("muon", 0.0), ("adam", 0.25)])
def test_training_by_tape_is_training(parts, precision, optimizer, trim):
    weights = []
    for general in (False, True):
        step, x = a_step(*parts, precision=precision, optimizer=optimizer, trim=trim)
        assert step.recordable
        step.recordable = not general
        with step.arithmetic():
            losses = [step(x[i : i + 20], Noise(0, i), 0.5) for i in range(0, 200, 20)]
        assert general or all(replay is not None for replay in step.tapes.values())
        weights.append([*losses, *(p.detach() for p in step.parameters)])
    for replayed, computed in zip(*weights, strict=True):
        assert torch.equal(replayed, computed)


def test_a_fit_is_the_same_without_tapes(monkeypatch):
    def fitted():
        return Autoencoder(2, network=MLP((8,), dropout=0.2), max_epochs=9, random_state=0).fit(X)

    X = low_rank()
    by_tape = fitted()
    monkeypatch.setattr("diabolo.training.step.WORTH_RECORDING", 10**9)
    assert by_tape.history_[-1]["train"] == fitted().history_[-1]["train"]
    assert (by_tape.transform(X) == fitted().transform(X)).all()


def test_weights_are_read_at_each_replay_and_constants_kept():
    weight = torch.randn(3, 4, requires_grad=True)
    table = torch.arange(4.0)

    def function(x, noise):
        y = x @ weight.t() + table.square()[:3] + torch.ones_like(x).sum()
        return [y.detach(), torch.autograd.grad(y.sum(), weight)[0]]

    replay = record(function, torch.randn(2, 4), Noise(0), [weight])
    x = torch.randn(2, 4)
    with torch.no_grad():
        weight.mul_(2).add_(1)
    for ours, wanted in zip(replay(x, Noise(0)), function(x, Noise(0)), strict=True):
        assert torch.equal(ours, wanted)


def test_writing_into_what_was_made_is_repeated():
    def function(x, noise):
        total = torch.zeros(4)
        total.add_(x[0])
        x[1:].square().clamp_(max=0.5)
        return [total.view(2, 2).t(), (x + 1).mul_(2)]

    replay = record(function, torch.randn(2, 4), Noise(0), [])
    for _ in range(2):
        x = torch.randn(2, 4)
        for ours, wanted in zip(replay(x, Noise(0)), function(x, Noise(0)), strict=True):
            assert torch.equal(ours, wanted)


def test_noise_is_that_of_the_step():
    def function(x, noise):
        return [x + noise.uniform(x.shape), noise.integers(5, (3,))]

    replay = record(function, torch.zeros(2, 4), Noise(0), [])
    for key in (0, 1):
        for ours, wanted in zip(
            replay(torch.ones(2, 4), Noise(key)),
            function(torch.ones(2, 4), Noise(key)),
            strict=True,
        ):
            assert torch.equal(ours, wanted)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, noise: [x + torch.rand_like(x)],
        lambda x, noise: [x * x.sum().item()],
        lambda x, noise: [x[x > 0]],
        lambda x, noise: [x.mul_(2)],
    ],
    ids=["another generator", "value", "shape by value", "writes into the rows"],
)
def test_what_cannot_be_replayed_is_not(function):
    assert record(function, torch.ones(2, 4), Noise(0), []) is None
