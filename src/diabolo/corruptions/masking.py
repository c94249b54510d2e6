"""Values that are hidden one by one."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from diabolo.corruptions.base import Partial, places
from diabolo.spec import require

if TYPE_CHECKING:
    import torch

    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Masking(Partial):
    """Set values to zero, which is the mean where columns are standardised (Vincent et al. 2008).

    Parameters
    ----------
    share : float
        Of the values of a row, each hidden or not by a draw of its own; of an image, the pixels.
    """

    def apply(self, x: torch.Tensor, noise: Noise) -> torch.Tensor:
        return x * (noise.uniform(places(x)) >= self.share)


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

    def apply(self, x: torch.Tensor, noise: Noise) -> torch.Tensor:
        import torch

        drawn = noise.uniform(places(x))
        flat = x.flatten(1)
        one = (len(x), *(1,) * (x.ndim - 1))
        low, high = flat.amin(dim=1).view(one), flat.amax(dim=1).view(one)
        damaged = torch.where(drawn < self.share / 2, low, high)
        return torch.where(drawn < self.share, damaged, x)
