"""The fully connected network, symmetric around the code."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.networks.base import MOST, Network, are_widths, require_activation
from diabolo.spec import is_number, require

if TYPE_CHECKING:
    from torch import nn

    from diabolo.networks.dense import DenseStack


@dataclasses.dataclass(frozen=True)
class MLP(Network):
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
    skip : bool or "auto"
        A linear way past the hidden layers: the code sees the input too, and the output layer the
        code. What columns have in common linearly is then learned as quickly as by a principal
        component analysis. "auto" is True for tables, where there are
        hidden layers.
    """

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "series")

    hidden: Any = "auto"
    activation: str = "silu"
    dropout: float = 0.0
    skip: bool | str = "auto"

    def validate(self) -> None:
        require(
            self.hidden == "auto" or are_widths(self.hidden),
            f"hidden={self.hidden!r}: give the widths as a tuple of whole numbers from 1 to "
            f"{MOST - 1:,}, for example (256, 128), () for none, or 'auto'",
        )
        require_activation(self.activation)
        require(
            is_number(self.dropout) and 0 <= self.dropout < 1,
            f"dropout={self.dropout!r} must lie in [0, 1)",
        )
        require(
            isinstance(self.skip, bool) or self.skip == "auto",
            f"skip={self.skip!r} must be True, False or 'auto'",
        )

    def resolved(self, shape: tuple[int, ...]) -> MLP:
        """Return this network with nothing left on "auto", for rows of this shape.

        The first hidden layer is four times as wide as the row, within 64 and 1,024; widths halve
        from layer to layer, over three layers where the first has 512 or more and two otherwise.
        """
        skip = self.skip
        if skip == "auto":
            skip = len(shape) == 1 and self.hidden != ()
        if isinstance(self.hidden, tuple):
            return dataclasses.replace(self, skip=skip)
        first = 1 << max(6, min(10, round(math.log2(4 * math.prod(shape)))))
        widths = tuple(first >> i for i in range(3 if first >= 512 else 2))
        return dataclasses.replace(self, hidden=widths, skip=skip)

    def sizes(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        return tuple((width,) for width in self.hidden)

    def encoder(self, shape: tuple[int, ...]) -> nn.Module:
        return self._stack(math.prod(shape), self.hidden)

    def decoder(self, code_size: int, shape: tuple[int, ...], outputs: int) -> nn.Module:
        from diabolo.networks.dense import DenseDecoder

        return DenseDecoder(self._stack(code_size, self.hidden[::-1]), shape, outputs)

    def _stack(self, inputs: int, hidden: tuple[int, ...]) -> DenseStack:
        from diabolo.networks.dense import DenseStack

        # Without a hidden layer everything is linear already.
        skip = self.skip is True and len(hidden) > 0
        return DenseStack((inputs, *hidden), self.activation, self.dropout, skip)
