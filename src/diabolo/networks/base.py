"""What every network offers, and the checks that networks share."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.activations import ACTIVATIONS
from diabolo.spec import Part, require

if TYPE_CHECKING:
    from torch import nn

#: Widths are below this; more could not be multiplied.
MOST = 1 << 31


@dataclasses.dataclass(frozen=True)
class Network(Part, abc.ABC):
    """The layers from a row to its features, and from a code back to a row.

    Attributes
    ----------
    kinds : tuple of str
        What rows it is for, "table", "image" or "series".
    tied : bool
        Whether the decoder uses the weights of the layers from row to code, by a method `tie`.
    """

    kinds: ClassVar[tuple[str, ...]]
    tied = False

    @abc.abstractmethod
    def resolved(self, shape: tuple[int, ...]) -> Network:
        """Return this network with nothing left on "auto", for rows of this shape."""

    def is_resolved(self, shape: tuple[int, ...]) -> bool:
        """Return whether nothing is left on "auto", for rows of this shape."""
        return self.resolved(shape) == self

    @abc.abstractmethod
    def sizes(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        """Return the shapes that a row takes between the input and the code."""

    @abc.abstractmethod
    def encoder(self, shape: tuple[int, ...]) -> nn.Module:
        """Return the module x (n, *shape) → h (n, out_features)."""

    @abc.abstractmethod
    def decoder(self, code_size: int, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Return the module z (n, code_size) → (n, *shape), or (n, outputs, *shape) if > 1."""


def are_widths(value: Any) -> bool:
    """Return whether the value is a tuple of widths that layers can have."""
    return isinstance(value, tuple) and all(type(w) is int and 0 < w < MOST for w in value)


def require_activation(name: str) -> None:
    """Raise `SpecError` where there is no such activation."""
    require(
        name in ACTIVATIONS,
        f"activation={name!r} is not known: choose one of {', '.join(ACTIVATIONS)}",
    )
