"""What every bottleneck offers."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING

from diabolo.spec import Part

if TYPE_CHECKING:
    from torch import nn


@dataclasses.dataclass(frozen=True)
class Bottleneck(Part, abc.ABC):
    """How features become a code, and what the code costs."""

    @abc.abstractmethod
    def build(self, features: int, code_size: int) -> nn.Module:
        """Return the head h (n, features) → `Code` with z (n, code_size)."""
