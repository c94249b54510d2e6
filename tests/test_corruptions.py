"""What corruptions do to rows: how much, where, and to the input only."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.samples import low_rank, tiny

from diabolo import Autoencoder, load, recipes
from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import Plain
from diabolo.corruptions import BlockMasking, Chain, GaussianNoise, Masking, SaltAndPepper
from diabolo.errors import SpecError
from diabolo.likelihoods import MSE
from diabolo.networks import MLP
from diabolo.random import Noise, torch_generator
from diabolo.training.loop import held_out_losses

pytestmark = pytest.mark.usefixtures("one_thread")


def rows(*shape):
    return torch.rand(shape, generator=torch_generator(0)) + 1.0  # nothing is zero by chance


def near(share, count):
    """Within five standard deviations of a binomial share."""
    return pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / count))


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("shape", [(40,), (9, 7), (8, 6, 3)])
def test_masking_hides_its_share_and_whole_pixels(share, shape):
    x = rows(300, *shape)
    masked = Masking(share).apply(x, Noise(0))
    hidden = masked == 0
    assert torch.equal(masked[~hidden], x[~hidden])
    if len(shape) == 3:
        assert torch.equal(hidden.any(dim=3), hidden.all(dim=3))
        hidden = hidden[..., 0]
    assert float(hidden.double().mean()) == near(share, hidden.numel())
    # By a draw of its own for each row and place.
    assert float(hidden.double().mean(dim=0).std()) < 3 * math.sqrt(share / 300)
    assert not torch.equal(hidden[0], hidden[1])


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_salt_and_pepper_are_the_extremes_of_the_row(share):
    x = rows(400, 50)
    damaged = SaltAndPepper(share).apply(x, Noise(1))
    low, high = x.amin(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)
    changed = damaged != x
    assert (((damaged == low) | (damaged == high)) | ~changed).all()
    # One value in fifty is that extreme already.
    for extreme in (low, high):
        drawn = float(((damaged == extreme) & (x != extreme)).double().mean()) * 50 / 49
        assert drawn == near(share / 2, x.numel())


def test_gaussian_noise_has_its_deviation_and_a_range_one_for_each_row():
    x = rows(2000, 100)
    added = GaussianNoise(0.4).apply(x, Noise(2)) - x
    assert float(added.std()) == pytest.approx(0.4, rel=0.01)
    assert float(added.mean()) == pytest.approx(0, abs=0.005)
    deviations = (GaussianNoise((0.1, 0.5)).apply(x, Noise(2)) - x).std(dim=1)
    assert 0.08 < deviations.min() < 0.15 and 0.45 < deviations.max() < 0.65
    assert float(deviations.mean()) == pytest.approx(0.3, abs=0.01)


def test_levels_of_a_logarithmic_range_are_drawn_evenly_in_the_logarithm():
    x = rows(4000, 200)
    noise = GaussianNoise((0.01, 1.0), logarithmic=True)
    level = (noise.apply(x, Noise(2)) - x).std(dim=1).log10()
    assert -2.2 < level.min() < -1.9 and -0.1 < level.max() < 0.2
    # A quarter of the rows in each quarter of the two powers of ten.
    for edge, share in ((-1.5, 0.25), (-1.0, 0.5), (-0.5, 0.75)):
        assert float((level < edge).double().mean()) == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize(
    ("kind", "shape", "share", "sides"),
    [
        ("image", (12, 8), 0.25, (6, 4)),
        ("image", (12, 8, 3), 0.25, (6, 4)),
        ("series", (40, 2), 0.3, (12,)),
        ("series", (40,), 0.3, (12,)),
        ("image", (1, 1), 0.5, (1, 1)),
    ],
)
def test_a_block_is_one_rectangle_at_any_place(kind, shape, share, sides):
    x = rows(2000, *shape)
    corruption = BlockMasking(share).resolved(kind, shape)
    hidden = corruption.apply(x, Noise(3)) == 0
    while hidden.ndim > 1 + len(sides):
        assert torch.equal(hidden.any(dim=-1), hidden.all(dim=-1)), "channels are hidden together"
        hidden = hidden[..., 0]
    for axis, side in enumerate(sides, start=1):
        others = [i for i in range(1, hidden.ndim) if i != axis]
        along = hidden.any(dim=others) if others else hidden
        assert (along.sum(dim=1) == side).all()
        first = along.double().argmax(dim=1)
        assert set(first.tolist()) == set(range(shape[axis - 1] - side + 1))
    assert (hidden.flatten(1).sum(dim=1) == math.prod(sides)).all()


def test_a_chain_is_one_after_the_other():
    x = rows(5, 30)
    masked = Masking(0.5).apply(x, Noise(0))
    both = Chain((Masking(0.5), GaussianNoise(0.01))).apply(x, Noise(0))
    assert torch.equal((both.abs() < 0.2), masked == 0) and not torch.equal(both, masked)


def test_the_target_stays_clean_and_evaluation_sees_clean_rows():
    class Seen(MSE):
        def log_prob(self, px, x):
            targets.append(x)
            return super().log_prob(px, x)

    targets, inputs = [], []
    x = rows(5, 6)
    parts = (2, MLP((8,)), Plain(), Seen(), None, Masking(0.5))
    module = AutoencoderModule.empty((6,), *parts)
    module.initialise(0, x)
    module.encoder.register_forward_hook(lambda _, given, __: inputs.append(given[0]))
    module(x, Noise(0))
    module(x)
    assert all(torch.equal(target, x) for target in targets)
    assert torch.equal(inputs[0], Masking(0.5).apply(x, Noise(0)))
    assert torch.equal(inputs[1], x)


@pytest.mark.parametrize(
    "corruption",
    [Masking(0.4), "gaussian", ("masking", GaussianNoise((0.0, 0.2))), [SaltAndPepper()]],
    ids=str,
)
def test_a_model_with_corruption_is_saved_and_the_same_again(corruption, tmp_path):
    X = low_rank()
    model = tiny(corruption=corruption).fit(X)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.spec_ == model.spec_ and again.spec_.corruption is not None
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    np.testing.assert_array_equal(again.fit(X).transform(X), model.transform(X))
    assert not np.array_equal(tiny().fit(X).transform(X), model.transform(X))


def test_a_denoising_autoencoder_undoes_damage():
    X = low_rank(1500, columns=12, rank=3)
    damaged = Masking(0.3).apply(torch.from_numpy(X[1000:]), Noise(7)).numpy()
    options = {"hidden": (64,), "scaling": "none", "max_epochs": 60, "random_state": 0}
    errors = {
        name: np.mean((RECIPE(6, **options).fit(X[:1000]).reconstruct(damaged) - X[1000:]) ** 2)
        for name, RECIPE in (("plain", recipes.undercomplete), ("denoising", recipes.denoising))
    }
    assert errors["denoising"] < 0.5 * errors["plain"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Masking(0), "share=0"),
        (lambda: Masking(1.0), "share=1"),
        (lambda: SaltAndPepper("half"), "share='half'"),
        (lambda: BlockMasking(True), "share=True"),
        (lambda: BlockMasking(0.2, axes=3), "axes=3"),
        (lambda: GaussianNoise(0), "deviation=0"),
        (lambda: GaussianNoise((0.5, 0.1)), "deviation="),
        (lambda: GaussianNoise(math.nan), "deviation=nan"),
        (lambda: GaussianNoise((0.3,)), "deviation="),
        (lambda: GaussianNoise((0.0, 1.0), logarithmic=True), "logarithms"),
        (lambda: GaussianNoise(0.3, logarithmic=True), "logarithms"),
        (lambda: Chain(()), r"Chain\(\(Masking"),
        (lambda: Chain(("masking",)), r"Chain\(\(Masking"),
        (lambda: tiny(corruption="rain").fit(low_rank()), "corruption='rain'.*'masking'"),
        (lambda: tiny(corruption=BlockMasking()).fit(low_rank()), r"table.*Masking\("),
        (lambda: tiny(corruption="block", kind="series").fit(low_rank()), None),
        (
            lambda: Autoencoder(1, corruption="salt_and_pepper").fit(low_rank(columns=1)),
            r"one value.*GaussianNoise\(",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(make, message):
    if message is None:
        assert make().spec_.corruption == BlockMasking(axes=1)
        return
    with pytest.raises(SpecError, match=message):
        make()


def test_held_out_rows_are_damaged_alike_at_each_look_and_lose_no_units():
    x = rows(9, 6)

    def losses(corruption, seed):
        parts = (2, MLP((8,), dropout=0.5), Plain(), MSE(), None, corruption)
        module = AutoencoderModule.empty((6,), *parts)
        module.initialise(0, x)
        return held_out_losses(module, x, seed, 32), module

    damaged, module = losses(Masking(0.5), 0)
    assert torch.equal(damaged, losses(Masking(0.5), 0)[0])
    assert not torch.equal(damaged, losses(Masking(0.5), 1)[0])
    with torch.no_grad():
        clean = module(x).double()
    assert torch.equal(losses(None, 0)[0], clean) and not torch.equal(damaged, clean)
