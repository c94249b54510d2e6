"""Values that are hidden one by one."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from diabolo.corruptions.base import Hiding, Partial, uniform
from diabolo.spec import is_number, require

if TYPE_CHECKING:
    import torch

    from diabolo.cells import Cells
    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Masking(Hiding):
    """Set values to zero, which is the mean where columns are standardised (Vincent et al. 2008).

    Parameters
    ----------
    share : float or (float, float)
        Of the cells of a row, each hidden or not by a draw of its own; of an image, the pixels. Two
        numbers are a range from which each row draws its own share, evenly.
    missing : bool
        Hide them as missing cells, of which the encoder is told, instead of behind zeros.
    """

    def validate(self) -> None:
        if not isinstance(self.share, tuple):
            super().validate()
            return
        require(
            len(self.share) == 2
            and all(map(is_number, self.share))
            and 0 <= self.share[0] < self.share[1] <= 1,
            f"Masking(share={self.share!r}): give a number between 0 and 1, or a range such as "
            "(0.1, 0.5)",
        )

    def apply(self, x: torch.Tensor, noise: Noise, cells: Cells | None = None) -> torch.Tensor:
        drawn = uniform(x, noise, cells)
        if not isinstance(self.share, tuple):
            return self.hide(x, drawn < self.share)
        low, high = self.share
        one = (len(x), *(1,) * (x.ndim - 1))
        return self.hide(x, drawn < low + (high - low) * noise.uniform(one))


@dataclasses.dataclass(frozen=True)
class SaltAndPepper(Partial):
    """Set values to the highest or the lowest of their row (Vincent et al. 2010, section 3.3).

    Parameters
    ----------
    share : float
        Of the values of a row, each damaged or not by a draw of its own; of an image, the pixels.
        Half of them get the highest value.
    """

    def resolved(self, kind: str, shape: tuple[int, ...]) -> SaltAndPepper:
        require(
            math.prod(shape) > 1,
            f"corruption={self!r} takes the highest and the lowest value of a row, and the rows "
            "have one value: pass corruption=GaussianNoise(…)",
        )
        return self

    def apply(self, x: torch.Tensor, noise: Noise, cells: Cells | None = None) -> torch.Tensor:
        import torch

        drawn = uniform(x, noise, cells)
        there = ~x.isnan()
        flat = x.flatten(1)
        one = (len(x), *(1,) * (x.ndim - 1))
        low = flat.nan_to_num(math.inf).amin(dim=1).view(one)
        high = flat.nan_to_num(-math.inf).amax(dim=1).view(one)
        damaged = torch.where(drawn < self.share / 2, low, high)
        return torch.where((drawn < self.share) & there, damaged, x)
