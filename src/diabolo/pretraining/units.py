"""Units of a restricted Boltzmann machine.

Given its input u a unit has the density p(x | u) ∝ exp(x u − base(x)), and log_partition(u) is the
logarithm of what that sums up to, but for a constant: so its slope is the mean of x and its
curvature the variance.
"""

from __future__ import annotations

import abc
from typing import ClassVar

import torch
import torch.nn.functional as F

from diabolo.likelihoods import MSE, Bernoulli
from diabolo.likelihoods.base import Likelihood
from diabolo.random import Noise


class Units(abc.ABC):
    """One kind of units; tensors are (n, units).

    Attributes
    ----------
    likelihood : Likelihood
        Of their values, given their inputs: its mean is what they are where nothing is drawn.
    bounded : bool
        Whether values have a scale of their own.
    """

    likelihood: ClassVar[Likelihood]
    bounded: ClassVar[bool] = False

    def base(self, x: torch.Tensor) -> torch.Tensor:
        """Return what values cost without any input."""
        return x.square() / 2

    @abc.abstractmethod
    def log_partition(self, u: torch.Tensor) -> torch.Tensor:
        """Return log ∫ exp(x u − base(x)) dx."""

    @abc.abstractmethod
    def draw(self, u: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Draw values from p(x | u)."""


class BinaryUnits(Units):
    """x is 1 with probability σ(u), else 0; values between are probabilities."""

    likelihood, bounded = Bernoulli(), True

    def base(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)

    def log_partition(self, u: torch.Tensor) -> torch.Tensor:
        return F.softplus(u)

    def draw(self, u: torch.Tensor, noise: Noise) -> torch.Tensor:
        return (noise.uniform(u.shape) < u.sigmoid()).to(u.dtype)


class GaussianUnits(Units):
    """x is normal with mean u and variance 1."""

    likelihood = MSE()

    def log_partition(self, u: torch.Tensor) -> torch.Tensor:
        return u.square() / 2

    def draw(self, u: torch.Tensor, noise: Noise) -> torch.Tensor:
        return u + noise.normal(u.shape)


class RectifiedUnits(Units):
    """x counts the ones among endlessly many binary units of inputs u − ½, u − 1½, …

    Their sum has mean softplus(u) and variance σ(u), and is drawn as max(0, u + √σ(u) ε); where
    nothing is drawn it is max(0, u) (Nair & Hinton 2010). The base is that of large values.
    """

    likelihood = MSE("relu")

    def log_partition(self, u: torch.Tensor) -> torch.Tensor:
        # Σ softplus(u − i + ½) over i = 1, 2, …, as an integral: −Li₂(−exp u).
        small = _dilogarithm(-u.abs())
        return torch.where(u > 0, torch.pi**2 / 6 + u.square() / 2 - small, small)

    def draw(self, u: torch.Tensor, noise: Noise) -> torch.Tensor:
        return (u + u.sigmoid().sqrt() * noise.normal(u.shape)).relu()


def _dilogarithm(u: torch.Tensor) -> torch.Tensor:
    """Return −Li₂(−exp u) for u ≤ 0, to 1e-9.

    Its series in w = log(1 + exp u), where Σ Bₙ wⁿ⁺¹ / (n + 1)! has Bernoulli's numbers Bₙ.
    """
    w = F.softplus(u)
    s = w.square()
    series = 1 / 36 + s * (-1 / 3600 + s * (1 / 211_680 - s / 10_886_400))
    return w * (1 + w / 4 + s * series)


UNITS = {"binary": BinaryUnits(), "gaussian": GaussianUnits(), "rectified": RectifiedUnits()}
