"""What every pretraining offers."""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import TYPE_CHECKING, Any

from diabolo.bottlenecks import Bottleneck
from diabolo.likelihoods.base import Likelihood
from diabolo.networks import MLP, Network
from diabolo.spec import AutoFloat, AutoInt, Part, require
from diabolo.training import Training, steps_an_epoch

if TYPE_CHECKING:
    from torch import nn

    from diabolo.bottlenecks.heads.base import Head

#: Steps of each layer on "auto", at least: 2,400 instead of 1,200 take 2 % off the error of a net
#: for MNIST after its fine-tuning, 600 add 4 %.
STEPS = 1000


@dataclasses.dataclass(frozen=True)
class Level:
    """A layer of the encoder, with the layer of the decoder that undoes it.

    Attributes
    ----------
    inputs, outputs : int
        Numbers of a row that it sees, and of what it makes of them.
    likelihood : Likelihood
        Of what it sees: of the data, or of the codes of the level below (see `parts.Activated`).
    bottleneck : Bottleneck
        What makes its codes: the model's own at the top, `parts.Hidden` below.
    head : Head or Dense
        Of the encoder: its weights are to be set.
    back : Dense
        Of the decoder.
    """

    inputs: int
    outputs: int
    likelihood: Likelihood
    bottleneck: Bottleneck
    head: Head | nn.Linear
    back: nn.Linear


@dataclasses.dataclass(frozen=True)
class Pretraining(Part, abc.ABC):
    """How a stack of dense layers gets its first weights: layer by layer, from the data upwards.

    Each layer learns the codes of the layers below as if they were data. Then all are unrolled
    into encoder and decoder, and training goes on as ever ("fine-tuning").

    Parameters
    ----------
    epochs : int or "auto"
        Passes over the rows for each layer; "auto" makes a thousand steps or more of them.
    batch_size : int or "auto"
        Rows a step; "auto" is that of the training which follows.
    learning_rate : float or "auto"
        Highest rate of each layer's schedule; "auto" is that of the training which follows.
    """

    epochs: AutoInt = "auto"
    batch_size: AutoInt = "auto"
    learning_rate: AutoFloat = "auto"

    def validate(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            require(
                value == "auto" or (type(value) is int and value >= 1),
                f"{type(self).__name__}({name}={value!r}) must be a whole number ≥ 1, or 'auto'",
            )

    def resolved(
        self,
        network: Network,
        bottleneck: Bottleneck,
        likelihood: Likelihood,
        training: Training,
        rows: int,
    ) -> Any:
        """Return this pretraining with nothing left on "auto".

        Parameters
        ----------
        network, bottleneck, likelihood : Part
            Of the model, resolved.
        training : Training
            What follows, resolved.
        rows : int
            That are learned from.

        Raises
        ------
        SpecError
            If such a model cannot be pretrained so.
        """
        # Whatever else a network may have, its layers are then not what a level is.
        require(
            isinstance(network, MLP) and network == _plain(network),
            f"pretraining={type(self).__name__}(…) sets the weights of plain dense layers, and the "
            f"network is {network!r}: pass network=MLP(…, skip=False), or pretraining=None",
        )
        batch_size = training.batch_size if self.batch_size == "auto" else self.batch_size
        epochs = self.epochs
        if epochs == "auto":
            epochs = math.ceil(STEPS / steps_an_epoch(rows, batch_size))
        return dataclasses.replace(self, epochs=epochs, batch_size=batch_size)

    @abc.abstractmethod
    def learner(self, level: Level) -> Any:
        """Return what learns a level: a module without weights yet, to be trained by the one loop.

        Like an `AutoencoderModule` it has `initialise(seed, x)` and `encode(x)`.
        """

    @abc.abstractmethod
    def options(self, level: Level, training: Training) -> Training:
        """Return the options of the loop for a level, where `training` follows."""

    @abc.abstractmethod
    def put(self, learner: Any, level: Level) -> None:
        """Set the weights of the level to what its learner has learned."""


def _plain(network: MLP) -> MLP:
    """Return the network with nothing but dense layers in it."""
    widths, activation, dropout = network.hidden, network.activation, network.dropout
    return MLP(hidden=widths, activation=activation, dropout=dropout, skip=False)
