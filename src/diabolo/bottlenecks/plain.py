"""The plain code: a linear map of the features, perhaps with an activation."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from diabolo.bottlenecks.base import Bottleneck
from diabolo.spec import require

if TYPE_CHECKING:
    from diabolo.bottlenecks.heads.base import Head

CODE_ACTIVATIONS = ("linear", "relu", "sigmoid", "tanh", "softplus")


@dataclasses.dataclass(frozen=True)
class Plain(Bottleneck):
    """A code without cost, z = f(W h + b).

    Parameters
    ----------
    activation : {"linear", "relu", "sigmoid", "tanh", "softplus"}
        f. A linear code cannot die and loses nothing, hence the default; rectified units that
        are never active on the training data are reported after the fit.
    """

    activation: str = "linear"

    def validate(self) -> None:
        require(
            self.activation in CODE_ACTIVATIONS,
            f"Plain(activation={self.activation!r}): choose one of {', '.join(CODE_ACTIVATIONS)}",
        )

    def build(self, features: int, code_size: int) -> Head:
        from diabolo.bottlenecks.heads.plain import PlainHead

        return PlainHead(features, code_size, self.activation)
