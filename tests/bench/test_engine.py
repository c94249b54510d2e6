"""The parts of the engine benchmark that decide what its figures mean."""

from __future__ import annotations

import argparse
import math
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.engine import clock, convolutional, data, gpu, growth, onnx_graph, scoring
from bench.engine import time_to_quality as quality
from bench.peers import Job
from bench.sections import Aim, Section, aims_table
from tests.samples import low_rank
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench import engine, peers
from diabolo import Autoencoder
from diabolo.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def time(monkeypatch):
    """A clock that moves only when its ``now`` is set."""
    fake = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(clock.time, "perf_counter", lambda: fake.now)
    return fake


@pytest.fixture
def pictures(monkeypatch):
    """A few random images in place of MNIST."""
    images = np.random.default_rng(0).integers(0, 256, (64, 28, 28), dtype=np.uint8)
    for module in (gpu, quality):
        monkeypatch.setattr(module, "images", lambda split, rows=None: images[:rows])
    return images


def small(**changes):
    """Options of a run that takes no time."""
    sizes = {"images": 64, "test_images": 32, "epochs": 1, "rounds": 1, "budget": 0.5}
    lengths = {"default_epochs": 1, "short_epochs": 1, "long_epochs": 1}
    return argparse.Namespace(**(sizes | lengths | changes))


def test_the_clock_stands_still_while_the_error_is_measured(time):
    course = clock.Course()
    course.start()

    def measure():
        time.now += 100.0
        return 5.0

    time.now += 1.0
    course.note(measure)
    time.now += 2.0
    course.note(lambda: 4.0)
    assert course.points == [(1.0, 5.0), (3.0, 4.0)]
    assert course.end == 3.0


def test_a_course_is_measured_on_its_grid_and_ends_with_it(time):
    course = clock.Course([1.0, 2.0, 4.0])
    course.start()
    waited = []

    def step(to):
        time.now = to
        course.step(lambda: 10.0 - to, lambda: waited.append(to))

    for to in (0.5, 1.0, 1.5, 3.0, 3.5):  # 3.0 is the first step after 2.0
        step(to)
    with pytest.raises(clock.Over):
        step(4.5)
    assert [when for when, _ in course.points] == waited == [1.0, 3.0, 4.5]


def test_a_course_tells_what_was_known_at_a_time():
    course = clock.Course()
    course.points = [(1.0, 5.0), (2.0, 3.0), (3.0, 4.0)]
    assert math.isnan(course.at(0.5))
    assert [course.at(1.5), course.at(2.0), course.at(60.0)] == [5.0, 3.0, 4.0]
    assert course.at(0.995) == 5.0  # a step may end a little after its time
    assert course.until(3.5) == 2.0 and course.until(1.0) == math.inf
    assert course.best == 3.0


def test_the_grid_rises_to_the_budget_and_holds_the_marks():
    times = clock.grid(300.0, [45.0, 100.0, 300.0])
    assert times == sorted(set(times)) and times[-1] == 300.0
    assert {45.0, 100.0} < set(times)
    assert clock.grid(30.0, [45.0])[-1] == 30.0


def test_looks_see_the_weights_that_would_be_kept():
    from diabolo.estimator import fitting

    before = fitting.train
    x = low_rank()
    seen = []

    def look(module):
        with torch.inference_mode():
            seen.append(module.reconstruct(torch.from_numpy(x)).numpy())

    training = Training(validation_fraction=0.0)
    model = Autoencoder(
        2, hidden=(8,), max_epochs=3, scaling="none", training=training, random_state=0
    )
    with clock.at_each_look(look):
        model.fit(x)
    assert fitting.train is before
    assert len(seen) == len(model.history_) == 3
    np.testing.assert_allclose(seen[-1], model.reconstruct(x), atol=1e-5)
    assert np.abs(seen[0] - seen[-1]).max() > 1e-3


def test_aims_are_met_missed_or_not_measured():
    aims = [
        Aim("speed", 3.0, 2.0),
        Aim("seconds", 50.0, 45.0, at_least=False),
        Aim("reached", math.inf, 45.0, at_least=False),
        Aim("absent", None, 2.0),
        Aim("nothing", math.nan, 2.0),
    ]
    assert [aim.met for aim in aims] == [True, False, False, None, None]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in aims_table([Section("A", aims=aims)]).splitlines()[2:]
    ]
    assert cells == [
        ["speed", "3.00", "≥ 2", "yes"],
        ["seconds", "50.0", "≤ 45", "no"],
        ["reached", "never", "≤ 45", "no"],
        ["absent", "–", "≥ 2", "–"],
        ["nothing", "–", "≥ 2", "–"],
    ]


def test_a_section_that_fails_leaves_the_others_figures(monkeypatch, capsys):
    good = Section("Good", ["fine"], {"good": 1.0, "never": math.inf}, [Aim("a", 1.0, 2.0)])

    def fail(options):
        raise RuntimeError("no luck")

    for name, function in {"good": lambda options: good, "bad": fail}.items():
        module = types.ModuleType(f"bench.engine.{name}")
        module.run = function
        monkeypatch.setitem(sys.modules, module.__name__, module)
    options = argparse.Namespace(quick=True, sections=["bad", "good"])
    result = engine.run(options)
    assert result.metrics == {"good": 1.0, "aims_met": 0, "aims_measured": 1, "sections_failed": 1}
    text = "\n".join(result.sections)
    assert "RuntimeError, no luck" in text and "## Good\n\nfine" in text and "## Aims" in text
    assert "no luck" in capsys.readouterr().err


def test_every_section_has_a_module():
    for name in engine.SECTIONS:
        source = (Path(engine.__file__).parent / f"{name}.py").read_text()
        assert "\ndef run(" in source


def test_epochs_are_chosen_to_end_within_the_budget():
    assert quality.epochs_within(300.0, epochs=4, seconds=20.0) == 54
    assert quality.epochs_within(1.0, epochs=4, seconds=20.0) == 1


def test_time_to_quality_ends_with_the_model_that_fit_returned(pictures):
    runs = quality.ours(pictures, pictures[:32], small())
    assert list(runs) == ["diabolo_default", "diabolo_short", "diabolo_long"]
    rows = data.pixels(pictures[:32])
    model = Autoencoder(
        quality.CODE_SIZE, hidden=quality.WIDTHS, max_epochs=1, device="cpu", random_state=0
    ).fit(pictures)
    error = data.squared_error(data.pixels(np.rint(model.reconstruct(pictures[:32]))), rows)
    for _, course in runs.values():
        assert len(course.points) == 2  # the look at the end of the epoch, and the model
        assert course.points[-1][1] == pytest.approx(error, rel=0.01)  # pixels come back as uint8


def test_a_watched_peer_learns_and_stops():
    users = pytest.importorskip("pythae") and quality.users
    x = low_rank().clip(0, 1)
    course = clock.Course([0.001, 0.5, 1.0])
    users.train("pythae", x, [6, 8, 2], course, lambda f: data.squared_error(f(x), x))
    (_, first), *_, (end, last) = course.points
    assert last < first and end >= 1.0


def test_missing_libraries_are_named_and_left_out(monkeypatch):
    def absent(x, job):
        raise ImportError("No module named 'absent'")

    monkeypatch.setitem(peers.PEERS, "absent", ("Absent", absent))
    monkeypatch.setitem(peers.PEERS, "here", ("Here", lambda x, job: None))
    present, missing = peers.warm_up(["here", "absent"], np.zeros((2, 2)), peers.Job())
    assert present == ["here"]
    assert missing == ["Absent is left out: No module named 'absent'."]


def test_jax_trains_as_torch_does():
    pytest.importorskip("jax")
    train, held_out = data.small_table(640, held_out=200)
    job = peers.Job((16,), 4, epochs=8, batch_size=32, learning_rate=3e-3)
    by_jax, by_torch = (
        peers.PEERS[name][1](train, job).reconstruct(held_out)
        for name in ("jax_scan", "torch_loop")
    )
    ours, theirs = (data.squared_error(x, held_out) for x in (by_jax, by_torch))
    assert ours == pytest.approx(theirs, rel=0.2)
    assert ours < 0.8 * np.square(held_out).sum(axis=1).mean()


@pytest.mark.parametrize("activation", ["silu", "gelu", "relu"])
@pytest.mark.parametrize("likelihood", ["mse", "bernoulli"])
def test_the_onnx_graph_gives_the_reconstruction_errors(activation, likelihood):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    images = np.random.default_rng(0).random((100, 4, 4), dtype=np.float32)
    model = Autoencoder(
        3, hidden=(16, 8), activation=activation, likelihood=likelihood, max_epochs=1
    ).fit(images)
    session = onnx_graph.session(onnx_graph.error_graph(model.module_), threads=1)
    errors = scoring.onnx_errors(session, images.reshape(len(images), -1))
    np.testing.assert_allclose(errors, model.reconstruction_error(images), rtol=1e-4)


def test_the_onnx_graph_refuses_what_it_would_leave_out():
    pytest.importorskip("onnx")
    model = Autoencoder(2, hidden=(8,), max_epochs=1).fit(low_rank())  # tables have a way past
    with pytest.raises(ValueError, match="skip"):
        onnx_graph.error_graph(model.module_)


def test_reduced_errors_are_nearly_those_in_fp32():
    images = np.random.default_rng(0).random((200, 4, 4), dtype=np.float32)
    model = Autoencoder(3, hidden=(16,), max_epochs=1).fit(images)
    exact, reduced = model.reconstruction_error(images), scoring.reduced_errors(model, images)
    np.testing.assert_allclose(reduced, exact, rtol=0.02)
    assert np.abs(reduced / exact - 1).max() > 1e-4


def test_ranks_are_compared_by_order_and_at_the_top():
    scores = np.arange(200.0)
    assert scoring.rank_change(scores, scores**3) == {"spearman": 1.0, "top_percent_kept": 1.0}
    changed = scores.copy()
    changed[[100, 199]] = changed[[199, 100]]
    assert scoring.rank_change(scores, changed)["top_percent_kept"] == 0.5


def test_the_convolutional_net_halves_the_image_and_comes_back():
    encoder, decoder = convolutional.parts()
    x = torch.zeros(2, 1, 28, 28)
    for layer in list(encoder)[:-2]:
        x = layer(x)
    assert x.shape == (2, convolutional.CHANNELS[-1], 4, 4)
    code = encoder(torch.zeros(2, 1, 28, 28))
    assert code.shape == (2, convolutional.CODE_SIZE)
    assert decoder(code).shape == (2, 1, 28, 28)


def test_the_convolutional_nets_are_the_same():
    ours = convolutional._ours(np.zeros((8, 28, 28), np.float32), Job((), 30, epochs=1))
    theirs = nn.Sequential(*convolutional.parts())
    count = sum(p.numel() for p in theirs.parameters())
    # Their one bias of the last layer is one for each pixel here.
    assert ours.model.module_.weights == count - 1 + 28 * 28


def test_operations_are_those_that_torch_counts():
    job = Job((20, 10), 3)
    net = nn.Sequential(nn.Linear(40, 20), nn.Linear(20, 10), nn.Linear(10, 3), nn.Linear(3, 10))
    net += nn.Sequential(nn.Linear(10, 20), nn.Linear(20, 40))
    with FlopCounterMode(display=False) as counter:
        net(torch.ones(7, 40)).sum().backward()
    assert counter.get_total_flops() == 7 * job.operations(40)


def test_growth_is_told_by_time_a_row_and_bytes_for_a_further_byte():
    sizes = {
        rows: {"fit_seconds": seconds, "fit_bytes": extra + 2 * rows, "data_bytes": rows}
        for rows, seconds, extra in ((10**4, 9.0, 0), (10**5, 1.0, 5e6), (10**6, 15.0, 5e6))
    }
    assert growth.time_growth(sizes, "fit") == pytest.approx(1.5)
    assert growth.memory_slope(sizes, "fit") == pytest.approx(2.0)
    del sizes[10**5], sizes[10**6]
    assert math.isnan(growth.time_growth(sizes, "fit")) and math.isnan(
        growth.memory_slope(sizes, "fit")
    )


def test_growth_measures_a_table_in_its_process():
    size = growth.measure(2_000)
    assert size["data_bytes"] == 2_000 * growth.COLUMNS * 4
    assert size["fit_seconds"] > 0 and size["scoring_seconds"] > 0


def test_a_small_table_is_standardised_and_always_the_same():
    train, held_out = data.small_table(500, held_out=100)
    assert train.shape == (500, 20) and held_out.shape == (100, 20)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(train, data.small_table(500, held_out=100)[0])


def test_the_gpu_section_works_on_another_device(pictures):
    pytest.importorskip("pythae")
    section = Section("On a GPU")
    gpu.throughput(section, small(), "cpu", ((64, 64, 64),))
    gpu.quality(section, pictures, pictures[:32], small(), "cpu")
    assert section.metrics["gpu_diabolo_batch128_seconds_per_epoch"] > 0
    assert section.metrics["gpu_pythae_batch64_seconds_per_epoch"] > 0
    assert section.metrics["gpu_quality_pythae_best_error"] > 0
    assert len(section.aims) == 6 and all(aim.met is not None for aim in section.aims[:3])


def test_the_gpu_section_says_when_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.run(small()).texts == ["No GPU was at hand."]
