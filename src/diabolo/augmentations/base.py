"""What every augmentation offers."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.spec import Part, require

if TYPE_CHECKING:
    import torch

    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Augmentation(Part, abc.ABC):
    """A change of rows that leaves them what they are; the target changes with the input.

    Attributes
    ----------
    of_data : bool
        Whether changed rows are the data that is modelled, so that held-out rows are judged as
        changed ones too.
    """

    of_data: ClassVar[bool] = False

    @abc.abstractmethod
    def check(self, kind: str, shape: tuple[int, ...], likelihood: Any) -> None:
        """Raise `SpecError` unless rows of this kind and shape can be changed so.

        The likelihood says which values they may have.
        """

    @abc.abstractmethod
    def apply(self, x: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Return x (n, *shape), each row changed by its own draw."""


def splits_blocks(shape: tuple[int, ...], likelihood: Any) -> bool:
    """Return whether moving the pixels of an image would part values that sum to 1 together.

    Their blocks lie along the last axis: the channels, where there are any.
    """
    return likelihood.sums_to_one and len(shape) == 2


def require_whole_blocks(part: Augmentation, shape: tuple[int, ...], likelihood: Any) -> None:
    """Raise `SpecError` if moving the pixels of an image parts values that sum to 1 together."""
    require(
        not splits_blocks(shape, likelihood),
        f"augmentation={part!r} moves values from block to block beside likelihood={likelihood!r}: "
        "pass augmentation=None, or images with channels, (n, height, width, levels)",
    )
