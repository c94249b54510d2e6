"""The mean of the weights, and that it is what a look sees and a model keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.samples import low_rank, tiny

from diabolo.training import Training
from diabolo.training.averaging import LOOKS_BACK, Average

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("share", [0.02, 0.08, 0.5, 1.0])
def test_the_mean_looks_back_over_a_share_of_the_steps_so_far(share):
    weight = torch.zeros(())
    average = Average([weight], share, 1200)
    values = np.sin(np.arange(1, 1201) / 37)
    every = max(1, int(share * 1200 / LOOKS_BACK))
    wanted = None
    for i, value in enumerate(values):
        weight.fill_(value)
        average.step()
        if (i + 1) % every == 0:
            new = 1.0 if wanted is None else min(1.0, every / (share * (i + 1)))
            wanted = value * new + (0 if wanted is None else wanted * (1 - new))
    with average.in_place():
        assert float(weight) == pytest.approx(wanted, abs=1e-4)
    assert float(weight) == pytest.approx(values[-1])


def test_the_mean_age_of_what_is_averaged_is_the_share_of_the_steps():
    weight = torch.zeros((), dtype=torch.float64)
    average = Average([weight], 0.1, 10_000)
    for i in range(10_000):
        weight.fill_(float(i))
        average.step()
    # A mean m of the steps t that follows them by dm/dt = (t − m) / (0.1 t) is t / 1.1.
    with average.in_place():
        assert float(weight) == pytest.approx(10_000 / 1.1, rel=0.01)


def test_without_a_horizon_the_weights_are_those_of_the_moment():
    weight = torch.zeros(3)
    average = Average([weight], 0.019, 100)
    for value in (1.0, 2.0):
        weight.fill_(value)
        average.step()
    with average.in_place():
        assert (weight == 2).all()


def test_weights_come_back_when_a_look_fails():
    weight = torch.zeros(3)
    average = Average([weight], 1.0, 3)
    for value in (1.0, 2.0, 3.0):
        weight.fill_(value)
        average.step()
    with pytest.raises(ValueError, match="stop"), average.in_place():
        raise ValueError("stop")
    assert (weight == 3).all()


def test_averaging_helps_where_weights_swing_and_changes_nothing_at_the_end_of_a_cycle():
    X = low_rank(400, columns=10, noise=0.3)
    errors = {}
    for schedule in ("constant", "one_cycle"):
        for averaging in (0.0, 0.08):
            training = Training(learning_rate=5e-2, schedule=schedule, averaging=averaging)
            model = tiny(hidden=(32,), max_epochs=60, training=training).fit(X)
            errors[schedule, averaging] = -model.score(X)
    assert errors["constant", 0.08] < 0.97 * errors["constant", 0.0]
    assert errors["one_cycle", 0.08] == pytest.approx(errors["one_cycle", 0.0], rel=0.02)
