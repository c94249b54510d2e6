"""Bottlenecks: what makes the code z from the features h, and what the code costs."""

from __future__ import annotations

from diabolo.bottlenecks.base import Bottleneck
from diabolo.bottlenecks.plain import Plain

BOTTLENECKS: dict[str, type[Bottleneck]] = {"plain": Plain}

__all__ = ["BOTTLENECKS", "Bottleneck", "Plain"]
