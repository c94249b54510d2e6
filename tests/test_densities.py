"""Normal densities against scipy, their definitions, and one another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import linalg, stats

from diabolo.densities import DENSITIES, GaussianDensity
from diabolo.densities.spread import BINS, spread_of
from diabolo.errors import SpecError
from diabolo.random import torch_generator
from diabolo.spec import from_json, to_json


def rows(n=400, d=6, seed=0):
    """Rows with correlations and columns of very different spread."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return torch.from_numpy(mixed * 10.0 ** np.arange(-2, d - 2) + 3.0)


def covariance(x, shrinkage, spread=None):
    """The shrunk covariance by its definition."""
    found = np.cov(x.numpy().T, bias=True)
    spread = np.diag(found).mean() if spread is None else spread
    return (1 - shrinkage) * found + shrinkage * spread * np.eye(len(found))


@pytest.mark.parametrize(("shrinkage", "spread"), [(0.01, None), (0.3, None), (0.05, 2.0)])
def test_log_densities_are_scipys(shrinkage, spread):
    x = rows(d=4)
    normal = GaussianDensity(shrinkage).fit(x, spread)
    known = stats.multivariate_normal(x.mean(dim=0), covariance(x, shrinkage, spread))
    new = rows(50, 4, seed=1)
    np.testing.assert_allclose(normal.log_prob(new), known.logpdf(new), rtol=1e-8)


def test_contributions_sum_to_the_distance_and_are_those_of_garthwaite_and_koch():
    x = rows(d=4)
    normal = GaussianDensity(0.1).fit(x)
    new = rows(20, 4, seed=1)
    sigma = covariance(x, 0.1)
    scale = np.sqrt(np.diag(sigma))
    values, vectors = np.linalg.eigh(sigma / np.outer(scale, scale))
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    u = (new.numpy() - x.numpy().mean(axis=0)) / scale
    np.testing.assert_allclose(normal.contributions(new), (u @ root) ** 2, rtol=1e-6)
    distance = np.einsum("ni,ij,nj->n", u * scale, np.linalg.inv(sigma), u * scale)
    np.testing.assert_allclose(normal.contributions(new).sum(dim=1), distance, rtol=1e-6)


def test_a_low_rank_takes_the_leading_directions_and_shares_the_rest():
    rng = np.random.default_rng(0)
    # All values have the same variance, so that what is left of each is as large.
    factors = rng.normal(size=(3000, 3)) * [5.0, 4.0, 3.0]
    mixed = factors @ linalg.hadamard(32)[:3]
    x = torch.from_numpy(mixed + rng.normal(size=(3000, 32)))
    low, full = (GaussianDensity(0.0, rank=rank).fit(x) for rank in (3, "auto"))
    assert low.basis.shape == (32, 3)
    # The trace of the correlations is kept: nothing of the variance is lost.
    assert float(low.variances.sum() + 29 * low.rest) == pytest.approx(32)
    new = x[:200] + torch.randn(200, 32, generator=torch_generator(0)).double()
    near = np.corrcoef(low.log_prob(new), full.log_prob(new))[0, 1]
    assert near > 0.98
    np.testing.assert_allclose(
        low.contributions(new).sum(dim=1).numpy(), _distance(low, new), rtol=1e-6
    )


def _distance(normal, x):
    """The distance by the covariance that a density stands for, written out."""
    d = len(normal.mean)
    beside = torch.eye(d).double() - normal.basis @ normal.basis.T
    inner = normal.basis @ torch.diag(normal.variances) @ normal.basis.T + normal.rest * beside
    sigma = torch.diag(normal.scale) @ inner @ torch.diag(normal.scale)
    u = x - normal.mean
    return torch.einsum("ni,ij,nj->n", u, torch.linalg.inv(sigma), u).numpy()


def test_wide_rows_need_neither_more_rows_than_values_nor_a_square_of_them():
    x = torch.randn(60, 2000, generator=torch_generator(0))
    normal = GaussianDensity().fit(x)
    assert normal.basis.shape == (2000, 60)
    assert normal.log_prob(x).isfinite().all()


def test_samples_have_the_moments_of_the_rows():
    x = rows(5000, 4)
    drawn = GaussianDensity(0.0).fit(x).sample(40_000, torch_generator(0))
    np.testing.assert_allclose(drawn.mean(dim=0), x.mean(dim=0), atol=0.05 * x.std(dim=0).max())
    scale = x.std(dim=0).numpy()
    found = np.cov(drawn.numpy().T) / np.outer(scale, scale)
    np.testing.assert_allclose(found, np.corrcoef(x.numpy().T), atol=0.04)


def test_trimming_leaves_outliers_out():
    x = rows(1000, 4)
    dirty = x.clone()
    dirty[::5] = 40 * x.std(dim=0) * torch.tensor([1.0, -1.0, 1.0, -1.0]).double()
    clean = GaussianDensity(0.0).fit(x)
    plain, trimmed = GaussianDensity(0.0).fit(dirty), GaussianDensity(0.0, trim=0.4).fit(dirty)
    far = (trimmed.mean - clean.mean).abs() / clean.scale
    assert far.max() < 0.2 and ((plain.mean - clean.mean).abs() / clean.scale).max() > 2
    ratio = trimmed.scale / clean.scale
    assert ratio.min() > 0.5 and ratio.max() < 1.05
    # An outlier is told by what it deviates from, not by what it has made of the mean.
    assert trimmed.log_prob(dirty[::5]).max() < trimmed.log_prob(x).min()


def test_missing_values_are_left_out_of_the_moments_and_count_nothing():
    x = rows(20_000, 4)
    holes = x.clone()
    holes[torch.rand(x.shape, generator=torch_generator(0)) < 0.2] = torch.nan
    full, found = GaussianDensity(0.0).fit(x), GaussianDensity(0.0).fit(holes)
    np.testing.assert_allclose(found.mean, full.mean, atol=0.03 * full.scale.max())
    np.testing.assert_allclose(found.scale, full.scale, rtol=0.03)
    only = torch.full((1, 4), torch.nan).double()
    assert float(found.contributions(only).sum()) == 0.0


def test_constant_values_and_single_rows_have_a_density():
    x = rows(50, 3)
    x[:, 1] = 7.0
    normal = GaussianDensity().fit(x, spread=1.0)
    moved = x[:1].clone()
    moved[0, 1] += 1.0
    assert normal.log_prob(moved) < normal.log_prob(x[:1]) - 10
    for few in (x[:1], torch.zeros(5, 3), torch.zeros(1, 700)):
        for trim in (0.0, 0.5):
            assert GaussianDensity(trim=trim).fit(few).log_prob(few).isfinite().all()


def test_parts_are_checked_and_written_as_json():
    part = GaussianDensity(0.1, rank=3, trim=0.5)
    assert from_json(to_json(part, DENSITIES), DENSITIES) == part
    for options in ({"shrinkage": 1.1}, {"rank": -1}, {"rank": True}, {"trim": 1.0}):
        with pytest.raises(SpecError, match="GaussianDensity"):
            GaussianDensity(**options)


def test_the_spread_of_errors_is_that_around_each_expected_value():
    generator = torch_generator(0, "spread")
    expected = torch.rand((4_000, 10), generator=generator, dtype=torch.float64)
    errors = torch.randn(expected.shape, generator=generator, dtype=torch.float64) * expected
    errors[:100, 0] = torch.nan
    spread = spread_of(errors, expected)
    middle = (torch.arange(BINS) + 0.5) / BINS
    np.testing.assert_allclose(spread.variances[4:], middle[4:] ** 2, rtol=0.2)
    assert float(spread.overall) == pytest.approx(1 / 3, rel=0.02)
    # An error counts by the mean of both variances; beyond the range as at its end.
    asked = torch.tensor([[0.5, 0.5], [0.5, torch.nan]], dtype=torch.float64)
    far = spread.distance(asked, torch.tensor([[0.999, 9.0], [-9.0, 0.5]], dtype=torch.float64))
    ends = [0.25 * 2 / float(spread.variances[i] + spread.overall) for i in (-1, 0)]
    np.testing.assert_allclose(far, [2 * ends[0], ends[1]], rtol=1e-12)


def test_errors_that_are_all_nothing_have_a_spread():
    spread = spread_of(torch.zeros((50, 3)), torch.ones((50, 3)))
    assert torch.isfinite(spread.distance(torch.ones((1, 3)), torch.ones((1, 3)))).all()
    nothing = spread_of(torch.full((5, 2), torch.nan), torch.zeros((5, 2)))
    assert float(nothing.distance(torch.ones((1, 2)), torch.zeros((1, 2)))) == 2.0
