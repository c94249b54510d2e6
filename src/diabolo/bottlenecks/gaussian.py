"""The variational code: a normal distribution for each row, and what it costs to tell it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from diabolo.bottlenecks.base import Bottleneck
from diabolo.spec import is_number, require

if TYPE_CHECKING:
    from diabolo.bottlenecks.heads.base import Head

PRIORS = ("normal", "mixture")


@dataclasses.dataclass(frozen=True)
class Gaussian(Bottleneck):
    """q(z | x) = N(μ(x), σ²(x)): z is drawn from it in training, and is μ elsewhere.

    The code costs β KL(q(z | x) ‖ p(z)), for the standard normal prior β Σ ½ (μ² + σ² − 1 − log σ²)
    (Kingma & Welling 2014, appendix B). With β = 1 the objective is minus a lower bound on
    log p(x), and new rows can be drawn from the prior.

    Parameters
    ----------
    beta : float
        β (Higgins et al. 2017).
    warm_up : float
        Share of the run in which β grows from zero, so that units are not given up before the
        decoder has learned to use them (Bowman et al. 2016).
    free_bits : float
        Nats of each unit's mean divergence in a batch that cost nothing (Kingma et al. 2016,
        appendix C.8), to the same end; with a mixture prior, of the mean over the units.
    prior : {"normal", "mixture"}
        p(z): the standard normal distribution, or a mixture of normal ones that is learned.
    components : int
        Of the mixture.
    """

    beta: float = 1.0
    warm_up: float = 0.1
    free_bits: float = 0.0
    prior: str = "normal"
    components: int = 50

    def validate(self) -> None:
        for name, low, high in (
            ("beta", 0.0, float("inf")),
            ("warm_up", 0.0, 1.0),
            ("free_bits", 0.0, float("inf")),
        ):
            value = getattr(self, name)
            require(
                is_number(value) and low <= value <= high,
                f"Gaussian({name}={value!r}) must be a number ≥ 0{' and ≤ 1' * (high == 1)}",
            )
        require(
            self.prior in PRIORS,
            f"Gaussian(prior={self.prior!r}): choose one of {', '.join(PRIORS)}",
        )
        require(
            type(self.components) is int and self.components >= 1,
            f"Gaussian(components={self.components!r}) must be a whole number ≥ 1",
        )

    def build(self, features: int, code_size: int) -> Head:
        from diabolo.bottlenecks.heads.gaussian import GaussianHead
        from diabolo.bottlenecks.heads.priors import MixturePrior, NormalPrior

        mixed = self.prior == "mixture"
        prior = MixturePrior(self.components, code_size) if mixed else NormalPrior(code_size)
        return GaussianHead(features, code_size, prior, self.beta, self.warm_up, self.free_bits)
