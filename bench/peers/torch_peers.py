"""Peers that run on torch: the plain loop, PyOD, pythae, skorch."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.peers.job import Fitted, Job, Laps, decoder, encoder, forward, net


def torch_loop(x: np.ndarray, job: Job, model: nn.Module | None = None) -> Fitted:
    """The loop of the tutorials: DataLoader over a TensorDataset, ``zero_grad``, ``step``."""
    torch.manual_seed(job.seed)
    model = (net(job, x.shape[1]) if model is None else model).to(job.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=job.learning_rate)
    rows = torch.utils.data.TensorDataset(torch.from_numpy(x))
    loader = torch.utils.data.DataLoader(rows, batch_size=job.batch_size, shuffle=True)
    laps = Laps()
    for _ in range(job.epochs):
        laps.start()
        for (batch,) in loader:
            batch = batch.to(job.device)
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(batch), batch)
            loss.backward()
            optimizer.step()
        loss.item()  # waits for devices that run ahead of Python
        laps.lap()
    return Fitted(forward(model), laps.seconds, model)


def torch_loop_medium(x: np.ndarray, job: Job) -> Fitted:
    """The same loop after ``torch.set_float32_matmul_precision("medium")``."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        return torch_loop(x, job)
    finally:
        torch.set_float32_matmul_precision(before)


def pyod(x: np.ndarray, job: Job) -> Fitted:
    """PyOD's AutoEncoder without scaling, batch norm, dropout, weight decay and ReLU code."""
    from pyod.models.auto_encoder import AutoEncoder

    laps = Laps()

    class Timed(AutoEncoder):
        def training_prepare(self):
            self.model.encoder[-1].has_act = False  # no option leaves the code linear
            super().training_prepare()
            laps.start()

        def epoch_update(self):
            laps.lap()

    detector = Timed(
        preprocessing=False,
        lr=job.learning_rate,
        epoch_num=job.epochs,
        batch_size=job.batch_size,
        random_state=job.seed,
        device=torch.device(job.device),
        verbose=0,
        optimizer_params={"weight_decay": 0.0},
        hidden_neuron_list=[*job.widths, job.code_size],
        batch_norm=False,
        dropout_rate=0,
    ).fit(x)
    return Fitted(forward(detector.model.eval()), laps.seconds, detector)


def pythae(x: np.ndarray, job: Job, parts: tuple[nn.Module, nn.Module] | None = None) -> Fitted:
    """The AE of pythae with this job's net as its encoder and decoder, through its pipeline."""
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    laps = Laps()

    class Timed(TrainingCallback):
        def on_epoch_begin(self, training_config, **kwargs):
            laps.start()

        def on_epoch_end(self, training_config, **kwargs):
            laps.lap()

    torch.manual_seed(job.seed)
    if parts is None:
        sizes = job.encoder_sizes(x.shape[1])
        parts = encoder(sizes), decoder(sizes)
    model = pythae_model(*parts, x.shape[1:], job.code_size)
    with tempfile.TemporaryDirectory() as folder, silence():
        training = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=job.batch_size,
            num_epochs=job.epochs,
            learning_rate=job.learning_rate,
            seed=job.seed,
            no_cuda=job.device == "cpu",
        )
        TrainingPipeline(model, training)(x, callbacks=[Timed()])
    return Fitted(forward(nn.Sequential(*parts)), laps.seconds, model)


def pythae_model(
    encoder: nn.Module, decoder: nn.Module, shape: tuple[int, ...], code_size: int
) -> Any:
    """Return pythae's AE around an encoder and a decoder, in the classes that it asks for."""
    from pythae.models import AE, AEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.layers = encoder

        def forward(self, x):
            return ModelOutput(embedding=self.layers(x))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = decoder

        def forward(self, z):
            return ModelOutput(reconstruction=self.layers(z))

    return AE(AEConfig(input_dim=shape, latent_dim=code_size), Encoder(), Decoder())


def skorch(x: np.ndarray, job: Job) -> Fitted:
    """skorch's NeuralNetRegressor from x to x, without its held-out part."""
    from skorch import NeuralNetRegressor

    torch.manual_seed(job.seed)
    model = NeuralNetRegressor(
        net(job, x.shape[1]),
        optimizer=torch.optim.Adam,
        lr=job.learning_rate,
        batch_size=job.batch_size,
        max_epochs=job.epochs,
        train_split=None,
        iterator_train__shuffle=True,
        device=job.device,
        verbose=0,
    ).fit(x, x)
    return Fitted(forward(model.module_), model.history[:, "dur"], model)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Hold back progress bars and log lines, which would end up between the tables."""
    logging.disable(logging.INFO)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
