"""Densities of rows of numbers: what errors of a model, and codes, are compared with.

One table, `DENSITIES`, for loading and the tests. A density is a part; what it has learned from
rows is a `Normal`.
"""

from __future__ import annotations

from diabolo.densities.gaussian import GaussianDensity

DENSITIES = {"gaussian": GaussianDensity}

__all__ = ["DENSITIES", "GaussianDensity"]
