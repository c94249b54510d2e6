"""Small data and models that several tests train."""

from __future__ import annotations

import numpy as np
import torch

from diabolo import Autoencoder
from diabolo.autoencoder import AutoencoderModule
from diabolo.likelihoods import MSE
from diabolo.networks import MLP
from diabolo.random import torch_generator
from diabolo.training import Training
from diabolo.training.step import Step


def low_rank(rows=200, columns=6, rank=2, noise=0.1):
    """A table (rows, columns) that lies near a plane of `rank` dimensions."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, columns))
    return (X + noise * rng.normal(size=X.shape)).astype(np.float32)


def tiny(**options):
    """An autoencoder that trains in a moment."""
    return Autoencoder(
        **{"code_size": 2, "hidden": (8,), "max_epochs": 2, "random_state": 0} | options
    )


def initialised(seed, x, *parts):
    """A module for rows like x, with weights drawn from the seed."""
    module = AutoencoderModule.empty(tuple(x.shape[1:]), *parts)
    module.initialise(seed, x)
    return module


def with_bottleneck(bottleneck, code_size=4, rows=40, network=None):
    """A module with this bottleneck behind five units, and rows (n, 6)."""
    x = torch.randn(rows, 6, generator=torch_generator(0))
    parts = (code_size, network or MLP((5,)), bottleneck.resolved(code_size), MSE())
    return initialised(0, x, *parts), x


def features(module, x):
    """What the encoder makes of x."""
    with torch.no_grad():
        return module.encoder(x)


def a_step(network, bottleneck, likelihood, device="cpu", **training):
    """A step of training a small module, on this device, and the rows (200, 6) to learn from."""
    x = torch.from_numpy(low_rank()).sigmoid()
    module = initialised(0, x, 2, network.resolved((6,)), bottleneck, likelihood).to(device)
    options = {
        "optimizer": "adam",
        "batch_size": 20,
        "learning_rate": 1e-2,
        "weight_decay": 0.1,
        "precision": "fp32",
        **training,
    }
    return Step(module, Training(**options), len(x), 100), x.to(device)
