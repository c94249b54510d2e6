"""Restricted Boltzmann machines against theory, enumeration, and scikit-learn's."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.special
import torch
from sklearn.neural_network import BernoulliRBM
from torch.distributions import Normal

from diabolo.pretraining.machine import DEVIATION, Machine
from diabolo.pretraining.units import UNITS
from diabolo.random import Noise, torch_generator
from diabolo.training import Training
from diabolo.training.loop import train
from diabolo.training.progress import Progress
from diabolo.training.step import Step

pytestmark = pytest.mark.usefixtures("one_thread")


def machine(visible=6, hidden=4, units=("binary", "binary"), size=0.7, **options):
    """A machine of random weights and biases of this size."""
    built = Machine(visible, hidden, *units, **options)
    generator = torch_generator(1, "machine")
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.normal_(0.0, size, generator=generator)
    return built


def all_bits(count):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=count)))


def energies(built, v, h):
    """Minus the logarithm of p(v, h) but for a constant, by its definition, (v, h)."""
    weight, bias = built.layer.weight, built.layer.bias
    costs = built.visible.base(v).sum(dim=1)[:, None] + built.hidden.base(h).sum(dim=1)
    return costs - v @ weight.T @ h.T - (v @ built.visible_bias)[:, None] - h @ bias


def log_likelihood(built, rows):
    """Exact log p(v) of rows of bits, by enumeration of all visible ones, (n,)."""
    return -built.free_energy(rows) - torch.logsumexp(
        -built.free_energy(all_bits(rows.shape[1])), dim=0
    )


def patterns(count=400):
    """Rows of 8 bits: one of four patterns, with a tenth of the bits flipped."""
    generator = torch_generator(0, "patterns")
    base = torch.rand((4, 8), generator=generator) < 0.5
    rows = base[torch.randint(4, (count,), generator=generator)]
    return (rows ^ (torch.rand(rows.shape, generator=generator) < 0.1)).float()


def gradients(built, loss):
    weights = (built.layer.weight, built.layer.bias, built.visible_bias)
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])


@pytest.fixture
def sklearns():
    """scikit-learn's machine with the weights of ours, and ours."""
    ours = machine(9, 5)
    theirs = BernoulliRBM(5, random_state=0)
    theirs.components_ = ours.layer.weight.detach().double().numpy()
    theirs.intercept_hidden_ = ours.layer.bias.detach().double().numpy()
    theirs.intercept_visible_ = ours.visible_bias.detach().double().numpy()
    theirs.n_features_in_ = 9
    return theirs, ours


def test_free_energy_and_hidden_means_are_scikit_learns(sklearns):
    theirs, ours = sklearns
    rows = torch.rand(50, 9, generator=torch_generator(0))
    with torch.no_grad():
        np.testing.assert_allclose(
            ours.free_energy(rows), theirs._free_energy(rows.numpy()), rtol=1e-5, atol=1e-5
        )
        np.testing.assert_allclose(ours.encode(rows).z, theirs.transform(rows), rtol=1e-5)


def test_pseudo_likelihood_is_scikit_learns(sklearns):
    theirs, ours = sklearns
    rows = (torch.rand(40, 9, generator=torch_generator(1)) < 0.5).float()
    # The bit of each row that theirs will flip.
    flipped = np.random.RandomState(3).randint(0, 9, 40)
    other = rows.clone()
    other[np.arange(40), flipped] = 1 - other[np.arange(40), flipped]
    with torch.no_grad():
        difference = ours.free_energy(other) - ours.free_energy(rows)
    wanted = theirs.set_params(random_state=np.random.RandomState(3)).score_samples(rows.numpy())
    np.testing.assert_allclose(9 * torch.nn.functional.logsigmoid(difference), wanted, rtol=1e-4)


def test_conditional_probabilities_of_binary_units_are_those_of_the_joint_distribution():
    built = machine()
    v, h = all_bits(6), all_bits(4)
    with torch.no_grad():
        joint = (-energies(built, v, h)).exp()
        hidden_on = (joint @ h) / joint.sum(dim=1, keepdim=True)
        visible_on = (joint.T @ v) / joint.sum(dim=0)[:, None]
        torch.testing.assert_close(built.encode(v).z, hidden_on)
        torch.testing.assert_close(built.decode(h), visible_on)
        torch.testing.assert_close(built.free_energy(v), -joint.sum(dim=1).log())


@pytest.mark.parametrize("hidden", [1, 3])
def test_the_free_energy_of_gaussian_visible_units_is_minus_the_log_density(hidden):
    built = machine(1, hidden, ("gaussian", "binary"), size=1.0).double()
    v = torch.linspace(-30, 30, 60_001, dtype=torch.float64)[:, None]
    h = all_bits(hidden).double()
    with torch.no_grad():
        density = (-built.free_energy(v)).exp()
        torch.testing.assert_close(density, (-energies(built, v, h)).exp().sum(dim=1))
        # Given h, v is normal: its integral and its mean in closed form.
        mean = h @ built.layer.weight + built.visible_bias
        given = (h @ built.layer.bias + mean.square().sum(dim=1) / 2).exp() * math.sqrt(2 * math.pi)
        total = torch.trapezoid(density, v[:, 0])
        torch.testing.assert_close(total, given.sum())
        torch.testing.assert_close(
            torch.trapezoid(density * v[:, 0], v[:, 0]) / total, (given @ mean[:, 0]) / given.sum()
        )
        torch.testing.assert_close(built.decode(h), mean)


def test_gaussian_hidden_units_are_integrated_out():
    built = machine(3, 1, ("binary", "gaussian")).double()
    h = torch.linspace(-30, 30, 60_001, dtype=torch.float64)[:, None]
    v = all_bits(3).double()
    with torch.no_grad():
        density = (-energies(built, v, h)).exp()
        total = torch.trapezoid(density, h[:, 0], dim=1)
        # A constant apart, which is that of the normal distribution.
        torch.testing.assert_close(
            (-built.free_energy(v)).exp() * math.sqrt(2 * math.pi), total, rtol=1e-6, atol=0
        )
        mean = torch.trapezoid(density * h[:, 0], h[:, 0], dim=1) / total
        torch.testing.assert_close(built.encode(v).z[:, 0], mean)


def test_a_rectified_unit_is_many_binary_ones_of_falling_bias():
    u = torch.linspace(-8, 8, 161, dtype=torch.float64)
    copies = u[:, None] - torch.arange(60, dtype=torch.float64) - 0.5
    units, probability = UNITS["rectified"], copies.sigmoid()
    exact = -torch.from_numpy(scipy.special.spence(1 + u.exp().numpy()))
    torch.testing.assert_close(units.log_partition(u), exact, rtol=1e-8, atol=1e-8)
    # The sums are integrals by the midpoint rule, whose error is a 24th of the change of slope.
    summed = torch.nn.functional.softplus(copies).sum(dim=1)
    torch.testing.assert_close(units.log_partition(u), summed, rtol=0, atol=1 / 24)
    torch.testing.assert_close(
        torch.nn.functional.softplus(u), probability.sum(dim=1), rtol=0, atol=0.26 / 24
    )
    torch.testing.assert_close(
        u.sigmoid(), (probability * (1 - probability)).sum(dim=1), rtol=0, atol=0.1 / 24
    )


@pytest.mark.parametrize(
    ("kind", "mean", "variance"),
    [
        ("binary", torch.sigmoid, lambda u: u.sigmoid() * (1 - u.sigmoid())),
        ("gaussian", lambda u: u, torch.ones_like),
        ("rectified", torch.nn.functional.softplus, torch.sigmoid),
    ],
)
def test_slope_and_curvature_of_the_log_partition_are_mean_and_variance(kind, mean, variance):
    u = torch.linspace(-9, 9, 91, dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(UNITS[kind].log_partition(u).sum(), u, create_graph=True)[0]
    curvature = torch.autograd.grad(slope.sum(), u)[0]
    torch.testing.assert_close(slope, mean(u), rtol=0, atol=1e-7)
    torch.testing.assert_close(curvature, variance(u), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", UNITS)
def test_draws_have_the_mean_and_variance_of_their_definition(kind):
    u = torch.linspace(-1, 3, 5)
    count = 40_000
    draws = UNITS[kind].draw(u.expand(count, 5), Noise(0, kind)).double()
    u = u.double()
    on, deviation = u.sigmoid(), u.sigmoid().sqrt()
    normal = Normal(torch.zeros_like(u), 1.0)
    # max(0, x) of a normal x, and its square.
    below, density = normal.cdf(u / deviation), normal.log_prob(u / deviation).exp()
    rectified = u * below + deviation * density
    squared = (u.square() + on) * below + u * deviation * density
    mean, variance = {
        "binary": (on, on * (1 - on)),
        "gaussian": (u, torch.ones_like(u)),
        "rectified": (rectified, squared - rectified.square()),
    }[kind]
    assert ((draws.mean(dim=0) - mean).abs() < 5 * (variance / count).sqrt()).all()
    torch.testing.assert_close(draws.var(dim=0), variance, rtol=0.06, atol=2e-3)
    assert kind != "binary" or set(draws.unique().tolist()) == {0.0, 1.0}
    assert kind != "rectified" or draws.min() == 0


@pytest.mark.parametrize(
    "units", [(a, b) for a in UNITS for b in ("binary", "gaussian")], ids="-".join
)
@pytest.mark.parametrize("steps", [1, 3])
def test_the_gradient_is_that_of_contrastive_divergence(units, steps):
    built = machine(6, 4, units, 0.3, steps=steps)
    v = torch.rand(30, 6, generator=torch_generator(0))
    loss = built(v, Noise(5))
    weight, hidden_bias, visible_bias = torch.autograd.grad(
        loss.mean(), (built.layer.weight, built.layer.bias, built.visible_bias)
    )
    with torch.no_grad():
        noise, model = Noise(5), v
        for step in range(steps):
            h = built.hidden.draw(built.layer(model), noise)
            if step == 0:
                error = -built.visible.likelihood.log_prob(built.down(h), v).sum(dim=1)
            last = step + 1 == steps
            model = built.decode(h) if last else built.visible.draw(built.down(h), noise)
        there, back = built.encode(v).z, built.encode(model).z
        # ⟨h v⟩ of what the machine makes, less ⟨h v⟩ of the data.
        torch.testing.assert_close(weight, (back.T @ model - there.T @ v) / 30)
        torch.testing.assert_close(hidden_bias, (back - there).mean(dim=0))
        torch.testing.assert_close(visible_bias, (model - v).mean(dim=0))
    torch.testing.assert_close(loss, error)


def test_rectified_units_count_with_their_mean():
    built = machine(6, 4, ("binary", "rectified"), 0.3)
    v = torch.rand(30, 6, generator=torch_generator(0))
    bias = torch.autograd.grad(built.free_energy(v).mean(), built.layer.bias)[0]
    with torch.no_grad():
        mean = torch.nn.functional.softplus(built.layer(v)).mean(dim=0)
        torch.testing.assert_close(bias, -mean)
        torch.testing.assert_close(built.encode(v).z, built.layer(v).relu())


@pytest.mark.parametrize(("steps", "chains", "near"), [(1, 0, 0.2), (30, 0, 0.15), (1, 4000, 0.12)])
def test_the_gradient_is_near_that_of_the_log_likelihood(steps, chains, near):
    rows = patterns()
    built = machine(8, 5, steps=steps, chains=chains)
    exact = gradients(built, -log_likelihood(built, rows).mean())
    if chains:
        with torch.no_grad():
            built.chains.copy_((built.chains > 0).float())
            for i in range(60):  # on the way to the machine's own distribution
                built(rows, Noise(1, i))
    found = torch.stack([gradients(built, built(rows, Noise(0, i)).mean()) for i in range(60)])
    assert (found.mean(dim=0) - exact).norm() < near * exact.norm()


@pytest.mark.parametrize("chains", [0, 50])
def test_the_exact_log_likelihood_rises(chains):
    rows = patterns()
    built = Machine.empty(8, 6, "binary", "binary", 1, chains)
    built.initialise(0, rows)
    with torch.no_grad():
        entropy = torch.distributions.Bernoulli(rows.mean(dim=0)).entropy().sum()
        start = log_likelihood(built, rows).mean()
        # Without weights each bit is alone.
        torch.testing.assert_close(start, -entropy, rtol=0.02, atol=0)
        seen = [float(start)]
        options = Training(50, "adam", 0.02, weight_decay=0.0, averaging=0.0, precision="fp32")
        for i in range(3):
            with torch.enable_grad():
                nothing = torch.zeros(len(rows), dtype=torch.bool)
                train(built, rows, nothing, options, 40, i, Progress())
            seen.append(float(log_likelihood(built, rows).mean()))
    assert seen[0] + 0.8 < seen[1] < seen[3]
    # The best there is: the entropy of one of four patterns with bits that flip.
    best = -math.log(4) + 8 * (0.1 * math.log(0.1) + 0.9 * math.log(0.9))
    assert seen[3] > best - 0.2


def test_chains_go_on_from_step_to_step_and_stay_bits():
    built = machine(8, 5, chains=20)
    built.initialise(0, patterns())
    before = built.chains.clone()
    assert torch.equal(before, patterns()[:20])
    built(patterns(), Noise(0))
    assert not torch.equal(built.chains, before)
    assert set(built.chains.unique().tolist()) == {0.0, 1.0}
    few = machine(8, 5, chains=20)
    few.initialise(0, patterns(3))
    assert torch.equal(few.chains[3:6], patterns(3))


@pytest.mark.parametrize("visible", ["gaussian", "rectified"])
def test_rows_without_a_scale_are_given_one_and_the_unrolled_layers_undo_it(visible):
    rows = 300 + 40 * torch.rand(50, 6, generator=torch_generator(0))
    built = machine(6, 4, (visible, "binary"))
    built.initialise(0, rows)
    scaled = rows / built.scale
    assert float(scaled.var(dim=0).mean().sqrt()) == pytest.approx(DEVIATION, rel=0.02)
    torch.testing.assert_close(built.visible_bias.detach(), scaled.mean(dim=0))
    with torch.no_grad():
        built.layer.weight.normal_(generator=torch_generator(2))
        layer, back = torch.nn.Linear(6, 4), torch.nn.Linear(4, 6)
        built.unroll(layer, back)
        hidden = layer(rows).sigmoid()
        torch.testing.assert_close(hidden, built.encode(rows).z)
        torch.testing.assert_close(back(hidden), built.decode(hidden))
    constant = machine(6, 4, (visible, "binary"))
    constant.initialise(0, torch.ones(5, 6))
    assert constant.scale == 1.0


@pytest.mark.parametrize("chains", [0, 30])
def test_a_machine_is_trained_alike_with_and_without_a_tape(chains):
    rows = patterns()
    options = Training(40, "adam", 0.01, weight_decay=0.1, precision="fp32")
    machines = []
    for recordable in (True, False):
        built = Machine.empty(8, 5, "binary", "binary", 2, chains)
        built.initialise(0, rows)
        step = Step(built, options, 400, 100)
        # What is written from step to step cannot be replayed.
        assert step.recordable == (not chains)
        step.recordable = recordable and not chains
        for i in range(4):
            step(rows[40 * i : 40 * i + 40], Noise(0, i), 0.5)
        machines.append(built)
        assert bool(step.tapes) == step.recordable
        assert all(replay is not None for replay in step.tapes.values())
    for ours, wanted in zip(*(m.parameters() for m in machines), strict=True):
        assert torch.equal(ours, wanted)
