"""Penalties against their definitions, and what they do to codes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.samples import initialised, low_rank, tiny

from diabolo import Autoencoder, load
from diabolo.bottlenecks import Plain
from diabolo.errors import SpecError
from diabolo.likelihoods import MSE
from diabolo.networks import MLP, Conv
from diabolo.penalties import L1, Contractive, KLSparsity
from diabolo.random import Noise, torch_generator
from diabolo.training.loop import held_out_losses

pytestmark = pytest.mark.usefixtures("one_thread")


def built(network=None, bottleneck=None, shape=(6,), penalties=()):
    x = torch.randn(9, *shape, generator=torch_generator(0))
    parts = (3, network or MLP((5,)), bottleneck or Plain(), MSE(), None, None, penalties)
    return initialised(0, x, *parts).double(), x.double()


def cost(penalty, module, x, noise=None):
    return penalty.cost(module, x, module.encode(x).z, noise or Noise(0))


def norms(module, x):
    """‖∂z/∂x‖² of each row, by autograd, one row and one unit at a time."""
    found = []
    for row in x:
        jacobian = torch.autograd.functional.jacobian(lambda v: module.encode(v[None]).z[0], row)
        found.append(jacobian.square().sum())
    return torch.stack(found)


def test_l1_is_the_sum_of_sizes():
    module, x = built()
    torch.testing.assert_close(cost(L1(0.3), module, x), 0.3 * module.encode(x).z.abs().sum(dim=1))


def test_kl_sparsity_is_the_divergence_between_coins():
    module, x = built(bottleneck=Plain("sigmoid"))
    activity = module.encode(x).z.mean(dim=0)
    by_torch = torch.distributions.kl_divergence(
        torch.distributions.Bernoulli(torch.full_like(activity, 0.1)),
        torch.distributions.Bernoulli(activity),
    )
    found = cost(KLSparsity(2.0, target_activity=0.1), module, x)
    torch.testing.assert_close(found.double(), (2 * by_torch.sum()).expand(9), rtol=1e-6, atol=0)
    module.bottleneck.layer.bias.data.fill_(-500.0)  # all units silent: large, and finite
    assert torch.isfinite(cost(KLSparsity(), module, x)).all()


@pytest.mark.parametrize("activation", ["linear", "sigmoid", "tanh", "relu", "softplus"])
def test_contraction_is_exact_for_one_layer(activation):
    module, x = built(MLP(()), Plain(activation))
    torch.testing.assert_close(cost(Contractive(0.5), module, x), 0.5 * norms(module, x))


def test_the_estimate_does_not_count_units_that_are_silent():
    # On 16 rows and more such units get a gradient in training, and have no slope all the same.
    module, _ = built(MLP((5,)), Plain("relu"))
    x = torch.randn(40, 6, generator=torch_generator(1), dtype=torch.float64)
    module.bottleneck.layer.bias.data.fill_(-500.0)
    assert (cost(Contractive(1.0), module, x) == 0).all()


@pytest.mark.parametrize(
    ("network", "shape"), [(MLP((5, 4)), (6,)), (MLP((5,), skip=True), (6,)), (Conv((2,)), (4, 5))]
)
def test_contraction_of_deep_encoders_is_estimated_without_bias(network, shape):
    module, x = built(network, shape=shape)
    draws = torch.stack([cost(Contractive(1.0), module, x, Noise(i)) for i in range(600)])
    error = draws.std(dim=0) / math.sqrt(len(draws))
    assert ((draws.mean(dim=0) - norms(module, x)).abs() < 5 * error).all()
    many = torch.stack([cost(Contractive(1.0, draws=10), module, x, Noise(i)) for i in range(60)])
    assert (many.std(dim=0) < draws.std(dim=0)).all()


@pytest.mark.parametrize(
    ("penalty", "network"),
    [
        (L1(), MLP((4,), "tanh")),
        (KLSparsity(), MLP((4,), "tanh")),
        (Contractive(), MLP(())),
        (Contractive(draws=2), MLP((4,), "tanh")),
        (Contractive(), MLP((4, 4), "tanh", norm="batch", residual=True, tied=True)),
    ],
    ids=str,
)
def test_gradients_equal_finite_differences(penalty, network):
    module, x = built(network, Plain("sigmoid"))
    names, values = zip(*module.named_parameters(), strict=True)
    wanted = [name.startswith(("encoder", "bottleneck")) for name in names]
    names = [name for name, used in zip(names, wanted, strict=True) if used]
    values = [value for value, used in zip(values, wanted, strict=True) if used]

    class Call(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self):
            return cost(penalty, self.module, x).double()

    def of(*parameters):
        weights = {f"module.{n}": p for n, p in zip(names, parameters, strict=True)}
        return torch.func.functional_call(Call(), weights, ())

    assert torch.autograd.gradcheck(of, values, fast_mode=True)


def test_penalties_are_named_terms_of_training_alone():
    penalties = (L1(0.1), KLSparsity(), Contractive())
    module, x = built(bottleneck=Plain("sigmoid"), penalties=penalties)
    loss = module.objective(x, Noise(0))
    assert set(loss.terms) == {"reconstruction", "l1", "kl_sparsity", "contractive"}
    assert all(term.shape == (9,) and torch.isfinite(term).all() for term in loss.terms.values())
    torch.testing.assert_close(loss.total, sum(loss.terms.values()))
    assert set(module.objective(x).terms) == {"reconstruction"}


@pytest.mark.parametrize("training", [{}, {"members": 2}], ids=str)
@pytest.mark.parametrize("penalties", ["l1", ("contractive",), [L1(0.01), "kl_sparsity"]], ids=str)
def test_a_model_with_penalties_is_saved_and_the_same_again(penalties, training, tmp_path):
    from diabolo.training import Training

    X = low_rank()
    options = {"bottleneck": Plain("sigmoid"), "training": Training(**training)}
    model = tiny(penalties=penalties, max_epochs=10, **options).fit(X)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.spec_ == model.spec_ and again.spec_.penalties
    np.testing.assert_array_equal(again.fit(X).transform(X), model.transform(X))
    assert not np.array_equal(
        tiny(max_epochs=10, **options).fit(X).transform(X), model.transform(X)
    )


def test_codes_become_what_the_penalty_asks_for():
    X = low_rank(600, columns=10, rank=3)
    options = {"hidden": (), "max_epochs": 150, "random_state": 0}

    def codes(penalties, activation):
        model = Autoencoder(12, penalties=penalties, bottleneck=Plain(activation), **options)
        return model.fit(X)

    free, sparse = codes((), "sigmoid"), codes(KLSparsity(60.0, 0.1), "sigmoid")
    assert free.transform(X).mean() > 0.3
    assert sparse.transform(X).mean() == pytest.approx(0.1, abs=0.03)
    size = [np.abs(codes(p, "linear").transform(X)).mean() for p in ((), L1(0.3))]
    assert size[1] < 0.5 * size[0]

    def slope(model):
        moved = X + 0.01 * np.random.default_rng(0).normal(size=X.shape).astype(np.float32)
        return np.square(model.transform(moved) - model.transform(X)).sum(axis=1).mean()

    assert slope(codes(Contractive(1.0), "sigmoid")) < 0.5 * slope(free)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L1(0), "weight=0"),
        (lambda: KLSparsity(target_activity=1.0), "target_activity=1"),
        (lambda: Contractive(draws=0), "draws=0"),
        (lambda: tiny(penalties="l2").fit(low_rank()), "penalties='l2'.*'l1'"),
        (lambda: tiny(penalties=(L1(), L1(2.0))).fit(low_rank()), "twice"),
        (lambda: tiny(penalties=KLSparsity()).fit(low_rank()), r"Plain\('sigmoid'\).*L1\("),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(make, message):
    with pytest.raises(SpecError, match=message):
        make()


def test_held_out_rows_are_judged_with_the_penalty_of_deep_encoders_too():
    module, x = built(penalties=(Contractive(5.0, draws=400),))
    with torch.no_grad():
        clean = module(x).double()
    penalty = held_out_losses(module, x, 0, 32) - clean
    # 400 draws: a relative error of at most √(2 / 400) each.
    torch.testing.assert_close(penalty, 5 * norms(module, x), rtol=0.4, atol=0)
