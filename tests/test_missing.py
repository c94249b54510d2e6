"""Rows with missing cells: what the encoder is told, what the loss counts, what comes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from tests.samples import low_rank, tiny
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Categorical as TorchCategorical
from torch.distributions import Normal

from diabolo import Autoencoder, load
from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import BOTTLENECKS, Plain
from diabolo.cells import Cells
from diabolo.corruptions import BlockMasking, Chain, GaussianNoise, Masking, SaltAndPepper
from diabolo.errors import DataError, SpecError
from diabolo.likelihoods import MSE, Bernoulli, Gaussian, Huber, Mixed
from diabolo.networks import MLP, Conv, Conv1d
from diabolo.random import Noise, torch_generator
from diabolo.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")
NAN = float("nan")


def holed(X, share=0.2, seed=0):
    """X with a share of its cells missing, and where."""
    where = np.random.default_rng(seed).random(X.shape) < share
    return np.where(where, np.nan, X), where


def built(cells, likelihood):
    """A module for such cells, and its weights from a seed."""
    network = MLP((5,)).resolved(cells.shape)
    module = AutoencoderModule.empty(cells.shape, 2, network, Plain(), likelihood, cells=cells)
    module.initialise(0, torch.rand(9, *cells.shape, generator=torch_generator(0)))
    return module


@pytest.mark.parametrize(
    ("kind", "shape", "gaps", "shown"),
    [
        ("table", (4,), (), (4,)),
        ("table", (4,), (1, 3), (6,)),
        ("table", (4,), (0, 1, 2, 3), (8,)),
        ("image", (3, 5), (0,), (3, 5, 2)),
        ("image", (3, 5, 3), (0, 1, 2), (3, 5, 6)),
        ("series", (7,), (0,), (7, 2)),
        ("series", (7, 2), (0, 1), (7, 4)),
    ],
)
def test_the_encoder_gets_zeros_and_where_they_are(kind, shape, gaps, shown):
    cells = Cells(kind, shape, gaps=gaps)
    x = torch.randn(2, *shape, generator=torch_generator(0))
    if gaps:
        x.view(2, -1)[0, gaps[-1]] = NAN
    seen = cells.shown(x)
    assert seen.shape[1:] == cells.shown_shape == shown
    assert seen.isfinite().all()
    if gaps:
        # One value less, one mark more.
        values, marks = seen.split([shown[-1] - len(gaps), len(gaps)], dim=-1)
        assert marks.sum() == 1 and marks[1].sum() == 0
        assert torch.equal(values.reshape(x.shape)[~x.isnan()], x[~x.isnan()])
        assert values.reshape(x.shape)[x.isnan()].item() == 0


@pytest.mark.parametrize("likelihood", [MSE(), Bernoulli(), Gaussian(), Huber()], ids=repr)
def test_the_loss_counts_what_is_there(likelihood):
    cells = Cells("table", (6,), gaps=tuple(range(6)))
    module = built(cells, likelihood)
    x = torch.rand(8, 6, generator=torch_generator(1))
    x[torch.rand(8, 6, generator=torch_generator(2)) < 0.4] = NAN
    x[0] = NAN
    loss = module.objective(x, Noise(0)).total
    px = module.decode(module.encode(x).z)
    wanted = -likelihood.log_prob(px, x.nan_to_num(0.5))
    wanted = torch.where(x.isnan(), 0, wanted).sum(dim=1)
    torch.testing.assert_close(loss, wanted)
    assert loss[0] == 0
    loss.sum().backward()
    assert all(p.grad.isfinite().all() for p in module.parameters())
    # Whatever is told of a row that is not there changes no other one.
    alone = module.objective(x[3:4], Noise(0)).total
    torch.testing.assert_close(alone, loss[3:4], rtol=1e-5, atol=1e-6)


def test_the_likelihood_of_several_kinds_is_the_sum_of_theirs():
    likelihood = Mixed(MSE(), 2, 1, (3, 2))
    px = torch.randn(7, 8, generator=torch_generator(0))
    numbers = torch.randn(7, 2, generator=torch_generator(1))
    flags = torch.randint(2, (7, 1), generator=torch_generator(2)).float()
    first = torch.randint(3, (7,), generator=torch_generator(3))
    second = torch.randint(2, (7,), generator=torch_generator(4))
    one_hot = torch.nn.functional.one_hot
    x = torch.cat([numbers, flags, one_hot(first, 3), one_hot(second, 2)], dim=1)
    wanted = (
        Normal(px[:, :2], 1).log_prob(numbers).sum(dim=1)
        + TorchBernoulli(logits=px[:, 2]).log_prob(flags[:, 0])
        + TorchCategorical(logits=px[:, 3:6]).log_prob(first)
        + TorchCategorical(logits=px[:, 6:]).log_prob(second)
    )
    torch.testing.assert_close(likelihood.log_prob(px, x).sum(dim=1), wanted)
    mean = likelihood.mean(px)
    torch.testing.assert_close(mean[:, 3:6], px[:, 3:6].softmax(dim=1))
    torch.testing.assert_close(mean[:, 2], px[:, 2].sigmoid())
    torch.testing.assert_close(likelihood.mean(likelihood.bias(mean)), mean, rtol=0.1, atol=0.05)
    for wrong in ({"numbers": -1}, {"numbers": 0}, {"numeric": Bernoulli()}, {"numeric": "mse"}):
        with pytest.raises(SpecError):
            Mixed(**wrong)


def test_masks_hide_whole_cells_as_missing():
    cells = Cells("table", (5,), (1, 0, 0, 0, 1), (1, 4))
    x = torch.randn(4000, 5, generator=torch_generator(0))
    hidden = Masking(0.3, missing=True).apply(x, Noise(0), cells).isnan()
    assert torch.equal(hidden[:, 1], hidden[:, 2]) and torch.equal(hidden[:, 0], hidden[:, 4])
    assert not torch.equal(hidden[:, 0], hidden[:, 1])
    assert abs(hidden.float().mean() - 0.3) < 0.02
    # Without the option there is a zero in their places, and in the same ones.
    assert torch.equal(Masking(0.3).apply(x, Noise(0), cells) == 0, hidden)


def test_rows_draw_their_share_from_a_range():
    x = torch.ones(4000, 50)
    shares = Masking((0.2, 0.8), missing=True).apply(x, Noise(0)).isnan().float().mean(dim=1)
    assert abs(shares.mean() - 0.5) < 0.02
    # Even within 0.2 and 0.8, and then 50 draws for each row.
    assert abs(shares.var() - (0.6**2 / 12 + (0.25 - 0.6**2 / 12) / 50)) < 0.003
    for wrong in ((0.5, 0.2), (0.1,), (-0.1, 0.5), (0.2, 1.5)):
        with pytest.raises(SpecError, match="range such as"):
            Masking(wrong)


@pytest.mark.parametrize(
    "corruption",
    [
        Masking(0.5),
        Masking(0.5, missing=True),
        GaussianNoise(),
        SaltAndPepper(0.5),
        BlockMasking(0.3, axes=2),
        BlockMasking(0.3, axes=2, missing=True),
        Chain((Masking(0.3, missing=True), GaussianNoise(), SaltAndPepper(0.9))),
    ],
    ids=repr,
)
def test_what_is_missing_stays_missing(corruption):
    x = torch.rand(30, 6, 6, generator=torch_generator(0))
    x[torch.rand(x.shape, generator=torch_generator(1)) < 0.3] = NAN
    x[0] = NAN
    damaged = corruption.apply(x, Noise(0))
    assert damaged[x.isnan()].isnan().all()
    assert corruption.missing == bool(damaged[~x.isnan()].isnan().any())
    assert not damaged.isinf().any()


@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
def test_every_bottleneck_trains_on_rows_with_gaps(bottleneck):
    X, _ = holed(low_rank())
    model = tiny(bottleneck=bottleneck, code_size=4).fit(X)
    assert np.isfinite(model.transform(X)).all()
    rebuilt = model.reconstruct(X)
    assert np.isfinite(rebuilt).all() and rebuilt.dtype == X.dtype
    errors = model.reconstruction_error(X, per_value=True)
    assert (np.isnan(errors) == np.isnan(X)).all()
    np.testing.assert_allclose(model.reconstruction_error(X), np.nanmean(errors, 1), rtol=1e-5)
    assert np.isfinite(model.score_samples(X)).all()
    assert all(np.isfinite([f["train"] for f in model.history_]))
    model.diagnose(X)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((8, 9), {"network": Conv((4,), hidden=(8,))}),
        ((8, 9, 3), {"network": Conv((4,), hidden=(8,))}),
        ((8, 9, 3), {"hidden": (8,)}),
        ((20, 2), {"kind": "series", "network": Conv1d((4,), hidden=(8,))}),
        ((20,), {"kind": "series", "network": Conv1d((4,), hidden=(8,))}),
    ],
    ids=str,
)
def test_images_and_series_may_have_gaps(shape, options, tmp_path):
    X, _ = holed(np.random.default_rng(0).random((60, *shape)))
    options = {"hidden": "auto"} | options
    model = tiny(**options, corruption=Masking(0.2, missing=True)).fit(X)
    assert model.reconstruct(X).shape == X.shape and np.isfinite(model.reconstruct(X)).all()
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").transform(X), model.transform(X))


def test_members_of_an_ensemble_see_gaps():
    X, _ = holed(low_rank())
    model = tiny(training=Training(members=3), corruption=Masking(0.2, missing=True)).fit(X)
    assert np.isfinite(model.reconstruct(X)).all() and np.isfinite(model.score_samples(X)).all()


def test_the_scaling_is_that_of_the_cells_that_are_there():
    X, _ = holed(low_rank().astype(np.float64) * 5 + 3)
    schema = tiny().fit(X).schema_
    np.testing.assert_allclose(schema.shift, np.nanmean(X, axis=0), rtol=1e-12)
    np.testing.assert_allclose(schema.scale, np.nanstd(X, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(schema.low, np.nanmin(X, axis=0))
    assert schema.gaps == tuple(range(6))
    one = low_rank()
    one[5, 2] = np.nan
    assert tiny().fit(one).schema_.gaps == (2,)


def test_a_gap_in_a_column_that_had_none_is_told_as_its_mean():
    one = low_rank()
    one[5, 2] = np.nan
    model = tiny().fit(one)
    probe = low_rank()[:4]
    mean = probe.copy()
    probe[:, 1], mean[:, 1] = np.nan, model.schema_.shift[1]
    np.testing.assert_allclose(model.transform(probe), model.transform(mean), atol=1e-5)


def test_cells_are_rebuilt_from_the_others():
    """Two columns that are one and the same: what one lacks the other has."""
    x = np.random.default_rng(0).normal(size=(600, 1))
    X = np.repeat(x, 2, axis=1)
    holes = X.copy()
    holes[::3, 0], holes[1::3, 1] = np.nan, np.nan
    model = Autoencoder(
        2, hidden=(32,), corruption=Masking(0.3, missing=True), random_state=0, max_epochs=60
    ).fit(holes)
    where = np.isnan(holes)
    assert np.sqrt(np.mean((model.reconstruct(holes) - X)[where] ** 2)) < 0.25


def test_what_cannot_be_told_of_gaps_is_refused():
    X, _ = holed(low_rank())
    with pytest.raises(SpecError, match="tied=False"):
        tiny(hidden="auto", network=MLP((8,), tied=True)).fit(X)
    with pytest.raises(SpecError, match="pretraining=None"):
        tiny(pretraining="layerwise").fit(X)
    with pytest.raises(DataError, match="inf"):
        tiny().fit(np.where(np.isnan(X), np.inf, X))
    with pytest.raises(DataError, match="never saw one"):
        tiny().fit(low_rank()).transform(X)
    with pytest.raises(SpecError, match="True or False"):
        Masking(0.3, missing=1)


def test_a_table_of_several_kinds_is_saved_and_read(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "kind": rng.choice(["cat", "dog", None], 300),
            "weight": rng.lognormal(size=300),
            "male": rng.random(300) < 0.5,
            "size": pd.Categorical(rng.choice(["s", "m"], 300), ["s", "m"], ordered=True),
            "seen": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(900, size=300), "D"),
        }
    )
    frame.loc[::7, "weight"] = None
    model = tiny(corruption=Masking(0.2, missing=True)).fit(frame)
    assert model.spec_.likelihood == Mixed(MSE(), 1 + 1 + 5, 1, (3,))
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.transform(frame), model.transform(frame))
    rebuilt = again.reconstruct(frame)
    assert rebuilt.dtypes.equals(frame.dtypes) and not rebuilt.isna().any().any()
    errors = model.reconstruction_error(frame, per_value=True)
    assert errors.shape == (300, 5)
    assert (np.isnan(errors) == frame.isna().to_numpy()).all()
    made = again.inverse_transform(again.transform(frame[:3]))
    assert list(made.columns) == list(frame.columns)
    # What was not there in training is odd, and no error.
    strange = frame[:20].assign(kind="unicorn")
    assert (model.score_samples(strange) < model.score_samples(frame[:20].assign(kind="cat"))).all()
