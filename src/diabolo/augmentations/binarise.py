"""Grey values drawn as black or white."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.augmentations.base import Augmentation
from diabolo.spec import require

if TYPE_CHECKING:
    import torch

    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Binarise(Augmentation):
    """Draw each value x in [0, 1] as a one with probability x, anew at each step.

    The dynamic binarisation of Salakhutdinov & Murray 2008, under which log-likelihoods of models
    of MNIST are compared. Scores are those of the rows that are given: draw them too.
    """

    of_data: ClassVar[bool] = True

    def check(self, kind: str, shape: tuple[int, ...], likelihood: Any) -> None:
        require(
            likelihood.support == (0.0, 1.0) and not likelihood.sums_to_one,
            f"augmentation={self!r} takes each value for a probability, and in {likelihood!r} they "
            "are none: pass likelihood='bernoulli'",
        )

    def apply(self, x: torch.Tensor, noise: Noise) -> torch.Tensor:
        import torch

        drawn = (noise.uniform(x.shape) < x).to(x.dtype)
        return torch.where(x.isnan(), x, drawn)
