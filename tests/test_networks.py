"""Options of the fully connected network: shortcuts and normalisation.

Tied weights have a file of their own.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from tests.samples import initialised, low_rank, tiny
from torch import nn
from torch.func import functional_call

from diabolo import load
from diabolo.bottlenecks import Plain, TopK
from diabolo.device import arithmetic
from diabolo.ensemble import Ensemble
from diabolo.errors import SpecError
from diabolo.layers import initialise
from diabolo.likelihoods import MSE
from diabolo.networks import MLP
from diabolo.networks.dense import DenseStack
from diabolo.networks.norms import MEMORY, BatchNorm, LayerNorm
from diabolo.penalties import Contractive
from diabolo.random import Noise, derive_seed, torch_generator
from diabolo.training import Training
from diabolo.training.averaging import Average
from diabolo.training.loop import held_out_losses
from diabolo.training.step import Step
from diabolo.training.tape import record

pytestmark = pytest.mark.usefixtures("one_thread")

NORMS = {"batch": BatchNorm, "layer": LayerNorm}

#: Every choice of norm, shortcuts, tied weights and dropout.
OPTIONS = [
    MLP((6, 6), "tanh", dropout, norm=norm, residual=residual, tied=tied)
    for norm, residual, tied, dropout in itertools.product(
        (None, "batch", "layer"), (False, True), (False, True), (0.0, 0.3)
    )
]


def rows(count=12, width=5, seed=0):
    return torch.randn(count, width, generator=torch_generator(seed))


def built(network, likelihood=None, penalties=(), x=None, bottleneck=None):
    x = rows() if x is None else x
    parts = (3, network.resolved((5,)), bottleneck or Plain(), likelihood or MSE())
    return initialised(0, x, *parts, None, None, penalties)


def statistics(module):
    return {n: p.clone() for n, p in module.named_parameters() if not p.requires_grad}


# ---- norms


def drawn(norm, width=5):
    """A norm and torch's own of the same gain and shift, both in fp64."""
    ours = NORMS[norm](width)
    initialise(nn.ModuleList([ours]), torch_generator(0))
    with torch.no_grad():
        ours.gain.copy_(rows(1, width, 1)[0])
        ours.shift.copy_(rows(1, width, 2)[0])
    torchs = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}[norm](width)
    torchs.load_state_dict({"weight": ours.gain, "bias": ours.shift}, strict=False)
    return ours.double(), torchs.double()


@pytest.mark.parametrize("norm", NORMS)
def test_a_norm_of_rows_that_are_learned_from_is_torchs(norm):
    ours, torchs = drawn(norm)
    u = 3 * rows(9).double() + 2
    torch.testing.assert_close(ours(u, Noise(0)), torchs(u))


def test_running_statistics_are_an_exponential_mean_and_what_scores_go_by():
    ours, torchs = drawn("batch")
    torch.testing.assert_close(ours(rows().double()), torchs.eval()(rows().double()))
    batches = [rows(count, 5, count).double() * count for count in (4, 9, 6)]
    for u in batches:
        ours(u, Noise(0))
    shares = torch.tensor([MEMORY**2, MEMORY, 1.0], dtype=torch.float64)
    shares = shares[:, None] / shares.sum()
    mean = (shares * torch.stack([u.mean(dim=0) for u in batches])).sum(dim=0)
    variance = (shares * torch.stack([u.var(dim=0) for u in batches])).sum(dim=0)
    torch.testing.assert_close((ours.mean.data, ours.variance.data), (mean, variance))
    torchs.running_mean, torchs.running_var = mean, variance
    torch.testing.assert_close(ours(rows().double()), torchs(rows().double()))


@pytest.mark.parametrize("network", [n for n in OPTIONS if n.norm == "batch"], ids=str)
def test_only_learning_moves_the_statistics_of_batches(network):
    module = built(network, penalties=(Contractive(),))
    before = statistics(module)
    assert len(before) == 2 * 2 * 3, "of two layers each way, in no buffers"
    assert not list(module.buffers())
    module(rows())
    module(rows(), Noise(0), learning=False)
    held_out_losses(module, rows(), 0, 32)
    module.log_prob(rows())
    after = statistics(module)
    assert all(torch.equal(before[name], after[name]) for name in before)
    module(rows(seed=1), Noise(0))
    after = statistics(module)
    assert not any(torch.equal(before[name], after[name]) for name in before)


def test_statistics_start_from_the_rows_that_biases_start_from():
    x = 5 * rows(300) + 3
    module = built(MLP((6, 6), norm="batch"), x=x)
    norm = module.encoder.norms[0]
    u = module.encoder.layers[0].linear(x)
    torch.testing.assert_close(norm.mean.data, u.mean(dim=0))
    torch.testing.assert_close(norm.variance.data, u.var(dim=0))
    medians = module.encode(x).z.median(dim=0).values
    torch.testing.assert_close(medians, torch.zeros(3), atol=1e-4, rtol=0)


def test_codes_that_explain_rows_beside_the_code_leave_the_statistics_alone():
    topk = TopK(k=1, auxiliary=0.5)
    found = []
    for auxiliary in (0.0, 0.5):
        module = built(MLP((6,), norm="batch"), bottleneck=TopK(k=1, auxiliary=auxiliary))
        terms = module.objective(rows(), Noise(0)).terms
        assert ("auxiliary" in terms) == bool(auxiliary)
        found.append(statistics(module))
    assert topk.auxiliary and all(torch.equal(found[0][n], found[1][n]) for n in found[0])


@pytest.mark.parametrize("network", [n for n in OPTIONS if n.norm], ids=str)
def test_a_row_that_is_learned_from_alone_has_finite_losses_and_gradients(network):
    module = built(network)
    weights = [p for p in module.parameters() if p.requires_grad]
    loss = module(rows(1), Noise(0))
    gradients = torch.autograd.grad(loss.sum(), weights)
    assert torch.isfinite(loss).all()
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert gradients[0].any(), "and the row teaches something"


@pytest.mark.parametrize("norm", NORMS)
def test_models_of_one_row_and_of_batches_of_one_row_are_finite(norm):
    network = MLP((8, 8), norm=norm, residual=True)
    for X, training in ((low_rank(1), None), (low_rank(7), Training(batch_size=1))):
        model = tiny(network=network, hidden="auto", training=training).fit(X)
        assert np.isfinite(model.reconstruct(X)).all() and np.isfinite(model.transform(X)).all()


def test_the_mean_of_the_weights_goes_with_the_mean_of_their_statistics():
    module = built(MLP((6,), norm="batch"))
    norm = module.encoder.norms[0]
    average = Average(list(module.parameters()), 1.0, 3)
    seen = []
    for i in range(3):
        module(rows(seed=i), Noise(i))
        average.step()
        seen.append(norm.mean.clone())
    with torch.no_grad(), average.in_place():
        torch.testing.assert_close(norm.mean.data, torch.stack(seen).mean(dim=0))
    assert torch.equal(norm.mean, seen[-1])


def test_a_tape_refuses_what_keeps_statistics_and_training_knows_it():
    for norm, recorded in (("layer", True), ("batch", False)):
        module = built(MLP((6,), norm=norm))
        weights = [p for p in module.parameters() if p.requires_grad]

        def function(x, noise, module=module, weights=weights):
            losses = module(x, noise)
            return [losses.detach(), *torch.autograd.grad(losses.sum(), weights)]

        tape = record(function, rows(), Noise(0), list(module.parameters()))
        assert (tape is not None) == recorded
        options = {"optimizer": "adam", "batch_size": 4, "learning_rate": 0.01, "weight_decay": 0.0}
        assert Step(module, Training(**options), 12, 100).recordable == recorded


# ---- shortcuts


@pytest.mark.parametrize("norm", [None, *NORMS])
def test_a_layer_adds_its_input_where_the_one_before_is_as_wide(norm):
    stack = DenseStack((5, 5, 5, 4, 4), "tanh", norm=norm, residual=True)
    initialise(stack, torch_generator(0))
    assert stack.shortcuts == [False, True, False, True]
    h, noise = rows(), Noise(0)
    for i, layer in enumerate(stack.layers):
        u = h @ layer.weight.T
        if norm is None:
            u = u + layer.bias
        elif norm == "batch":
            u = (u - u.mean(dim=0)) / (u.var(dim=0, correction=0) + 1e-5).sqrt()
        else:
            centred = u - u.mean(dim=1, keepdim=True)
            u = centred / (u.var(dim=1, correction=0, keepdim=True) + 1e-5).sqrt()
        if norm is not None:
            u = u * stack.norms[i].gain + stack.norms[i].shift
        h = h + torch.tanh(u) if i in (1, 3) else torch.tanh(u)
    torch.testing.assert_close(stack(rows(), noise), h)


def test_dropout_drops_what_is_added_and_not_what_passes():
    stack = DenseStack((5, 5, 5), "tanh", dropout=0.9, residual=True)
    initialise(stack, torch_generator(0))
    with torch.no_grad():
        stack.layers[1].weight.zero_()  # adds nothing
    x = rows(400)
    first = Noise(0).dropout(torch.tanh(x @ stack.layers[0].weight.T), 0.9)
    assert torch.equal(stack(x, Noise(0)), first)


@pytest.mark.parametrize("activation", ["silu", "relu", "tanh"])
@pytest.mark.parametrize("norm", [None, *NORMS])
def test_gradients_pass_a_deep_stack_with_shortcuts(activation, norm):
    def gradient(residual):
        stack = DenseStack((32,) * 41, activation, norm=norm, residual=residual)
        initialise(stack, torch_generator(0))
        h = stack(rows(200, 32), Noise(0))
        sizes = [
            torch.autograd.grad(h.square().mean(), layer.weight, retain_graph=True)[0].norm()
            for layer in (stack.layers[0], stack.layers[-1])
        ]
        return float(sizes[0] / sizes[1])

    assert 0.1 < gradient(residual=True) < 10
    if norm == "batch":
        assert gradient(residual=False) > 10, "they grow from layer to layer (Yang et al. 2019)"


@pytest.mark.parametrize("norm", [None, *NORMS])
def test_a_deep_stack_changes_rows_little_at_first(norm):
    alike = {}
    for residual in (False, True):
        stack = DenseStack((32,) * 41, "tanh", norm=norm, residual=residual)
        initialise(stack, torch_generator(0))
        with torch.no_grad():
            last = stack(rows(200, 32), Noise(0))
            del stack.layers[1:], stack.shortcuts[1:]
            first = stack(rows(200, 32), Noise(0))
        alike[residual] = float(nn.functional.cosine_similarity(first, last).mean())
    assert alike[True] > 0.5 and abs(alike[False]) < 0.2


@pytest.mark.filterwarnings("ignore:reconstructions are no better:diabolo.errors.HealthWarning")
def test_twenty_layers_learn_with_shortcuts_what_they_do_not_without():
    X = low_rank(400, columns=8, rank=2, noise=0.05)
    errors = {}
    for residual in (False, True):
        network = MLP((16,) * 20, "tanh", skip=False, residual=residual)
        training = Training(learning_rate=1e-2)
        model = tiny(network=network, hidden="auto", max_epochs=40, training=training).fit(X)
        errors[residual] = -model.score(X)
    assert errors[False] > 0.95, "the mean and nothing else: columns have variance 1"
    assert errors[True] < 0.02


# ---- all of it together


@pytest.mark.parametrize("network", OPTIONS, ids=str)
def test_gradients_equal_finite_differences(network):
    # Statistics of batches are no function of the weights to the penalty, which looks at the
    # encoder as it scores: test_penalties.py has it at statistics that stay.
    module = built(network, penalties=() if network.norm == "batch" else (Contractive(),)).double()
    learned = {name: p for name, p in module.named_parameters() if p.requires_grad}
    x = rows().double()

    def objective(*values):
        weights = dict(zip(learned, values, strict=True))
        return functional_call(module, weights, (x, Noise(0))).double()

    assert torch.autograd.gradcheck(objective, tuple(learned.values()), fast_mode=True)


@pytest.mark.parametrize("network", OPTIONS, ids=str)
@pytest.mark.parametrize("members", [1, 2])
def test_every_combination_is_a_model(network, members, tmp_path):
    X = low_rank(60)
    options = {
        "network": network,
        "hidden": "auto",
        "penalties": "contractive",
        "training": Training(members=members, precision="bf16", validation_fraction=0.2),
        "max_epochs": 8,
    }
    model = tiny(**options).fit(X)
    assert model.history_[-1]["train"] < model.history_[0]["train"]
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.spec_ == model.spec_ and again.spec_.network == network.resolved((6,))
    for method in ("transform", "reconstruct", "reconstruction_error", "score_samples"):
        result = getattr(model, method)(X)
        assert np.isfinite(result).all()
        np.testing.assert_array_equal(getattr(again, method)(X), result)
        np.testing.assert_array_equal(getattr(model, method)(X[7:8])[0], result[7])
    np.testing.assert_array_equal(tiny(**options).fit(X).transform(X), model.transform(X))


@pytest.mark.parametrize("network", [n for n in OPTIONS if not n.dropout], ids=str)
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_members_learn_what_each_learns_alone_with_statistics_of_its_own(network, optimizer):
    # A bent code: batches that are normalised take what is added to a linear one off again, and
    # its bias would go where rounding leads it.
    x, parts = rows(60), ((5,), 3, network.resolved((5,)), Plain("tanh"), MSE())
    with torch.device("meta"):
        ensemble = Ensemble(2, *parts)
    ensemble.to_empty(device="cpu").initialise(0, x)
    members = [initialised(seed, x, *parts[1:]) for seed in (0, derive_seed(0, "member", 1))]
    options = {"optimizer": optimizer, "batch_size": 20, "learning_rate": 1e-2}
    options |= {"weight_decay": 0.1, "precision": "fp32"}
    steps = [Step(module, Training(**options), 60, 100) for module in (ensemble, *members)]
    for i in range(6):
        batch = x[20 * (i % 3) : 20 * (i % 3) + 20]
        together, *alone = [step(batch, Noise(0, i), 0.5) for step in steps]
        torch.testing.assert_close(together, torch.stack(alone).mean(dim=0))
    stacks = dict(ensemble.stacked.named_parameters())
    for i, member in enumerate(members):
        for name, weight in member.named_parameters():
            torch.testing.assert_close(stacks[name][i], weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_products_in_bf16_are_those_of_fp32_rounded(norm):
    module = built(MLP((6, 6), norm=norm, residual=True))
    exact = module(rows(), Noise(0))
    with arithmetic("bf16"):
        rounded = module(rows(), Noise(0))
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded.float(), exact, rtol=0.03, atol=0.03)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP(norm="group"), "norm='group'.*None, 'batch', 'layer'"),
        (lambda: MLP((8, 1), norm="layer"), r"hidden=\(8, 1\).*norm='batch'"),
        (lambda: MLP(residual=1), "residual=1 must be True or False"),
        (lambda: MLP((64, 32), residual=True), r"residual=True.*\(64, 32\).*\(256, 256, 256\)"),
        (lambda: MLP((), residual=True), r"residual=True.*equal widths"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(make, message):
    with pytest.raises(SpecError, match=message):
        make()


def test_layers_with_shortcuts_are_chosen_of_one_width():
    assert MLP(residual=True).resolved((2,)).hidden == (64, 64)
    assert MLP(residual=True).resolved((8, 16)).hidden == (512, 512, 512)
    assert MLP(residual=True).resolved((28, 28)).hidden == (512, 512, 512)
    assert MLP((9, 9, 3), residual=True).resolved((28, 28)).hidden == (9, 9, 3)
