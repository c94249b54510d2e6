"""The fully connected network, symmetric around the code."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.networks.base import MOST, Network, are_widths, require_activation
from diabolo.spec import is_number, require

if TYPE_CHECKING:
    from torch import nn

    from diabolo.networks.dense import DenseStack

NORMS = (None, "batch", "layer")

#: Width that layers with shortcuts are given at most, where "auto" chooses it.
WIDEST_RESIDUAL = 512


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
        hidden layers and weights are not tied.
    norm : {None, "batch", "layer"}
        What happens before each activation of the hidden layers. "layer": the units of a row get
        mean 0 and variance 1 (Ba et al. 2016). "batch": each unit does over the rows of a batch
        (Ioffe & Szegedy 2015), and over those of the last steps once the model is trained.
    residual : bool
        A hidden layer as wide as the hidden layer before adds its input to its output (He et al.
        2016), h + f(W h + b), so that deep stacks can be trained: they start with small changes
        from layer to layer. Where widths differ, and next to the row and to the code, a layer has
        no shortcut.
    tied : bool
        The decoder has the weights of the encoder, transposed (Vincent et al. 2010), that of the
        layer to the code too; biases are its own. Half as many weights, which are drawn by the
        rules for the encoder.
    """

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "series")

    hidden: Any = "auto"
    activation: str = "silu"
    dropout: float = 0.0
    skip: bool | str = "auto"
    norm: str | None = None
    residual: bool = False
    tied: bool = False

    def validate(self) -> None:
        hidden = self.hidden
        require(
            hidden == "auto" or are_widths(hidden),
            f"hidden={hidden!r}: give the widths as a tuple of whole numbers from 1 to "
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
        require(
            self.norm in NORMS,
            f"norm={self.norm!r}: choose one of {', '.join(map(repr, NORMS))}",
        )
        for name in ("residual", "tied"):
            value = getattr(self, name)
            require(isinstance(value, bool), f"{name}={value!r} must be True or False")
        require(
            self.norm != "layer" or hidden == "auto" or 1 not in hidden,
            f"norm='layer' beside hidden={hidden!r}: the one unit of a layer would be zero on all "
            "rows; pass norm='batch', or more units",
        )
        require(
            not self.residual
            or hidden == "auto"
            or any(a == b for a, b in itertools.pairwise(hidden)),
            f"residual=True beside hidden={hidden!r}: no hidden layer is as wide as the one "
            "before, so there is none to add its input to; pass equal widths, for example "
            "hidden=(256, 256, 256), or residual=False",
        )
        require(
            not (self.tied and self.skip is True),
            "tied=True beside skip=True: a way past the layers leads through other weights there "
            "than back; pass skip=False, or tied=False",
        )

    def resolved(self, shape: tuple[int, ...]) -> MLP:
        """Return this network with nothing left on "auto", for rows of this shape.

        The first hidden layer is four times as wide as the row, within 64 and 1,024; widths halve
        from layer to layer, over three layers where the first has 512 or more and two otherwise.
        With shortcuts there are as many layers, all as wide as the first, and at most 512.
        """
        skip = self.skip
        if skip == "auto":
            skip = len(shape) == 1 and self.hidden != () and not self.tied
        if isinstance(self.hidden, tuple):
            return dataclasses.replace(self, skip=skip)
        first = 1 << max(6, min(10, round(math.log2(4 * math.prod(shape)))))
        widths = tuple(first >> i for i in range(3 if first >= 512 else 2))
        if self.residual:
            widths = (min(first, WIDEST_RESIDUAL),) * len(widths)
        return dataclasses.replace(self, hidden=widths, skip=skip)

    def sizes(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        return tuple((width,) for width in self.hidden)

    def encoder(self, shape: tuple[int, ...]) -> nn.Module:
        return self._stack(math.prod(shape), self.hidden)

    def decoder(self, code_size: int, shape: tuple[int, ...], outputs: int) -> nn.Module:
        from diabolo.networks.dense import DenseDecoder

        require(
            not self.tied or outputs == 1,
            f"tied=True has weights for one output per value, and this likelihood takes {outputs}: "
            "pass likelihood='mse', or tied=False",
        )
        return DenseDecoder(self._stack(code_size, self.hidden[::-1]), shape, outputs)

    def _stack(self, inputs: int, hidden: tuple[int, ...]) -> DenseStack:
        from diabolo.networks.dense import DenseStack

        # Without a hidden layer everything is linear already.
        skip = self.skip is True and len(hidden) > 0
        return DenseStack(
            (inputs, *hidden), self.activation, self.dropout, skip, self.norm, self.residual
        )
