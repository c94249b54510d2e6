"""Augmentations: what changes a row before the network sees it, and the target with it."""

from __future__ import annotations

from diabolo.augmentations.base import Augmentation
from diabolo.augmentations.binarise import Binarise
from diabolo.augmentations.flip import Flip
from diabolo.augmentations.shift import Shift

AUGMENTATIONS: dict[str, type[Augmentation]] = {"shift": Shift, "flip": Flip, "binarise": Binarise}

__all__ = ["AUGMENTATIONS", "Augmentation", "Binarise", "Flip", "Shift"]
