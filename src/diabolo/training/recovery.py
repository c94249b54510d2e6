"""The way back from a loss that is no number."""

from __future__ import annotations

from collections.abc import Sequence

import torch

#: Times that training goes back, each time with half the learning rate: a thirty-second is left.
ATTEMPTS = 5


class Recovery:
    """The last weights known to be good.

    Parameters
    ----------
    weights : sequence of Tensor
        They change in place.

    Attributes
    ----------
    times : int
        How often training has gone back.
    """

    def __init__(self, weights: Sequence[torch.Tensor]):
        self.weights = [weight.detach() for weight in weights]
        self.good = [weight.clone() for weight in self.weights]
        self.times = 0

    def keep(self, loss: torch.Tensor) -> bool:
        """Keep the weights if they and the loss () are finite; return whether they are."""
        norms = torch.stack([loss.float(), *torch._foreach_norm(self.weights)])
        if not bool(torch.isfinite(norms).all()):
            return False
        torch._foreach_copy_(self.good, self.weights)
        return True

    def go_back(self) -> None:
        """Put the good weights in place again."""
        torch._foreach_copy_(self.weights, self.good)
        self.times += 1
