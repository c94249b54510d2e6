"""Folders of PNG files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from diabolo.data.writers.base import Job

# Suffixes that ".png" replaces; anything else after a dot belongs to the name.
_REPLACED = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}


def write_images(job: Job, folder: Path) -> None:
    """Write one PNG file per image."""
    from PIL import Image

    count = 0
    used: dict[PurePosixPath, str] = {}
    for array in job.pieces:
        if not isinstance(array, np.ndarray) or not (
            array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3, 4))
        ):
            what = f"shape {array.shape}" if isinstance(array, np.ndarray) else "a DataFrame"
            raise job.error(
                "a folder takes images, (n, h, w) or (n, h, w, c) with 1, 3 or 4 channels, not "
                f"{what}. For a table or an array add a suffix (.csv, .parquet, .npy …)."
            )
        if 0 in array.shape[1:]:
            raise job.error(f"images of shape {array.shape[1:]} have no pixels.")
        for pixels in array:
            name = _image_name(job, count)
            if name in used:
                raise job.error(
                    f"images {used[name]!r} and {job.names[count]!r} would both become "  # type: ignore[index]
                    f"{str(name)!r}. Rename one."
                )
            used[name] = str(name) if job.names is None else job.names[count]
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(_pixels(job, pixels, str(name))).save(file, "PNG")
            count += 1
    if job.names is not None and len(job.names) != count:
        raise job.error(f"{len(job.names)} names for {count} images.")


def _image_name(job: Job, number: int) -> PurePosixPath:
    if job.names is None:
        return PurePosixPath(f"{number:05d}.png")
    if number >= len(job.names):
        raise job.error(f"{len(job.names)} names for more images than that.")
    given = job.names[number]
    name = PurePosixPath(given)
    if name.is_absolute() or ".." in name.parts or not name.name or "\\" in given or "\0" in given:
        raise job.error(f"the image name {given!r} would lead out of the folder. Rename it.")
    return name.with_name((name.stem if name.suffix.lower() in _REPLACED else name.name) + ".png")


def _pixels(job: Job, pixels: np.ndarray, name: str) -> np.ndarray:
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]  # (h, w, 1) -> (h, w)
    if pixels.dtype.kind == "f":
        # Written so that NaN fails too.
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise job.error(
                f"image {name}: floats must lie in [0, 1], these go from {pixels.min():.4g} to "
                f"{pixels.max():.4g}. Clip or rescale them."
            )
        return np.rint(255 * pixels.astype(np.float64)).astype(np.uint8)
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint16 and pixels.ndim == 2:
        return np.ascontiguousarray(pixels, dtype=np.uint16)
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    raise job.error(
        f"images of type {pixels.dtype} and shape {pixels.shape} cannot be PNG files. Use uint8, "
        "floats in [0, 1], or uint16 with one channel."
    )
