"""Stacks that are pretrained layer by layer, and what it is good for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.samples import initialised, low_rank, tiny

from diabolo import Autoencoder, datasets, load, recipes
from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import Binary, Gaussian, Plain, Quantized, TopK
from diabolo.corruptions import BlockMasking, Masking
from diabolo.ensemble import Ensemble
from diabolo.errors import HealthWarning, SpecError, TrainingError
from diabolo.likelihoods import MSE, Bernoulli, Huber
from diabolo.likelihoods import Gaussian as GaussianLikelihood
from diabolo.networks import MLP, Conv
from diabolo.pretraining import PRETRAINING, RBM, Layerwise, stack
from diabolo.random import derive_seed, torch_generator
from diabolo.training import Training
from diabolo.training.progress import Lines, Progress

pytestmark = pytest.mark.usefixtures("one_thread")

RESOLVED = Training(
    batch_size=20, optimizer="adam", learning_rate=3e-3, weight_decay=0.0, precision="fp32"
)


def rows(count=200, columns=10):
    """Rows in (0, 1) that a few numbers tell."""
    generator = torch_generator(0, "rows")
    x = torch.randn(count, 3, generator=generator) @ torch.randn(3, columns, generator=generator)
    return x.sigmoid()


def pretrained(part, x, network, bottleneck=None, likelihood=None, **options):
    """A module and its pretrained copy, and the levels of the copy."""
    bottleneck = (bottleneck or Plain()).resolved(2)
    likelihood = likelihood or Bernoulli()
    options = {"learned": torch.arange(len(x)), "progress": Progress(), "seed": 0} | options
    modules = [initialised(0, x, 2, network, bottleneck, likelihood) for _ in range(2)]
    resolved = part.resolved(network, bottleneck, likelihood, RESOLVED, len(x))
    stack.pretrain(
        *(modules[1], resolved, bottleneck, x, options["learned"], x, RESOLVED),
        *(options["seed"], options["progress"]),
    )
    return modules


def error(module, x):
    with torch.no_grad():
        return float((module.reconstruct(x) - x).square().sum(dim=1).mean())


def learners(monkeypatch):
    """Where to find the learners of the levels, with the rows they saw, as they are trained."""
    seen = []

    def spy(learner, x, *arguments):
        seen.append((learner, x))
        return train(learner, x, *arguments)

    train = stack.train
    monkeypatch.setattr(stack, "train", spy)
    return seen


@pytest.mark.parametrize(
    ("activation", "likelihood", "bottleneck"),
    [
        ("sigmoid", Bernoulli(), Plain()),
        ("sigmoid", MSE(), Plain("sigmoid")),
        ("relu", MSE("relu"), Plain("relu")),
        ("relu", Bernoulli(), Plain()),
        ("linear", MSE(), Plain()),
    ],
    ids=str,
)
def test_the_unrolled_net_is_the_machines_mean_field_pass_up_and_down(
    activation, likelihood, bottleneck, monkeypatch
):
    seen, x = learners(monkeypatch), rows()
    network = MLP((8, 5), activation, skip=False)
    _, module = pretrained(RBM(epochs=5), x, network, bottleneck, likelihood)
    machines = [machine for machine, _ in seen]
    assert [tuple(m.layer.weight.shape) for m in machines] == [(8, 10), (5, 8), (2, 5)]
    with torch.no_grad():
        h = x
        for machine, learned in seen:
            torch.testing.assert_close(learned[:], h)
            h = machine.encode(h).z
        torch.testing.assert_close(module.encode(x).z, h)
        for machine in reversed(machines):
            h = machine.decode(h)
        torch.testing.assert_close(module.reconstruct(x), h)
    # Between bounded units the decoder's weights are the encoder's, the other way round.
    if activation == "sigmoid":
        encoder, decoder = module.encoder.layers[1], module.decoder.stack.layers[1]
        assert torch.equal(encoder.weight, decoder.weight.T)


@pytest.mark.parametrize("activation", ["silu", "gelu", "softplus"])
def test_smooth_rectifiers_start_from_rectified_units(activation):
    x = rows()
    _, module = pretrained(RBM(epochs=5), x, MLP((8, 5), activation, skip=False))
    _, rectified = pretrained(RBM(epochs=5), x, MLP((8, 5), "relu", skip=False))
    for ours, wanted in zip(module.parameters(), rectified.parameters(), strict=True):
        assert torch.equal(ours, wanted)


@pytest.mark.parametrize(
    ("bottleneck", "layer"),
    [(Plain(), "layer"), (Binary(), "layer"), (Gaussian(), "mean")],
    ids=str,
)
def test_the_code_layer_gets_the_last_machine(bottleneck, layer, monkeypatch):
    seen = learners(monkeypatch)
    fresh, module = pretrained(RBM(epochs=2), rows(), MLP((6,), "sigmoid", skip=False), bottleneck)
    machine = seen[-1][0]
    weight = getattr(module.bottleneck, layer).weight
    assert torch.equal(weight, machine.layer.weight)
    others = set(dict(fresh.bottleneck.named_parameters())) - {f"{layer}.weight", f"{layer}.bias"}
    for name in others:
        before, after = (m.bottleneck.get_parameter(name) for m in (fresh, module))
        assert torch.equal(before, after)


def test_a_learned_variance_is_left_as_it_was():
    fresh, module = pretrained(
        RBM(epochs=2), rows(), MLP((6,), "sigmoid", skip=False), likelihood=GaussianLikelihood()
    )
    weights = [m.decoder.output.weight for m in (fresh, module)]
    assert torch.equal(weights[0][10:], weights[1][10:])
    assert not torch.equal(weights[0][:10], weights[1][:10])


@pytest.mark.parametrize("activation", ["sigmoid", "silu", "tanh", "elu"])
@pytest.mark.parametrize("bottleneck", [Plain(), TopK(), Quantized(codes=8)], ids=str)
def test_layers_of_all_kinds_are_stacked(activation, bottleneck, monkeypatch):
    seen, x = learners(monkeypatch), rows()
    network = MLP((8, 5), activation, skip=False)
    _, module = pretrained(Layerwise(epochs=3), x, network, bottleneck)
    learned = [learner for learner, _ in seen]
    assert all(learner.corruption == Masking(0.25) for learner in learned)
    with torch.no_grad():
        h = x
        for learner, saw in seen:
            torch.testing.assert_close(saw[:], h)
            h = learner.encode(h).z
        torch.testing.assert_close(module.encode(x).z, h)
        for learner in reversed(learned):
            h = learner.likelihood.mean(learner.decode(h))
        torch.testing.assert_close(module.reconstruct(x), h)


@pytest.mark.parametrize("part", [RBM(epochs=30), Layerwise(epochs=30)], ids=str)
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_rows_are_rebuilt_better_before_any_fine_tuning(part, activation):
    x = rows(400)
    fresh, module = pretrained(part, x, MLP((16, 8), activation, skip=False))
    assert error(module, x) < 0.7 * error(fresh, x)


@pytest.mark.parametrize("part", [RBM(epochs=3), Layerwise(epochs=3)], ids=str)
def test_rows_that_are_held_out_are_not_learned_from(part):
    x, network = rows(), MLP((8,), "sigmoid", skip=False)
    other = x.clone()
    other[50:100] = 0.5
    learned = torch.cat([torch.arange(50), torch.arange(100, 200)])
    states = []
    for data in (x, other):
        module = initialised(0, x, 2, network, Plain(), Bernoulli())
        resolved = part.resolved(network, Plain(), Bernoulli(), RESOLVED, 150)
        stack.pretrain(module, resolved, Plain(), data, learned, x[:40], RESOLVED, 0, Progress())
        states.append(module.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("part", [RBM(epochs=3), Layerwise(epochs=3)], ids=str)
def test_codes_are_made_as_they_are_asked_for_where_there_is_no_room(part, monkeypatch):
    x, network = rows(), MLP((8, 5), "sigmoid", skip=False)
    _, module = pretrained(part, x, network)
    monkeypatch.setattr(stack, "room", lambda device: 0)
    seen = learners(monkeypatch)
    _, again = pretrained(part, x, network)
    assert all(isinstance(codes, stack.Encoded) for _, codes in seen[1:])
    assert len(seen[2][1]) == 200 and seen[2][1].shape == (200, 5)
    for ours, wanted in zip(again.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("part", [RBM(epochs=2), Layerwise(epochs=2)], ids=str)
def test_members_are_pretrained_as_each_would_be_alone(part):
    x, network = rows(), MLP((8,), "sigmoid", skip=False)
    parts = ((10,), 2, network, Plain(), Bernoulli())
    with torch.device("meta"):
        ensemble = Ensemble(3, *parts)
    ensemble.to_empty(device="cpu").initialise(4, x)
    resolved = part.resolved(network, Plain(), Bernoulli(), RESOLVED, len(x))

    def run(module, seed):
        stack.pretrain(
            module, resolved, Plain(), x, torch.arange(200), x, RESOLVED, seed, Progress()
        )

    run(ensemble, 4)
    for i in range(3):
        own = derive_seed(4, "member", i) if i else 4
        member = AutoencoderModule.empty(*parts)
        member.initialise(own, x)
        run(member, own)
        for stacked, weight in zip(ensemble.parameters(), member.parameters(), strict=True):
            assert torch.equal(stacked[i], weight)


@pytest.mark.parametrize("part", PRETRAINING.values())
def test_a_pretrained_model_is_the_same_again_and_is_saved(part, tmp_path):
    X = low_rank()
    options = {"pretraining": part(epochs=3), "activation": "sigmoid", "network": None}
    model = tiny(**options).fit(X)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.spec_ == model.spec_ and again.spec_.pretraining.epochs == 3
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    np.testing.assert_array_equal(again.fit(X).transform(X), model.transform(X))
    assert f"| pretraining | `{part.__name__}(" in (tmp_path / "model/README.md").read_text("utf-8")
    options["pretraining"] = None
    assert not np.array_equal(tiny(**options).fit(X).transform(X), model.transform(X))


def test_what_is_on_auto_is_resolved_by_the_data():
    X = low_rank(600, columns=4)
    model = tiny(pretraining="rbm", training=Training(batch_size=60)).fit(X)
    # 540 rows are learned from, in nine steps an epoch.
    assert model.spec_.pretraining == RBM(112, 60, visible="gaussian", hidden="rectified")
    assert not model.spec_.network.skip and tiny().fit(X).spec_.network.skip
    model = tiny(pretraining=Layerwise(epochs=2), network=MLP((8,)), hidden="auto").fit(X)
    assert model.spec_.pretraining == Layerwise(2, 32, learning_rate=3e-3)
    assert not model.spec_.network.skip
    images = np.random.default_rng(0).random((30, 16, 16))
    small = {"hidden": "auto", "pretraining": RBM(epochs=1), "max_epochs": 1}
    assert isinstance(tiny(**small).fit(images).spec_.network, MLP)
    for likelihood, units in (
        (MSE("relu"), "rectified"),
        (Huber(), "gaussian"),
        (GaussianLikelihood(), "gaussian"),
        (Bernoulli(), "binary"),
    ):
        model = tiny(pretraining=RBM(epochs=1), likelihood=likelihood, scaling="none")
        assert model.fit(rows().numpy()).spec_.pretraining.visible == units


def test_fields_are_reached_by_grids():
    model = Autoencoder(pretraining=RBM()).set_params(pretraining__steps=3)
    assert model.get_params()["pretraining__steps"] == 3
    assert model.pretraining == RBM(steps=3)


@pytest.mark.parametrize(
    ("options", "alternative"),
    [
        ({"network": Conv((4,))}, r"network=MLP\(…, skip=False\)"),
        ({"network": MLP((8,), skip=True)}, r"network=MLP\(…, skip=False\)"),
        ({"pretraining": "dbn"}, r"'rbm', 'layerwise', or RBM\(…\)"),
        ({"activation": "tanh"}, r"activation='sigmoid'.*'relu'.*Layerwise\(\)"),
        ({"bottleneck": TopK()}, r"bottleneck=Plain\(\), or pretraining=Layerwise\(\)"),
        ({"bottleneck": Quantized()}, r"bottleneck=Plain\(\)"),
        ({"bottleneck": Plain("tanh")}, r"bottleneck=Plain\(\)"),
        ({"pretraining": RBM(visible="gaussian")}, "visible='binary', or 'auto'"),
        ({"pretraining": RBM(hidden="binary")}, "hidden='rectified', or 'auto'"),
        (
            {"pretraining": RBM(persistent=True)},
            "neither side has no density.*activation='sigmoid', or persistent=False",
        ),
        (
            {"pretraining": Layerwise(corruption=BlockMasking())},
            r"corruption=Masking\(…\)",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_pretrained_is_refused_with_what_can(options, alternative):
    X = rows(40, 36).reshape(40, 6, 6).numpy()
    with pytest.raises(SpecError, match=alternative):
        Autoencoder(2, **{"pretraining": "rbm", "max_epochs": 1} | options).fit(X)


@pytest.mark.parametrize(
    ("part", "options"),
    [
        (RBM, {"epochs": 0}),
        (RBM, {"batch_size": 2.0}),
        (RBM, {"steps": True}),
        (RBM, {"persistent": 1}),
        (RBM, {"visible": "linear"}),
        (RBM, {"hidden": None}),
        (RBM, {"learning_rate": 0}),
        (RBM, {"weight_decay": -1}),
        (Layerwise, {"corruption": "masking"}),
        (Layerwise, {"learning_rate": float("nan")}),
        (Layerwise, {"epochs": "many"}),
    ],
)
def test_hyperparameters_outside_their_domain_are_refused(part, options):
    name = next(iter(options))
    with pytest.raises(SpecError, match=rf"{part.__name__}\({name}="):
        part(**options)


def test_a_greedy_stack_without_damage_is_plain(monkeypatch):
    seen = learners(monkeypatch)
    pretrained(Layerwise(epochs=1, corruption=None), rows(), MLP((8,), skip=False))
    assert [learner.corruption for learner, _ in seen] == [None, None]


def test_the_progress_names_the_layer(capsys):
    lines = Lines(every=0.0)
    pretrained(RBM(epochs=1), rows(), MLP((8,), "sigmoid", skip=False), progress=lines)
    said = capsys.readouterr().err.splitlines()
    assert [line.partition("  ")[0] for line in said] == [
        "layer 1/2, epoch 1/1",
        "layer 2/2, epoch 1/1",
    ]
    assert lines.stage == ""


class Interrupts(Progress):
    """Ctrl-C in the second layer."""

    def advance(self, rows, loss):
        if self.stage.startswith("layer 2"):
            raise KeyboardInterrupt


def test_an_interrupt_is_raised_or_ends_the_fit(monkeypatch, tmp_path):
    monkeypatch.setattr("diabolo.estimator.fitting.progress_for", lambda _: Interrupts())
    options = {"pretraining": RBM(epochs=2), "activation": "sigmoid"}
    with pytest.raises(KeyboardInterrupt):
        tiny(**options).fit(low_rank())
    model = tiny(**options, training=Training(on_interrupt="keep"))
    with pytest.warns(HealthWarning, match="while layers were pretrained") as caught:
        model.fit(low_rank())
    assert caught[0].filename == __file__
    assert (model.stopped_, model.history_, model.kept_) == ("interrupted", [], None)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(
        load(tmp_path / "model").transform(low_rank()), model.transform(low_rank())
    )


def test_a_loss_that_is_not_finite_names_the_layer():
    with pytest.raises(TrainingError, match=r"layer 1 of 2: the loss became .* learning rate"):
        tiny(pretraining=RBM(epochs=50, learning_rate=1e9)).fit(low_rank())


@pytest.mark.parametrize("name", ["deep", "stacked"])
def test_recipes_are_pretrained(name):
    model = recipes.RECIPES[name](2, max_epochs=1, random_state=0, hidden=(8, 4))
    assert model.pretraining == {"deep": "rbm", "stacked": "layerwise"}[name]
    model.set_params(pretraining=PRETRAINING[model.pretraining](epochs=1))
    network = model.fit(rows().numpy()).spec_.network
    assert network == MLP((8, 4), "sigmoid" if name == "deep" else "silu", skip=False)
    own = recipes.RECIPES[name](2, network=MLP((6,), "relu"), pretraining=RBM(epochs=1))
    assert own.set_params(max_epochs=1).fit(rows().numpy()).spec_.network.activation == "relu"


@pytest.fixture(scope="module")
def digits():
    flat = (datasets.load("digits", split).data.reshape(-1, 64) for split in ("train", "test"))
    return tuple(flat)


@pytest.mark.parametrize("part", PRETRAINING)
def test_deep_sigmoid_nets_learn_from_pretrained_weights_and_hardly_from_random_ones(part, digits):
    # Hinton & Salakhutdinov 2006: from random weights such a net gives the mean of the data.
    X, X_test = digits
    network = MLP((96, 48, 24), "sigmoid", skip=False)
    errors = {}
    for pretraining, epochs in ((None, 60), (None, 10), (part, 10)):
        model = Autoencoder(
            8, network=network, pretraining=pretraining, max_epochs=epochs, random_state=0
        )
        errors[pretraining, epochs] = -64 * model.fit(X).score(X_test)
    mean = 64 * float(((X_test - X.mean(axis=0)) ** 2).mean())
    assert errors[None, 10] > 0.8 * mean
    assert errors[part, 10] < 0.6 * errors[None, 10]
    # Nor do six times as many epochs make up for it.
    assert errors[part, 10] < 0.7 * errors[None, 60]
