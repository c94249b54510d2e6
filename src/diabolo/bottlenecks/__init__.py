"""Bottlenecks: what makes the code z from the features h, and what the code costs."""

from __future__ import annotations

from diabolo.bottlenecks.base import Bottleneck
from diabolo.bottlenecks.binary import Binary
from diabolo.bottlenecks.gaussian import Gaussian
from diabolo.bottlenecks.plain import Plain
from diabolo.bottlenecks.quantized import Quantized
from diabolo.bottlenecks.topk import TopK

BOTTLENECKS: dict[str, type[Bottleneck]] = {
    "plain": Plain,
    "topk": TopK,
    "gaussian": Gaussian,
    "quantized": Quantized,
    "binary": Binary,
}

__all__ = ["BOTTLENECKS", "Binary", "Bottleneck", "Gaussian", "Plain", "Quantized", "TopK"]
