"""Images moved by a few pixels."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from diabolo.augmentations.base import Augmentation, require_whole_blocks
from diabolo.spec import require

if TYPE_CHECKING:
    import torch

    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Shift(Augmentation):
    """Move each image by a whole number of pixels in each direction, drawn anew at each step.

    What moves in at an edge repeats the pixels of the edge.

    Parameters
    ----------
    pixels : int
        The most that an image moves, up, down, left and right; every distance is as likely.
    """

    pixels: int = 1

    def validate(self) -> None:
        require(
            type(self.pixels) is int and self.pixels >= 1,
            f"Shift(pixels={self.pixels!r}): give a whole number ≥ 1",
        )

    def check(self, kind: str, shape: tuple[int, ...], likelihood: Any) -> None:
        require(
            kind == "image",
            f"augmentation={self!r} moves images, and the rows are a {kind}: pass "
            "augmentation=None, or the images as (n, height, width)",
        )
        require(
            self.pixels < min(shape[:2]),
            f"augmentation={self!r} moves images out of their frame of {shape[0]} × {shape[1]} "
            "pixels: move them less",
        )
        require_whole_blocks(self, shape, likelihood)

    def apply(self, x: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Return x (n, h, w) or (n, h, w, c), moved."""
        import torch

        n, h, w = x.shape[:3]
        by = noise.integers(2 * self.pixels + 1, (2, n, 1)) - self.pixels
        rows = (torch.arange(h, device=x.device) + by[0]).clamp(0, h - 1)  # (n, h)
        columns = (torch.arange(w, device=x.device) + by[1]).clamp(0, w - 1)  # (n, w)
        image = torch.arange(n, device=x.device)[:, None, None]
        return x[image, rows[:, :, None], columns[:, None, :]]
