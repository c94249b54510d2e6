"""Measures: exact neighbours against a plain reference and scikit-learn, errors, the PCA line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.decomposition import PCA
from sklearn.metrics import explained_variance_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from diabolo import metrics
from diabolo.errors import DataError, SpecError
from diabolo.metrics import search

RNG = np.random.default_rng(0)


def reference(train: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The definition: all float64 differences, sorted stably."""
    difference = queries[:, None].astype(np.float64) - train[None].astype(np.float64)
    squares = (difference**2).sum(2)  # (q, n, d) -> (q, n)
    indices = np.argsort(squares, 1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squares, indices, 1)), indices


def agrees(train: np.ndarray, queries: np.ndarray, k: int, **options: int) -> None:
    distances, indices = metrics.nearest_neighbours(train, queries, k, **options)
    expected, where = reference(train, queries, k)
    assert distances.shape == indices.shape == (len(queries), k)
    assert (distances.dtype, indices.dtype) == (np.float64, np.int64)
    np.testing.assert_allclose(distances, expected, rtol=1e-14)
    np.testing.assert_array_equal(indices, where)


# ------------------------------------------------------------------------------------- neighbours
@st.composite
def discrete(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Few different values: duplicates, ties and constant columns are the rule, and exact."""
    dtype = draw(st.sampled_from([np.uint8, np.int16, np.float32, np.float64]))
    n, q, d = (draw(st.integers(1, high)) for high in (60, 5, 4))
    values = st.integers(0, draw(st.integers(0, 3)))
    train, queries = (draw(hnp.arrays(dtype, (rows, d), elements=values)) for rows in (n, q))
    return train, queries, draw(st.integers(1, n))


@given(discrete(), st.sampled_from([1, 2, 512]))
def test_neighbours_of_discrete_data(data: tuple[np.ndarray, np.ndarray, int], chunk: int) -> None:
    agrees(*data, chunk=chunk)


@given(
    hnp.arrays(np.float64, (12, 3), elements=st.floats(-1e6, 1e6, allow_subnormal=False)),
    st.integers(1, 12),
)
def test_neighbours_of_any_floats(rows: np.ndarray, k: int) -> None:
    distances, indices = metrics.nearest_neighbours(rows, rows[:4], k)
    expected, _ = reference(rows, rows[:4], k)
    np.testing.assert_allclose(distances, expected, rtol=1e-12, atol=1e-150)
    assert all(len(set(row)) == k for row in indices.tolist())
    np.testing.assert_array_equal(distances[:, 0], 0)  # each query is in train


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count the queries of the second, float64 search."""
    counts: list[int] = []
    original = search.Search._again

    def counted(self: Any, chosen: np.ndarray, *rest: Any) -> None:
        counts.append(len(chosen))
        original(self, chosen, *rest)

    monkeypatch.setattr(search.Search, "_again", counted)
    yield counts


@pytest.mark.parametrize("k", [1, 7, 200])
def test_neighbours_need_one_search_on_ordinary_data(k: int, again: list[int]) -> None:
    train, queries = RNG.normal(size=(10_000, 16)), RNG.normal(size=(50, 16))
    agrees(train, queries, k)
    assert not again


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, np.int64])
def test_neighbours_of_all_number_types(dtype: type) -> None:
    values: np.ndarray = RNG.integers(0, 200, (3020, 40)).astype(dtype)
    agrees(values[:3000], values[3000:], 5)


def test_neighbours_of_booleans_and_images() -> None:
    train, queries = RNG.random((300, 5, 4)) < 0.5, RNG.random((9, 5, 4)) < 0.5
    distances, indices = metrics.nearest_neighbours(train, queries, 4)
    expected = reference(train.reshape(300, 20), queries.reshape(9, 20), 4)
    np.testing.assert_allclose(distances, expected[0], rtol=1e-15)
    np.testing.assert_array_equal(indices, expected[1])


def table(
    scale: float = 1.0, offset: float = 0.0, spread: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    factors = scale * 10.0 ** np.linspace(-spread, spread, 20)
    rows = RNG.normal(size=(5020, 20)) * factors + offset
    return rows[:5000], rows[5000:]


@pytest.mark.parametrize(
    "data",
    [
        table(offset=1e7),
        table(offset=-1e12),
        table(spread=8),
        table(scale=1e-200),
        table(scale=1e200),
        (np.round(table(spread=2)[0], 1), np.round(table(spread=2)[1], 1)),
        (table()[0], table(offset=1e6)[1]),
        (np.vstack([table()[0], np.full((1, 20), 1e15)]), table()[1]),
    ],
    ids=["offset", "far", "spread", "tiny", "huge", "rounded", "strangers", "outlier"],
)
def test_neighbours_of_awkward_scales(data: tuple[np.ndarray, np.ndarray]) -> None:
    train, queries = data
    distances, indices = metrics.nearest_neighbours(train, queries, 6)
    unit = 2.0 ** np.round(np.log2(np.abs(train).max()))  # the reference would overflow
    expected, where = reference(train / unit, queries / unit, 6)
    np.testing.assert_allclose(distances / unit, expected, rtol=1e-13)
    np.testing.assert_array_equal(indices, where)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_neighbours_in_constant_data(value: float) -> None:
    """A collapsed code: everything is equally near, so the first rows are the answer, and soon."""
    rows = np.full((30_000, 32), value)
    distances, indices = metrics.nearest_neighbours(rows, rows[:2000], 7)
    assert not distances.any()
    np.testing.assert_array_equal(indices, np.tile(np.arange(7), (2000, 1)))


def test_neighbours_with_more_ties_than_candidates(again: list[int]) -> None:
    train = np.vstack([np.zeros((1, 100)), np.repeat(np.eye(100), 20, axis=0)])
    agrees(train[::-1].copy(), np.zeros((3, 100)), 50)
    assert again == [3]


def test_neighbours_over_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    train, queries = RNG.normal(size=(3000, 4)), RNG.normal(size=(70, 4))
    train[1000:1050] = train[:50]
    queries[:30] = train[:30]
    monkeypatch.setattr(search, "_BLOCK", 1 << 12)
    agrees(train, queries, 9, chunk=32)
    agrees(np.round(train), np.round(queries), 9, chunk=16)


def test_neighbours_do_not_depend_on_the_chunk() -> None:
    train, queries = RNG.normal(size=(2000, 30)), RNG.normal(size=(100, 30))
    distances, indices = metrics.nearest_neighbours(train, queries, 5)
    for chunk in (1, 7, 10_000):
        other = metrics.nearest_neighbours(train, queries, 5, chunk=chunk)
        np.testing.assert_array_equal(distances, other[0])
        np.testing.assert_array_equal(indices, other[1])


def test_bad_products_are_noticed(monkeypatch: pytest.MonkeyPatch, again: list[int]) -> None:
    """Hardware that rounds factors to bf16 costs time, not correctness."""
    product = torch.mm

    def rounded(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        return product(a.bfloat16().float(), b.bfloat16().float(), out=out)

    monkeypatch.setattr(torch, "mm", rounded)
    agrees(RNG.normal(size=(2000, 50)), RNG.normal(size=(30, 50)), 5)
    assert sum(again) == 30


def test_flags_are_left_alone() -> None:
    before = torch.get_float32_matmul_precision()
    metrics.nearest_neighbours(np.eye(3), np.eye(3), 1)
    assert torch.get_float32_matmul_precision() == before


def test_containers() -> None:
    train, queries = RNG.normal(size=(50, 3)), RNG.normal(size=(4, 3))
    expected = metrics.nearest_neighbours(train, queries, 3)[1]
    for wrap in (pd.DataFrame, torch.from_numpy, np.ndarray.tolist, np.asfortranarray):
        np.testing.assert_array_equal(
            metrics.nearest_neighbours(wrap(train), wrap(queries), 3)[1], expected
        )
    empty = metrics.nearest_neighbours(train, queries[:0], 3)
    assert empty[0].shape == empty[1].shape == (0, 3)


def test_neighbours_refuse() -> None:
    rows = np.ones((5, 3))
    holed = rows.copy()
    holed[3, 1] = np.nan
    for arguments, message in [
        ((rows, rows, 6), "k=6 neighbours need at least 6 rows of train, found 5"),
        ((rows[:0], rows, 1), "found 0"),
        ((rows, rows[:, :2], 1), "queries have 2 values a row and train has 3"),
        ((holed, rows, 1), "train: row 3, value 1 is nan"),
        ((rows, holed * np.inf, 1), "queries: row 0, value 0 is inf"),
        ((rows * 1e300, rows, 1), "below 1e"),
        ((rows[:, 0], rows, 1), r"train has shape \(5,\)"),
        ((rows[:, :0], rows[:, :0], 1), "at least one value a row"),
        ((rows.astype(complex), rows, 1), "complex128"),
        ((rows.astype(str), rows, 1), "expected numbers"),
        (([[1.0, 2.0], [3.0]], rows, 1), "cannot be turned into an array"),
    ]:
        with pytest.raises(DataError, match=message):
            metrics.nearest_neighbours(*arguments)
    for k in (0, -1, 2.0, "7", None):
        with pytest.raises(SpecError, match="k="):
            metrics.nearest_neighbours(rows, rows, k)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="chunk=0"):
        metrics.nearest_neighbours(rows, rows, 1, chunk=0)


# ------------------------------------------------------------------------------------ classifier
@given(discrete(), st.data())
@settings(max_examples=50)
def test_knn_votes(data: tuple[np.ndarray, np.ndarray, int], draw: st.DataObject) -> None:
    train, queries, k = data
    labels = draw.draw(hnp.arrays(np.int64, len(train), elements=st.integers(-2, 2)))
    votes = labels[reference(train, queries, k)[1]]
    expected = [max(sorted(set(row)), key=row.count) for row in votes.tolist()]
    np.testing.assert_array_equal(metrics.knn_predict(train, labels, queries, k), expected)


def test_knn_labels_of_any_type() -> None:
    train, queries = np.array([[0.0], [1.0], [10.0]]), np.array([[0.4], [9.0]])
    predicted = metrics.knn_predict(train, ["b", "a", "c"], queries, 2)
    np.testing.assert_array_equal(predicted, ["a", "a"])  # a tie goes to the smallest label
    assert metrics.knn_accuracy(train, ["b", "a", "c"], queries, ["a", "c"], 1) == 0.5
    with pytest.raises(DataError, match=r"labels have shape \(2,\)"):
        metrics.knn_predict(train, [0, 1], queries, 1)
    with pytest.raises(DataError, match="query_labels"):
        metrics.knn_accuracy(train, [0, 1, 2], queries, [0], 1)
    with pytest.raises(DataError, match="at least one"):
        metrics.knn_accuracy(train, [0, 1, 2], queries[:0], [], 1)


@pytest.mark.needs_data
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_pixels_as_scikit_learn(name: str, data_folder: Path) -> None:
    from diabolo import datasets

    train, test = datasets.load(name), datasets.load(name, "test")
    x, y = train.data[:5000].reshape(5000, -1), train.labels[:5000]
    q, truth = test.data[:1000].reshape(1000, -1), test.labels[:1000]
    found = NearestNeighbors(n_neighbors=8, algorithm="brute").fit(x.astype(np.float64))
    expected, where = found.kneighbors(q.astype(np.float64))
    distances, indices = metrics.nearest_neighbours(x, q, 7)
    np.testing.assert_array_equal(distances, expected[:, :7])
    # scikit-learn leaves the order of equal distances open.
    alone = np.diff(expected, axis=1) > 0  # (q, 7): larger distance follows
    alone[:, 1:] &= alone[:, :-1].copy()
    np.testing.assert_array_equal(indices[alone], where[:, :7][alone])
    assert alone.mean() > 0.99
    classifier = KNeighborsClassifier(7, algorithm="brute").fit(x.astype(np.float64), y)
    assert metrics.knn_accuracy(x, y, q, truth, 7) == classifier.score(q.astype(np.float64), truth)


# ---------------------------------------------------------------------------------------- errors
@given(hnp.arrays(np.float64, (2, 6, 2, 3), elements=st.floats(-1e3, 1e3)))
def test_errors_by_definition(pair: np.ndarray) -> None:
    x, x_hat = pair
    rows = ((x - x_hat) ** 2).reshape(6, -1)
    np.testing.assert_allclose(metrics.squared_error(x, x_hat), rows.sum(1), rtol=1e-12)
    np.testing.assert_allclose(metrics.mean_squared_error(x, x_hat), rows.mean(1), rtol=1e-12)
    np.testing.assert_array_equal(metrics.squared_error(x, x), np.zeros(6))


def test_errors_are_summed_in_float64() -> None:
    x, x_hat = np.zeros((3, 100_000), np.float32), np.full((3, 100_000), 0.1, np.float32)
    expected = 100_000 * float(np.float32(0.1)) ** 2
    np.testing.assert_allclose(metrics.squared_error(x, x_hat), expected, rtol=1e-11)
    pixels = np.array([[0, 255]], np.uint8)  # 0 − 255 must not wrap round
    np.testing.assert_array_equal(metrics.mean_squared_error(pixels, pixels[:, ::-1]), [65025])


def test_errors_refuse() -> None:
    x = np.ones((4, 3))
    for measure in (metrics.squared_error, metrics.mean_squared_error, metrics.explained_variance):
        with pytest.raises(DataError, match=r"x has shape \(4, 3\) and x_hat \(4, 2\)"):
            measure(x, x[:, :2])
        with pytest.raises(DataError, match="x_hat: row 0, value 0 is nan"):
            measure(x, x * np.nan)
    assert metrics.mean_squared_error(x[:0], x[:0]).shape == (0,)
    for constant in (x, x[:1], x[:0]):
        with pytest.raises(DataError, match="no variance to explain"):
            metrics.explained_variance(constant, constant)


def test_explained_variance() -> None:
    x = RNG.normal(size=(200, 5)) * [1, 2, 3, 4, 5] + 100
    noise = RNG.normal(size=x.shape)
    noise -= noise.mean(0)  # scikit-learn's measure forgives a constant shift, this one does not
    expected = explained_variance_score(x, x + noise, multioutput="variance_weighted")
    assert metrics.explained_variance(x, x + noise) == pytest.approx(expected, rel=1e-12)
    assert metrics.explained_variance(x, x) == 1
    mean = np.broadcast_to(x.mean(0), x.shape)
    assert metrics.explained_variance(x, mean) == pytest.approx(0, abs=1e-12)
    assert metrics.explained_variance(x, mean + 100) < 0


# ------------------------------------------------------------------------------------------- PCA
@pytest.mark.parametrize("shape", [(200, 12), (10, 40)])
def test_pca_reference(shape: tuple[int, int]) -> None:
    train = RNG.normal(size=shape) @ RNG.normal(size=(shape[1], shape[1]))
    test = RNG.normal(size=(30, shape[1]))
    for k in (1, 5, 10):
        pca = PCA(k, svd_solver="full").fit(train)
        expected = np.mean((test - pca.inverse_transform(pca.transform(test))) ** 2)
        found = metrics.pca_reconstruction_error(train, test, k)
        assert found == pytest.approx(expected, rel=1e-9)
    full = min(shape)
    assert metrics.pca_reconstruction_error(train, train, full) == pytest.approx(0, abs=1e-9)


def test_pca_of_images_and_refusals() -> None:
    images = RNG.integers(0, 256, (50, 4, 5), dtype=np.uint8)
    flat = images.reshape(50, 20).astype(np.float64)
    assert metrics.pca_reconstruction_error(images, images, 3) == pytest.approx(
        metrics.pca_reconstruction_error(flat, flat, 3)
    )
    with pytest.raises(DataError, match="at most 20 components"):
        metrics.pca_reconstruction_error(flat, flat, 21)
    with pytest.raises(DataError, match="test has 0 rows"):
        metrics.pca_reconstruction_error(flat, flat[:0], 2)
    with pytest.raises(DataError, match="rows of 3 values"):
        metrics.pca_reconstruction_error(flat, flat[:, :3], 2)
    with pytest.raises(SpecError, match="k=0"):
        metrics.pca_reconstruction_error(flat, flat, 0)
