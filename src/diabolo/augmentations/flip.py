"""Images mirrored, left to right or upside down."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from diabolo.augmentations.base import Augmentation, require_whole_blocks
from diabolo.spec import require

if TYPE_CHECKING:
    import torch

    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Flip(Augmentation):
    """Mirror each image, or not, by the toss of a coin that is tossed anew at each step.

    Parameters
    ----------
    vertical : bool
        Upside down instead of left to right.
    """

    vertical: bool = False

    def validate(self) -> None:
        require(isinstance(self.vertical, bool), f"Flip(vertical={self.vertical!r}): True or False")

    def check(self, kind: str, shape: tuple[int, ...], likelihood: Any) -> None:
        require(
            kind == "image",
            f"augmentation={self!r} mirrors images, and the rows are a {kind}: pass "
            "augmentation=None, or the images as (n, height, width)",
        )
        if not self.vertical:
            require_whole_blocks(self, shape, likelihood)

    def apply(self, x: torch.Tensor, noise: Noise) -> torch.Tensor:
        import torch

        turned = noise.integers(2, (len(x), *(1,) * (x.ndim - 1))) == 1
        return torch.where(turned, x.flip(1 if self.vertical else 2), x)
