"""Bottlenecks: what makes the code z from the features h, and what the code costs."""

from __future__ import annotations

from diabolo.bottlenecks.plain import Plain

BOTTLENECKS = {"plain": Plain}

__all__ = ["BOTTLENECKS", "Plain"]
