"""Likelihoods against torch.distributions, and what they ask of data."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.samples import tiny
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Normal

from diabolo import Autoencoder
from diabolo.data.containers import unpack
from diabolo.data.schema import Schema
from diabolo.data.statistics import statistics_of
from diabolo.errors import DataError, SpecError
from diabolo.likelihoods import MSE, Bernoulli, Categorical, Gaussian, Huber
from diabolo.random import torch_generator

PLAIN_OUTPUT = [MSE(), MSE("relu"), Bernoulli(), Huber(0.7)]  # their one output is the mean


def test_mse_is_a_gaussian_of_unit_variance():
    px, x = torch.randn(2, 5, 4, generator=torch_generator(0))
    torch.testing.assert_close(MSE().log_prob(px, x), Normal(px, 1.0).log_prob(x))
    torch.testing.assert_close(MSE("relu").log_prob(px, x), Normal(px.relu(), 1.0).log_prob(x))


def test_bernoulli_is_torchs_for_bits_and_its_expectation_between():
    px = 4 * torch.randn(6, 5, generator=torch_generator(0))
    distribution = TorchBernoulli(logits=px)
    bits = (torch.rand(6, 5, generator=torch_generator(1)) < 0.5).float()
    torch.testing.assert_close(Bernoulli().log_prob(px, bits), distribution.log_prob(bits))
    x = torch.rand(6, 5, generator=torch_generator(2))
    on, off = distribution.log_prob(torch.ones(6, 5)), distribution.log_prob(torch.zeros(6, 5))
    torch.testing.assert_close(Bernoulli().log_prob(px, x), x * on + (1 - x) * off)


def test_bernoulli_is_finite_for_extreme_outputs():
    px = torch.tensor([-1e4, 1e4, -1e4, 1e4])
    log_prob = Bernoulli().log_prob(px, torch.tensor([0.0, 1.0, 1.0, 0.0]))
    torch.testing.assert_close(log_prob, torch.tensor([0.0, 0.0, -1e4, -1e4]))


def test_huber_is_a_density_normal_in_the_middle_and_linear_in_the_tails():
    for delta in (0.3, 1.0, 2.5):
        r = torch.linspace(-60 / delta, 60 / delta, 400_001, dtype=torch.float64)
        log_prob = Huber(delta).log_prob(torch.zeros_like(r), r)
        assert float(torch.trapezoid(log_prob.exp(), r)) == pytest.approx(1, abs=1e-6)
        top = float(log_prob.max())
        by_hand = torch.where(r.abs() <= delta, r**2 / 2, delta * (r.abs() - delta / 2))
        torch.testing.assert_close(log_prob, top - by_hand)


def test_gaussian_is_torchs_with_a_variance_for_each_value():
    px = 3 * torch.randn(7, 2, 5, generator=torch_generator(0))
    x = torch.randn(7, 5, generator=torch_generator(1))
    likelihood = Gaussian(least=0.1)
    deviation = (likelihood.log_var(px) / 2).exp()
    assert deviation.min() > 0.1 and deviation.max() > 1
    torch.testing.assert_close(
        likelihood.log_prob(px, x), Normal(px[:, 0], deviation).log_prob(x), rtol=1e-4, atol=1e-4
    )
    # Far from its least value the output is the logarithm itself.
    torch.testing.assert_close(
        likelihood.log_var(torch.full((1, 2, 1), 9.0)), torch.tensor([[9.0]])
    )
    start = likelihood.bias(torch.tensor([0.3, -2.0]))[None]
    torch.testing.assert_close(likelihood.mean(start), torch.tensor([[0.3, -2.0]]))
    torch.testing.assert_close(likelihood.log_var(start), torch.zeros(1, 2), atol=1e-5, rtol=0)


def test_a_learned_variance_is_what_the_code_does_not_tell():
    # A code of one number is best spent on the first column; the others keep their variance.
    deviations = np.array([5.0, 0.2, 0.5, 1.0])
    X = np.random.default_rng(0).normal(size=(3000, 4)) * deviations
    model = Autoencoder(1, likelihood="gaussian", scaling="none", random_state=0, max_epochs=40)
    model.fit(X)
    with torch.no_grad():
        px = model.module_.decode(model.module_.encode(torch.from_numpy(X).float()).z)
    learned = (Gaussian().log_var(px) / 2).exp().mean(dim=0).numpy()
    np.testing.assert_allclose(learned[1:], deviations[1:], rtol=0.1)
    assert learned[0] < 0.2


def test_categorical_is_torchs_for_levels_and_the_multinomials_for_shares():
    px = 3 * torch.randn(6, 5, generator=torch_generator(0))
    level = torch.tensor([0, 3, 4, 1, 1, 2])
    one_hot = torch.nn.functional.one_hot(level, 5).float()
    by_torch = torch.distributions.Categorical(logits=px).log_prob(level)
    torch.testing.assert_close(Categorical().log_prob(px, one_hot).sum(dim=1), by_torch)
    counts = torch.tensor([[3.0, 0, 1, 4, 2]]).expand(6, 5)
    multinomial = torch.distributions.Multinomial(10, logits=px, validate_args=False)
    # Without the number of orders in which the ten may come.
    orders = math.lgamma(11) - sum(math.lgamma(c + 1) for c in counts[0].tolist())
    torch.testing.assert_close(
        10 * Categorical().log_prob(px, counts / 10).sum(dim=1),
        multinomial.log_prob(counts) - orders,
    )
    torch.testing.assert_close(Categorical().mean(px), px.softmax(dim=1))


def test_blocks_of_levels_are_independent():
    px = torch.randn(6, 5, generator=torch_generator(0))
    x = torch.tensor([[0.25, 0.75, 0, 0, 1]]).expand(6, 5)
    both = Categorical(sizes=(2, 3)).log_prob(px, x)
    torch.testing.assert_close(both[:, :2], Categorical().log_prob(px[:, :2], x[:, :2]))
    torch.testing.assert_close(both[:, 2:], Categorical().log_prob(px[:, 2:], x[:, 2:]))


def test_rows_that_do_not_sum_to_one_are_refused():
    X = np.full((30, 4), 0.25)
    options = {"likelihood": Categorical(), "max_epochs": 1, "hidden": (4,)}
    model = Autoencoder(1, **options).fit(X)
    np.testing.assert_allclose(model.reconstruct(X).sum(axis=1), 1, rtol=1e-5)
    X[17, 2] = 0.5
    with pytest.raises(DataError, match=r"block 0 of row 17 sums to 1\.25: divide each row"):
        Autoencoder(1, **options).fit(X)
    options["likelihood"] = Categorical(sizes=(2, 2))
    with pytest.raises(DataError, match=r"block 0 of row 0 sums to 0\.5"):
        Autoencoder(1, **options).fit(X)
    options["likelihood"] = Categorical(sizes=(2, 3))
    with pytest.raises(SpecError, match="let the sizes sum to 4"):
        Autoencoder(1, **options).fit(X)
    images = np.full((30, 2, 2, 4), 0.25)
    images[3, 1, 0] = 0.3
    with pytest.raises(DataError, match=r"row 3 sums to 1\.2"):
        Autoencoder(1, likelihood="categorical", max_epochs=1).fit(images)
    for sizes in ((), (0, 4), 3, (1.5,)):
        with pytest.raises(SpecError, match="sizes="):
            Categorical(sizes)


def test_levels_are_told_from_each_other():
    rng = np.random.default_rng(0)
    first = rng.integers(3, size=900)
    X = np.concatenate([np.eye(3)[first], np.eye(3)[(first + 1) % 3]], axis=1)
    model = Autoencoder(2, likelihood=Categorical((3, 3)), random_state=0).fit(X)
    assert model.score_samples(X).mean() > -0.01  # both levels told, of log 9 = 2.2 nats
    codes = model.transform(X)
    assert (model.inverse_transform(codes)[:, 3:].argmax(axis=1) == (first + 1) % 3).all()


def test_huber_is_not_pulled_by_outliers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2)) @ rng.normal(size=(2, 6))
    dirty = X.copy()
    dirty[rng.random(X.shape) < 0.05] += 8
    errors = {
        name: np.mean(
            (
                Autoencoder(2, likelihood=name, scaling="none", random_state=0)
                .fit(dirty)
                .reconstruct(dirty)
                - X
            )[(dirty == X).all(axis=1)]
            ** 2
        )
        for name in ("mse", "huber")
    }
    assert errors["huber"] < 0.6 * errors["mse"]


@pytest.mark.parametrize("likelihood", PLAIN_OUTPUT, ids=str)
def test_bias_gives_the_mean_and_mean_maximises_the_likelihood(likelihood):
    mean = torch.tensor([0.15, 0.5, 0.9], dtype=torch.float64)
    torch.testing.assert_close(likelihood.mean(likelihood.bias(mean)), mean)
    # The expected log-probability of x over data of this mean is highest at the bias.
    px = likelihood.bias(mean).requires_grad_()
    likelihood.log_prob(px, mean).sum().backward()
    torch.testing.assert_close(px.grad, torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)


@pytest.mark.parametrize("likelihood", PLAIN_OUTPUT, ids=str)
def test_bias_is_finite_and_has_a_gradient_at_the_edge_of_the_support(likelihood):
    px = likelihood.bias(torch.tensor([0.0, 1.0])).requires_grad_()
    assert torch.isfinite(px).all()
    likelihood.log_prob(px, torch.tensor([0.5, 0.5])).sum().backward()
    assert (px.grad != 0).all()


@pytest.mark.parametrize("likelihood", [*PLAIN_OUTPUT, Gaussian()], ids=str)
def test_support(likelihood):
    low, _high = likelihood.support
    assert likelihood.centred == (low == -math.inf)
    data = unpack(np.array([[0.5, 0.5], [0.5, 2.0], [-1.0, 0.5]]))
    schema = Schema.fit(data, statistics_of(data.array), "table", "none")
    outside = schema.out_of_support(schema.encode(data), likelihood.support)
    expected = {
        MSE("relu"): (1, "-1 in row 2, column 0"),
        Bernoulli(): (2, "2 in row 1, column 1"),
    }
    assert outside == expected.get(likelihood)


def levels(kind, rows=120):
    rng = np.random.default_rng(0)
    which = rng.integers(3, size=rows)
    return np.concatenate(
        [np.eye(3)[which], np.eye(4)[which + (rng.random(rows) > 0.5)]], 1
    ).astype(kind)


@pytest.mark.parametrize("kind", ["uint8", "int64", "bool"])
def test_levels_of_whole_numbers_come_back_as_one_level_for_each_block(kind):
    X = levels(kind)
    model = tiny(likelihood=Categorical((3, 4)), max_epochs=1).fit(X)
    assert model.spec_.scaling == "none"
    for rows in (model.reconstruct(X), model.inverse_transform(model.transform(X))):
        assert rows.dtype == X.dtype
        assert (rows[:, :3].sum(axis=1) == 1).all() and (rows[:, 3:].sum(axis=1) == 1).all()
    shares = tiny(likelihood=Categorical((3, 4)), max_epochs=1).fit(X.astype(float))
    assert not np.isin(shares.reconstruct(X.astype(float)), (0, 1)).any()


@pytest.mark.parametrize("pretraining", ["layerwise", None])
def test_blocks_of_an_image_stay_blocks_where_its_rows_are_flat(pretraining):
    X = levels("float64", 60 * 5).reshape(60, 5, 7)
    model = tiny(likelihood=Categorical((3, 4)), pretraining=pretraining, max_epochs=1).fit(X)
    rebuilt = model.reconstruct(X)
    np.testing.assert_allclose(rebuilt[..., :3].sum(axis=2), 1, rtol=1e-5)
    flat = Categorical((3, 4)).flattened((5, 7))
    assert flat == Categorical((3, 4) * 5) and Categorical().flattened((2, 4)).sizes == (4, 4)


@pytest.mark.parametrize("augmentation", ["shift", "flip"])
def test_pixels_that_sum_to_one_with_their_neighbours_are_not_moved(augmentation):
    X = levels("float64", 60 * 20).reshape(60, 20, 7).repeat(3, axis=2)[..., :20]
    X /= X.sum(axis=2, keepdims=True)
    options = {"code_size": 20, "likelihood": "categorical", "max_epochs": 1}
    assert tiny(**options).fit(X).spec_.augmentation is None
    with pytest.raises(SpecError, match=r"from block to block.*augmentation=None"):
        tiny(**options, augmentation=augmentation).fit(X)
    channels = np.eye(4)[np.random.default_rng(0).integers(4, size=(60, 8, 8))]
    tiny(**options, augmentation=augmentation).fit(channels)
