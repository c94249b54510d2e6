"""What every bottleneck offers."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, ClassVar

from diabolo.spec import Part

if TYPE_CHECKING:
    from diabolo.bottlenecks.heads.base import Head


@dataclasses.dataclass(frozen=True)
class Bottleneck(Part, abc.ABC):
    """How features become a code, and what the code costs.

    Attributes
    ----------
    smooth : bool
        Whether a code changes smoothly with the row, so that there is a slope to penalise and
        codes between two codes mean something.
    """

    smooth: ClassVar[bool] = True

    @abc.abstractmethod
    def build(self, features: int, code_size: int) -> Head:
        """Return the head h (n, features) → `Code` with z (n, code_size)."""

    def code_size(self, rank: int) -> int:
        """Return the size of a code that holds about as much as `rank` plain numbers."""
        return rank

    def resolved(self, code_size: int) -> Bottleneck:
        """Return this bottleneck with nothing left on "auto", for codes of this size.

        Raises
        ------
        SpecError
            If such codes cannot have that size.
        """
        return self
