"""What every likelihood offers to the objective and to the choice of scaling."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, ClassVar

from diabolo.spec import Part

if TYPE_CHECKING:
    import torch


@dataclasses.dataclass(frozen=True)
class Likelihood(Part, abc.ABC):
    """A family of densities p(x | outputs of the decoder), value by value.

    Attributes
    ----------
    outputs : int
        Decoder outputs per value of x.
    support : (float, float)
        Closed range that scaled values of x must lie in; ``fit`` enforces it.
    sums_to_one : bool
        Whether values of a row sum to 1 together, so that none may be changed alone.
    centred : bool
        Whether scaling may subtract a centre (False where zero has a meaning).
    """

    outputs: ClassVar[int] = 1
    sums_to_one: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def support(self) -> tuple[float, float]: ...

    @property
    def centred(self) -> bool:
        return self.support[0] == -float("inf")

    def check_rows(self, x: torch.Tensor, first: int) -> None:
        """Raise `DataError` unless rows x (n, …), of which `first` is the first one's number, suit.

        ``fit`` asks where values sum to 1; `support` is enforced besides.
        """

    def flattened(self, shape: tuple[int, ...]) -> Likelihood:
        """Return the likelihood of rows (n, *shape) once they are flat, (n, d)."""
        return self

    def whole(self, mean: torch.Tensor) -> torch.Tensor:
        """Return the row of whole numbers nearest to a mean, (n, …), for data that holds such.

        Where values may be rounded one by one, all of it is left to who rounds them.
        """
        return mean

    @abc.abstractmethod
    def log_prob(self, px: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return log p(x | px) value by value, (n, …), in nats."""

    @abc.abstractmethod
    def mean(self, px: torch.Tensor) -> torch.Tensor:
        """Return E[x] under the decoder's outputs `px`, (n, …): the reconstruction."""

    @abc.abstractmethod
    def bias(self, mean: torch.Tensor) -> torch.Tensor:
        """Return the decoder outputs whose mean is the data's mean, both (…): a good start."""
