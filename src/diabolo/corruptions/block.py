"""A piece of each row that is hidden as a whole."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from diabolo.corruptions.base import Hiding
from diabolo.spec import require

if TYPE_CHECKING:
    import torch

    from diabolo.cells import Cells
    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class BlockMasking(Hiding):
    """Set a rectangle of each image, or a stretch of each series, to zero (Pathak et al. 2016).

    Neighbouring values tell much about a single hidden one; of a block only its rim has neighbours.

    Parameters
    ----------
    share : float
        Of the image's area, or of the series' length. The rectangle has the image's proportions;
        every place inside is as likely.
    axes : int or "auto"
        How many axes of a row the block has sides along, the first ones: 2 for images, 1 for
        series. "auto" is resolved in ``fit``.
    missing : bool
        Hide them as missing cells, of which the encoder is told, instead of behind zeros.
    """

    share: float = 0.25
    axes: Any = "auto"

    def validate(self) -> None:
        super().validate()
        require(
            self.axes == "auto" or (type(self.axes) is int and self.axes in (1, 2)),
            f"BlockMasking(axes={self.axes!r}) must be 1, 2 or 'auto'",
        )

    def resolved(self, kind: str, shape: tuple[int, ...]) -> BlockMasking:
        require(
            kind != "table",
            f"corruption={self!r} hides neighbours, and columns of a table have none: pass "
            "corruption=Masking(…)",
        )
        axes = {"image": 2, "series": 1}[kind] if self.axes == "auto" else self.axes
        require(axes <= len(shape), f"corruption={self!r}: the rows have {len(shape)} axis")
        return dataclasses.replace(self, axes=axes)

    def apply(self, x: torch.Tensor, noise: Noise, cells: Cells | None = None) -> torch.Tensor:
        import torch

        hidden = torch.ones((), dtype=torch.bool, device=x.device)
        for axis in range(1, self.axes + 1):
            side = x.shape[axis]
            length = max(1, round(side * self.share ** (1 / self.axes)))
            start = noise.integers(side - length + 1, (len(x), 1))
            place = torch.arange(side, device=x.device)
            along = (place >= start) & (place < start + length)  # (n, side)
            shape = [len(x), *(1,) * (x.ndim - 1)]
            shape[axis] = side
            hidden = hidden & along.view(shape)
        return self.hide(x, hidden)
