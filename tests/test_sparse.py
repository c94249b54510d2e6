"""Sparse codes: what is kept, what counts as used, and how dead units learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.samples import features, low_rank, with_bottleneck

from diabolo import Autoencoder
from diabolo.bottlenecks import TopK
from diabolo.networks import MLP
from diabolo.random import Noise
from diabolo.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")


def test_one_row_alone_is_coded_by_the_moments_of_those_before():
    X = low_rank(40, 6, 2, 0.05)
    scores = [
        Autoencoder(
            8,
            hidden=(),
            bottleneck=TopK(2),
            max_epochs=10,
            random_state=0,
            training=Training(batch_size=size, validation_fraction=0.0),
        )
        .fit(X)
        .score(X)
        for size in (1, 8)
    ]
    assert scores[0] > 0.8 * scores[1] - 0.1 and scores[0] > -0.8


def test_only_the_largest_numbers_are_kept():
    module, x = with_bottleneck(TopK(3), code_size=8)
    u = module.bottleneck.layer(features(module, x)).detach()
    # At first each unit has mean zero and variance one over the rows that it was set on.
    u = ((u - u.mean(dim=0)) / u.std(dim=0, correction=0)).clamp(min=0).numpy()
    for row, code in zip(u, module.encode(x).z.detach().numpy(), strict=True):
        kept = np.argsort(row)[-3:]
        np.testing.assert_array_equal(np.delete(code, kept), 0)
        np.testing.assert_allclose(code[kept], row[kept], rtol=1e-3)


def test_use_is_an_exponential_mean_of_training_rows():
    module, x = with_bottleneck(TopK(3), code_size=8)
    start = module.bottleneck.used.clone()
    torch.testing.assert_close(start, torch.full((8,), 3 / 8))
    with torch.no_grad():
        module.bottleneck.layer.weight *= 2
    h = features(module, x)
    u = module.bottleneck.layer(h).detach()
    moments = module.bottleneck.mean.clone(), module.bottleneck.variance.clone()
    code = module.bottleneck(h, Noise(0), learning=True)
    share = (code.z > 0).float().mean(dim=0)
    torch.testing.assert_close(module.bottleneck.used.data, 0.99 * start + 0.01 * share)
    new = (
        0.95 * moments[0] + 0.05 * u.mean(dim=0),
        0.95 * moments[1] + 0.05 * u.var(0, correction=0),
    )
    torch.testing.assert_close(module.bottleneck.mean.data, new[0])
    torch.testing.assert_close(module.bottleneck.variance.data, new[1])


def test_more_numbers_are_kept_in_the_first_half_of_training():
    module, x = with_bottleneck(TopK(1), code_size=8)
    module.bottleneck.layer.bias.data.fill_(9.0)  # so that none is rectified away
    h = features(module, x)
    kept = [
        int((module.bottleneck(h, Noise(0, at=at), True).z[0] > 0).sum()) for at in (0, 0.25, 0.5)
    ]
    assert kept == [2, 1, 1]
    assert int((module.bottleneck(h, Noise(0, at=0.0), False).z[0] > 0).sum()) == 1


def test_dead_units_learn_what_the_live_ones_leave_over():
    X = low_rank(500, 10, rank=6)

    def fitted(auxiliary):
        model = Autoencoder(
            16,
            bottleneck=TopK(4, auxiliary),
            network=MLP((32,), skip=False),
            random_state=0,
            max_epochs=1,
        ).fit(X)
        module = model.module_
        with torch.no_grad():
            module.bottleneck.layer.bias[8:] = -7.0
            module.bottleneck.used[8:] = 0.0
        x = torch.from_numpy((X - X.mean(axis=0)) / X.std(axis=0))
        optimizer = torch.optim.Adam(p for p in module.parameters() if p.requires_grad)
        for i in range(60):
            optimizer.zero_grad()
            module(x, Noise(0, i)).mean().backward()
            optimizer.step()
        return module.bottleneck.layer.bias.detach()[8:]

    assert (fitted(0.0) == -7).all()
    assert (fitted(1 / 32) > -7).any()
