"""One of several levels, or shares of a whole."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.errors import DataError
from diabolo.likelihoods.base import Likelihood
from diabolo.spec import require

if TYPE_CHECKING:
    import torch

#: What a block's sum may be away from 1: rows are often rounded.
ROUNDING = 1e-3


@dataclasses.dataclass(frozen=True)
class Categorical(Likelihood):
    """log p(x | z) = Σ x log x̂, with x̂ the softmax of the decoder's outputs over a block of values.

    For blocks with a single one in them (one-hot levels) it is the log-probability of that level;
    for shares that sum to 1 (mixtures, word frequencies) its expectation, as in a multinomial.

    Parameters
    ----------
    sizes : tuple of int or None
        Widths of the blocks along the last axis of a row, one after the other: the columns of a
        table, the channels of an image or series. None is one block.
    """

    sizes: Any = None

    sums_to_one: ClassVar[bool] = True

    def validate(self) -> None:
        sizes = self.sizes
        good = isinstance(sizes, tuple) and sizes and all(type(s) is int and s >= 1 for s in sizes)
        require(
            sizes is None or good,
            f"Categorical(sizes={sizes!r}): give the widths of the blocks as a tuple of whole "
            "numbers ≥ 1, or None for one block",
        )

    @property
    def support(self) -> tuple[float, float]:
        return (0.0, 1.0)

    def check_rows(self, x: torch.Tensor, first: int) -> None:
        width = x.shape[-1]
        require(
            self.sizes is None or sum(self.sizes) == width,
            f"likelihood={self!r} has blocks of {sum(self.sizes or ())} values, and rows have "
            f"{width}: let the sizes sum to {width}",
        )
        for block, values in enumerate(self._blocks(x)):
            sums = values.sum(dim=-1).flatten(1) if x.ndim > 2 else values.sum(dim=-1)[:, None]
            wrong = ((sums - 1).abs() > ROUNDING).any(dim=1)
            if bool(wrong.any()):
                row = int(wrong.nonzero()[0, 0])
                place = int((sums[row] - 1).abs().argmax())
                raise DataError(
                    f"likelihood={self!r} needs values that sum to 1, and block {block} of row "
                    f"{first + row} sums to {float(sums[row, place]):g}: divide each row by its "
                    "sum, name the blocks with sizes=…, or pass likelihood='bernoulli' or 'mse'"
                )

    def flattened(self, shape: tuple[int, ...]) -> Categorical:
        return Categorical((self.sizes or shape[-1:]) * math.prod(shape[:-1]))

    def whole(self, mean: torch.Tensor) -> torch.Tensor:
        """Return the likeliest level of each block, as a single one in it."""
        import torch

        chosen = [
            torch.zeros_like(b).scatter(-1, b.argmax(-1, True), 1) for b in self._blocks(mean)
        ]
        return torch.cat(chosen, dim=-1)

    def log_prob(self, px: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        import torch

        return x * torch.cat([block.log_softmax(dim=-1) for block in self._blocks(px)], dim=-1)

    def mean(self, px: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.cat([block.softmax(dim=-1) for block in self._blocks(px)], dim=-1)

    def bias(self, mean: torch.Tensor) -> torch.Tensor:
        # Levels that never occur would start at −∞.
        return mean.clamp(min=1e-3).log()

    def _blocks(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (x,) if self.sizes is None else x.split(self.sizes, dim=-1)
