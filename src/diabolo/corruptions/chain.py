"""Several corruptions, one after the other."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from diabolo.corruptions.base import Corruption
from diabolo.corruptions.gaussian import GaussianNoise
from diabolo.corruptions.masking import Masking
from diabolo.spec import require

if TYPE_CHECKING:
    import torch

    from diabolo.cells import Cells
    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Chain(Corruption):
    """Corruptions in a row, each of what the one before has left.

    Parameters
    ----------
    parts : tuple of Corruption
    """

    parts: Any = (Masking(), GaussianNoise())

    def validate(self) -> None:
        require(
            isinstance(self.parts, tuple)
            and self.parts
            and all(isinstance(part, Corruption) for part in self.parts),
            f"Chain({self.parts!r}): give corruptions in a tuple, for example "
            "Chain((Masking(0.3), GaussianNoise(0.1)))",
        )

    @property
    def missing(self) -> bool:
        return any(part.missing for part in self.parts)

    def resolved(self, kind: str, shape: tuple[int, ...]) -> Chain:
        return Chain(tuple(part.resolved(kind, shape) for part in self.parts))

    def apply(self, x: torch.Tensor, noise: Noise, cells: Cells | None = None) -> torch.Tensor:
        for part in self.parts:
            x = part.apply(x, noise, cells)
        return x
