"""Members that each leave out a share of the rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.samples import low_rank, tiny

from diabolo.errors import SpecError
from diabolo.training import Training
from diabolo.training.loop import folds_of
from diabolo.training.step import shares, trimmed_mean

pytestmark = pytest.mark.usefixtures("one_thread")

FOLDED = Training(members=3, folds=True)


def test_each_row_is_left_out_by_one_member_and_each_member_leaves_out_as_many():
    folds = folds_of(100, 3, seed=0)
    assert sorted(np.bincount(folds)) == [33, 33, 34]
    assert (folds != folds_of(100, 3, seed=1)).any()


def test_a_member_does_not_depend_on_the_rows_that_it_leaves_out():
    """Which of its rows stands where matters to all members but the one without them."""
    X = low_rank(60, 6)
    inside = np.flatnonzero(folds_of(60, 3, seed=0) == 1)
    other = X.copy()
    other[inside] = X[inside[::-1]]  # the same rows, so that all moments stay
    options = {"training": FOLDED, "scaling": "none", "max_epochs": 3, "likelihood": "mse"}
    one, two = (tiny(**options).fit(rows).module_.stacked for rows in (X, other))
    pairs = list(zip(one.parameters(), two.parameters(), strict=True))
    moved = [max(float((a[i] - b[i]).detach().abs().max()) for a, b in pairs) for i in range(3)]
    assert moved[1] < 1e-6 and min(moved[0], moved[2]) > 1e-4


def test_the_gradients_are_those_of_the_other_rows():
    losses = torch.tensor([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0], [9.0, 1.0]])
    left_out = torch.tensor([[True, False], [False, True], [False, False], [False, False]])
    expected = torch.tensor([[0, 1.0], [1, 0], [1, 1], [1, 1]]) / 3
    torch.testing.assert_close(shares(losses, 0.0, left_out), expected)
    # Of three rows the one with the largest loss is trimmed.
    trimmed = torch.tensor([[0, 1.0], [1, 0], [1, 0], [0, 1]]) / 2
    torch.testing.assert_close(shares(losses, 0.34, left_out), trimmed)
    all_out = torch.ones(4, 2, dtype=torch.bool)
    assert not shares(losses, 0.0, all_out).any() and not shares(losses, 0.3, all_out).any()
    none = torch.zeros(4, 2, dtype=torch.bool)
    for trim in (0.0, 0.25):
        torch.testing.assert_close(shares(losses, trim, none), shares(losses, trim))
    assert trimmed_mean(losses, 0.25).tolist() == [2.0, 4.0]


def test_nothing_is_held_out_from_all_and_the_order_of_members_stays():
    X = low_rank(700, 6)
    model = tiny(training=FOLDED).fit(X)
    assert len(model.held_out_) == 0
    folds = folds_of(700, 3, seed=0)
    x = model._encode_input(X)[:]
    with torch.no_grad():
        errors = (x - model.module_.reconstructions(x)).square().mean(dim=2)  # (members, n)
    own = errors[torch.from_numpy(folds), torch.arange(700)].mean()
    assert own == pytest.approx(float(errors.mean()), rel=0.1)


def test_folds_are_replayed_and_computed_alike(monkeypatch):
    """The tape takes which rows are left out from step to step."""
    X = low_rank(200, 6)
    options = {"training": Training(members=3, folds=True, batch_size=20, trim=0.2)}
    taped = tiny(max_epochs=12, **options).fit(X)
    monkeypatch.setattr("diabolo.training.step.WORTH_RECORDING", 10**9)
    general = tiny(max_epochs=12, **options).fit(X)
    np.testing.assert_array_equal(taped.reconstruct(X), general.reconstruct(X))


def test_folds_need_members_and_no_pretraining():
    with pytest.raises(SpecError, match="folds=True beside members=1"):
        Training(folds=True)
    with pytest.raises(SpecError, match="True or False"):
        Training(folds=3, members=2)
    with pytest.raises(SpecError, match="folds=True beside pretraining"):
        tiny(training=FOLDED, pretraining="layerwise").fit(low_rank())
