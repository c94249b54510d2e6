"""Variational codes against torch.distributions and probabilistic PCA."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.samples import features, initialised, low_rank, tiny, with_bottleneck
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from diabolo import Autoencoder, load
from diabolo.bottlenecks import Gaussian, TopK
from diabolo.bottlenecks.heads.priors import MixturePrior
from diabolo.densities import GaussianDensity
from diabolo.errors import ModelError, SpecError
from diabolo.likelihoods import MSE
from diabolo.networks import MLP
from diabolo.random import Noise, torch_generator
from diabolo.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_divergence_is_that_of_torch_and_beta_its_factor():
    module, x = with_bottleneck(Gaussian(beta=0.3, warm_up=0.0))
    h = features(module, x)
    mean, log_var = module.bottleneck.posterior(h)
    posterior = Normal(mean, (log_var / 2).exp())
    by_torch = kl_divergence(posterior, Normal(0.0, 1.0)).sum(dim=1)
    for costs in (module.bottleneck.costs(h), module.bottleneck(h, Noise(0)).costs):
        torch.testing.assert_close(costs["kl"], 0.3 * by_torch)


def test_the_divergence_from_a_learned_prior_is_that_from_the_same_normal_one():
    x = torch.randn(50, 6, generator=torch_generator(0))
    plain = initialised(0, x, 8, MLP((5,)), Gaussian(), MSE())
    mixed = initialised(0, x, 8, MLP((5,)), Gaussian(prior="mixture", components=1), MSE())
    with torch.no_grad():
        mixed.bottleneck.prior.means.zero_()
        for module in (plain, mixed):
            module.bottleneck.log_var.bias.fill_(-4.0)
    wanted = plain.divergence(x).sum(dim=1)
    torch.testing.assert_close(mixed.divergence(x).sum(dim=1), wanted, rtol=0, atol=0.05)
    torch.testing.assert_close(mixed.objective(x).terms["kl"], mixed.divergence(x).sum(dim=1))


def test_a_mixture_prior_is_that_of_torch():
    module, x = with_bottleneck(Gaussian(prior="mixture", components=3, warm_up=0.0))
    prior = module.bottleneck.prior
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.normal_(generator=torch_generator(5))
    means, deviations = prior.means.view(3, 4), (prior.log_vars.view(3, 4) / 2).exp()
    components = Independent(Normal(means, deviations), 1)
    mixture = MixtureSameFamily(Categorical(logits=prior.logits), components)
    h = features(module, x)
    code = module.bottleneck(h, Noise(0))
    mean, log_var = module.bottleneck.posterior(h)
    log_q = Normal(mean, (log_var / 2).exp()).log_prob(code.z).sum(dim=1)
    torch.testing.assert_close(code.costs["kl"], log_q - mixture.log_prob(code.z))
    drawn = prior.sample(50_000, torch_generator(1))
    wanted = mixture.mean.detach(), mixture.variance.detach().sqrt()
    torch.testing.assert_close(drawn.mean(dim=0), wanted[0], atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.std(dim=0), wanted[1], rtol=0.03, atol=0)


def test_a_learned_prior_teaches_what_the_exact_divergence_does_with_less_noise():
    prior = MixturePrior(1, 3)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.normal_(generator=torch_generator(5))
    m, v = prior.means.detach(), prior.log_vars.detach()

    def gradients(mean, log_var, rows):
        mean, log_var = (t.expand(rows, 3).clone().requires_grad_() for t in (mean, log_var))
        noise = torch.randn(rows, 3, generator=torch_generator(7))
        z = mean + noise * (log_var / 2).exp()
        return torch.autograd.grad(prior.divergence(z, mean, log_var).sum(), (mean, log_var))

    mean, log_var = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([-2.0, 0.0, 0.5])
    leaves = [t.clone().requires_grad_() for t in (mean, log_var)]
    q, p = Normal(leaves[0], (leaves[1] / 2).exp()), Normal(m, (v / 2).exp())
    wanted = torch.autograd.grad(kl_divergence(q, p).sum(), leaves)
    for found, exact in zip(gradients(mean, log_var, 200_000), wanted, strict=True):
        torch.testing.assert_close(found.mean(dim=0), exact, rtol=0.02, atol=0.02)
    # Where the code is distributed as the prior is, no draw teaches anything.
    for found in gradients(m, v, 100):
        torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-5)


def test_codes_are_drawn_from_the_posterior_in_training_and_its_mean_elsewhere():
    module, x = with_bottleneck(Gaussian())
    h = features(module, x)[:1].expand(40_000, -1)
    mean, log_var = module.bottleneck.posterior(h)
    z = module.bottleneck(h, Noise(0)).z
    spread = (log_var[0] / 2).exp()
    torch.testing.assert_close(z.mean(dim=0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(z.std(dim=0), spread, rtol=0.02, atol=0)
    assert torch.equal(module.encode(x).z, module.bottleneck.posterior(features(module, x))[0])


def test_the_divergence_grows_to_its_full_weight():
    module, x = with_bottleneck(Gaussian(beta=2.0, warm_up=0.4))
    h = features(module, x)
    whole = module.bottleneck(h, Noise(0)).costs["kl"]
    for at, share in ((0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (0.9, 1.0)):
        torch.testing.assert_close(module.bottleneck(h, Noise(0, at=at)).costs["kl"], share * whole)


def test_a_tape_replays_a_cost_that_grows():
    X = low_rank(600)
    fits = []
    for worth in (50, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("diabolo.training.step.WORTH_RECORDING", worth)
            model = tiny(bottleneck=Gaussian(warm_up=0.5), max_epochs=20)
            fits.append(model.fit(X))
    assert fits[0].history_[-1]["train"] == fits[1].history_[-1]["train"]
    assert (
        fits[0].history_[3]["train"]
        != tiny(bottleneck=Gaussian(warm_up=0.0), max_epochs=20).fit(X).history_[3]["train"]
    )


def test_free_bits_cost_nothing_more_and_teach_nothing():
    module, x = with_bottleneck(Gaussian(free_bits=0.7, warm_up=0.0))
    h = features(module, x).requires_grad_()
    mean, log_var = module.bottleneck.posterior(h)
    each = module.bottleneck.prior.divergence(mean, mean, log_var)
    unit = each.mean(dim=0)
    assert (unit < 0.7).any() and (unit > 0.7).any()
    cost = module.bottleneck(h, Noise(0)).costs["kl"]
    torch.testing.assert_close(cost.mean(), unit.clamp(min=0.7).sum())
    gradient, *_ = torch.autograd.grad(cost.sum(), h, retain_graph=True)
    wanted, *_ = torch.autograd.grad(each[:, unit > 0.7].sum(), h)
    torch.testing.assert_close(gradient, wanted)


@pytest.mark.parametrize("prior", ["normal", "mixture"])
def test_the_score_is_the_bound_over_many_draws(prior):
    module, x = with_bottleneck(Gaussian(beta=0.1, prior=prior, components=3))
    mean, log_var = module.bottleneck.posterior(features(module, x))
    posterior = Normal(mean, (log_var / 2).exp())
    bounds = []
    with torch.no_grad():
        score = module.log_prob(x)
        for _ in range(4000):
            z = posterior.sample()
            log_px = Normal(module.decode(z), 1.0).log_prob(x).sum(dim=1)
            log_qz = posterior.log_prob(z).sum(dim=1)
            bounds.append(log_px + module.bottleneck.prior.log_prob(z) - log_qz)
    bounds = torch.stack(bounds)
    # A row's score is a mean over 16 draws in pairs; over the rows the draws' errors cancel partly.
    assert float((score - bounds.mean(dim=0)).abs().max()) < 4 * float(bounds.std()) / math.sqrt(16)
    assert float(score.mean()) == pytest.approx(float(bounds.mean()), abs=0.5)


def test_a_linear_variational_autoencoder_is_probabilistic_pca():
    # With a linear decoder of unit variance the best bound is the log-likelihood of probabilistic
    # PCA with σ² = 1 (Lucas et al. 2019), whose axes are the eigenvectors of eigenvalue λ > 1.
    rng = np.random.default_rng(0)
    deviations = np.array([4.0, 2.5, 1.7, 0.6, 0.4, 0.3])
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    X = rng.normal(size=(1500, 6)) * deviations @ rotation
    model = Autoencoder(
        5,
        network=MLP((), skip=False),
        bottleneck=Gaussian(warm_up=0.0),
        likelihood="mse",
        scaling="none",
        max_epochs=150,
        random_state=0,
        training=Training(weight_decay=0.0, learning_rate=2e-2, validation_fraction=0.0),
    ).fit(X)
    centred = X - X.mean(axis=0)
    values = np.linalg.eigvalsh(centred.T @ centred / len(X))
    kept = values[values > 1]
    # −½ (6 log 2π + Σ log λ over axes kept + Σ λ over those not kept + 1 for each axis kept)
    theory = -0.5 * (
        6 * math.log(2 * math.pi) + np.sum(np.log(kept) + 1) + values[values <= 1].sum()
    )
    assert model.score_samples(X).mean() == pytest.approx(theory, abs=0.02)
    assert (model.transform(X).std(axis=0) > 0.1).sum() == len(kept) == 3


def test_new_rows_come_from_the_prior():
    X = low_rank(2000)
    model = Autoencoder(2, bottleneck=Gaussian(beta=0.05), random_state=0).fit(X)
    rows = model.sample(4000, random_state=1)
    assert rows.shape == (4000, 6) and rows.dtype == X.dtype
    np.testing.assert_array_equal(rows, model.sample(4000, random_state=1))
    assert not np.array_equal(rows, model.sample(4000))
    # What β and the noise take from it, in units of the columns' deviations.
    spread = X.std(axis=0)
    np.testing.assert_allclose(np.cov((rows / spread).T), np.cov((X / spread).T), atol=0.25)
    for n in (0, 1.5, True):
        with pytest.raises(SpecError, match="whole number ≥ 1"):
            model.sample(n)
    with pytest.raises(SpecError, match=r"neither a prior.*recipes.variational\(\)"):
        tiny(bottleneck=TopK(1)).fit(X).sample(3)


def test_plain_codes_are_drawn_from_their_density(tmp_path):
    X = low_rank(2000)
    model = Autoencoder(2, random_state=0).fit(X)
    rows = model.sample(4000, random_state=1)
    assert rows.shape == (4000, 6) and rows.dtype == X.dtype
    spread = X.std(axis=0)
    np.testing.assert_allclose(np.cov((rows / spread).T), np.cov((X / spread).T), atol=0.25)
    learned = np.setdiff1d(np.arange(2000), model.held_out_)
    codes = torch.from_numpy(model.transform(X)[learned])
    density = GaussianDensity().fit(codes)
    drawn = density.sample(4000, torch_generator(1, "sample")).float()
    drawn = drawn.clamp(codes.amin(dim=0), codes.amax(dim=0)).numpy()
    np.testing.assert_allclose(rows, model.inverse_transform(drawn), atol=1e-4)
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.sample(9, random_state=1), model.sample(9, random_state=1))
    tensors = again.sections_["codes"].tensors
    for name, broken in (
        ("variances", -np.ones(2)),
        ("rest", np.ones(3)),
        ("mean", np.ones(2, int)),
    ):
        good, tensors[name] = tensors[name], broken
        with pytest.raises(ModelError, match=name):
            again.sample(1)
        tensors[name] = good
