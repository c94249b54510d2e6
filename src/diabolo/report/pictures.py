"""Grids of images as PNG bytes, at two pixels per CSS pixel."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from diabolo.errors import DataError
from diabolo.report.inputs import floats, line_of

THUMBNAIL = 32


def image_grid(
    stacks: Sequence[Any],
    notes: Sequence[str] | None = None,
    *,
    row_titles: Sequence[str] = (),
    columns: int = 8,
    tile: int = 72,
    scale: float | None = None,
) -> bytes:
    """Draw stacks of images as a grid: one row for each stack, image under image.

    Parameters
    ----------
    stacks : sequence of arrays, each (n, h, w) or (n, h, w, c) with c of 1 to 4
        Unsigned integers, booleans, or floats in [0, 1] (clipped; NaN is drawn in pale violet).
    notes : sequence of str, (n,), optional
        Text under each column of images, several lines where it holds newlines.
    row_titles : sequence of str, optional
        Text at the left of each row.
    columns : int, default 8
        Images side by side; more of them wrap into the next band of rows.
    tile : int, default 72
        Longest side of an image in CSS pixels; small ones grow by the nearest whole factor.
    scale : float, optional
        Adds the key of a difference map, from minus to plus this value.

    Returns
    -------
    bytes
        A PNG on white paper, with two pixels per CSS pixel (marked as 192 dpi).

    Raises
    ------
    DataError
        No images, stacks of different sizes, or values that are no image.
    """
    from PIL import Image, ImageDraw, ImageFont

    tiles = [rgb(stack) for stack in stacks]
    if not tiles or any(t.shape != tiles[0].shape for t in tiles):
        raise DataError("image_grid: give stacks of images of one size, as many in each.")
    n, h, w = tiles[0].shape[:3]
    factor = 2 * tile / max(h, w)
    factor = max(1, round(factor)) if factor >= 1 else factor
    height, width = max(1, round(h * factor)), max(1, round(w * factor))
    method = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
    font, gap, line = ImageFont.load_default(size=25), 12, 32
    left = max([0, *(int(font.getlength(title)) + 2 * gap for title in row_titles)])
    columns, lines = min(columns, n), max([0, *(note.count("\n") + 1 for note in notes or ())])
    band = len(tiles) * (height + gap) + lines * line + (gap if lines else 0)
    between = 2 * gap if len(tiles) > 1 or lines else 0
    foot = line + 2 * gap if scale else 0
    bands = -(-n // columns)
    size = (left + columns * (width + gap) + gap, bands * (band + between) - between + gap + foot)
    paper = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(paper)
    for i in range(n):
        x, y = left + gap + i % columns * (width + gap), gap + i // columns * (band + between)
        for stack, title in zip(tiles, [*row_titles, *[""] * len(tiles)], strict=False):
            paper.paste(Image.fromarray(stack[i]).resize((width, height), method), (x, y))
            pen.rectangle((x - 1, y - 1, x + width, y + height), outline="#c9ccd1")
            if i % columns == 0 and title:
                pen.text((gap, y + height / 2), title, "#24272c", font, "lm")
            y += height + gap
        for note in notes[i].split("\n") if notes is not None else ():
            while font.getlength(note) > width + gap and len(note) > 2:
                note = note[:-2] + "…"
            pen.text((x + width / 2, y), note, "#24272c", font, "ma")
            y += line
    if scale:
        texts = (f"difference:  -{scale:.2g}", f"+{scale:.2g}")
        x, y = left + gap + int(font.getlength(texts[0])) + gap, size[1] - foot + gap
        ramp = np.broadcast_to(np.linspace(-1, 1, 200), (1, line - 8, 200))
        paper.paste(Image.fromarray(_diverging(ramp)[0]), (x, y))
        pen.rectangle((x - 1, y - 1, x + 200, y + line - 8), outline="#c9ccd1")
        pen.text((x - gap, y + line / 2 - 4), texts[0], "#24272c", font, "rm")
        pen.text((x + 200 + gap, y + line / 2 - 4), texts[1], "#24272c", font, "lm")
    return _png(paper, dpi=(192, 192))


def reconstructions(
    originals: Any, reconstructions: Any, labels: Any = None, errors: Any = None, *, most: int = 16
) -> bytes:
    """Draw originals, their reconstructions beneath, and reconstruction minus original beneath.

    Parameters
    ----------
    originals, reconstructions : arrays, (n, h, w) or (n, h, w, c)
        As `image_grid` takes them.
    labels, errors : arrays, (n,), optional
        Written under each column.
    most : int, default 16
        Images drawn at most: rows at even steps.

    Returns
    -------
    bytes
        A PNG. The differences (mean over colour channels) share one scale: white is zero, orange
        too bright, blue too dark; its key is under the grid.
    """
    n = len(originals)
    if any(given is not None and len(given) != n for given in (reconstructions, labels, errors)):
        raise DataError("reconstructions: the arguments differ in length; give one row for each.")
    rows = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))
    shown = [rgb(stack, rows) for stack in (originals, reconstructions)]
    if shown[0].shape != shown[1].shape:
        raise DataError("reconstructions: originals and reconstructions differ in size.")
    change = (shown[1].astype(float) - shown[0]).mean(axis=-1) / 255
    limit = max(float(np.abs(change).max()), 1 / 255)
    notes = ["" if labels is None else f"{line_of(np.asarray(labels)[row])}\n" for row in rows]
    notes = [
        t if errors is None else f"{t}{errors[r]:.3g}" for t, r in zip(notes, rows, strict=True)
    ]
    titles = ("original", "rebuilt", "difference")
    stacks = [*shown, _diverging(change / limit)]
    written = [note.strip("\n") for note in notes] if any(notes) else None
    return image_grid(stacks, written, row_titles=titles, scale=limit)


def most_anomalous(images: Any, errors: Any, *, most: int = 16) -> bytes:
    """Draw the images with the largest errors, largest first, as PNG bytes.

    Parameters
    ----------
    images : array, (n, h, w) or (n, h, w, c)
        As `image_grid` takes them.
    errors : array, (n,)
        Written under each image, with the number of its row.
    most : int, default 16
        Images drawn at most.
    """
    errors = floats(errors, "errors", 1)
    if len(images) != len(errors):
        raise DataError(f"most_anomalous: {len(images)} images for {len(errors)} errors.")
    worst = np.argsort(-errors, kind="stable")[:most]
    return image_grid([rgb(images, worst)], [f"{errors[i]:.3g}\nrow {i}" for i in worst])


def rgb(images: Any, rows: Any = slice(None)) -> np.ndarray:
    """Return images as (n, h, w, 3) bytes."""
    images = np.asarray(images)[rows]
    if images.ndim == 3:
        images = images[..., None]  # (n, h, w) -> (n, h, w, 1)
    if images.ndim != 4 or 0 in images.shape or images.shape[-1] > 4:
        raise DataError(f"Images are (n, h, w) or (n, h, w, 1 to 4), not {images.shape}.")
    if images.dtype.kind == "u":
        images = images / np.iinfo(images.dtype).max
    elif images.dtype.kind not in "bf":
        raise DataError(f"Images are unsigned integers or floats in [0, 1], not {images.dtype}.")
    values = images.astype(np.float32)
    missing = np.isnan(values).any(axis=-1)
    values = np.clip(values, 0, 1)
    channels = values.shape[-1]
    if channels in (2, 4):  # the last one is opacity, over white
        values = values[..., :-1] * values[..., -1:] + 1 - values[..., -1:]
    values = np.broadcast_to(values, (*values.shape[:3], 3)).copy()
    values[missing] = (0.84, 0.78, 0.91)
    return (values * 255 + 0.5).astype(np.uint8)


def _diverging(change: np.ndarray) -> np.ndarray:
    """Colour values in [-1, 1] (n, h, w): blue, white at zero, orange -> (n, h, w, 3) bytes."""
    ends = np.where(change[..., None] < 0, np.array([18, 70, 198]), np.array([194, 76, 11]))
    return (255 + np.abs(change)[..., None] * (ends - 255.0) + 0.5).astype(np.uint8)


def _png(picture: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True, **options)
    return stream.getvalue()


def sprite(tiles: np.ndarray) -> dict[str, Any]:
    """Pack thumbnails (n, h, w, 3) into one sheet, for the page's script."""
    from PIL import Image

    n, h, w = tiles.shape[:3]
    factor = min(1, THUMBNAIL / max(h, w))
    size = (max(1, round(w * factor)), max(1, round(h * factor)))
    columns = math.ceil(math.sqrt(n))
    sheet = Image.new("RGB", (columns * size[0], -(-n // columns) * size[1]), "white")
    for i in range(n):
        thumbnail = Image.fromarray(tiles[i]).resize(size, Image.Resampling.BOX)
        sheet.paste(thumbnail, (i % columns * size[0], i // columns * size[1]))
    uri = "data:image/png;base64," + base64.b64encode(_png(sheet)).decode()
    return {"uri": uri, "columns": columns, "sheet": sheet.size, "tile": size}
