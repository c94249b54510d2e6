"""The resolved specification of a fitted model: nothing in it is "auto" any more."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from diabolo.augmentations import AUGMENTATIONS, Augmentation
from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import BOTTLENECKS, Bottleneck
from diabolo.cells import Cells
from diabolo.corruptions import CORRUPTIONS, Corruption
from diabolo.ensemble import Ensemble
from diabolo.likelihoods import LIKELIHOODS
from diabolo.likelihoods.base import Likelihood
from diabolo.networks import NETWORKS, Network
from diabolo.penalties import PENALTIES, Penalty
from diabolo.pretraining import PRETRAINING, Pretraining
from diabolo.spec import from_json, to_json
from diabolo.training import Training

#: Field → table of its axis.
AXES: dict[str, Mapping[str, type]] = {
    "network": NETWORKS,
    "bottleneck": BOTTLENECKS,
    "augmentation": AUGMENTATIONS,
    "corruption": CORRUPTIONS,
    "likelihood": LIKELIHOODS,
    "penalties": PENALTIES,
    # Layers may be pretrained with a corruption of their own.
    "pretraining": {**PRETRAINING, **CORRUPTIONS},
    "training": {"training": Training},
}


@dataclasses.dataclass(frozen=True)
class Spec:
    """Everything that, with the data and the versions, determines the fitted weights."""

    code_size: int
    kind: str
    scaling: str
    network: Network
    bottleneck: Bottleneck
    augmentation: Augmentation | None
    corruption: Corruption | None
    likelihood: Likelihood
    penalties: tuple[Penalty, ...]
    pretraining: Pretraining | None
    max_epochs: int
    training: Training
    device: str
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        names = [field.name for field in dataclasses.fields(self)]
        return {name: to_json(getattr(self, name), AXES.get(name, {})) for name in names}

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Spec:
        """Inverse of `to_json`."""
        fields = {name: from_json(value, AXES.get(name, {})) for name, value in config.items()}
        return cls(**fields)

    def build(self, cells: Cells) -> AutoencoderModule | Ensemble:
        """Return the module for rows of these cells, without memory (on torch's device "meta")."""
        parts, members = (cells.shape, *self.parts, cells), self.training.members
        if members == 1:
            return AutoencoderModule.planned(*parts)
        with torch.device("meta"):
            return Ensemble(members, *parts)

    @property
    def parts(self) -> tuple[Any, ...]:
        """What `AutoencoderModule` is put together from, besides the shape."""
        return (
            self.code_size,
            self.network,
            self.bottleneck,
            self.likelihood,
            self.augmentation,
            self.corruption,
            self.penalties,
        )
