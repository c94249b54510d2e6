"""Likelihoods p(x | z): the loss, and the output activation that belongs to it."""

from __future__ import annotations

from diabolo.likelihoods.base import Likelihood
from diabolo.likelihoods.bernoulli import Bernoulli
from diabolo.likelihoods.mse import MSE

LIKELIHOODS: dict[str, type[Likelihood]] = {"mse": MSE, "bernoulli": Bernoulli}

__all__ = ["LIKELIHOODS", "MSE", "Bernoulli", "Likelihood"]
