"""The way back from a loss that is no number."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch

from diabolo.errors import HealthWarning

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

    def sound(self, loss: torch.Tensor) -> bool:
        """Return whether the weights and the loss () are finite."""
        norms = torch.stack([loss.float(), *torch._foreach_norm(self.weights)])
        return bool(torch.isfinite(norms).all())

    def keep(self) -> None:
        """Call the weights good."""
        torch._foreach_copy_(self.good, self.weights)

    def go_back(self) -> None:
        """Put the good weights in place again."""
        torch._foreach_copy_(self.weights, self.good)
        self.times += 1


def warn_of_setbacks(times: int, part: str, rate: float, stacklevel: int) -> None:
    """Give a `HealthWarning` where training went back, which names the part that has the rate.

    Parameters
    ----------
    rate : float
        The part's learning rate at first.
    """
    if times:
        rate /= 2**times
        warnings.warn(
            f"the loss became infinite or no number {times} time(s); training went back and halved "
            f"the learning rate: pass {part}(learning_rate={rate:.3g}) to start with that",
            HealthWarning,
            stacklevel=stacklevel + 1,
        )
