"""Priors p(z) of variational codes."""

from __future__ import annotations

import abc
import math

import torch
from torch import nn


class Prior(nn.Module, abc.ABC):
    """A density over codes (n, code_size)."""

    #: Whether `divergence` is exact, and so does not depend on the draw.
    exact = False

    @abc.abstractmethod
    def divergence(
        self, z: torch.Tensor, mean: torch.Tensor, log_var: torch.Tensor
    ) -> torch.Tensor:
        """Return KL(q ‖ p) for q = N(mean, exp(log_var)), or an estimate of it from z ~ q.

        All (n, code_size). The result is (n, terms) with a term for each unit, or one for all. The
        gradient of an estimate is that of the divergence in the mean over z, not at each z.
        """

    @abc.abstractmethod
    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return log p(z), (n,)."""

    @abc.abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw codes with a generator on the CPU, (count, code_size)."""


class NormalPrior(Prior):
    """N(0, 1) in each unit."""

    exact = True

    def __init__(self, code_size: int):
        super().__init__()
        self.code_size = code_size

    def divergence(
        self, z: torch.Tensor, mean: torch.Tensor, log_var: torch.Tensor
    ) -> torch.Tensor:
        return 0.5 * (mean.square() + log_var.exp() - 1 - log_var)

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        return log_normal(z, torch.zeros_like(z), torch.zeros_like(z))

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(count, self.code_size, generator=generator)


class MixturePrior(Prior):
    """Σ π_c N(m_c, s_c²), all of it learned."""

    def __init__(self, components: int, code_size: int):
        super().__init__()
        # Vectors, for none of it multiplies anything: see `Optimizer`.
        self.means = nn.Parameter(torch.empty(components * code_size))
        self.log_vars = nn.Parameter(torch.empty(components * code_size))
        self.shape = (components, code_size)
        self.logits = nn.Parameter(torch.empty(components))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Start as components of deviation 1 at places drawn from the standard normal one."""
        self.means.normal_(generator=generator)
        self.log_vars.zero_()
        self.logits.zero_()

    def divergence(
        self, z: torch.Tensor, mean: torch.Tensor, log_var: torch.Tensor
    ) -> torch.Tensor:
        # What log q(z) owes to the parameters of q at fixed z is zero in the mean, and noise in a
        # draw: without it the gradient vanishes where q = p (Roeder et al. 2017). On MNIST the
        # bound gains a nat.
        return (log_normal(z, mean.detach(), log_var.detach()) - self.log_prob(z))[:, None]

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        # Squares of differences, taken apart into products: a tenth of the time of n × components ×
        # k differences. In fp64, for what is large in them cancels.
        wide = z.double()
        means, log_vars = (p.double().view(self.shape) for p in (self.means, self.log_vars))
        precisions = (-log_vars).exp()
        of_both = wide.square() @ precisions.T - 2 * wide @ (means * precisions).T
        of_one = (means.square() * precisions + log_vars + math.log(2 * math.pi)).sum(dim=1)
        shares = self.logits.double().log_softmax(dim=0)
        return torch.logsumexp(shares - 0.5 * (of_both + of_one), dim=1).to(z.dtype)

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        shares = self.logits.detach().cpu().softmax(dim=0)
        drawn = torch.multinomial(shares, count, replacement=True, generator=generator)
        mean = self.means.detach().cpu().view(self.shape)[drawn]
        log_var = self.log_vars.detach().cpu().view(self.shape)[drawn]
        return mean + torch.randn(mean.shape, generator=generator) * (log_var / 2).exp()


def log_normal(z: torch.Tensor, mean: torch.Tensor, log_var: torch.Tensor) -> torch.Tensor:
    """Return log N(z; mean, exp(log_var)) summed over the last axis."""
    squared = (z - mean).square() * (-log_var).exp()
    return -0.5 * (squared + log_var + math.log(2 * math.pi)).sum(dim=-1)
