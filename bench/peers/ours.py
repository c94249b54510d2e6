"""Diabolo, told to do what its peers do."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from bench.peers.job import Fitted, Job


def diabolo(x: np.ndarray, job: Job, precision: str = "auto", network: Any = None) -> Fitted:
    """Diabolo with its default precision for this machine: bf16 where the processor has it."""
    from diabolo import Autoencoder
    from diabolo.likelihoods import MSE
    from diabolo.networks import MLP
    from diabolo.training import Training

    training = Training(
        optimizer="adam",
        learning_rate=job.learning_rate,
        batch_size=job.batch_size,
        schedule="constant",
        validation_fraction=0.0,
        weight_decay=0.0,
        averaging=0.0,
        early_stopping=False,
        precision=precision,
    )
    model = Autoencoder(
        job.code_size,
        network=MLP(job.widths, "relu", skip=False) if network is None else network,
        likelihood=MSE(),
        scaling="none",
        augmentation=None,
        max_epochs=job.epochs,
        training=training,
        device=job.device,
        random_state=job.seed,
    ).fit(x)
    return Fitted(model.reconstruct, epoch_seconds(model), model)


def epoch_seconds(model: Any) -> list[float]:
    """Return the seconds of an epoch between each two looks of a fitted model."""
    # The history holds one row a look, which may span epochs; its clock runs from the start on.
    looks = [(0, 0.0), *((row["epoch"], row["seconds"]) for row in model.history_)]
    return [(t1 - t0) / (e1 - e0) for (e0, t0), (e1, t1) in itertools.pairwise(looks)]


def diabolo_fp32(x: np.ndarray, job: Job) -> Fitted:
    """Diabolo in the precision of the others."""
    return diabolo(x, job, "fp32")
