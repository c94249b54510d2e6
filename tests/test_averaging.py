"""The mean of the weights, and that it is what a look sees and a model keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.samples import low_rank, tiny

from diabolo.training import Training
from diabolo.training.averaging import LOOKS_BACK, Average

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("horizon", [2, 15, 50, 400])
def test_the_mean_forgets_at_the_rate_of_its_horizon(horizon):
    weight = torch.zeros(())
    average = Average([weight], horizon)
    values = np.sin(np.arange(1, 1201) / 37)
    every = max(1, int(horizon / LOOKS_BACK))
    wanted = None
    for i, value in enumerate(values):
        weight.fill_(value)
        average.step()
        if (i + 1) % every == 0:
            share = 1.0 if wanted is None else max(every / horizon, every / (i + 1))
            wanted = value * share + (0 if wanted is None else wanted * (1 - share))
    with average.in_place():
        assert float(weight) == pytest.approx(wanted, abs=1e-4)
    assert float(weight) == pytest.approx(values[-1])


def test_without_a_horizon_the_weights_are_those_of_the_moment():
    weight = torch.zeros(3)
    average = Average([weight], 1.9)
    for value in (1.0, 2.0):
        weight.fill_(value)
        average.step()
    with average.in_place():
        assert (weight == 2).all()


def test_weights_come_back_when_a_look_fails():
    weight = torch.zeros(3)
    average = Average([weight], 2)
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
