"""The loop: what it minimises, when it stops, what it keeps, and what it never looks at."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from tests.samples import initialised, low_rank

from diabolo import Autoencoder, load
from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import Plain
from diabolo.errors import HealthWarning, TrainingError
from diabolo.likelihoods import MSE
from diabolo.networks import MLP
from diabolo.pretraining import RBM, Layerwise
from diabolo.random import torch_generator
from diabolo.training import Training
from diabolo.training import loop as loop_room
from diabolo.training.loop import held_out_losses, train
from diabolo.training.optimizers import Optimizer
from diabolo.training.progress import Lines, Progress
from diabolo.training.recovery import ATTEMPTS
from diabolo.training.schedule import factor
from diabolo.training.step import Step

RESOLVED = {
    "batch_size": 16,
    "optimizer": "adam",
    "learning_rate": 3e-3,
    "validation_fraction": 0.2,
    "weight_decay": 0.0,
    "averaging": 0.0,
    "patience": 10,
    "precision": "fp32",
}


pytestmark = pytest.mark.usefixtures("one_thread")


def held_out_rows(rows, count):
    chosen = torch.zeros(rows, dtype=torch.bool)
    chosen[torch.randperm(rows, generator=torch_generator(5))[:count]] = True
    return chosen


def run(x, held_out, epochs=3, progress=None, network=None, seed=0, **training):
    """Train a small net on x directly, and return (module, record)."""
    start = torch.from_numpy(low_rank())  # the same initial weights whatever x is
    parts = (2, network or MLP((8,)), Plain(), MSE())
    module = initialised(seed, start, *parts)
    options = Training(**{**RESOLVED, **training})
    return module, train(module, x, held_out, options, epochs, seed, progress or Progress())


def weights(module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


class Batches(Progress):
    """Remembers how many rows each step took."""

    def __init__(self):
        self.steps, self.looks, self.closed = [], [], 0

    def start(self, epochs, rows, values):
        self.announced = epochs, rows, values

    def advance(self, rows, loss):
        assert loss.shape == ()
        self.steps.append(rows)

    def epoch(self, row):
        self.looks.append(row)

    def close(self):
        self.closed += 1


def held_out_loss(module, x, held_out):
    return float(held_out_losses(module, x[held_out], 0, 32).mean()) / x[0].numel()


@pytest.mark.parametrize("early_stopping", [True, False])
def test_the_weights_are_those_of_the_best_look(early_stopping):
    x = torch.randn(60, 6, generator=torch_generator(1))  # noise, so that the net overfits
    held_out = held_out_rows(60, 20)
    options = {"early_stopping": early_stopping, "patience": 4, "schedule": "constant"}
    module, record = run(x, held_out, 40, learning_rate=0.05, network=MLP((64,)), **options)
    losses = [row["held_out"] for row in record.history]
    best = int(np.argmin(losses))
    assert best < len(losses) - 1, "this test needs a run that gets worse"
    assert held_out_loss(module, x, held_out) == losses[best]
    if early_stopping:
        assert len(losses) == best + 1 + 4
        assert record.stopped == "no better for 4 looks"
    else:
        assert len(losses) == 40
        assert record.stopped == "all epochs done"


def test_without_held_out_rows_the_last_weights_are_kept():
    x = torch.from_numpy(low_rank())
    nobody = torch.zeros(len(x), dtype=torch.bool)
    module, record = run(x, nobody, 3, patience=1)
    assert [set(row) for row in record.history] == [
        {"epoch", "train", "learning_rate", "seconds"}
    ] * 3
    assert record.stopped == "all epochs done"
    assert not torch.equal(weights(module), weights(run(x, nobody, 2)[0]))


def test_held_out_rows_are_never_learned_from():
    x, held_out = torch.from_numpy(low_rank()), held_out_rows(200, 50)
    changed = x.clone()
    changed[held_out] = 100 * torch.randn(50, 6, generator=torch_generator(2))
    # One epoch is one look, so that the choice of the best look plays no part.
    first, again = (run(rows, held_out, 1)[0] for rows in (x, changed))
    assert torch.equal(weights(first), weights(again))
    learned = x.clone()
    learned[~held_out] *= 1.01
    assert not torch.equal(weights(first), weights(run(learned, held_out, 1)[0]))


def test_history_is_the_mean_objective_per_value():
    x, held_out = torch.from_numpy(low_rank()), held_out_rows(200, 50)
    module, record = run(x, held_out, 1, learning_rate=1e-30)
    untouched = module(x).detach().double() / 6
    row = record.history[0]
    assert row["train"] == pytest.approx(float(untouched[~held_out].mean()), rel=1e-5)
    assert row["held_out"] == pytest.approx(float(untouched[held_out].mean()), rel=1e-5)


@pytest.mark.parametrize(
    ("rows", "size"), [(200, 16), (33, 32), (40, 32), (5, 512), (1, 1), (97, 10)]
)
def test_batches_cover_every_row_once_an_epoch_in_even_pieces(rows, size, monkeypatch):
    seen = []
    real = AutoencoderModule.forward

    def spy(self, x, noise=None):
        if torch.is_grad_enabled():
            seen.append(x[:, 0].tolist())
        return real(self, x, noise)

    monkeypatch.setattr(AutoencoderModule, "forward", spy)
    x = torch.arange(rows, dtype=torch.float32)[:, None].expand(-1, 6) / rows
    progress = Batches()
    run(x.contiguous(), torch.zeros(rows, dtype=torch.bool), 2, progress, batch_size=size)
    steps = len(seen) // 2
    assert steps == max(1, round(rows / size))
    epochs = [sum(seen[:steps], []), sum(seen[steps:], [])]  # noqa: RUF017, short lists
    for epoch in epochs:
        assert sorted(epoch) == x[:, 0].tolist()
    assert rows < 5 or epochs[0] != epochs[1]
    assert max(map(len, seen)) - min(map(len, seen)) <= 1
    assert progress.steps == [len(batch) for batch in seen]
    assert progress.announced == (2, rows, x.shape[1]) and progress.closed == 1


def test_the_schedule():
    assert [factor("constant", i / 9) for i in range(9)] == [1.0] * 9
    steps = 1000
    rates = [factor("one_cycle", (i + 0.5) / steps) for i in range(steps)]
    assert rates[0] == pytest.approx(0.5 / 100) and rates[49] == pytest.approx(0.495)
    assert max(rates) == pytest.approx(1, abs=1e-4) and int(np.argmax(rates)) == 100
    assert rates[549] == pytest.approx(0.5, abs=1e-3)  # a cosine is halfway down in the middle
    assert 0 < rates[-1] < 1e-5
    assert (np.diff(rates)[101:] < 0).all()
    for few in (1, 2, 5):
        assert all(0 < factor("one_cycle", (i + 0.5) / few) <= 1 for i in range(few))


def test_the_rate_of_a_look_is_the_scheduled_one():
    x = torch.from_numpy(low_rank())
    _, record = run(x, torch.zeros(200, dtype=torch.bool), 3, batch_size=100)
    wanted = [3e-3 * factor("one_cycle", (step + 0.5) / 6) for step in (1, 3, 5)]
    assert [row["learning_rate"] for row in record.history] == pytest.approx(wanted)


@pytest.mark.parametrize("epochs", [1, 49, 50, 99, 120, 200])
def test_there_are_at_most_fifty_looks_and_one_at_the_end(epochs):
    x = torch.from_numpy(low_rank(16))
    progress = Batches()
    _, record = run(x, torch.zeros(16, dtype=torch.bool), epochs, progress)
    assert record.history == progress.looks
    assert record.history[-1]["epoch"] == epochs
    assert len(record.history) <= loop_room.LOOKS


def test_looks_are_never_more_than_a_thousand_steps_apart_where_epochs_end(monkeypatch):
    monkeypatch.setattr(loop_room, "STEPS_A_LOOK", 10)
    x = torch.from_numpy(low_rank(20))
    _, record = run(x, torch.zeros(20, dtype=torch.bool), 200, batch_size=4)  # 5 steps an epoch
    assert [row["epoch"] for row in record.history] == list(range(2, 201, 2))


def test_held_out_rows_are_trimmed_as_the_others_are():
    x = torch.from_numpy(low_rank())
    held_out = held_out_rows(200, 40)
    x[torch.nonzero(held_out).flatten()[:4]] = 1e3
    module, record = run(x, held_out, trim=0.1)
    losses = held_out_losses(module, x[held_out], 0, 32).sort().values
    assert record.history[record.kept]["held_out"] == pytest.approx(float(losses[:36].mean()) / 6)
    assert record.history[-1]["held_out"] < 10 < held_out_loss(module, x, held_out)


class Interrupts(Progress):
    """Ctrl-C in the middle of the given step."""

    def __init__(self, step):
        self.left = step

    def advance(self, rows, loss):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_an_interrupt_is_raised_by_default():
    x = torch.from_numpy(low_rank())
    with pytest.raises(KeyboardInterrupt):
        run(x, held_out_rows(200, 50), progress=Interrupts(3))


def test_an_interrupt_keeps_the_best_weights_where_asked():
    x, held_out = torch.from_numpy(low_rank()), held_out_rows(200, 40)
    steps = round(160 / 16)
    with pytest.warns(
        HealthWarning,
        match="interrupted after 2 of 9 epochs; the best weights so far, those of epoch",
    ):
        module, record = run(x, held_out, 9, Interrupts(2 * steps + 3), on_interrupt="keep")
    assert record.stopped == "interrupted"
    best = min(row["held_out"] for row in record.history)
    assert held_out_loss(module, x, held_out) == best


def test_a_model_interrupted_in_its_first_epoch_works_and_is_saved(monkeypatch, tmp_path):
    monkeypatch.setattr("diabolo.estimator.fitting.progress_for", lambda _: Interrupts(1))
    model = Autoencoder(2, hidden=(8,), random_state=0, training=Training(on_interrupt="keep"))
    with pytest.warns(HealthWarning, match="interrupted after 0 of"):
        model.fit(low_rank())
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(low_rank()), model.transform(low_rank()))


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_loss_that_is_not_finite_ends_training_with_the_cure(optimizer):
    options = Training(learning_rate=1e9, optimizer=optimizer, schedule="constant")
    model = Autoencoder(2, hidden=(8, 8), max_epochs=50, training=options, random_state=0)
    with pytest.raises(
        TrainingError, match=r"loss became (nan|inf) in epoch .* learning rate.*1e\+09"
    ):
        model.fit(1e3 * low_rank())


def test_training_goes_back_and_on_at_half_the_rate(monkeypatch):
    x, held_out = torch.from_numpy(low_rank()), held_out_rows(200, 40)
    slow, _ = run(x, held_out, 3, learning_rate=1.5e-3, schedule="constant")
    real = Optimizer.step

    def breaks(self, gradients, rate):  # as it does where steps are too large
        real(self, [g * math.nan for g in gradients] if rate > 2e-3 else gradients, rate)

    monkeypatch.setattr(Optimizer, "step", breaks)
    module, record = run(x, held_out, 3, learning_rate=6e-3, schedule="constant")
    assert record.setbacks == 2
    assert torch.equal(weights(module), weights(slow))
    assert [row["learning_rate"] for row in record.history] == [1.5e-3] * 3
    with pytest.raises(TrainingError, match=r"in epoch 1.*it was 1, and 0\.03125 at last"):
        run(x, held_out, 3, learning_rate=1.0, schedule="constant")


def test_training_goes_back_to_the_last_good_epoch(monkeypatch):
    x, held_out = torch.from_numpy(low_rank()), held_out_rows(200, 40)
    real = Step.__call__
    seen = []

    def breaks(self, rows, noise, position, *others):
        loss = real(self, rows, noise, position, *others)
        if noise.key[1] == 1 and self.training.learning_rate == RESOLVED["learning_rate"]:
            seen.append([p.clone() for p in self.parameters])
            return loss * math.inf
        return loss

    monkeypatch.setattr(Step, "__call__", breaks)
    _, record = run(x, held_out, 3, schedule="constant")
    assert record.setbacks == 1
    assert len(seen) == 10 and [row["epoch"] for row in record.history] == [1, 2, 3]
    rates = [row["learning_rate"] for row in record.history]
    assert rates == [3e-3, 1.5e-3, 1.5e-3]


def test_the_best_weights_survive_a_loss_that_is_not_finite(monkeypatch):
    x, held_out = torch.from_numpy(low_rank()), held_out_rows(200, 40)
    good = weights(run(x, held_out, 1, schedule="constant")[0])
    real, calls = loop_room.held_out_losses, []

    def breaks(*args):  # losses of the first epoch are real, later ones are not
        calls.append(args)
        return real(*args) * (1 if len(calls) == 1 else math.nan)

    monkeypatch.setattr(loop_room, "held_out_losses", breaks)
    built = initialised(0, x, 2, MLP((8,)), Plain(), MSE())
    options = Training(**RESOLVED, schedule="constant")
    with pytest.raises(TrainingError, match="nan in epoch 2"):
        train(built, x, held_out, options, 5, 0, Progress())
    assert torch.equal(weights(built), good)
    assert all(p.grad is None for p in built.parameters())
    assert len(calls) == 1 + 1 + ATTEMPTS


def test_a_decay_that_turns_weights_round_is_named():
    x, held_out = torch.from_numpy(low_rank()), held_out_rows(200, 40)
    with pytest.raises(TrainingError, match=r"weight_decay far below 1e\+09"):
        run(x, held_out, 5, weight_decay=1e9)


def test_training_goes_back_where_only_held_out_losses_are_no_numbers(monkeypatch):
    x, held_out = torch.from_numpy(low_rank()), held_out_rows(200, 40)
    real, calls = loop_room.held_out_losses, []

    def breaks(*args):
        calls.append(args)
        return real(*args) * (math.inf if len(calls) == 2 else 1)

    monkeypatch.setattr(loop_room, "held_out_losses", breaks)
    said = io.StringIO()
    _, record = run(x, held_out, 3, Lines(said, every=0.0), schedule="constant")
    # What is repeated is not counted twice.
    assert [line.split()[1] for line in said.getvalue().splitlines()] == ["1/3", "2/3", "3/3"]
    assert record.setbacks == 1 and [row["epoch"] for row in record.history] == [1, 2, 3]
    assert [row["learning_rate"] for row in record.history] == [3e-3, 1.5e-3, 1.5e-3]


@pytest.mark.parametrize(
    ("pretraining", "advice"),
    [
        (None, r"Training\(learning_rate=0\.002\)"),
        (RBM(epochs=1, learning_rate=0.02), r"RBM\(learning_rate=0\.01\)"),
        (Layerwise(epochs=1), r"Layerwise\(learning_rate=0\.002\)"),
    ],
    ids=str,
)
def test_the_advice_names_the_part_that_has_the_rate(pretraining, advice, monkeypatch):
    X, real, calls = low_rank(), Optimizer.step, []

    def breaks(self, gradients, rate):
        calls.append(rate)
        real(self, [g * math.nan for g in gradients] if len(calls) == 1 else gradients, rate)

    monkeypatch.setattr(Optimizer, "step", breaks)
    model = Autoencoder(
        2,
        hidden=(8,),
        activation="sigmoid",
        pretraining=pretraining,
        max_epochs=1,
        training=Training(learning_rate=4e-3),
        random_state=0,
    )
    with pytest.warns(HealthWarning, match=f"1 time.*halved.*{advice}") as seen:
        model.fit(X)
    assert seen[0].filename == __file__


def test_a_fit_that_fails_leaves_no_half_fitted_estimator():
    model = Autoencoder(2, hidden=(8,), training=Training(learning_rate=1e30))
    with pytest.raises(TrainingError):
        model.fit(low_rank())
    assert not model.__sklearn_is_fitted__()
