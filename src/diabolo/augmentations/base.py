"""What every augmentation offers."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Any

from diabolo.spec import Part

if TYPE_CHECKING:
    import torch

    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Augmentation(Part, abc.ABC):
    """A change of rows that leaves them what they are; the target changes with the input."""

    @abc.abstractmethod
    def check(self, kind: str, shape: tuple[int, ...], likelihood: Any) -> None:
        """Raise `SpecError` unless rows of this kind and shape can be changed so.

        The likelihood says which values they may have.
        """

    @abc.abstractmethod
    def apply(self, x: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Return x (n, *shape), each row changed by its own draw."""
