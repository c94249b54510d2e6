"""The fully connected network, symmetric around the code."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from diabolo.activations import ACTIVATIONS
from diabolo.spec import Part, require

if TYPE_CHECKING:
    from torch import nn


#: Widths are below this; more could not be multiplied.
MOST = 1 << 31


@dataclasses.dataclass(frozen=True)
class MLP(Part):
    """Dense layers d → hidden[0] → … → hidden[-1] and back in reverse order.

    Parameters
    ----------
    hidden : tuple of int or "auto"
        Widths between the input and the code; ``()`` puts the code right behind the input.
        "auto" is resolved in ``fit`` by the width of the data (see `resolved`).
    activation : str
        What follows each hidden layer, a name of `ACTIVATIONS`.
    dropout : float
        Share of hidden units set to zero at each training step (Srivastava et al. 2014).
    """

    hidden: Any = "auto"
    activation: str = "gelu"
    dropout: float = 0.0

    def validate(self) -> None:
        require(
            self.hidden == "auto"
            or (
                isinstance(self.hidden, tuple)
                and all(type(w) is int and 0 < w < MOST for w in self.hidden)
            ),
            f"hidden={self.hidden!r}: give the widths as a tuple of whole numbers from 1 to "
            f"{MOST - 1:,}, for example (256, 128), () for none, or 'auto'",
        )
        require(
            self.activation in ACTIVATIONS,
            f"activation={self.activation!r} is not known: choose one of {', '.join(ACTIVATIONS)}",
        )
        require(0 <= self.dropout < 1, f"dropout={self.dropout!r} must lie in [0, 1)")

    def resolved(self, shape: tuple[int, ...]) -> MLP:
        """Return this network with its widths chosen for rows of this shape.

        The first hidden layer is four times as wide as the row, within 64 and 1,024; widths halve
        from layer to layer, over three layers where the first has 512 or more and two otherwise.
        """
        if isinstance(self.hidden, tuple):
            return self
        first = 1 << max(6, min(10, round(math.log2(4 * math.prod(shape)))))
        widths = tuple(first >> i for i in range(3 if first >= 512 else 2))
        return dataclasses.replace(self, hidden=widths)

    def encoder(self, shape: tuple[int, ...]) -> nn.Module:
        """Return the module x (n, *shape) → h (n, out_features)."""
        from diabolo.networks.dense import DenseStack

        return DenseStack((math.prod(shape), *self.hidden), self.activation, self.dropout)

    def decoder(self, code_size: int, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Return the module z (n, code_size) → (n, *shape), or (n, outputs, *shape) if > 1."""
        from diabolo.networks.dense import DenseDecoder

        widths = (code_size, *reversed(self.hidden))
        return DenseDecoder(widths, self.activation, self.dropout, shape, outputs)
