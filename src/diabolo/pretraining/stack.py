"""Layer by layer: each one's learner is trained by the one loop, on what those below make of x."""

from __future__ import annotations

import math
from typing import Any

import torch

from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import Bottleneck
from diabolo.data.rows import RowsLike
from diabolo.device import arithmetic, room
from diabolo.ensemble import Ensemble
from diabolo.errors import TrainingError
from diabolo.pretraining.base import Level, Pretraining
from diabolo.pretraining.parts import Hidden, likelihood_of
from diabolo.random import derive_seed
from diabolo.training import Training
from diabolo.training.loop import train
from diabolo.training.progress import Progress
from diabolo.training.recovery import warn_of_setbacks
from diabolo.training.scoring import in_chunks


def pretrain(
    module: AutoencoderModule | Ensemble,
    pretraining: Pretraining,
    bottleneck: Bottleneck,
    x: RowsLike,
    rows: torch.Tensor,
    sample: torch.Tensor,
    training: Training,
    seed: int,
    progress: Progress,
) -> None:
    """Set the first weights of the module; each member of an ensemble is pretrained on its own.

    Parameters
    ----------
    module : AutoencoderModule or Ensemble
        Initialised, and on its device.
    pretraining : Pretraining
        With nothing left on "auto".
    bottleneck : Bottleneck
        Of the module.
    x : Tensor or Rows (n, *shape)
    rows : Tensor of int (m,)
        Numbers of the rows that are learned from.
    sample : Tensor (some, *shape)
        Rows on which layers are initialised, on the CPU.
    training : Training
        What follows, with nothing left on "auto".

    Raises
    ------
    TrainingError
        If the loss of a layer is not finite.
    """
    x = Learned(x, rows)
    if isinstance(module, Ensemble):
        for member, own in module.each(seed):
            _pretrain(member, pretraining, bottleneck, x, sample, training, own, progress)
    else:
        _pretrain(module, pretraining, bottleneck, x, sample, training, seed, progress)


def _pretrain(
    module: AutoencoderModule,
    pretraining: Pretraining,
    bottleneck: Bottleneck,
    x: RowsLike,
    sample: torch.Tensor,
    training: Training,
    seed: int,
    progress: Progress,
) -> None:
    device = next(module.parameters()).device
    stack = levels(module, bottleneck)
    sample = sample.flatten(1)
    for i, level in enumerate(stack):
        learner: Any = pretraining.learner(level)
        with arithmetic("fp32"):
            learner.initialise(derive_seed(seed, "pretraining", i), sample)
        progress.stage = f"layer {i + 1}/{len(stack)}, "
        try:
            record = train(
                learner.to(device),
                x,
                torch.zeros(len(x), dtype=torch.bool),
                _alone(pretraining.options(level, training)),
                pretraining.epochs,
                derive_seed(seed, "pretraining", i),
                progress,
            )
        except TrainingError as error:
            raise TrainingError(f"pretraining layer {i + 1} of {len(stack)}: {error}") from None
        finally:
            progress.stage = ""
        # The line that calls `fit`.
        part = type(pretraining).__name__
        warn_of_setbacks(record.setbacks, part, pretraining.learning_rate, stacklevel=7)
        pretraining.put(learner, level)
        x = encoded(x, learner)
        with torch.no_grad(), arithmetic("fp32", device.type):
            sample = learner.encode(sample.to(device)).z.cpu()


def levels(module: AutoencoderModule, bottleneck: Bottleneck) -> list[Level]:
    """Return the layers of the encoder with those of the decoder, from the data upwards."""
    layers = list(module.encoder.layers)
    backs = [module.decoder.output, *reversed(module.decoder.stack.layers)]
    likelihood, found = module.likelihood.flattened(module.shape), []
    for layer, back in zip(layers, backs, strict=False):
        hidden = Hidden(layer.activation)
        found.append(Level(layer.inputs, layer.outputs, likelihood, hidden, layer, back))
        likelihood = likelihood_of(layer.activation)
    features, code_size = module.encoder.out_features, backs[-1].inputs
    top = Level(features, code_size, likelihood, bottleneck, module.bottleneck, backs[-1])
    return [*found, top]


def _alone(training: Training) -> Training:
    """Return the options for a learner, of which the last weights are wanted whatever happens."""
    return Training(
        batch_size=training.batch_size,
        optimizer=training.optimizer,
        learning_rate=training.learning_rate,
        schedule=training.schedule,
        weight_decay=training.weight_decay,
        averaging=0.0,
        trim=training.trim,
        validation_fraction=0.0,
        precision=training.precision,
    )


class Learned:
    """Those rows of x that are learned from, flat: (m, d)."""

    def __init__(self, x: RowsLike, rows: torch.Tensor):
        self.x, self.rows = x, rows.to(x.device)
        self.shape, self.device = (len(rows), math.prod(x.shape[1:])), x.device

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice | torch.Tensor) -> torch.Tensor:
        return self.x[self.rows[index]].flatten(1)  # (n, *shape) -> (n, d)


def encoded(x: RowsLike, learner: Any) -> RowsLike:
    """Return the codes of the rows x (m, d): in advance where there is room for them."""
    codes = Encoded(x, learner)
    if 4 * math.prod(codes.shape) > room(str(x.device)):
        return codes
    return in_chunks(learner, x, lambda rows: learner.encode(rows).z)


class Encoded:
    """The codes of the rows x (m, d), (m, units), as they are asked for."""

    def __init__(self, x: RowsLike, learner: Any):
        self.x, self.learner, self.device = x, learner, x.device
        self.shape = (len(x), *self[:1].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    @torch.no_grad()
    def __getitem__(self, index: slice | torch.Tensor) -> torch.Tensor:
        rows = self.x[index].to(next(self.learner.parameters()).device)
        return self.learner.encode(rows).z
