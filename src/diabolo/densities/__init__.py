"""Densities of rows of numbers: what errors of a model, and codes, are compared with.

One table, `DENSITIES`, for loading and the tests. A density is a part; what it has learned from
rows is a `Normal`, or a few of them in `Regions`.
"""

from __future__ import annotations

from diabolo.densities.base import Density
from diabolo.densities.gaussian import GaussianDensity
from diabolo.densities.mixture import Mixture

DENSITIES: dict[str, type[Density]] = {"gaussian": GaussianDensity, "mixture": Mixture}

__all__ = ["DENSITIES", "Density", "GaussianDensity", "Mixture"]
