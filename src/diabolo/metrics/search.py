"""The engine of `nearest_neighbours`: float32 proposes, a bound excludes, float64 ranks."""

from __future__ import annotations

from typing import Any

import numpy as np

from diabolo.metrics.rows import PIECE, column_means, norms, pieces

#: Elements of the largest block of approximate distances.
_BLOCK = 1 << 25
#: Columns that share one minimum when the smallest distances of a row are looked for.
_GROUP = 64


class Search:
    """One exact search: data in the units of the products (centred, largest value near 1)."""

    def __init__(self, train: np.ndarray, queries: np.ndarray, k: int) -> None:
        self.train, self.queries, self.k = train, queries, k
        self.width = train.shape[1]
        self.centre = column_means(train)
        largest = max(
            float(max((rows.max(0) - self.centre).max(), (self.centre - rows.min(0)).max()))
            for rows in (train, queries)
        )
        # A power of two, so that scaling rounds nothing.
        self.scale = float(np.ldexp(1.0, -max(int(np.frexp(largest)[1]), -1000)))

    def run(self, chunk: int, squares: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Fill (q, k) arrays with squared distances (scaled) and row numbers; return the first."""
        unsure = self._first(chunk, squares, indices)
        if len(unsure):
            # A row with k identical rows before it is nobody's neighbour.
            rows = _first_copies(self.train, self.k)
            step = max(1, min(chunk, _BLOCK // 2 // len(rows)))
            for start in range(0, len(unsure), step):
                self._again(unsure[start : start + step], rows, squares, indices)
        return squares

    def _bound(self, dtype: Any) -> tuple[float, float]:
        # Relative to ‖q‖²+‖t‖², and absolute (underflow). The second term covers the rounding of
        # the float64 differences themselves.
        info = np.finfo(dtype)
        relative = (self.width + 16) * (0.625 * float(info.eps) + 1.25 * np.finfo(float).eps)
        return relative, 16 * self.width * float(info.tiny)

    def _prepare(self, rows: np.ndarray, dtype: Any, pad: int = 0) -> tuple[Any, np.ndarray]:
        """Return the centred, scaled rows as a tensor (n + pad, d), and their squared norms."""
        import torch

        out = np.zeros((len(rows) + pad, self.width), dtype)
        sizes = np.full(len(out), np.inf)
        for part in pieces(*rows.shape):
            piece = (rows[part].astype(np.float64) - self.centre) * self.scale
            out[part], sizes[part] = piece, norms(piece)
        return torch.from_numpy(out), sizes

    def _first(self, chunk: int, squares: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Search with float32 products; return the queries for which that was not enough."""
        import torch

        from diabolo.device import arithmetic

        q, n, k = len(self.queries), len(self.train), self.k
        count = min(n, k + max(8, k // 4))
        relative, tiny = self._bound(np.float32)
        block = max(_GROUP, min(_BLOCK // chunk, 2 * _BLOCK // self.width) // _GROUP * _GROUP)
        low = torch.full((q, count), torch.inf)  # lower bounds, less what depends on q alone
        found = torch.zeros((q, count), dtype=torch.int64)
        train_norms = np.empty(n)
        query_norms = np.empty(q)
        for begin in range(0, n, block):
            rows = self.train[begin : begin + block]
            t, sizes = self._prepare(rows, np.float32, -len(rows) % _GROUP)
            train_norms[begin : begin + block] = sizes[: len(rows)]
            offset = torch.from_numpy((sizes * (1 - relative)).astype(np.float32))
            products = torch.empty(min(chunk, q), len(t))
            t.mul_(-2)
            for start in range(0, q, chunk):
                part = slice(start, start + chunk)
                x, query_norms[part] = self._prepare(self.queries[part], np.float32)
                with arithmetic("fp32"):  # oneDNN, and memory used again: the fastest on CPUs
                    values = torch.mm(x, t.T, out=products[: len(x)]).add_(offset)
                value, place = _smallest(values, min(count, len(rows)))
                value = torch.cat([low[part], value], 1)
                place = torch.cat([found[part], place + begin], 1)
                low[part], order = value.topk(count, 1, largest=False)
                found[part] = place.gather(1, order)
        lower, rows = low.numpy().astype(np.float64), found.numpy()
        lower -= relative * query_norms[:, None] + tiny
        upper = lower + 2 * (relative * (query_norms[:, None] + train_norms[rows]) + tiny)
        limit = np.partition(upper, k - 1, 1)[:, k - 1]  # the k-th neighbour is not beyond this
        sure = (lower[:, -1] > limit) | (count == n)
        which, column = np.nonzero((lower <= limit[:, None]) & sure[:, None])
        exact = self._exact(which, rows[which, column])
        shifted = exact - query_norms[which]
        # Hardware that computes with less than float32 (see diabolo.device) must not go unnoticed.
        broken = (shifted < lower[which, column]) | (shifted > upper[which, column])
        if broken.any():
            sure[which[broken]] = False
            keep = sure[which]
            which, column, exact = which[keep], column[keep], exact[keep]
        self._rank(np.flatnonzero(sure), which, rows[which, column], exact, squares, indices)
        return np.flatnonzero(~sure)

    def _again(
        self, chosen: np.ndarray, rows: np.ndarray, squares: np.ndarray, indices: np.ndarray
    ) -> None:
        """Search some queries among some rows with float64 products, whatever number of ties."""
        import torch

        relative, tiny = self._bound(np.float64)
        x, query_norms = self._prepare(self.queries[chosen], np.float64)
        values = torch.empty(len(chosen), len(rows), dtype=torch.float64)
        sizes = np.empty(len(rows))
        for part in pieces(len(rows), self.width, _BLOCK // 2):
            t, sizes[part] = self._prepare(self.train[rows[part]], np.float64)
            offset = torch.from_numpy(sizes[part] * (1 - relative))
            values[:, part] = torch.addmm(offset, x, t.T, alpha=-2)
        nearest = values.topk(self.k, 1, largest=False)
        margin = 2 * (relative * (query_norms[:, None] + sizes[nearest.indices.numpy()]) + tiny)
        limit = torch.from_numpy((nearest.values.numpy() + margin).max(1))
        for part in pieces(len(chosen), len(rows), _BLOCK // 8):
            near = (values[part] <= limit[part, None]).nonzero().numpy()  # (pairs, 2)
            which, found = chosen[part][near[:, 0]], rows[near[:, 1]]
            self._rank(chosen[part], which, found, self._exact(which, found), squares, indices)

    def _exact(self, which: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the squared distances (scaled) of pairs (query, row of train) by differences."""
        result = np.empty(len(which))
        for part in pieces(len(which), self.width, PIECE // 4):
            piece = self.queries[which[part]].astype(np.float64)
            piece -= self.train[rows[part]]
            piece *= self.scale
            result[part] = norms(piece)
        return result

    def _rank(
        self,
        chosen: np.ndarray,
        which: np.ndarray,
        rows: np.ndarray,
        exact: np.ndarray,
        squares: np.ndarray,
        indices: np.ndarray,
    ) -> None:
        """Write the k nearest pairs of each chosen query, ascending; ties by row number."""
        order = np.lexsort((rows, exact, which))
        starts = np.searchsorted(which[order], chosen)
        best = order[starts[:, None] + np.arange(self.k)]  # (chosen, k)
        squares[chosen], indices[chosen] = exact[best], rows[best]


def _smallest(values: Any, count: int) -> tuple[Any, Any]:
    """Return the `count` smallest of each row and their columns, in no order."""
    rows, columns = values.shape
    if columns < 4 * count * _GROUP:
        return values.topk(count, 1, largest=False, sorted=False)
    # The smallest values lie in the groups with the smallest minima: one pass instead of a heap.
    grouped = values.view(rows, columns // _GROUP, _GROUP)
    groups = grouped.amin(2).topk(count, 1, largest=False, sorted=False).indices  # (rows, count)
    inside = grouped.gather(1, groups[:, :, None].expand(-1, -1, _GROUP)).view(rows, -1)
    best = inside.topk(count, 1, largest=False, sorted=False)
    group = groups.gather(1, best.indices // _GROUP)
    return best.values, group * _GROUP + best.indices % _GROUP


def _first_copies(rows: np.ndarray, k: int) -> np.ndarray:
    """Return the numbers of the rows that have fewer than k identical rows before them."""
    raw = np.ascontiguousarray(rows)
    raw = raw.view(np.dtype((np.void, raw.dtype.itemsize * raw.shape[1]))).ravel()
    _, group = np.unique(raw, return_inverse=True)
    order = np.argsort(group, kind="stable")
    first = np.searchsorted(group[order], np.arange(group.max() + 1))
    place = np.arange(len(order)) - first[group[order]]
    return np.sort(order[place < k])
