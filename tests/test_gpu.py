"""Training on a GPU: its graphs give what the calls would have given; results are the CPU's.

Where there is no GPU, the tests of the graphs' bookkeeping run on the CPU, with a stand-in for
CUDA's graphs that makes the calls again.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.samples import a_step

from diabolo import Autoencoder, load
from diabolo.bottlenecks import Gaussian, Plain, Quantized, TopK
from diabolo.corruptions import GaussianNoise
from diabolo.device import arithmetic
from diabolo.estimator import folder
from diabolo.likelihoods import MSE, Bernoulli
from diabolo.networks import MLP, Conv
from diabolo.random import Noise, torch_generator
from diabolo.training import Training, graph
from diabolo.training import step as steps
from diabolo.training.graph import WARM_UPS, Graphed, Place
from diabolo.training.optimizers import orthogonalised

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

PARTS = [
    (MLP((8,)), Plain(), MSE()),
    (MLP((8,), "tanh", dropout=0.3), Plain("sigmoid"), Bernoulli()),
    (MLP((8, 8), residual=True), Gaussian(), MSE()),
]


@pytest.fixture
def stand_in(monkeypatch):
    """CUDA's graphs, played by Python: what a capture did is undone, a replay calls again.

    The list is to hold the tensors that steps write into.
    """
    written: list[torch.Tensor] = []

    class Player:
        def __init__(self, function, place, result):
            self.function, self.place, self.result = function, place, result

        def replay(self):
            self.result.copy_(self.place.call(self.function))

    def captured(function, place, memory):
        before = [tensor.clone() for tensor in written]
        result = place.call(function)
        for tensor, value in zip(written, before, strict=True):
            tensor.copy_(value)
        return Player(function, place, result), result

    monkeypatch.setattr(graph, "captured", captured)
    return written


def taught(step, x, times=10):
    """Return losses and weights after some steps, the last of them with the batch of the first."""
    device = str(x.device)
    with step.arithmetic():
        losses = [
            step(x[20 * (i % 5) : 20 * (i % 5) + 20], Noise(0, i, device=device), (i + 1) / 40)
            for i in range(times)
        ]
    return [*losses, *(p.detach().clone() for p in step.parameters)]


def test_what_differs_from_step_to_step_is_put_in_place():
    def function(x, noise, rate, mask):
        return ((x + noise.normal(x.shape) * noise.position) * mask).sum() * rate

    x, mask = torch.arange(6.0).reshape(2, 3), torch.ones(2, 1)
    place = Place(x, Noise(0, "first", at=0.1), 1.0, mask)
    address = (
        place.tensors[0].data_ptr(),
        id(place.noise.generator),
        place.noise.position.data_ptr(),
    )
    noise, other = Noise(5, "second", at=0.7), mask * torch.tensor([[1.0], [0.0]])
    place.load(x + 1, noise, 0.5, other)
    assert torch.equal(place.call(function), function(x + 1, noise.again(), 0.5, other))
    assert address == (
        place.tensors[0].data_ptr(),
        id(place.noise.generator),
        place.noise.position.data_ptr(),
    )
    assert x[0, 0] == 0  # the place has its own memory


@pytest.mark.parametrize("parts", PARTS, ids=str)
@pytest.mark.parametrize(("optimizer", "trim"), [("adam", 0.0), ("muon", 0.0), ("adam", 0.25)])
def test_a_replay_takes_each_steps_own_rows_noise_and_rate(stand_in, parts, optimizer, trim):
    results = []
    for graphed in (False, True):
        step, x = a_step(*parts, optimizer=optimizer, trim=trim)
        step.recordable = False
        step.graphable = graphed
        rule = step.optimizer.rule
        moments = [rule, *([rule.adam] if optimizer == "muon" else [])]
        tensors = [*step.parameters]
        for moment in moments:
            for value in vars(moment).values():
                tensors += _tensors(value)
        stand_in[:] = [tensor.data for tensor in tensors]
        results.append(taught(step, x))
    assert all(graphed.graph is not None for graphed in step.graphs.values())
    # With trimming one graph for the warm-up of the schedule, and one for the rest.
    assert len(step.graphs) == (2 if trim else 1)
    for replayed, computed in zip(*results, strict=True):
        torch.testing.assert_close(replayed, computed, rtol=1e-6, atol=1e-7)


def test_what_cannot_be_captured_is_called(monkeypatch):
    calls = []

    def function(x, noise, rate):
        calls.append(float(rate))
        return x.sum() * rate

    monkeypatch.setattr(graph, "captured", lambda function, place, memory: (None, place.rate))
    graphed = Graphed(None)
    rates = [0.5 * i for i in range(WARM_UPS + 3)]
    x = torch.ones(2)
    results = [float(graphed(function, x, Noise(0, i), rate)) for i, rate in enumerate(rates)]
    assert graphed.graph is None
    assert calls == rates and results == [2 * rate for rate in rates]


def test_nothing_is_captured_on_a_cpu_or_in_a_short_run():
    step, _ = a_step(*PARTS[0])
    assert not step.graphable and not step.graphs


def _tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for part in value for tensor in _tensors(part)]
    return []


@gpu
@pytest.mark.parametrize("parts", PARTS, ids=str)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("optimizer", "trim"), [("adam", 0.0), ("muon", 0.0), ("adam", 0.25)])
def test_a_graph_is_the_calls(parts, precision, optimizer, trim):
    results = []
    for graphed in (False, True):
        step, x = a_step(*parts, device="cuda", optimizer=optimizer, trim=trim, precision=precision)
        assert step.graphable
        if not graphed:
            # The calls, with the rate as the same tensor.
            step.graphs = {(20, trimmed): _call for trimmed in (False, True)}
        results.append(taught(step, x, 30))
    assert all(made.graph is not None for made in step.graphs.values())
    for replayed, computed in zip(*results, strict=True):
        assert torch.equal(replayed, computed)


def _call(function, x, noise, rate, *others):
    return function(x, noise, torch.full((), rate, device=x.device), *others)


ESTIMATORS = {
    "dense": {"hidden": (16,)},
    "wide": {"hidden": (512, 256), "training": Training(batch_size=256)},
    "noisy": {"hidden": (16,), "corruption": GaussianNoise(0.3)},
    "variational": {"hidden": (16,), "bottleneck": Gaussian()},
    "sparse": {"hidden": (16,), "bottleneck": TopK(2)},
    "quantised": {"hidden": (16,), "bottleneck": Quantized(16)},
    "gaps": {"hidden": (16,), "training": Training(batch_size=100)},
    "ensemble": {"hidden": (16,), "training": Training(members=3, folds=True, trim=0.1)},
}


def rows(n=2000):
    generator = np.random.default_rng(0)
    factors = generator.normal(size=(n, 4))
    return (factors @ generator.normal(size=(4, 12)) + 0.1 * generator.normal(size=(n, 12))).astype(
        np.float32
    )


@gpu
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_gpu_learns_what_the_cpu_learns(name, tmp_path, monkeypatch):
    x = rows()
    if name == "gaps":
        x[::7, 2] = np.nan
    code = 8 if name == "sparse" else 4
    models = {
        device: Autoencoder(
            code, max_epochs=30, random_state=0, device=device, **ESTIMATORS[name]
        ).fit(x)
        for device in ("cuda", "cpu")
    }
    errors = {device: model.reconstruction_error(x).mean() for device, model in models.items()}
    assert errors["cuda"] == pytest.approx(errors["cpu"], rel=0.25, abs=0.005)
    again = Autoencoder(code, max_epochs=30, random_state=0, device="cuda", **ESTIMATORS[name])
    np.testing.assert_array_equal(again.fit(x).transform(x), models["cuda"].transform(x))
    models["cuda"].save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").transform(x), again.transform(x))
    monkeypatch.setattr(folder, "resolve_device", lambda device: "cpu")
    moved = load(tmp_path / "model")
    np.testing.assert_allclose(
        moved.reconstruct(x), models["cuda"].reconstruct(x), rtol=1e-3, atol=1e-3
    )


@gpu
def test_convolutions_on_a_gpu_are_those_of_the_cpu():
    generator = np.random.default_rng(0)
    centres = generator.integers(4, 12, (600, 2))
    grid = np.arange(16)
    images = np.exp(
        -((grid[None, :, None] - centres[:, :1, None]) ** 2) / 8
        - (grid[None, None, :] - centres[:, 1:, None]) ** 2 / 8
    )
    images = (255 * images).astype(np.uint8)
    errors = [
        Autoencoder(4, network=Conv((8, 16)), max_epochs=20, random_state=0, device=device)
        .fit(images)
        .reconstruction_error(images)
        .mean()
        for device in ("cuda", "cpu")
    ]
    assert errors[0] == pytest.approx(errors[1], rel=0.5)


@gpu
def test_graphs_are_used_and_a_fit_without_them_is_as_good(monkeypatch):
    x, made = rows(), []
    original = Graphed.__init__
    monkeypatch.setattr(
        Graphed, "__init__", lambda self, *given: (original(self, *given), made.append(self))[0]
    )
    options = {"hidden": (16,), "max_epochs": 20, "random_state": 0, "device": "cuda"}
    graphed = Autoencoder(4, **options).fit(x).reconstruction_error(x).mean()
    assert made and all(g.graph is not None for g in made if g.calls > WARM_UPS)
    monkeypatch.setattr(steps, "WORTH_RECORDING", np.inf)
    called = Autoencoder(4, **options).fit(x).reconstruction_error(x).mean()
    assert graphed == pytest.approx(called, rel=0.05)


@gpu
@pytest.mark.parametrize("shape", [(500, 250), (30, 250), (3, 250, 126), (784, 1000)])
def test_muons_blocks_are_those_of_the_cpu(shape):
    x = torch.randn(shape, generator=torch_generator(0))
    with arithmetic("fp32", "cuda"):
        there = orthogonalised(x.cuda(), torch.float32).cpu()
    torch.testing.assert_close(there, orthogonalised(x, torch.float32), rtol=1e-3, atol=1e-4)


@gpu
def test_what_reads_a_result_is_called_and_leaves_no_trace():
    x, graphed = torch.ones(4, device="cuda"), Graphed(torch.cuda.graph_pool_handle())
    stream = torch.cuda.current_stream()
    results = [
        float(graphed(lambda x, noise, rate: x * float(x.sum() * rate), x, _noise(i), 0.5)[0])
        for i in range(WARM_UPS + 3)
    ]
    assert graphed.graph is None and results == [2.0] * len(results)
    assert torch.cuda.current_stream() == stream
    good = Graphed(torch.cuda.graph_pool_handle())
    again = [
        float(good(lambda x, noise, rate: x.sum() * rate, x, _noise(i), float(i))) for i in range(5)
    ]
    assert good.graph is not None and again == [4.0 * i for i in range(5)]


def _noise(i):
    return Noise(0, i, device="cuda")


@gpu
def test_a_fit_leaves_no_memory_behind():
    x = rows()
    used = []
    for _ in range(4):
        Autoencoder(4, hidden=(512,), max_epochs=10, random_state=0, device="cuda").fit(x)
        used.append(torch.cuda.memory_allocated())
    assert used[3] <= used[1]
