"""Normal noise on every value."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from diabolo.corruptions.base import Corruption
from diabolo.spec import is_number, require

if TYPE_CHECKING:
    import torch

    from diabolo.cells import Cells
    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class GaussianNoise(Corruption):
    """Add normal noise (Vincent et al. 2010, section 3.3).

    Parameters
    ----------
    deviation : float or (float, float)
        Standard deviation in scaled units. Two numbers are a range from which each row draws its
        own, evenly: the model then cleans data of any noise between them.
    logarithmic : bool
        The range is drawn from evenly in the logarithm: weak noise is as frequent as strong.
    """

    deviation: Any = 0.3
    logarithmic: bool = False

    def validate(self) -> None:
        ranged = isinstance(self.deviation, tuple)
        levels: Any = self.deviation if ranged else (self.deviation,)
        require(
            len(levels) == 1 + ranged
            and all(is_number(v) for v in levels)
            and 0 <= levels[0] <= levels[-1]
            and levels[-1] > 0,
            f"GaussianNoise(deviation={self.deviation!r}): give a number > 0, or a range such as "
            "(0.1, 0.5)",
        )
        require(
            isinstance(self.logarithmic, bool)
            and not (self.logarithmic and (not ranged or levels[0] == 0)),
            f"GaussianNoise(deviation={self.deviation!r}, logarithmic={self.logarithmic!r}): only "
            "a range above 0 such as (0.1, 0.5) has logarithms to be drawn from",
        )

    def apply(self, x: torch.Tensor, noise: Noise, cells: Cells | None = None) -> torch.Tensor:
        if not isinstance(self.deviation, tuple):
            return x + self.deviation * noise.normal(x.shape)
        low, high = self.deviation
        place = noise.uniform((len(x), *(1,) * (x.ndim - 1)))
        level = low * (high / low) ** place if self.logarithmic else low + (high - low) * place
        return x + level * noise.normal(x.shape)
