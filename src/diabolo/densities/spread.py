"""How far errors usually go, by what was expected."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch

from diabolo.densities.normal import arrays_of, moved, tensors_of
from diabolo.spec import require

#: Equal parts that the range of what is expected is cut into.
BINS = 32

#: Values at each end that have no say in what that range is.
ENDS = 0.001

#: Variance that there is at least: deviations of a thousandth of the range are none.
LEAST = 1e-6

#: Values that a part has at least, or else it goes by the mean of all.
FEW = 100


@dataclasses.dataclass(frozen=True)
class Spread:
    """The variance that errors have around each expected value, and around all.

    A model is sure of some values, the black around a digit, and not of others, its edges: there a
    deviation means little, and most are there. What the model was never wrong about may still
    deviate in a row that is normal, so that half of the variance is that of all errors.

    Attributes
    ----------
    low, high : Tensor ()
        The range of expected values, in equal parts.
    variances : Tensor (BINS,)
        Of errors where such a value was expected.
    overall : Tensor ()
        Of all of them.
    """

    low: torch.Tensor
    high: torch.Tensor
    variances: torch.Tensor
    overall: torch.Tensor

    def distance(self, errors: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
        """Return squared errors over their mean variance, (…, d) → (…,); missing ones are zero."""
        return self.contributions(errors, expected).sum(dim=-1)

    def contributions(self, errors: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
        """Return what each error adds to that, (…, d)."""
        usual = (self.variances[_part(expected, self.low, self.high)] + self.overall) / 2
        return (errors.square() / usual).nan_to_num(0.0)

    def arrays(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Return what is written of it, under names with a prefix."""
        return arrays_of(self, prefix)

    @classmethod
    def read(cls, arrays: Mapping[str, np.ndarray], prefix: str = "") -> Spread:
        """Return the spread that was written so; raise as `Normal.read` does."""
        shapes = {"low": (), "high": (), "variances": (BINS,), "overall": ()}
        found = cls(*tensors_of(arrays, prefix, shapes, ("overall",)))
        sound = bool((found.variances >= 0).all()) and bool(found.low <= found.high)
        require(sound, f"{prefix}variances or {prefix}low are not what they should be")
        return found

    def to(self, like: torch.Tensor) -> Spread:
        """Return the spread with numbers of the type of a tensor, where that one is."""
        return moved(self, like)


def spread_of(errors: torch.Tensor, expected: torch.Tensor) -> Spread:
    """Return the spread of errors (n, d), NaN where a value is missing, by what was expected."""
    known = ~errors.isnan()
    squares, expected = errors[known].double().square(), expected[known].double()
    overall = squares.mean() if len(squares) else squares.new_tensor(1.0)
    overall = overall.clamp(min=LEAST)
    ordered = expected.sort().values if len(expected) else expected.new_zeros(1)
    ends = round(ENDS * (len(ordered) - 1))
    low, high = ordered[ends], ordered[len(ordered) - 1 - ends]
    part = _part(expected, low, high)
    count = torch.bincount(part, minlength=BINS)
    total = torch.bincount(part, weights=squares, minlength=BINS)
    variances = torch.where(count >= FEW, total / count.clamp(min=1), overall)
    return Spread(low, high, variances, overall)


def _part(expected: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Return which part of the range each expected value lies in; the ends go on beyond it."""
    width = (high - low).clamp(min=1e-12)
    return ((expected - low) / width * BINS).nan_to_num().clamp(0, BINS - 1).long()
