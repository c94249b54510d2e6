"""Likelihoods p(x | z): the loss, and the output activation that belongs to it."""

from __future__ import annotations

from diabolo.likelihoods.base import Likelihood
from diabolo.likelihoods.bernoulli import Bernoulli
from diabolo.likelihoods.categorical import Categorical
from diabolo.likelihoods.gaussian import Gaussian
from diabolo.likelihoods.huber import Huber
from diabolo.likelihoods.mixed import Mixed
from diabolo.likelihoods.mse import MSE

LIKELIHOODS: dict[str, type[Likelihood]] = {
    "mse": MSE,
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "huber": Huber,
    "categorical": Categorical,
    "mixed": Mixed,
}

__all__ = [
    "LIKELIHOODS",
    "MSE",
    "Bernoulli",
    "Categorical",
    "Gaussian",
    "Huber",
    "Likelihood",
    "Mixed",
]
