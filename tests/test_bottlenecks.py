"""Bottlenecks against theory, torch.distributions and their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.estimator_checks import check_estimator
from tests.samples import features, low_rank, tiny, with_bottleneck

from diabolo import Autoencoder, datasets
from diabolo.bottlenecks import BOTTLENECKS, Binary, Gaussian, Plain, Quantized, TopK
from diabolo.errors import SchemaError, SpecError
from diabolo.random import Noise, torch_generator
from diabolo.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")

OTHERS = [Gaussian(), Gaussian(prior="mixture", components=3), TopK(2), Quantized(8), Binary()]


@pytest.mark.parametrize("bottleneck", OTHERS, ids=str)
def test_evaluation_changes_nothing_and_has_no_chance_in_it(bottleneck):
    module, x = with_bottleneck(bottleneck)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    first, again = module.objective(x), module.objective(x)
    module.objective(x, Noise(0), learning=False)
    module.log_prob(x)
    for name, term in first.terms.items():
        assert torch.equal(term, again.terms[name])
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("bottleneck", OTHERS, ids=str)
def test_gradients_with_fixed_noise_equal_finite_differences(bottleneck):
    # Of codes with a straight-through slope those behind the code, for its own is not the value's;
    # of codes with a learned prior as well, whose own is right in the mean over draws.
    module, x = with_bottleneck(bottleneck)
    module, x = module.double(), x.double()
    sampled = getattr(bottleneck, "prior", None) == "mixture"
    exact = "" if bottleneck.smooth and not sampled else ("decoder", "bottleneck.prior")
    module(x, Noise(1), False).sum().backward()
    for name, parameter in module.named_parameters():
        if parameter.grad is None or not name.startswith(exact):
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


def quantised():
    module, x = with_bottleneck(Quantized(codes=5, vector=2, decay=0.9), code_size=4, rows=200)
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
    module, x = with_bottleneck(Binary())
    h = features(module, x)[:1].expand(20_000, -1)
    probability = module.bottleneck.layer(h)[0].sigmoid()
    drawn = module.bottleneck(h, Noise(0)).z
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(dim=0), probability, atol=0.02, rtol=0)
    assert torch.equal(
        module.encode(x).z, (module.bottleneck.layer(features(module, x)) > 0).float()
    )
    certain, _ = with_bottleneck(Binary(noise=0.0))
    assert torch.equal(certain.bottleneck(h, Noise(0)).z, certain.bottleneck(h).z)


def test_gradients_pass_through_bits_as_through_their_probabilities():
    module, x = with_bottleneck(Binary())
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
