"""Members of an ensemble are what each would be alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.samples import low_rank, tiny

from diabolo import load
from diabolo.augmentations import Shift
from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import Plain
from diabolo.device import arithmetic
from diabolo.ensemble import Ensemble
from diabolo.likelihoods import MSE, Bernoulli
from diabolo.networks import MLP, Conv
from diabolo.random import Noise, derive_seed, torch_generator
from diabolo.training import Training
from diabolo.training.step import Step, shares, trimmed_mean
from diabolo.training.tape import record

pytestmark = pytest.mark.usefixtures("one_thread")

PARTS = {
    "mlp": ((6,), 2, MLP((8,)).resolved((6,)), Plain(), MSE()),
    "relu": ((6,), 2, MLP((8, 5), "relu", skip=False), Plain("relu"), Bernoulli()),
    "noisy": ((6, 5), 2, MLP((8,), dropout=0.3, skip=False), Plain(), MSE(), Shift()),
    "conv": ((6, 5), 2, Conv((4, 3)), Plain(), Bernoulli()),
}
RESOLVED = {
    "optimizer": "adam",
    "batch_size": 20,
    "learning_rate": 1e-2,
    "weight_decay": 0.1,
    "precision": "fp32",
}


def rows(shape, count=60):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))


def built(parts, members=3, seed=0):
    with torch.device("meta"):
        ensemble = Ensemble(members, *parts)
    ensemble.to_empty(device="cpu").initialise(seed, rows(parts[0]))
    return ensemble


def alone(parts, member, seed=0):
    module = AutoencoderModule.empty(*parts)
    module.initialise(derive_seed(seed, "member", member) if member else seed, rows(parts[0]))
    return module


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_members_compute_what_each_computes_alone(parts):
    x = rows(parts[0])
    ensemble = built(parts)
    members = [alone(parts, i) for i in range(3)]
    with torch.no_grad():
        losses = torch.stack([member(x) for member in members], dim=1)
        torch.testing.assert_close(ensemble(x), losses)
        back = torch.stack([member.reconstruct(x) for member in members])
        torch.testing.assert_close(ensemble.reconstructions(x), back)
        torch.testing.assert_close(ensemble.reconstruct(x), back.mean(dim=0))
        log_probs = torch.stack([member.log_prob(x) for member in members])
        torch.testing.assert_close(ensemble.log_prob(x), log_probs.mean(dim=0))
        torch.testing.assert_close(ensemble.encode(x).z, members[0].encode(x).z)
        z = members[0].encode(x).z
        torch.testing.assert_close(ensemble.decode(z), members[0].decode(z))
    assert ensemble.weights == 3 * members[0].weights
    assert ensemble.products == 3 * members[0].products


@pytest.mark.parametrize("name", ["mlp", "relu", "conv"])
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
@pytest.mark.parametrize("trim", [0.0, 0.3])
def test_members_learn_what_each_learns_alone(name, optimizer, trim):
    parts, x = PARTS[name], rows(PARTS[name][0])
    options = {**RESOLVED, "optimizer": optimizer, "trim": trim}
    ensemble = built(parts)
    together = Step(ensemble, Training(**options, members=3), 60, 100)
    members = [alone(parts, i) for i in range(3)]
    steps = [Step(member, Training(**options), 60, 100) for member in members]
    for i in range(6):
        batch = x[20 * (i % 3) : 20 * (i % 3) + 20]
        losses = [step(batch, Noise(0, i), 0.5) for step in steps]
        torch.testing.assert_close(
            together(batch, Noise(0, i), 0.5), torch.stack(losses).mean(dim=0)
        )
    for i, member in enumerate(members):
        for stack, weight in zip(ensemble.parameters(), member.parameters(), strict=True):
            torch.testing.assert_close(stack[i], weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_members_see_their_own_noise_and_are_replayed(parts):
    x = rows(parts[0])
    ensemble = built(parts)
    weights = list(ensemble.parameters())

    def function(x, noise):
        losses = ensemble(x, noise)
        return [losses.detach(), *torch.autograd.grad(losses.sum(), weights)]

    replay = record(function, x, Noise(0), weights)
    for ours, wanted in zip(replay(x, Noise(1)), function(x, Noise(1)), strict=True):
        assert torch.equal(ours, wanted)
    same = AutoencoderModule.empty(*parts)
    for stack, weight in zip(ensemble.parameters(), same.parameters(), strict=True):
        with torch.no_grad():
            stack.copy_(weight.copy_(stack[0]).expand_as(stack))
    with torch.no_grad():
        losses = ensemble(x, Noise(2))
    noisy = parts is PARTS["noisy"]
    assert torch.allclose(losses[:, 0], losses[:, 1], rtol=1e-4) != noisy


def test_members_convolve_in_the_precision_that_is_said():
    """As autocast does it: the largest difference to fp32 is that of rounded factors."""
    x, members = rows(PARTS["conv"][0]), [alone(PARTS["conv"], i) for i in range(3)]
    ensemble = built(PARTS["conv"])
    with torch.no_grad(), arithmetic("bf16"):
        ours, theirs = ensemble.reconstructions(x), [member.reconstruct(x) for member in members]
    assert torch.equal(ours, torch.stack(theirs))
    with torch.no_grad():
        assert 1e-4 < (ours - ensemble.reconstructions(x)).abs().max() < 0.1


def test_a_fitted_ensemble_does_what_a_model_does(tmp_path):
    X = low_rank()
    model = tiny(max_epochs=30, training=Training(members=4)).fit(X)
    assert model.spec_.training.members == 4
    single = tiny(max_epochs=30).fit(X)
    # The mean of reconstructions is at most as far off as they are in the mean.
    with torch.no_grad():
        each = model.module_.reconstructions(model._encode_input(X)[:])
        errors = (each - model._encode_input(X)[:]).square().mean(dim=(1, 2))
    assert -model.score(X) < errors.mean()
    assert errors.argmin() == 0  # there are no held-out rows: the best one by the training rows
    assert -model.score(X) < -1.1 * single.score(X)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    for method in ("transform", "reconstruct", "reconstruction_error", "score_samples"):
        np.testing.assert_array_equal(getattr(again, method)(X), getattr(model, method)(X))
    np.testing.assert_array_equal(
        tiny(max_epochs=30, training=Training(members=4)).fit(X).transform(X), model.transform(X)
    )


def test_trimming_ignores_outliers():
    X = low_rank(300, columns=8, noise=0.05)
    dirty = X.copy()
    dirty[:30] = np.random.default_rng(1).normal(scale=4 * X.std(), size=(30, 8))
    errors = {
        trim: tiny(scaling="none", hidden=(32,), max_epochs=200, training=Training(trim=trim))
        .fit(dirty)
        .reconstruction_error(dirty)
        for trim in (0.0, 0.15)
    }
    assert errors[0.15][30:].mean() < errors[0.0][30:].mean()
    assert errors[0.15][:30].mean() > errors[0.0][:30].mean()
    # The outliers stand out far more clearly.
    contrast = {trim: e[:30].min() / np.quantile(e[30:], 0.99) for trim, e in errors.items()}
    assert contrast[0.15] > 2 * contrast[0.0]


@pytest.mark.parametrize("shape", [(7,), (7, 3)])
def test_the_trimmed_mean_leaves_out_the_largest(shape):
    losses = torch.randn(shape, generator=torch_generator(0))
    kept = losses.sort(dim=0).values[:5]
    torch.testing.assert_close(trimmed_mean(losses, 0.3), kept.mean(dim=0))
    torch.testing.assert_close(trimmed_mean(losses, 0.0), losses.mean(dim=0))
    torch.testing.assert_close(trimmed_mean(losses, 0.99), losses.min(dim=0).values)
    overflown = torch.tensor([1.0, torch.inf, 2.0])
    assert float(trimmed_mean(overflown, 0.3)) == 1.5


@pytest.mark.parametrize("left_out", [None, torch.zeros(5, 1, dtype=torch.bool)])
def test_what_is_no_number_is_the_largest_loss(left_out):
    one, two = torch.ones(5, 1), torch.ones(5, 1)
    one[3] = two[:2] = torch.nan
    assert shares(one, 0.2, left_out).flatten().tolist() == [0.25, 0.25, 0.25, 0, 0.25]
    assert trimmed_mean(one, 0.2).item() == 1
    # More than may be trimmed: then the mean is no number either, and not the best there is.
    assert shares(two, 0.2, left_out).sum() == 1 and torch.isnan(trimmed_mean(two, 0.2)).all()
    assert torch.isnan(trimmed_mean(torch.full((5, 1), torch.nan), 0.2)).all()
