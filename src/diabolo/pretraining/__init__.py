"""Pretraining: layer by layer from below, to first weights from which training goes on."""

from __future__ import annotations

from diabolo.pretraining.base import Pretraining
from diabolo.pretraining.layerwise import Layerwise
from diabolo.pretraining.rbm import RBM

PRETRAINING: dict[str, type[Pretraining]] = {"rbm": RBM, "layerwise": Layerwise}

__all__ = ["PRETRAINING", "RBM", "Layerwise", "Pretraining"]
