"""The head of `Gaussian`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from diabolo.bottlenecks.heads.base import Code, Head
from diabolo.bottlenecks.heads.plain import centre
from diabolo.bottlenecks.heads.priors import Prior
from diabolo.layers import Dense, full
from diabolo.random import Noise, numpy_generator

#: log σ² bends to stay within ± this, so that no exponential overflows.
WIDEST = 10.0

#: Size of the first weights of log σ², so that σ starts near 1 on all rows.
START = 0.1

#: Draws of z at which a row is scored, in pairs around the mean.
DRAWS = 16


class GaussianHead(Head):
    """h (n, features) → z (n, code_size), drawn from N(μ, σ²), which costs β KL(N(μ, σ²) ‖ p)."""

    def __init__(
        self,
        features: int,
        code_size: int,
        prior: Prior,
        beta: float,
        warm_up: float,
        free_bits: float,
    ):
        super().__init__()
        self.mean = Dense(features, code_size)
        self.log_var = Dense(features, code_size, start=START)
        self.prior = prior
        self.beta, self.warm_up, self.free_bits = beta, warm_up, free_bits

    @property
    def code_layer(self) -> Dense:
        return self.mean

    def posterior(self, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return μ and log σ² of the features h (n, features), each (n, code_size)."""
        return full(self.mean(h)), WIDEST * (full(self.log_var(h)) / WIDEST).tanh()

    def forward(self, h: torch.Tensor, noise: Noise | None = None, learning: bool = False) -> Code:
        mean, log_var = self.posterior(h)
        if noise is None:
            return Code(mean, {})
        z = mean + noise.normal(mean.shape) * (log_var / 2).exp()
        divergence = self.prior.divergence(z, mean, log_var)
        if self.free_bits:
            # A term that is free in the mean of the batch has no gradient; its cost is constant.
            free = self.free_bits * mean.shape[1] / divergence.shape[1]
            divergence = torch.where(divergence.mean(dim=0) > free, divergence, free)
        cost = self.beta * divergence.sum(dim=1)
        if self.warm_up:
            cost = cost * (noise.position / self.warm_up).clamp(max=1)
        return Code(z, {"kl": cost})

    def scored(self, h: torch.Tensor) -> Iterator[Code]:
        """Yield draws of z, the same ones for every row, with the whole divergence.

        So the score is the bound on log p(x), and yet a function of the row alone.
        """
        mean, log_var = self.posterior(h)
        for z in _drawn(mean, log_var):
            yield Code(z, {"kl": self.prior.divergence(z, mean, log_var).sum(dim=1)})

    def divergence(self, h: torch.Tensor) -> torch.Tensor:
        """Return KL(q ‖ p), (n, terms) as in `Prior`: the mean over those draws if need be."""
        mean, log_var = self.posterior(h)
        draws = [mean] if self.prior.exact else _drawn(mean, log_var)
        return torch.stack([self.prior.divergence(z, mean, log_var) for z in draws]).mean(dim=0)

    def costs(self, h: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"kl": self.beta * self.divergence(h).sum(dim=1)}

    @torch.no_grad()
    def centre(self, h: torch.Tensor) -> None:
        centre(self.mean, h)
        self.log_var.bias.zero_()


def _drawn(mean: torch.Tensor, log_var: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield the codes (n, code_size) at the fixed draws of N(mean, exp(log_var))."""
    for draw in torch.from_numpy(_fixed_draws(mean.shape[1])).to(mean.device):
        for side in (draw, -draw):
            yield mean + side * (log_var / 2).exp()


def _fixed_draws(code_size: int) -> np.ndarray:
    """Return half of the draws (DRAWS / 2, code_size); the others are their negatives.

    Rows share them, so chance in their moments would not average out: each unit has a mean square
    of 1, and units do not correlate where there are as many draws as units.
    """
    pairs = DRAWS // 2
    drawn = numpy_generator(0, "bound").standard_normal((pairs, code_size))
    if code_size <= pairs:
        drawn = np.linalg.qr(drawn)[0]
    drawn *= (pairs / np.square(drawn).sum(axis=0)) ** 0.5
    return drawn.astype(np.float32)
