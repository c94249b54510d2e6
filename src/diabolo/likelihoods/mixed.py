"""Tables with columns of several kinds."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from diabolo.likelihoods.base import Likelihood
from diabolo.likelihoods.bernoulli import Bernoulli
from diabolo.likelihoods.categorical import Categorical
from diabolo.likelihoods.mse import MSE
from diabolo.spec import require

if TYPE_CHECKING:
    import torch

SQUARED = MSE()


@dataclasses.dataclass(frozen=True)
class Mixed(Likelihood):
    """log p(x | z) of numbers, truth values and levels, each by a likelihood of its own.

    A row has its numbers first, then its truth values, then a block for each choice of levels.

    Parameters
    ----------
    numeric : Likelihood
        Of the numbers, with one output for each.
    numbers : int or "auto"
        How many values are numbers; "auto" is all that are nothing else.
    flags : int
        How many are truth values, which are `Bernoulli`.
    levels : tuple of int
        Widths of the blocks of levels, which are `Categorical`.
    """

    numeric: Any = SQUARED
    numbers: Any = "auto"
    flags: Any = 0
    levels: Any = ()

    def validate(self) -> None:
        counts = (0 if self.numbers == "auto" else self.numbers, self.flags, *self.levels)
        require(
            all(type(count) is int and count >= 0 for count in counts)
            and (self.numbers == "auto" or sum(counts)),
            f"{self!r}: give whole numbers of values, and the widths of levels in a tuple",
        )
        require(
            isinstance(self.numeric, Likelihood)
            and self.numeric.outputs == 1
            and not self.numeric.sums_to_one
            and self.numeric.support[0] == -math.inf,
            f"likelihood={self.numeric!r} beside levels: columns of several kinds need numbers of "
            "any size and one output each; pass likelihood='mse' or 'huber'",
        )

    @property
    def support(self) -> tuple[float, float]:
        return (-math.inf, math.inf)

    def parts(self, width: int) -> tuple[tuple[Likelihood, int], ...]:
        """Return the likelihoods of neighbours among so many values, and how many those are."""
        levels = sum(self.levels)
        numbers = width - self.flags - levels if self.numbers == "auto" else self.numbers
        parts = (
            (self.numeric, numbers),
            (Bernoulli(), self.flags),
            (Categorical(self.levels or None), levels),
        )
        return tuple((part, count) for part, count in parts if count > 0)

    def fits(self, width: int) -> bool:
        """Return whether rows may have so many values."""
        return sum(count for _, count in self.parts(width)) == width

    def log_prob(self, px: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self._each("log_prob", px, x)

    def mean(self, px: torch.Tensor) -> torch.Tensor:
        return self._each("mean", px)

    def bias(self, mean: torch.Tensor) -> torch.Tensor:
        return self._each("bias", mean)

    def _each(self, method: str, *values: torch.Tensor) -> torch.Tensor:
        import torch

        parts = self.parts(values[0].shape[-1])
        pieces = [value.split([count for _, count in parts], dim=-1) for value in values]
        results = (
            getattr(part, method)(*piece)
            for (part, _), piece in zip(parts, zip(*pieces, strict=True), strict=True)
        )
        return torch.cat(list(results), dim=-1)
