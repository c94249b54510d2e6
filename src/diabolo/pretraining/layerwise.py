"""Greedy layer-wise pretraining with denoising autoencoders."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from diabolo.bottlenecks import Bottleneck
from diabolo.corruptions import Corruption, Masking
from diabolo.likelihoods.base import Likelihood
from diabolo.networks import MLP, Network
from diabolo.pretraining.base import Level, Pretraining
from diabolo.spec import AutoFloat, is_number, require
from diabolo.training import Training

if TYPE_CHECKING:
    from diabolo.autoencoder import AutoencoderModule


@dataclasses.dataclass(frozen=True)
class Layerwise(Pretraining):
    """Each layer is first the code of a small denoising autoencoder (Vincent et al. 2008, 2010).

    It learns to rebuild the clean codes of the layer below from damaged ones, with the network's
    activation in both directions; the code layer with the model's own bottleneck. Any plain `MLP`
    can be pretrained so.

    Parameters
    ----------
    epochs : int or "auto"
        Passes over the rows for each layer; "auto" makes a thousand steps or more of them.
    batch_size : int or "auto"
        Rows a step; "auto" is that of the training which follows.
    corruption : Corruption or None
        Damage to what each layer sees. Its rows have no neighbours, those of images neither. With
        None the autoencoders are plain ones (Bengio et al. 2007).
    learning_rate : float or "auto"
        Highest rate of each layer's schedule; "auto" is that of the training which follows, and so
        are the optimiser and its weight decay.
    """

    corruption: Any = Masking(0.25)  # noqa: RUF009, parts are frozen
    learning_rate: AutoFloat = "auto"

    def validate(self) -> None:
        super().validate()
        require(
            self.corruption is None or isinstance(self.corruption, Corruption),
            f"Layerwise(corruption={self.corruption!r}): give a corruption such as Masking(0.25), "
            "or None",
        )
        rate = self.learning_rate
        require(
            rate == "auto" or (is_number(rate) and rate > 0),
            f"Layerwise(learning_rate={rate!r}) must be a number > 0, or 'auto'",
        )

    def resolved(
        self,
        network: Network,
        bottleneck: Bottleneck,
        likelihood: Likelihood,
        training: Training,
        rows: int,
    ) -> Layerwise:
        part = super().resolved(network, bottleneck, likelihood, training, rows)
        corruption, rate = self.corruption, self.learning_rate
        return dataclasses.replace(
            part,
            # The rows of all levels are tables, whatever their width.
            corruption=corruption and corruption.resolved("table", (2,)),
            learning_rate=training.learning_rate if rate == "auto" else rate,
        )

    def learner(self, level: Level) -> AutoencoderModule:
        from diabolo.autoencoder import AutoencoderModule

        return AutoencoderModule.empty(
            (level.inputs,),
            level.outputs,
            MLP((), skip=False),
            level.bottleneck,
            level.likelihood,
            None,
            self.corruption,
        )

    def options(self, level: Level, training: Training) -> Training:
        return dataclasses.replace(
            training, batch_size=self.batch_size, learning_rate=self.learning_rate
        )

    def put(self, learner: AutoencoderModule, level: Level) -> None:
        head = learner.bottleneck
        # A hidden layer is all of its learner's head.
        learned = head if type(head) is type(level.head) else head.layer
        level.head.load_state_dict(learned.state_dict())
        level.back.load_state_dict(learner.decoder.output.state_dict())
