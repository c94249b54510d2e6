"""Which rows the anomaly benchmark trains on, and which it asks about."""

from __future__ import annotations

import numpy as np
import pytest
from bench.anomaly import protocols

#: Seven rows, of which the second and the fifth are anomalies.
Y = np.array([0, 1, 0, 0, 1, 0, 0])


def numbered(rows):
    """A table in which each row is its number, one more column, and every tenth an anomaly."""
    number = np.arange(rows)
    return np.stack([number, number % 7], axis=1).astype(float), (number % 10 == 0).astype(int)


def test_the_first_half_of_the_normal_rows_is_known_in_the_order_of_the_file():
    known, asked = protocols.first_half(Y)
    assert known.tolist() == [0, 2]  # five normal rows: half goes to the even neighbour
    assert asked.tolist() == [3, 5, 6, 1, 4]
    known, asked = protocols.first_half(Y[:-1])
    assert known.tolist() == [0, 2] and asked.tolist() == [3, 5, 1, 4]


def test_small_tables_are_drawn_up_with_their_labels():
    X, y = numbered(90)
    drawn, labels = protocols.resampled(X, y, seed=3)
    assert drawn.shape == (protocols.LEAST, 2)
    np.testing.assert_array_equal(labels, drawn[:, 0] % 10 == 0)
    assert len(np.unique(drawn[:, 0])) == 90  # with replacement, from all of them
    np.testing.assert_array_equal(drawn, protocols.resampled(X, y, seed=3)[0])
    assert (drawn != protocols.resampled(X, y, seed=4)[0]).any()
    X, y = numbered(protocols.LEAST)
    assert protocols.resampled(X, y, seed=3)[0] is X


def test_large_tables_are_drawn_down_with_their_labels():
    X, y = numbered(300)
    drawn, labels = protocols.capped(X, y, seed=3, most=200)
    assert len(drawn) == len(np.unique(drawn[:, 0])) == 200
    np.testing.assert_array_equal(labels, drawn[:, 0] % 10 == 0)
    assert (np.diff(drawn[:, 0]) < 0).any()  # in the order drawn, so that halves are random
    assert (drawn != protocols.capped(X, y, seed=4, most=200)[0]).any()
    for most in (300, None):
        assert protocols.capped(X, y, seed=3, most=most)[0] is X


def test_columns_are_standardised_on_the_training_rows():
    rng = np.random.default_rng(0)
    train = np.column_stack([rng.normal(5, 3, 100), np.full(100, 2.0)])
    known, asked = protocols.standardised(train, np.array([[5.0, 4.0]]))
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(known.std(axis=0), [1, 0], atol=1e-12)
    expected = (5 - train[:, 0].mean()) / train[:, 0].std()
    np.testing.assert_allclose(asked, [[expected, 2.0]])  # a constant column is only centred


def test_the_published_split_is_that_of_the_file():
    X, y = numbered(2_000)
    split = protocols.published(X, y, seed=0)
    assert split.training_data == "clean"
    normal, half = X[y == 0], 900
    train, test = protocols.standardised(normal[:half], np.concatenate([normal[half:], X[y == 1]]))
    np.testing.assert_array_equal(split.train, train)
    np.testing.assert_array_equal(split.test, test)
    assert split.truth.tolist() == [0] * 900 + [1] * 200
    np.testing.assert_array_equal(protocols.published(X, y, seed=1).train, train)


def test_the_published_split_draws_small_and_large_tables():
    for rows, most, total in ((90, 50_000, 1_000), (2_000, 1_500, 1_500), (2_000, None, 2_000)):
        split = protocols.published(*numbered(rows), seed=0, most=most)
        assert len(split.train) + len(split.test) == total
        assert len(split.train) == pytest.approx(0.45 * total, rel=0.1)


def test_a_random_half_leaves_small_tables_and_differs_with_the_seed():
    X, y = numbered(100)
    splits = [protocols.random_half(X, y, seed) for seed in (0, 0, 1)]
    for split in splits:
        assert len(split.train) == 45 and split.truth.tolist() == [0] * 45 + [1] * 10
        assert split.training_data == "clean"
    np.testing.assert_array_equal(splits[0].train, splits[1].train)
    assert (splits[0].train != splits[2].train).any()
    assert len(protocols.random_half(*numbered(3_000), 0, most=2_000).train) == pytest.approx(
        900, rel=0.05
    )


def test_a_random_half_asks_about_every_row_that_it_has_not_seen():
    X, y = numbered(100)
    split = protocols.random_half(X, y, seed=5)
    # The first column tells rows apart, also when it is standardised.
    both = np.concatenate([split.train, split.test])[:, 0]
    assert len(np.unique(both.round(9))) == 100


def test_unsupervised_learns_from_a_bootstrap_and_asks_about_all_rows_in_order():
    X, y = numbered(500)
    split = protocols.unsupervised(X, y, seed=0)
    assert split.training_data == "contaminated"
    np.testing.assert_array_equal(split.truth, y)
    assert (np.diff(split.test[:, 0]) > 0).all()
    seen = np.unique(split.train[:, 0].round(9))
    assert len(split.train) == 500 and len(seen) == pytest.approx(500 * (1 - np.exp(-1)), rel=0.1)
    assert np.isin(seen, split.test[:, 0].round(9)).all()
    np.testing.assert_allclose(split.train.mean(axis=0), 0, atol=1e-12)
    assert len(protocols.unsupervised(X, y, 0, most=300).truth) == 300


def test_fewer_rows_keep_the_share_of_anomalies_and_are_standardised_again():
    split = protocols.published(*numbered(2_000), seed=0)
    some = protocols.fewer(split, 0, 300, 110)
    assert len(some.train) == 300 and len(some.truth) == 110
    assert some.truth.sum() == 20  # 200 of 1,100
    np.testing.assert_allclose(some.train.std(axis=0), 1)
    np.testing.assert_allclose(protocols.fewer(split, 0).test, split.test, atol=1e-12)
    assert protocols.fewer(split, 0, test_rows=4).truth.sum() == 1
