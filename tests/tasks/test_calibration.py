"""Conformal thresholds: what they promise holds, and p-values say the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from diabolo.tasks.calibration import Calibration


@pytest.mark.parametrize("count", [5, 19, 99, 100, 101, 1000])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.07, 0.1, 0.5])
def test_threshold_and_p_values_agree(count, rate):
    rng = np.random.default_rng(count)
    # Some are equal, and new ones hit them.
    scores = rng.integers(0, 50, count).astype(float)
    calibration = Calibration.by_rate(scores, rate)
    new = np.concatenate([scores, rng.integers(-5, 55, 200), rng.normal(20, 30, 200)])
    flagged = new < calibration.offset
    np.testing.assert_array_equal(flagged, calibration.p_values(new) <= calibration.level + 1e-12)


def test_p_values_are_those_of_the_definition():
    calibration = Calibration.by_rate(np.array([3.0, 1.0, 2.0, 2.0]), 0.2)
    np.testing.assert_allclose(
        calibration.p_values(np.array([0.0, 1.0, 2.0, 2.5, 9.0])), [1 / 5, 2 / 5, 4 / 5, 4 / 5, 1]
    )
    assert calibration.offset == 1.0


def test_false_alarms_follow_the_beta_binomial_distribution():
    rng = np.random.default_rng(0)
    count, new, rate = 400, 2000, 0.05
    alarms = np.array(
        [
            int(
                (
                    rng.normal(size=new) < Calibration.by_rate(rng.normal(size=count), rate).offset
                ).sum()
            )
            for _ in range(2000)
        ]
    )
    k = int(rate * (count + 1))
    theory = stats.betabinom(new, k, count + 1 - k)
    assert alarms.mean() == pytest.approx(theory.mean(), rel=0.02)
    assert alarms.std() == pytest.approx(theory.std(), rel=0.05)
    # A binomial distribution, which takes the threshold for given, would have half of that.
    assert alarms.std() > 1.8 * stats.binom(new, rate).std()


def test_too_few_scores_flag_what_is_odder_than_all_of_them():
    calibration = Calibration.by_rate(np.arange(9.0), 0.01)
    assert calibration.level == pytest.approx(0.1) and calibration.offset == 0.0


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5])
def test_a_share_of_the_scores_themselves(share):
    scores = np.random.default_rng(0).normal(size=300)
    calibration = Calibration.by_share(scores, share)
    flagged = scores < calibration.offset
    assert flagged.sum() == round(300 * share)
    np.testing.assert_array_equal(flagged, calibration.p_values(scores) <= calibration.level)
