"""Figures of a report, made from plain arrays: no model is known here.

Colours come from `theme`, so that the page can swap light for dark. What a reader must know beside
the picture (say, how many rows were drawn) is in ``figure.layout.meta["note"]``, for the caption.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.errors import DataError
from diabolo.report.inputs import MISSING, floats, text_of
from diabolo.report.look import theme
from diabolo.report.pictures import rgb, sprite

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_POINTS, MOST_CLASSES, OTHERS = 5000, 20, "others ("
SYMBOLS = ("circle", "diamond", "x")  # for the classes beyond the seven colours


def code_map(codes: Any, labels: Any = None, images: Any = None, hover: Any = None) -> Figure:
    """Draw every code as a point of a plane.

    Parameters
    ----------
    codes : array, (n, k)
        Two columns are drawn as they are, one is spread sideways to be legible, more are projected
        on their first two principal components (fitted on all rows).
    labels : array, (n,), optional
        Classes: colour and, beyond seven, shape; the rarest beyond twenty are one. Without labels
        colour is density.
    images : array, (n, h, w) or (n, h, w, c), optional
        Thumbnails that the page shows beside the pointer.
    hover : sequence of str, (n,), optional
        One more line of text for each point.

    Returns
    -------
    plotly.graph_objects.Figure
        At most 5,000 points, rows at even steps; the note says so.

    Raises
    ------
    DataError
        No rows, non-finite codes, or labels, images or hover of another length.
    """
    import plotly.graph_objects as go

    codes = floats(codes, "codes", 2)
    n = len(codes)
    for what, given in (("labels", labels), ("images", images), ("hover", hover)):
        if given is not None and len(given) != n:
            raise DataError(f"code_map: {len(given)} {what} for {n} codes; give one for each row.")
    rows = np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).round().astype(int))
    names = None if labels is None else _classes(np.asarray(labels, dtype=object)[rows])
    points, axes = _plane(codes)
    text = [f"row {row}" for row in rows]
    if names is not None:
        text = [f"{line} · {name}" for line, name in zip(text, names, strict=True)]
    if hover is not None:
        more = np.asarray(hover, dtype=object)[rows]
        text = [f"{line}<br>{text_of(extra, 80)}" for line, extra in zip(text, more, strict=True)]
    size = 4 if len(rows) > 2000 else 6 if len(rows) > 300 else 9
    note = f"{len(rows):,} of {n:,} rows are drawn, at even steps." if len(rows) < n else ""
    traces = []
    order: list[Any] = [None] if names is None else sorted(set(names), key=_order)
    for i, name in enumerate(order):
        take = np.arange(len(rows)) if names is None else np.flatnonzero(names == name)
        marker: dict[str, Any] = {"size": size, "opacity": 0.8, "symbol": SYMBOLS[i // 7 % 3]}
        if names is None:
            marker |= {"color": _density(points, rows), "autocolorscale": True}
        elif _grey(name):
            marker["color"] = "#868c96"
        traces.append(
            go.Scattergl(
                x=points[rows[take], 0],
                y=points[rows[take], 1],
                mode="markers",
                marker=marker,
                name=name,
                legendrank=2000 if _grey(name) else 1000,
                customdata=take,
                text=[text[j] for j in take],
                hoverinfo="text",
            )
        )
    if names is None and len(rows) > 1:
        note = f"Colour: density of the rows. {note}".strip()
    meta: dict[str, Any] = {"note": note}
    if images is not None:
        meta["sprite"] = sprite(rgb(images, rows))
    height = 520 if codes.shape[1] > 1 else 300
    figure = _figure(traces, axes, meta=meta, height=height, hovermode="closest")
    span = np.ptp(points, axis=0)
    if codes.shape[1] == 1:
        figure.update_yaxes(showticklabels=False, ticks="", showgrid=False)
    elif span.min() * 4 > span.max():  # the same unit on both axes, unless one would vanish
        figure.update_yaxes(scaleanchor="x")
    return figure.update_layout(showlegend=names is not None)


def loss_curves(history: Sequence[Mapping[str, Any]], kept: int | None = None) -> Figure:
    """Draw training and held-out loss over epochs, and mark the epoch that was kept.

    Parameters
    ----------
    history : sequence of mappings
        One for each look: ``epoch``, ``train`` and, if there is one, ``held_out``.
    kept : int, optional
        The entry whose weights the model has.

    Raises
    ------
    DataError
        The history is empty or has no finite loss.
    """
    import plotly.graph_objects as go

    epochs = np.array([entry.get("epoch", i) for i, entry in enumerate(history, start=1)])
    lines: dict[str, np.ndarray] = {}
    for key, name in (("train", "training"), ("held_out", "held out")):
        given = [entry.get(key) for entry in history]
        losses = np.array([math.nan if loss is None else float(loss) for loss in given])
        if np.isfinite(losses).any():
            lines[name] = np.where(np.isfinite(losses), losses, math.nan)
    if not lines:
        raise DataError("loss_curves: the history holds no finite loss; train for an epoch first.")
    mode = "lines+markers" if len(epochs) <= 20 else "lines"
    traces = [
        go.Scatter(x=epochs, y=loss, name=name, mode=mode, hovertemplate="%{y:.4g}")
        for name, loss in lines.items()
    ]
    if kept is not None:
        loss = list(lines.values())[-1]
        traces.append(
            go.Scatter(
                x=epochs[kept : kept + 1],
                y=loss[kept : kept + 1],
                mode="markers",
                hoverinfo="skip",
                name=f"kept: {loss[kept]:.4g}, epoch {epochs[kept]}",
                marker={"symbol": "circle-open", "size": 13, "line": {"width": 2}},
            )
        )
    values = np.concatenate(list(lines.values()))
    figure = _figure(traces, {"x": "epoch", "y": "loss"}, height=360, hovermode="x unified")
    if np.nanmin(values) > 0 and np.nanmax(values) > 10 * np.nanmin(values):
        low, high = (math.floor(math.log10(f(values))) for f in (np.nanmin, np.nanmax))
        ticks = [i * 10.0**e for e in range(low, high + 1) for i in (1, 2, 5)]
        figure.update_yaxes(type="log", title="loss (log scale)", tickvals=ticks, tickformat="~g")
    return figure.update_xaxes(tickformat="d", **({"dtick": 1} if len(epochs) <= 10 else {}))


def column_errors(names: Sequence[Any], error_per_column: Any, *, most: int = 20) -> Figure:
    """Draw the mean error of the columns that are reconstructed worst, largest first.

    Parameters
    ----------
    names : sequence, (d,)
        Names of the columns.
    error_per_column : array, (d,)
        Mean error of each.
    most : int, default 20
        Bars at most; the note says of how many.

    Raises
    ------
    DataError
        No columns, non-finite errors, or as many names as not errors.
    """
    import plotly.graph_objects as go

    errors = floats(error_per_column, "error_per_column", 1)
    if len(names) != len(errors):
        raise DataError(f"column_errors: {len(names)} names for {len(errors)} errors.")
    worst = np.argsort(-errors, kind="stable")[:most]
    labels, places = [text_of(names[i]) for i in worst], np.arange(len(worst))
    bar = go.Bar(
        x=errors[worst], y=places, orientation="h", text=labels, textposition="none", opacity=0.85
    )
    bar.hovertemplate = "%{text}: %{x:.4g}<extra></extra>"
    note = f"The {len(worst)} largest of {len(errors):,} columns." if len(errors) > most else ""
    size: dict[str, Any] = {"height": 84 + 24 * len(worst), "bargap": 0.35}
    figure = _figure([bar], {"x": "mean error", "y": None}, meta={"note": note}, **size)
    figure.update_yaxes(autorange="reversed", tickvals=places, ticktext=labels, showgrid=False)
    return figure.update_yaxes(tickcolor="rgba(0,0,0,0)", showline=False)


def error_histogram(errors: Any, threshold: float | None = None) -> Figure:
    """Draw how the errors of the rows are distributed, and where the threshold of anomalies lies.

    Parameters
    ----------
    errors : array, (n,)
        One error for each row. The axis is logarithmic where all are positive and the largest is
        over thirty times their median.
    threshold : float, optional
        Rows above it count as anomalies; the legend says how many they are.

    Raises
    ------
    DataError
        No rows, or non-finite errors.
    """
    import plotly.graph_objects as go

    errors = floats(errors, "errors", 1)
    low, high = float(errors.min()), float(errors.max())
    log = low > 0 and high > 30 * float(np.median(errors))  # a tail would squeeze the rest
    values = np.log10(errors) if log else errors
    bins = int(np.clip(2 * len(errors) ** (1 / 3), 8, 60))
    counts, edges = np.histogram(values, bins=bins if high - low > 1e-9 * high else 1)
    edges = 10**edges if log else edges
    bounds = zip(edges, edges[1:], counts, strict=False)
    text = [f"{a:.3g} to {b:.3g}: {c:,} rows" for a, b, c in bounds]
    traces = [
        go.Scatter(
            x=edges,
            y=np.append(counts, 0),
            line={"shape": "hv", "width": 1.5},
            mode="lines",
            fill="tozeroy",
            showlegend=False,
            text=[*text, ""],
            hoverinfo="text",
        )
    ]
    if threshold is not None:
        above = int((errors > threshold).sum())
        name = f"threshold {threshold:.3g}: {above:,} of {len(errors):,} above"
        traces.append(go.Scatter(x=[threshold] * 2, y=[0, counts.max()], mode="lines", name=name))
        traces[-1].update(line={"dash": "dash", "width": 2}, hoverinfo="skip", showlegend=True)
    title = "reconstruction error" + (" (log scale)" if log else "")
    figure = _figure(traces, {"x": title, "y": "rows"}, height=340, hovermode="closest")
    figure.update_yaxes(rangemode="tozero")
    return figure.update_xaxes(type="log", dtick=1) if log else figure


def _plane(codes: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return points (n, 2) and the titles of their axes."""
    n, k = codes.shape
    if k == 2:
        return codes, {"x": "code 1", "y": "code 2"}
    if k == 1:
        spread = np.arange(n) * 0.6180339887498949 % 1  # even whatever the number of rows
        return np.stack([codes[:, 0], spread], axis=1), {"x": "code", "y": "spread, no meaning"}
    points, shares = np.zeros((n, 2)), np.zeros(2)
    if n > 1 and np.ptp(codes, axis=0).any():
        from sklearn.decomposition import PCA

        pca = PCA(2, random_state=0)
        points, shares = pca.fit_transform(codes), pca.explained_variance_ratio_
    x, y = (f"principal component {i} ({s:.0%} of variance)" for i, s in enumerate(shares, 1))
    return points, {"x": x, "y": y}


def _density(points: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return how dense all points (n, 2) are around those of ``rows``, on a smoothed grid."""
    from scipy.ndimage import gaussian_filter

    counts, *edges = np.histogram2d(points[:, 0], points[:, 1], bins=64)
    smooth = np.sqrt(gaussian_filter(counts, 1.5))
    cells = [np.clip(np.searchsorted(e, points[rows, i]) - 1, 0, 63) for i, e in enumerate(edges)]
    return smooth[cells[0], cells[1]]


def _classes(labels: np.ndarray) -> np.ndarray:
    """Return a name for each label; the rarest beyond the twentieth class share one."""
    names = np.array([text_of(label) for label in labels], dtype=object)
    kinds, counts = np.unique(names.astype(str), return_counts=True)
    if len(kinds) > MOST_CLASSES:
        rare = kinds[np.argsort(-counts, kind="stable")[MOST_CLASSES - 1 :]]
        names[np.isin(names.astype(str), rare)] = f"{OTHERS}{len(rare)})"
    return names


def _grey(name: str | None) -> bool:
    return name is not None and (name == MISSING or name.startswith(OTHERS))


def _order(name: str) -> tuple[Any, ...]:
    """Sort numbers as numbers, before words; what is left over comes first, to lie beneath."""
    with contextlib.suppress(ValueError):
        return True, False, float(name)
    words = [int(p) if i % 2 else p for i, p in enumerate(re.split(r"(\d+)", name))]
    return not _grey(name), True, words


def _figure(traces: list[Any], axes: Mapping[str, Any], **layout: Any) -> Figure:
    import plotly.graph_objects as go

    figure = go.Figure(data=traces, layout={"template": theme(), **layout})
    return figure.update_xaxes(title=axes["x"]).update_yaxes(title=axes["y"])
