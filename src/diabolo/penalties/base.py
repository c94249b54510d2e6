"""What every penalty offers."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.spec import Part, is_number, require

if TYPE_CHECKING:
    import torch

    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Penalty(Part, abc.ABC):
    """What training adds to the objective. Scores are without it.

    Parameters
    ----------
    weight : float
        Of the penalty, beside −log p(x | z) in nats a row.

    Attributes
    ----------
    term : str
        Its name among the terms of the objective.
    """

    weight: float = 1.0

    term: ClassVar[str]

    def validate(self) -> None:
        require(
            is_number(self.weight) and self.weight > 0,
            f"{type(self).__name__}(weight={self.weight!r}) must be a number > 0",
        )

    def check(self, bottleneck: Any) -> None:
        """Raise `SpecError` unless codes of this bottleneck can be penalised so."""

    @abc.abstractmethod
    def cost(self, module: Any, x: torch.Tensor, z: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Return the penalty per row, (n,).

        Parameters
        ----------
        module : AutoencoderModule
        x : Tensor (n, *shape)
            What the encoder saw.
        z : Tensor (n, code_size)
            The codes that it made of it.
        noise : Noise
        """
