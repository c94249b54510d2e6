"""Densities of regions against scipy, their definitions, and the normal density."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special, stats
from sklearn.metrics import roc_auc_score

from diabolo.densities import DENSITIES, GaussianDensity, Mixture
from diabolo.densities.regions import LEAST, OTHERS, Regions
from diabolo.errors import SpecError
from diabolo.random import torch_generator
from diabolo.spec import from_json, to_json


def two_clouds(n=600, d=3, seed=0):
    """Rows around two places, long in other directions; and which place each is of."""
    rng = np.random.default_rng(seed)
    place = np.arange(n) % 2
    x = rng.normal(size=(n, d)) * np.where(place[:, None], [3.0, 1, 0.3], [0.3, 1, 3.0])
    return torch.from_numpy(x + 20.0 * place[:, None]), place


def test_one_region_is_the_normal_density():
    x, _ = two_clouds()
    where = torch.zeros_like(x)
    for trim in (0.0, 0.3):
        one = Mixture(1, 0.01, trim).fit(x, 2.0, where)
        normal = GaussianDensity(0.01, trim=trim).fit(x, 2.0)
        torch.testing.assert_close(one.log_prob(x, where), normal.log_prob(x))
        torch.testing.assert_close(one.contributions(x, where), normal.contributions(x))


def test_a_region_has_the_moments_of_its_rows_and_of_some_from_everywhere():
    x, place = two_clouds()
    found = Mixture(2, 0.0).fit(x)
    for at in (0, 1):
        own, all_rows = x[place == at].numpy(), x.numpy()
        weights = np.r_[np.ones(len(own)), np.full(len(all_rows), OTHERS * 3 / len(all_rows))]
        both = np.concatenate([own, all_rows])
        mean = np.average(both, axis=0, weights=weights)
        spread = np.cov(both.T, aweights=weights, bias=True)
        known = stats.multivariate_normal(mean, spread).logpdf(own)
        np.testing.assert_allclose(found.log_prob(x[place == at], x[place == at]), known, rtol=1e-6)


def test_without_places_it_is_the_density_of_the_mixture():
    x, _ = two_clouds()
    found = Mixture(2).fit(x)
    each = np.stack([normal.log_prob(x).numpy() for normal in found.densities], axis=1)
    known = special.logsumexp(each + np.log(found.shares.numpy()), axis=1)
    np.testing.assert_allclose(found.log_prob(x), known, rtol=1e-9)
    # It integrates to one: a mean over draws of another density, of the ratio.
    wide = GaussianDensity(0.0).fit(x)
    drawn = wide.sample(200_000, torch_generator(0))
    ratio = (found.log_prob(drawn) - wide.log_prob(drawn)).exp()
    assert float(ratio.mean()) == pytest.approx(1.0, abs=0.05)


def test_samples_come_from_the_regions():
    x, place = two_clouds(4000)
    drawn = Mixture(2, 0.0).fit(x).sample(40_000, torch_generator(0))
    np.testing.assert_allclose(drawn.mean(dim=0), x.mean(dim=0), atol=0.3)
    np.testing.assert_allclose(drawn.std(dim=0), x.std(dim=0), rtol=0.03)
    both = drawn, GaussianDensity(0.0).fit(x).sample(40_000, torch_generator(0))
    between, normal = (((a - 10).abs() < 4).all(dim=1).double().mean() for a in both)
    assert between < 0.01 < 0.15 < normal
    assert place.mean() == 0.5


def test_contributions_sum_to_the_distance():
    x, _ = two_clouds()
    found = Mixture(2).fit(x)
    torch.testing.assert_close(found.contributions(x).sum(dim=1), found.distance(x))


def test_errors_that_differ_by_place_are_told_apart():
    generator = torch_generator(0, "errors")
    where = torch.rand((2_000, 2), generator=generator, dtype=torch.float64)
    spread = 0.1 + 2.0 * (where[:, :1] > 0.5)
    errors = torch.randn(where.shape, generator=generator, dtype=torch.float64) * spread
    odd = torch.full((200, 2), 1.0).double()
    at = where[where[:, 0] < 0.4][:200]
    y = np.repeat([0, 1], [len(errors), 200])
    both = torch.cat([errors, odd]), torch.cat([where, at])
    scores = [
        -density.fit(errors, where=where).log_prob(*both)
        for density in (Mixture(4), GaussianDensity())
    ]
    regions, normal = (roc_auc_score(y, score) for score in scores)
    assert regions > 0.95 > normal


def test_few_rows_make_fewer_regions_and_wide_rows_one():
    for n, k in ((1, 1), (LEAST, 1), (1000, 4)):
        x = torch.randn(n, 3, generator=torch_generator(0))
        found = Mixture(4).fit(x)
        assert len(found.densities) == k and found.log_prob(x).isfinite().all()
    wide = Mixture(4).fit(torch.randn(200, 600, generator=torch_generator(0)))
    assert wide.densities[0].basis.shape == (600, 128)


def test_missing_values_count_nothing():
    x, _ = two_clouds()
    where = x.clone()
    x[::3, 1] = torch.nan
    found = Mixture(2).fit(x, 1.0, where)
    assert found.log_prob(x, where).isfinite().all()
    only = torch.full((1, 3), torch.nan).double()
    assert float(found.contributions(only, where[:1]).sum()) == 0.0


def test_regions_are_written_and_read_and_damage_is_told():
    x, _ = two_clouds()
    part = Mixture(2, 0.02, 0.1)
    assert from_json(to_json(part, DENSITIES), DENSITIES) == part
    found = part.fit(x)
    arrays = found.arrays("e_")
    again = part.read(arrays, 3, "e_")
    torch.testing.assert_close(again.log_prob(x, x), found.log_prob(x, x), rtol=0, atol=0)
    for name, array in (
        ("e_shares", -arrays["e_shares"]),
        ("e_shares", arrays["e_shares"][:0]),
        ("e_centres", arrays["e_centres"][:, :1]),
        ("e_1_mean", np.full(3, np.nan)),
    ):
        with pytest.raises(SpecError, match="not what"):
            Regions.read(arrays | {name: array}, 3, "e_")
    for options in ({"k": 0}, {"k": True}, {"shrinkage": 2}, {"trim": 1.0}):
        with pytest.raises(SpecError, match="Mixture"):
            Mixture(**options)


def test_rows_in_an_order_have_the_regions_of_others():
    x = torch.cat([torch.full((2_500, 2), 10.0 * i).double() for i in range(4)])
    x += torch.randn(x.shape, generator=torch_generator(0), dtype=torch.float64)
    found = Mixture(4).fit(x)
    np.testing.assert_allclose(found.shares, 0.25, atol=0.01)


def test_one_far_row_is_no_region():
    x = torch.randn((100, 2), generator=torch_generator(0), dtype=torch.float64)
    x[7] = 1e3
    found = Mixture(4).fit(x)
    assert (found.shares * len(x) >= LEAST).all()


@pytest.mark.filterwarnings("error")
def test_rows_that_are_alike_are_one_region():
    assert len(Mixture(4).fit(torch.ones(120, 3)).densities) == 1


def test_places_may_have_other_sizes_than_rows():
    x, _ = two_clouds()
    where = x[:, :2]
    found = Mixture(2).fit(x, where=where)
    again = Regions.read(found.arrays(), 3, g=2)
    torch.testing.assert_close(again.log_prob(x, where), found.log_prob(x, where))
