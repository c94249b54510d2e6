"""What augmentations do to rows, and where they are allowed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.samples import initialised

from diabolo import Autoencoder
from diabolo.augmentations import Binarise, Flip, Shift
from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import Plain
from diabolo.errors import SpecError
from diabolo.likelihoods import MSE, Bernoulli
from diabolo.networks import MLP
from diabolo.random import Noise, torch_generator


@pytest.mark.parametrize("shape", [(9, 7), (5, 8, 3), (4, 4, 1)])
@pytest.mark.parametrize("pixels", [1, 2])
def test_images_are_moved_and_edges_repeated(shape, pixels):
    x = torch.rand(400, *shape, generator=torch.Generator().manual_seed(0))
    moved = Shift(pixels).apply(x, Noise(3))
    padded = np.pad(x.numpy(), [(0, 0), (pixels,) * 2, (pixels,) * 2, (0, 0)][: x.ndim], "edge")
    h, w = shape[:2]
    counts = np.zeros((2 * pixels + 1,) * 2)
    for image, frame in zip(moved.numpy(), padded, strict=True):
        found = [
            (dy, dx)
            for dy, dx in np.ndindex(counts.shape)
            if np.array_equal(image, frame[dy : dy + h, dx : dx + w])
        ]
        assert len(found) == 1
        counts[found[0]] += 1
    # Every distance is as likely: each count within five standard deviations of its mean.
    expected = 400 / counts.size
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_the_target_moves_with_the_input_and_evaluation_moves_nothing():
    class Seen(MSE):
        def log_prob(self, px, x):
            targets.append(x)
            return super().log_prob(px, x)

    targets = []
    x = torch.rand(5, 6, 6)
    parts = (2, MLP((8,)), Plain(), Seen(), Shift())
    module = AutoencoderModule.empty((6, 6), *parts)
    module.initialise(0, x)
    module(x, Noise(0))
    module(x)
    assert torch.equal(targets[0], Shift().apply(x, Noise(0)))
    assert not torch.equal(targets[0], x) and torch.equal(targets[1], x)


@pytest.mark.parametrize(
    ("shape", "code_size", "augmentation", "wanted"),
    [
        ((20, 16, 16), 20, "auto", Shift(1)),
        ((20, 16, 16), 19, "auto", None),
        ((20, 8, 8), 20, "auto", None),
        ((20, 16, 15), 20, "auto", None),
        ((20, 16), 20, "auto", None),
        ((20, 8, 8), 2, "shift", Shift(1)),
        ((20, 8, 8), 2, Shift(3), Shift(3)),
        ((20, 16, 16), 20, None, None),
    ],
)
def test_what_auto_means(shape, code_size, augmentation, wanted):
    X = np.random.default_rng(0).random(shape, np.float32)
    model = Autoencoder(code_size, hidden=(4,), max_epochs=1, augmentation=augmentation).fit(X)
    assert model.spec_.augmentation == wanted


def test_refusals_name_the_alternative():
    table = np.random.default_rng(0).random((20, 6))
    with pytest.raises(SpecError, match="augmentation=None"):
        Autoencoder(2, augmentation="shift").fit(table)
    with pytest.raises(SpecError, match="out of their frame"):
        Autoencoder(2, augmentation=Shift(4)).fit(np.random.default_rng(0).random((20, 4, 9)))
    with pytest.raises(SpecError, match=r"'shift', .* or Shift"):
        Autoencoder(2, augmentation="turn").fit(table)
    for pixels in (0, 1.5, True):
        with pytest.raises(SpecError, match="pixels"):
            Shift(pixels)


def test_moved_images_are_learned_better():
    # 8 × 8 bars in a frame of 16 × 16, each seen at one place only: new ones lie a pixel off.
    rng = np.random.default_rng(0)
    small = (rng.random((300, 8, 1)) > 0.5) & (rng.random((300, 1, 8)) > 0.5)
    known = np.pad(small, [(0, 0), (4, 4), (4, 4)]).astype(np.float32)
    new = np.roll(known, 1, axis=2)
    errors = {
        augmentation: -Autoencoder(
            20, hidden=(128,), augmentation=augmentation, max_epochs=60, random_state=0
        )
        .fit(known)
        .score(new)
        for augmentation in ("auto", None)
    }
    assert errors["auto"] < 0.7 * errors[None]


@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 2)])
@pytest.mark.parametrize("vertical", [False, True])
def test_half_of_the_images_are_mirrored(shape, vertical):
    x = torch.rand(400, *shape, generator=torch.Generator().manual_seed(0))
    turned = Flip(vertical).apply(x, Noise(1))
    mirrored = x.flip(1 if vertical else 2)
    as_it_is = (turned == x).flatten(1).all(dim=1)
    assert torch.equal(turned[~as_it_is], mirrored[~as_it_is])
    assert 150 < int(as_it_is.sum()) < 250


def test_values_are_drawn_as_ones_with_their_probability():
    x = torch.linspace(0, 1, 11).expand(4000, 11)
    drawn = Binarise().apply(x, Noise(2))
    assert ((drawn == 0) | (drawn == 1)).all()
    share = drawn.mean(dim=0)
    assert share[0] == 0 and share[-1] == 1
    assert ((share - x[0]).abs() < 5 * (x[0] * (1 - x[0]) / 4000).sqrt() + 1e-9).all()


def test_binarising_takes_probabilities_only():
    table = np.random.default_rng(0).normal(size=(20, 6))
    with pytest.raises(SpecError, match="likelihood='bernoulli'"):
        Autoencoder(2, augmentation="binarise").fit(table)
    model = Autoencoder(2, augmentation="binarise", max_epochs=1).fit(table > 0)
    assert model.spec_.augmentation == Binarise()
    with pytest.raises(SpecError, match="mirrors images"):
        Autoencoder(2, augmentation=Flip()).fit(table)
    with pytest.raises(SpecError, match="vertical"):
        Flip("yes")


def test_held_out_rows_are_drawn_where_draws_are_the_data_and_not_moved():
    x = torch.rand(40, 8, 8, generator=torch_generator(0))
    for augmentation, changed in ((Binarise(), True), (Shift(), False), (Flip(), False)):
        module = initialised(0, x, 2, MLP((8,)), Plain(), Bernoulli(), augmentation)
        judged = module(x, Noise(0), learning=False)
        wanted = (augmentation.apply(x, Noise(0)) if changed else x).flatten(1)
        logits = module.decode(module.encode(wanted.view_as(x)).z).flatten(1)
        by_torch = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, wanted, reduction="none"
        ).sum(dim=1)
        torch.testing.assert_close(judged, by_torch)
