"""Folders of images, decoded by PIL piece by piece."""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.data.files import PathLike, is_dir, join, list_files, open_input, suffix_of
from diabolo.data.readers.base import Source, foreign
from diabolo.errors import ReadError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
# By content, and nothing but these: PIL would also start Ghostscript.
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
_ORIENTATION = 0x0112
_READ = 256  # images decoded at a time when everything is read


@dataclass(frozen=True)
class _Head:
    """What the header of one image says."""

    name: str
    size: tuple[int, int]  # height, width, upright
    colour: bool
    alpha: bool
    deep: bool  # 16 bits, grey
    cut: bool  # 16 bits per colour, of which PIL keeps 8
    pages: int


def open_images(path: PathLike, image_size: tuple[int, int] | None = None) -> Source:
    """Open a folder of images, or one image; see `diabolo.data.readers.open_source`."""
    shown = os.fspath(path)
    notes: list[str] = []
    if is_dir(path):
        files = list_files(path)
        names = [name for name in files if _is_image(name)]
        if not names:
            others = Counter(suffix_of(name)[0] or "no suffix" for name in files).most_common(3)
            found = ", ".join(f"{count} {suffix}" for suffix, count in others) or "it is empty"
            raise ReadError(
                f"{shown}: no images in this folder ({found}). It takes {', '.join(SUFFIXES)}; "
                "name a table's file itself."
            )
        if ignored := len(files) - len(names):
            notes.append(f"{ignored} file(s) that are no images ignored")
        paths = [join(path, name) for name in names]
    else:
        names, paths = [shown.rstrip("/").rsplit("/", 1)[-1]], [shown]
    with warnings.catch_warnings():
        from PIL import Image

        warnings.simplefilter("error", Image.DecompressionBombWarning)
        heads = [_head(name, place) for name, place in zip(names, paths, strict=True)]
    mode, size = _common(shown, heads, image_size, notes)
    decode = partial(_decode, mode=mode, size=size)

    def chunks(rows: int) -> Iterator[np.ndarray]:
        # PIL lets other threads run while it decodes.
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for first in range(0, len(paths), rows):
                yield np.stack(list(pool.map(decode, paths[first : first + rows])))

    def read() -> np.ndarray:
        channels = {"RGB": (3,), "RGBA": (4,)}.get(mode, ())
        out = np.empty((len(paths), *size, *channels), np.uint16 if mode == "I;16" else np.uint8)
        for number, piece in enumerate(chunks(_READ)):
            out[number * _READ : number * _READ + len(piece)] = piece
        return out

    return Source(shown, "images", len(paths), tuple(names), tuple(notes), read, chunks)


def _is_image(name: str) -> bool:
    # Hidden files are thumbnails and remains (._x.png, .ipynb_checkpoints/), never data.
    hidden = any(part.startswith(".") for part in name.split("/"))
    return not hidden and suffix_of(name) in [(suffix, False) for suffix in SUFFIXES]


@contextlib.contextmanager
def _open(path: str) -> Iterator[Any]:
    from PIL import Image, UnidentifiedImageError

    with open_input(path) as file:
        try:
            image = Image.open(file, formats=_FORMATS)
        except UnidentifiedImageError:
            file.seek(0)
            raise foreign(path, file.read(512), "an image, or it is damaged") from None
        with image:
            yield image


def _head(name: str, path: str) -> _Head:
    from PIL import Image

    try:
        with _open(path) as image:
            width, height = image.size
            if width * height > (Image.MAX_IMAGE_PIXELS or math.inf):
                raise Image.DecompressionBombError
            if _orientation(image) >= 5:
                width, height = height, width
            mode = image.mode
            if mode in ("I", "F"):
                raise ReadError(
                    f"{path}: holds 32 bits per pixel; 8 and 16 can be read. Save it as .npy."
                )
            return _Head(
                name,
                (height, width),
                colour=mode not in ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L"),
                alpha=mode in ("RGBA", "RGBa", "LA", "La", "PA"),
                deep=mode.startswith("I;16"),
                cut=any(";16" in str(tile[3]) for tile in image.tile) and not mode.startswith("I"),
                pages=getattr(image, "n_frames", 1),
            )
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ReadError(
            f"{path}: has more than {Image.MAX_IMAGE_PIXELS:,} pixels, which may be an attack "
            "(a decompression bomb). Make it smaller."
        ) from error
    except (ReadError, MemoryError):
        raise
    except Exception as error:  # PIL answers damage with almost any exception
        raise _damaged(path, error) from error


def _damaged(path: str, error: Exception) -> ReadError:
    return ReadError(f"{path}: this image is damaged ({error}). Replace or remove it.")


def _orientation(image: Any) -> int:
    # PIL turns TIFF upright itself, and swaps its size at once.
    if image.format == "TIFF":
        return 1
    # Asking a PNG without the tag for it would decode the whole image.
    if image.format == "PNG" and not {"exif", "Raw profile type exif"} & image.info.keys():
        return 1
    value = image.getexif().get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def _common(
    folder: str, heads: list[_Head], image_size: tuple[int, int] | None, notes: list[str]
) -> tuple[str, tuple[int, int]]:
    """Find the one mode and size of all images, and note what is changed for it."""
    first = heads[0]
    size = first.size
    if image_size is not None:
        size = (int(image_size[0]), int(image_size[1]))
        if min(size) < 1:
            raise ReadError(f"{folder}: images cannot be resized to {size[0]}x{size[1]}.")
        if count := sum(head.size != size for head in heads):
            notes.append(f"{count} image(s) resized to {size[0]}x{size[1]}")
    for head in heads:
        if image_size is None and head.size != size:
            raise ReadError(
                f"{folder}: images differ in size (height x width): {first.name} is "
                f"{size[0]}x{size[1]}, {head.name} is {head.size[0]}x{head.size[1]}. "
                f"Resize all with --size {size[0]}x{size[1]} (image_size=)."
            )
        if head.deep != first.deep:
            raise ReadError(
                f"{folder}: images differ in depth: {first.name} has {16 if first.deep else 8} "
                f"bits per pixel, {head.name} has {16 if head.deep else 8}. Save all alike."
            )
    colour = sum(head.colour for head in heads)
    alpha = sum(head.alpha for head in heads)
    if 0 < colour < len(heads):
        notes.append(f"{len(heads) - colour} greyscale image(s) converted to RGB")
    if 0 < alpha < len(heads):
        notes.append(f"alpha channel of {alpha} image(s) dropped: not all have one")
    if cut := sum(head.cut for head in heads):
        notes.append(f"{cut} colour image(s) reduced from 16 to 8 bits per channel")
    if pages := sum(head.pages > 1 for head in heads):
        notes.append(f"{pages} file(s) hold several pages or frames: the first is taken")
    if first.deep:
        return "I;16", size
    if alpha == len(heads):
        return "RGBA", size
    return ("RGB" if colour else "L"), size


def _decode(path: str, mode: str, size: tuple[int, int]) -> np.ndarray:
    from PIL import ImageOps

    try:
        with _open(path) as opened:
            image: Image.Image = opened
            if _orientation(image) != 1:
                image = ImageOps.exif_transpose(image)
            if mode == "I;16":
                array = np.asarray(image).astype(np.uint16)
            else:
                array = np.asarray(_convert(image, mode))
            if array.shape[:2] != size:
                array = _resize(array, size)
            return array
    except (ReadError, MemoryError):
        raise
    except Exception as error:  # PIL answers damage with almost any exception
        raise _damaged(path, error) from error


def _convert(image: Any, mode: str) -> Any:
    if image.mode == mode:
        return image
    # A palette with transparency goes through RGBA, or PIL guesses a colour.
    if image.mode == "PA" or (image.mode == "P" and "transparency" in image.info):
        image = image.convert("RGBA")
    return image.convert(mode)


def _resize(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    def one(plane: np.ndarray) -> np.ndarray:
        image = Image.fromarray(plane)
        return np.asarray(image.resize((size[1], size[0]), Image.Resampling.LANCZOS))

    if array.dtype == np.uint16:
        # In floats: PIL's own 16-bit path is not the same in all its versions.
        return one(array.astype(np.float32)).round().clip(0, 65535).astype(np.uint16)
    return one(array)
