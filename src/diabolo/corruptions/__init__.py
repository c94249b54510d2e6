"""Corruptions: what the encoder sees instead of a row while it learns to give the row back."""

from __future__ import annotations

from diabolo.corruptions.base import Corruption
from diabolo.corruptions.block import BlockMasking
from diabolo.corruptions.chain import Chain
from diabolo.corruptions.gaussian import GaussianNoise
from diabolo.corruptions.masking import Masking, SaltAndPepper

CORRUPTIONS: dict[str, type[Corruption]] = {
    "gaussian": GaussianNoise,
    "masking": Masking,
    "salt_and_pepper": SaltAndPepper,
    "block": BlockMasking,
    "chain": Chain,
}

__all__ = [
    "CORRUPTIONS",
    "BlockMasking",
    "Chain",
    "Corruption",
    "GaussianNoise",
    "Masking",
    "SaltAndPepper",
]
