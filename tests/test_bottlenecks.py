"""Bottlenecks against theory, torch.distributions and their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.utils.estimator_checks import check_estimator
from tests.samples import initialised, low_rank, tiny
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from diabolo import Autoencoder, datasets
from diabolo.bottlenecks import BOTTLENECKS, Binary, Gaussian, Plain, Quantized, TopK
from diabolo.errors import SchemaError, SpecError
from diabolo.likelihoods import MSE
from diabolo.networks import MLP
from diabolo.random import Noise, torch_generator
from diabolo.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")

OTHERS = [Gaussian(), Gaussian(prior="mixture", components=3), TopK(2), Quantized(8), Binary()]


def built(bottleneck, code_size=4, rows=40, network=None):
    x = torch.randn(rows, 6, generator=torch_generator(0))
    parts = (code_size, network or MLP((5,)), bottleneck.resolved(code_size), MSE())
    return initialised(0, x, *parts), x


def features(module, x):
    with torch.no_grad():
        return module.encoder(x)


@pytest.mark.parametrize("bottleneck", OTHERS, ids=str)
def test_evaluation_changes_nothing_and_has_no_chance_in_it(bottleneck):
    module, x = built(bottleneck)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    first, again = module.objective(x), module.objective(x)
    module.objective(x, Noise(0), learning=False)
    module.log_prob(x)
    for name, term in first.terms.items():
        assert torch.equal(term, again.terms[name])
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("bottleneck", OTHERS, ids=str)
def test_gradients_with_fixed_noise_equal_finite_differences(bottleneck):
    # Those of the decoder for codes with a straight-through slope, whose own is not the value's.
    module, x = built(bottleneck)
    module, x = module.double(), x.double()
    smooth = bottleneck.smooth
    module(x, Noise(1), False).sum().backward()
    for name, parameter in module.named_parameters():
        if parameter.grad is None or not (smooth or name.startswith("decoder")):
            continue
        flat = parameter.detach().view(-1)
        for i in (0, len(flat) // 2, len(flat) - 1):
            step, value, losses = 1e-6, flat[i].item(), []
            for moved in (value + step, value - step):
                flat[i] = moved
                losses.append(float(module(x, Noise(1), False).sum().detach()))
            flat[i] = value
            slope = (losses[0] - losses[1]) / (2 * step)
            assert parameter.grad.view(-1)[i].item() == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("bottleneck", [Plain(), *OTHERS], ids=str)
def test_scikit_learns_checks_pass(bottleneck):
    check_estimator(tiny(code_size=4, bottleneck=bottleneck))


@pytest.mark.parametrize("bottleneck", OTHERS, ids=str)
def test_members_of_an_ensemble_keep_their_own(bottleneck):
    X = low_rank()
    options = {"code_size": 4, "bottleneck": bottleneck, "max_epochs": 5}
    both = tiny(training=Training(members=2), **options).fit(X)
    assert np.isfinite(both.score_samples(X)).all()
    for name, value in both.module_.named_parameters():
        assert len(value) == 2
        if name.endswith("used"):
            assert not torch.equal(value[0], value[1])


@pytest.mark.parametrize("name", BOTTLENECKS)
def test_sizes_on_auto_suit_the_bottleneck(name):
    model = tiny(code_size="auto", bottleneck=name).fit(low_rank())
    factor = {"topk": 8, "binary": 4, "quantized": 2}.get(name, 1)
    assert model.spec_.code_size == 2 * factor
    assert model.spec_.bottleneck == model.spec_.bottleneck.resolved(2 * factor)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TopK(0), "k=0.*≥ 1"),
        (lambda: TopK(3).resolved(2), "code_size, for example 24, or a smaller k"),
        (lambda: TopK(auxiliary=-1), "auxiliary=-1"),
        (lambda: Gaussian(beta=-0.1), "beta=-0.1.*≥ 0"),
        (lambda: Gaussian(warm_up=2), "warm_up=2.*≤ 1"),
        (lambda: Gaussian(prior="vamp"), "prior='vamp'.*normal, mixture"),
        (lambda: Gaussian(components=0), "components=0"),
        (lambda: Quantized(1), "codes=1.*from 2"),
        (lambda: Quantized(vector=3).resolved(4), "vector=3.*code_size=6, or vector='auto'"),
        (lambda: Quantized(decay=1), "decay=1"),
        (lambda: Binary(2), "noise=2"),
    ],
)
def test_impossible_options_are_refused(make, message):
    with pytest.raises(SpecError, match=message):
        make()


# Gaussian


def test_the_divergence_is_that_of_torch_and_beta_its_factor():
    module, x = built(Gaussian(beta=0.3, warm_up=0.0))
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


def test_one_row_alone_is_coded_by_the_moments_of_those_before():
    X = low_rank(40, 6, 2, 0.05)
    scores = [
        Autoencoder(
            8,
            hidden=(),
            bottleneck=TopK(2),
            max_epochs=10,
            random_state=0,
            training=Training(batch_size=size, validation_fraction=0.0),
        )
        .fit(X)
        .score(X)
        for size in (1, 8)
    ]
    assert scores[0] > 0.8 * scores[1] - 0.1 and scores[0] > -0.8


def test_a_mixture_prior_is_that_of_torch():
    module, x = built(Gaussian(prior="mixture", components=3, warm_up=0.0))
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


def test_codes_are_drawn_from_the_posterior_in_training_and_its_mean_elsewhere():
    module, x = built(Gaussian())
    h = features(module, x)[:1].expand(40_000, -1)
    mean, log_var = module.bottleneck.posterior(h)
    z = module.bottleneck(h, Noise(0)).z
    spread = (log_var[0] / 2).exp()
    torch.testing.assert_close(z.mean(dim=0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(z.std(dim=0), spread, rtol=0.02, atol=0)
    assert torch.equal(module.encode(x).z, module.bottleneck.posterior(features(module, x))[0])


def test_the_divergence_grows_to_its_full_weight():
    module, x = built(Gaussian(beta=2.0, warm_up=0.4))
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
    module, x = built(Gaussian(free_bits=0.7, warm_up=0.0))
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
    module, x = built(Gaussian(beta=0.1, prior=prior, components=3))
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
    with pytest.raises(SpecError, match=r"no prior.*recipes.variational\(\)"):
        tiny().fit(X).sample(3)


# TopK


def test_only_the_largest_numbers_are_kept():
    module, x = built(TopK(3), code_size=8)
    u = module.bottleneck.layer(features(module, x)).detach()
    # At first each unit has mean zero and variance one over the rows that it was set on.
    u = ((u - u.mean(dim=0)) / u.std(dim=0, correction=0)).clamp(min=0).numpy()
    for row, code in zip(u, module.encode(x).z.detach().numpy(), strict=True):
        kept = np.argsort(row)[-3:]
        np.testing.assert_array_equal(np.delete(code, kept), 0)
        np.testing.assert_allclose(code[kept], row[kept], rtol=1e-3)


def test_use_is_an_exponential_mean_of_training_rows():
    module, x = built(TopK(3), code_size=8)
    start = module.bottleneck.used.clone()
    torch.testing.assert_close(start, torch.full((8,), 3 / 8))
    with torch.no_grad():
        module.bottleneck.layer.weight *= 2
    h = features(module, x)
    u = module.bottleneck.layer(h).detach()
    moments = module.bottleneck.mean.clone(), module.bottleneck.variance.clone()
    code = module.bottleneck(h, Noise(0), learning=True)
    share = (code.z > 0).float().mean(dim=0)
    torch.testing.assert_close(module.bottleneck.used.data, 0.99 * start + 0.01 * share)
    new = (
        0.95 * moments[0] + 0.05 * u.mean(dim=0),
        0.95 * moments[1] + 0.05 * u.var(0, correction=0),
    )
    torch.testing.assert_close(module.bottleneck.mean.data, new[0])
    torch.testing.assert_close(module.bottleneck.variance.data, new[1])


def test_more_numbers_are_kept_in_the_first_half_of_training():
    module, x = built(TopK(1), code_size=8)
    module.bottleneck.layer.bias.data.fill_(9.0)  # so that none is rectified away
    h = features(module, x)
    kept = [
        int((module.bottleneck(h, Noise(0, at=at), True).z[0] > 0).sum()) for at in (0, 0.25, 0.5)
    ]
    assert kept == [2, 1, 1]
    assert int((module.bottleneck(h, Noise(0, at=0.0), False).z[0] > 0).sum()) == 1


def test_dead_units_learn_what_the_live_ones_leave_over():
    X = low_rank(500, 10, rank=6)

    def fitted(auxiliary):
        model = Autoencoder(
            16,
            bottleneck=TopK(4, auxiliary),
            network=MLP((32,), skip=False),
            random_state=0,
            max_epochs=1,
        ).fit(X)
        module = model.module_
        with torch.no_grad():
            module.bottleneck.layer.bias[8:] = -7.0
            module.bottleneck.used[8:] = 0.0
        x = torch.from_numpy((X - X.mean(axis=0)) / X.std(axis=0))
        optimizer = torch.optim.Adam(p for p in module.parameters() if p.requires_grad)
        for i in range(60):
            optimizer.zero_grad()
            module(x, Noise(0, i)).mean().backward()
            optimizer.step()
        return module.bottleneck.layer.bias.detach()[8:]

    assert (fitted(0.0) == -7).all()
    assert (fitted(1 / 32) > -7).any()


# Quantized


def quantised():
    module, x = built(Quantized(codes=5, vector=2, decay=0.9), code_size=4, rows=200)
    return module.bottleneck, features(module, x)


def test_vectors_become_their_nearest_entries():
    head, h = quantised()
    u = head.layer(h).detach().view(-1, 2, 2)
    distances = torch.stack([torch.cdist(u[:, p], head.codebook[p]) for p in range(2)], dim=1)
    indices = distances.argmin(dim=2)
    assert torch.equal(head.indices(h), indices)
    by_hand = torch.stack([head.codebook[p][indices[:, p]] for p in range(2)], dim=1)
    assert torch.equal(head(h).z, by_hand.flatten(1))
    code = head(h, Noise(0))
    assert torch.equal(code.z.detach(), head(h).z)
    commitment = 0.25 * (u - by_hand).square().sum(dim=(1, 2))
    torch.testing.assert_close(code.costs["commitment"].detach(), commitment)


def test_gradients_pass_through_quantisation_as_if_it_were_none():
    head, h = quantised()
    h = h.requires_grad_()
    slopes = torch.randn(200, 4, generator=torch_generator(3))
    code = head(h, Noise(0))
    (found,) = torch.autograd.grad((code.z * slopes).sum(), h)
    torch.testing.assert_close(found, slopes @ head.layer.weight.detach())


def test_entries_follow_the_vectors_that_chose_them():
    head, h = quantised()
    u = head.layer(h).detach().view(-1, 2, 2)
    before, used = head.codebook.clone(), head.used.clone()
    with torch.no_grad():
        used[1, 3] = 0.0  # this entry is dead where no vector chooses it
        head.used.copy_(used)
        head.codebook[1, 3] = before[1, 3] = 1e3
    head(h, Noise(0), learning=True)
    for place in range(2):
        for entry in range(5):
            if (place, entry) == (1, 3):
                continue
            chosen = u[(nearest(u, before)[:, place] == entry), place]
            # Sums and counts as van den Oord et al. write them, in shares of the batch.
            count = 0.9 * used[place, entry] + 0.1 * len(chosen) / 200
            total = 0.9 * used[place, entry] * before[place, entry] + 0.1 * chosen.sum(dim=0) / 200
            torch.testing.assert_close(head.used[place, entry].detach(), count)
            torch.testing.assert_close(head.codebook[place, entry].detach(), total / count)
    again = head.codebook[1, 3].detach()
    assert (u[:, 1] == again).all(dim=1).any()  # at one of the vectors
    assert float(head.used[1, 3].detach()) == pytest.approx(1 / 5)


def nearest(u, codebook):
    return (u[:, :, None] - codebook).square().sum(dim=3).argmin(dim=2)


def test_a_fitted_codebook_rebuilds_clusters_and_is_used_up():
    centres = np.random.default_rng(0).normal(size=(12, 6)) * 3
    X = centres[np.random.default_rng(1).integers(12, size=1500)]
    X = X + 0.1 * np.random.default_rng(2).normal(size=X.shape)
    model = Autoencoder(2, bottleneck=Quantized(16), random_state=0).fit(X)
    indices = model.indices(X)
    assert indices.shape == (1500, 1) and indices.dtype == np.int64
    assert model.reconstruction_error(X).mean() < 0.02 * X.var() / (X.var(axis=0).mean() + 9)
    entries = model.module_.bottleneck.codebook.detach().numpy()
    np.testing.assert_array_equal(model.transform(X), entries[0][indices[:, 0]])
    with pytest.raises(SpecError, match=r"bottleneck=Quantized\(\)"):
        tiny().fit(X).indices(X)


# Binary


def test_bits_are_drawn_with_their_probabilities_and_decided_elsewhere():
    module, x = built(Binary())
    h = features(module, x)[:1].expand(20_000, -1)
    probability = module.bottleneck.layer(h)[0].sigmoid()
    drawn = module.bottleneck(h, Noise(0)).z
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(dim=0), probability, atol=0.02, rtol=0)
    assert torch.equal(
        module.encode(x).z, (module.bottleneck.layer(features(module, x)) > 0).float()
    )
    certain, _ = built(Binary(noise=0.0))
    assert torch.equal(certain.bottleneck(h, Noise(0)).z, certain.bottleneck(h).z)


def test_gradients_pass_through_bits_as_through_their_probabilities():
    module, x = built(Binary())
    h = features(module, x).requires_grad_()
    slopes = torch.randn(40, 4, generator=torch_generator(3))
    (found,) = torch.autograd.grad((module.bottleneck(h, Noise(0)).z * slopes).sum(), h)
    (wanted,) = torch.autograd.grad((module.bottleneck.layer(h).sigmoid() * slopes).sum(), h)
    torch.testing.assert_close(found, wanted)


# Ways between codes


def test_interpolation_goes_from_one_reconstruction_to_the_other():
    X = datasets.load("digits").data[:200].reshape(200, 8, 8)
    model = tiny(code_size=8).fit(X)
    ways = model.interpolate(X[:3], X[3:6], steps=5)
    assert ways.shape == (3, 5, 8, 8) and ways.dtype == X.dtype
    np.testing.assert_allclose(ways[:, 0], model.reconstruct(X[:3]), atol=1e-5)
    np.testing.assert_allclose(ways[:, -1], model.reconstruct(X[3:6]), atol=1e-5)
    middle = (model.transform(X[:3]) + model.transform(X[3:6])) / 2
    np.testing.assert_allclose(ways[:, 2], model.inverse_transform(middle), atol=1e-5)
    np.testing.assert_array_equal(model.interpolate(X[0], X[3], steps=5), ways[0])
    with pytest.raises(SchemaError, match="a has 3 rows, and b 2"):
        model.interpolate(X[:3], X[:2])
    with pytest.raises(SpecError, match="steps=1"):
        model.interpolate(X[0], X[1], steps=1)
    with pytest.raises(SpecError, match="nothing between two codes"):
        tiny(bottleneck="binary").fit(X).interpolate(X[0], X[1])
