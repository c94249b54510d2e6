"""The options of the loop, the optimisers, the arithmetic, and the chunks of scoring."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.samples import low_rank

from diabolo import Autoencoder, datasets
from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import Plain
from diabolo.errors import SpecError
from diabolo.estimator.schedules import choose_training
from diabolo.layers import Dense, chunk_rows
from diabolo.likelihoods import MSE
from diabolo.networks import MLP, Conv
from diabolo.training import Training
from diabolo.training.progress import Lines
from diabolo.training.scoring import in_chunks

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 0},
        {"steps": 0},
        {"steps": 1.5},
        {"batch_size": 2.5},
        {"batch_size": True},
        {"batch_size": "many"},
        {"learning_rate": 0},
        {"learning_rate": -1e-3},
        {"learning_rate": math.nan},
        {"optimizer": "sgd"},
        {"schedule": "cosine"},
        {"weight_decay": -1},
        {"weight_decay": math.nan},
        {"validation_fraction": 1.0},
        {"validation_fraction": -0.1},
        {"validation_fraction": "some"},
        {"patience": 0},
        {"precision": "fp64"},
        {"on_interrupt": "ignore"},
        {"weight_decay": "x"},
        {"weight_decay": math.inf},
        {"learning_rate": math.inf},
        {"patience": 1.5},
        {"early_stopping": "no"},
    ],
    ids=str,
)
def test_bad_options_are_refused_by_name(options):
    (name,) = options
    with pytest.raises(SpecError, match=name):
        Training(**options)


def test_options_are_training_parts_and_epochs_are_whole():
    with pytest.raises(SpecError, match=r"training=\{.*Training\("):
        Autoencoder(training={"batch_size": 8}).fit(low_rank())
    for epochs in (0, -1, 2.5, "all"):
        with pytest.raises(SpecError, match="max_epochs"):
            Autoencoder(max_epochs=epochs).fit(low_rank())


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_every_optimiser_learns(optimizer):
    options = Training(
        optimizer=optimizer, learning_rate=1e-2, batch_size=16, validation_fraction=0.1
    )
    model = Autoencoder(2, hidden=(16,), max_epochs=40, training=options, random_state=0)
    history = model.fit(low_rank()).history_
    constant = 0.5 * math.log(2 * math.pi)
    first, last = (row["held_out"] - constant for row in (history[0], history[-1]))
    # The rank is 2 and the noise ½ × 0.01 per value, so nearly all of the error can go.
    assert 0 < last < first / 10


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_precision_changes_the_quality_little(optimizer, monkeypatch):
    monkeypatch.setattr("diabolo.device._multiplies_bf16", lambda device: True)
    X = datasets.load("digits").data
    errors, codes = {}, {}
    for precision in ("fp32", "bf16", "auto"):
        # Large enough a net that the policy takes bf16.
        options = Training(128, optimizer, 5e-3, precision=precision)
        model = Autoencoder(8, hidden=(512, 256), max_epochs=8, training=options, random_state=0)
        errors[precision] = -model.fit(X).score(X)
        codes[precision] = model.transform(X)
        assert codes[precision].dtype == np.float32
        assert model.spec_.training.precision == ("fp32" if precision == "fp32" else "bf16")
    assert np.array_equal(codes["auto"], codes["bf16"])
    assert not np.array_equal(codes["bf16"], codes["fp32"])
    assert errors["bf16"] == pytest.approx(errors["fp32"], rel=0.05)
    assert errors["fp32"] < 0.5 * X.var(axis=0).mean()


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (45, 4), (600, 60)])
def test_a_number_of_steps_is_a_number_of_epochs(steps, epochs):
    X = low_rank(320)
    options = Training(steps=steps, batch_size=32)
    model = Autoencoder(2, hidden=(4,), training=options, random_state=0).fit(X)
    assert model.spec_.max_epochs == epochs and model.spec_.training.steps == 10 * epochs
    # What is said of the epochs counts.
    model.set_params(max_epochs=2).fit(X)
    assert model.spec_.max_epochs == 2 and model.spec_.training.steps == 20


@pytest.mark.parametrize("n", [1, 127, 128, 129, 600])
def test_chunks_are_one_size_and_give_every_row_back(n):
    module = Dense(4_000, 2_000)
    size = chunk_rows(module)
    assert size == 128
    shapes = []

    def double(rows):
        shapes.append(len(rows))
        return 2 * rows[:, :3]

    x = torch.arange(n * 4.0).reshape(n, 4)
    assert torch.equal(in_chunks(module, x, double), 2 * x[:, :3])
    assert shapes == [size] * -(-n // size)


def test_lines_for_pipes_name_epoch_and_losses(capsys):
    lines = Lines(every=0.0)
    lines.start(2, 100, 10)
    lines.advance(100, torch.tensor(1.0))
    lines.epoch({"epoch": 1, "train": 0.5, "held_out": 0.25, "seconds": 1.0})
    lines.advance(100, torch.tensor(1.0))
    lines.epoch({"epoch": 2, "train": 0.25, "seconds": 2.0})
    first, second = capsys.readouterr().err.splitlines()
    assert "epoch 1/2" in first and "loss 0.50000, held out 0.25000" in first
    assert "epoch 2/2" in second and "rows/s" in second and "held out" not in second


def test_the_last_line_is_said_wherever_training_stops(capsys):
    lines = Lines(every=60.0)
    lines.start(9, 100, 10)
    for epoch in (1, 2, 3):
        lines.advance(100, torch.tensor(1.0))
        lines.epoch({"epoch": epoch, "train": 0.5, "seconds": float(epoch)})
    lines.close()
    first, last = capsys.readouterr().err.splitlines()
    assert "epoch 1/9" in first and "epoch 3/9" in last


def test_lines_appear_where_a_look_takes_long(capsys):
    lines = Lines(latest=0.0)
    lines.start(9, 100, 10)
    lines.advance(20, torch.tensor(5.0))
    assert "in epoch 1/9  loss 0.50000" in capsys.readouterr().err


@pytest.mark.parametrize(("rows", "columns"), [(20, 6), (600, 6), (600, 300)])
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_weight_decay_fades_as_rows_come_in(rows, columns, optimizer):
    data = np.random.default_rng(0).normal(size=(rows, columns))
    training = Training(optimizer=optimizer)
    fitted = Autoencoder(2, hidden=(4,), max_epochs=1, training=training).fit(data)
    least = 0.3 if optimizer == "muon" else 0.0
    wanted = max(least, min(3.0, 12 * min(columns, 100) / rows))
    assert fitted.spec_.training.weight_decay == wanted


def test_few_rows_are_not_learned_by_heart():
    # The default must do better than PCA on wines that it has not seen; without weight decay it
    # learns the others by heart and does worse.
    from sklearn.datasets import load_wine
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    X = StandardScaler().fit_transform(load_wine().data)
    order = np.random.default_rng(5).permutation(len(X))
    known, new = X[order[:133]], X[order[133:]]
    pca = PCA(3).fit(known)
    by_pca = np.mean((pca.inverse_transform(pca.transform(new)) - new) ** 2)
    errors = {
        decay: -Autoencoder(3, random_state=0, training=Training(weight_decay=decay))
        .fit(known)
        .score(new)
        for decay in ("auto", 0.0)
    }
    assert errors["auto"] < 1.02 * by_pca
    assert errors["auto"] < 0.9 * errors[0.0]


def test_tables_that_are_linear_are_learned_nearly_as_well_as_by_pca():
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(2)
    X = rng.normal(size=(1500, 4)) @ rng.normal(size=(4, 20)) + 0.3 * rng.normal(size=(1500, 20))
    X = (X - X.mean(0)) / X.std(0)
    known, new = X[:1000], X[1000:]
    pca = PCA(4).fit(known)
    by_pca = np.mean((pca.inverse_transform(pca.transform(new)) - new) ** 2)
    errors = {
        skip: -Autoencoder(4, network=MLP(skip=skip), scaling="none", random_state=0)
        .fit(known)
        .score(new)
        for skip in (True, False)
    }
    assert errors[True] < 1.2 * by_pca
    assert errors[True] < errors[False]


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs"),
    [
        (100, 32, 180),
        (5_000, 64, 36),
        (60_000, 512, 24),
        (10**6, 512, 4),
        (10**7, 2048, 1),
        (10**8, 4096, 1),
    ],
)
def test_batches_and_epochs_go_by_the_rows(rows, batch_size, epochs):
    learned = rows if rows < 500 else rows - min(rows // 10, 5_000)
    member = member_for((20,), MLP((64, 32)))
    training, chosen = choose_training(None, "auto", (rows, 20), learned, member, "cpu")
    assert (training.batch_size, chosen) == (batch_size, epochs)


@pytest.mark.parametrize(("rows", "epochs"), [(178, 477), (891, 172), (32_561, 44)])
def test_tables_with_hidden_cells_are_trained_longer(rows, epochs):
    """Five times as many steps as others, and 5,000 at most."""
    learned, member = rows - (rows // 10) * (rows > 500), member_for((20,), MLP((64, 32)))
    training, chosen = choose_training(None, "auto", (rows, 20), learned, member, "cpu", True)
    assert abs(chosen - epochs) <= 1 and training.patience == 50
    image = choose_training(None, "auto", (rows, 5, 4), learned, member, "cpu", True)
    table = choose_training(None, "auto", (rows, 20), learned, member, "cpu")
    assert image == table and table[0].patience == 10
    given = choose_training(Training(patience=3), 7, (rows, 20), learned, member, "cpu", True)
    assert (given[0].patience, given[1]) == (3, 7)


@pytest.mark.parametrize(
    ("shape", "members", "batch_size"),
    [((28, 28), 1, 512), ((100, 100), 1, 256), ((512, 512, 3), 1, 8), ((512, 512, 3), 5, 2)],
)
def test_large_images_come_a_few_at_a_time(shape, members, batch_size):
    member = member_for(shape, Conv())
    training = Training(members=members)
    training, _ = choose_training(training, "auto", (60_000, *shape), 55_000, member, "cpu")
    assert training.batch_size == batch_size
    assert training.batch_size * members * member.values < 2**27


def member_for(shape, network):
    return AutoencoderModule.planned(shape, 8, network.resolved(shape), Plain(), MSE())
