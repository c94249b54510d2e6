"""A normal density whose variance is learned too."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, ClassVar

from diabolo.likelihoods.base import Likelihood
from diabolo.spec import is_number, require

if TYPE_CHECKING:
    import torch


@dataclasses.dataclass(frozen=True)
class Gaussian(Likelihood):
    """log p(x | z) = −½ (x − x̂)² / σ² − ½ log σ² − ½ log 2π, value by value.

    The decoder gives x̂ and log σ² for each value of each row (Nix & Weigend 1994): where the model
    is unsure an error counts less. Log-probabilities then say how odd a row is in units of what is
    usual at its place.

    Parameters
    ----------
    least : float
        The smallest σ, in scaled units: values that are rebuilt exactly would have none, and an
        infinite log-probability.
    """

    least: float = 0.03

    outputs: ClassVar[int] = 2

    def validate(self) -> None:
        require(
            is_number(self.least) and 0 < self.least < 1,
            f"Gaussian(least={self.least!r}) must be a number between 0 and 1",
        )

    @property
    def support(self) -> tuple[float, float]:
        return (-math.inf, math.inf)

    def log_prob(self, px: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        log_var = self.log_var(px)
        squared = (x - self.mean(px)).square()
        return -0.5 * (squared * (-log_var).exp() + log_var + math.log(2 * math.pi))

    def mean(self, px: torch.Tensor) -> torch.Tensor:
        return px[:, 0]  # (n, 2, …) -> (n, …)

    def log_var(self, px: torch.Tensor) -> torch.Tensor:
        """Return log σ² (n, …) of the outputs (n, 2, …); it bends towards its least value."""
        import torch.nn.functional as F

        least = 2 * math.log(self.least)
        return least + F.softplus(px[:, 1] - least)

    def bias(self, mean: torch.Tensor) -> torch.Tensor:
        import torch

        # Of variance 1, which scaled values have.
        least = 2 * math.log(self.least)
        raw = least + math.log(math.expm1(-least))
        return torch.stack([mean, torch.full_like(mean, raw)])
