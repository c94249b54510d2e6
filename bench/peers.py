"""The same training job given to Diabolo and to its peers, each in one function.

All train x → widths → … → code → … → x with ReLU between the layers, a linear code, a linear
output, squared error and Adam, shuffled every epoch, and nothing else. What a peer does by default
beyond that is switched off here and named in its docstring. What remains different:

- weights start as PyOD starts them (Kaiming uniform) wherever the net is the user's own, that is in
  torch, pythae and skorch; Diabolo starts them in its own way;
- Diabolo trains in bf16 where the processor has instructions for it, and in fp32 in a second row;
  the others train in fp32, for none of them offers anything else on a CPU without more code;
- PyOD drops the last incomplete batch of an epoch;
- pythae and Diabolo sum the squared error over the columns where the others average it, which Adam
  does not notice; pythae also copies the model after each epoch that improved.

Peers are imported where they are used: a benchmark needs only those that it names.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class Job:
    """What is to be trained.

    Attributes
    ----------
    widths : tuple of int
        Hidden layers of the encoder; the decoder mirrors them.
    code_size : int
        Width of the waist.
    epochs, batch_size : int
        Length of training, and rows a step.
    learning_rate : float
        Adam's.
    seed : int
        For the weights and the order of rows.
    """

    widths: tuple[int, ...] = (1000, 500, 250)
    code_size: int = 30
    epochs: int = 5
    batch_size: int = 128
    learning_rate: float = 1e-3
    seed: int = 0

    def encoder_sizes(self, columns: int) -> list[int]:
        """Widths from the input to the code, both included."""
        return [columns, *self.widths, self.code_size]

    def weights(self, columns: int) -> int:
        """Number of weights in the matrices of encoder and decoder."""
        sizes = self.encoder_sizes(columns)
        return 2 * sum(a * b for a, b in itertools.pairwise(sizes))


@dataclass
class Fitted:
    """A trained net: how it reconstructs, and the seconds of each epoch."""

    reconstruct: Callable[[np.ndarray], np.ndarray]
    epoch_seconds: list[float]


@dataclass
class Laps:
    """A stopwatch for epochs, for libraries that only call back."""

    seconds: list[float] = field(default_factory=list)
    _last: float = 0.0

    def start(self) -> None:
        """Begin an epoch."""
        self._last = time.perf_counter()

    def lap(self) -> None:
        """End an epoch, and begin the next."""
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now


def diabolo(x: np.ndarray, job: Job, precision: str = "auto") -> Fitted:
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
        early_stopping=False,
        precision=precision,
    )
    model = Autoencoder(
        job.code_size,
        network=MLP(job.widths, "relu", skip=False),
        likelihood=MSE(),
        scaling="none",
        max_epochs=job.epochs,
        training=training,
        random_state=job.seed,
    ).fit(x)
    # The history holds one row a look, which may span epochs; its clock runs from the start on.
    looks = [(0, 0.0), *((row["epoch"], row["seconds"]) for row in model.history_)]
    seconds = [(t1 - t0) / (e1 - e0) for (e0, t0), (e1, t1) in itertools.pairwise(looks)]
    return Fitted(model.reconstruct, seconds)


def diabolo_fp32(x: np.ndarray, job: Job) -> Fitted:
    """Diabolo in the precision of the others."""
    return diabolo(x, job, "fp32")


def torch_loop(x: np.ndarray, job: Job) -> Fitted:
    """The loop of the tutorials: DataLoader over a TensorDataset, ``zero_grad``, ``step``."""
    torch.manual_seed(job.seed)
    model = _net(job, x.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=job.learning_rate)
    rows = torch.utils.data.TensorDataset(torch.from_numpy(x))
    loader = torch.utils.data.DataLoader(rows, batch_size=job.batch_size, shuffle=True)
    laps = Laps()
    for _ in range(job.epochs):
        laps.start()
        for (batch,) in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(batch), batch)
            loss.backward()
            optimizer.step()
        laps.lap()
    return Fitted(_forward(model), laps.seconds)


def torch_loop_medium(x: np.ndarray, job: Job) -> Fitted:
    """The same loop after ``torch.set_float32_matmul_precision("medium")``."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        return torch_loop(x, job)
    finally:
        torch.set_float32_matmul_precision(before)


def pyod(x: np.ndarray, job: Job) -> Fitted:
    """PyOD's AutoEncoder without standardising, batch norm, dropout, weight decay, ReLU code."""
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
        verbose=0,
        optimizer_params={"weight_decay": 0.0},
        hidden_neuron_list=[*job.widths, job.code_size],
        batch_norm=False,
        dropout_rate=0,
    ).fit(x)
    return Fitted(_forward(detector.model.eval()), laps.seconds)


def pythae(x: np.ndarray, job: Job) -> Fitted:
    """The AE of pythae with this job's net as its encoder and decoder, through its pipeline."""
    from pythae.models import AE, AEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    sizes = job.encoder_sizes(x.shape[1])
    laps = Laps()

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.layers = _encoder(sizes)

        def forward(self, x):
            return ModelOutput(embedding=self.layers(x))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = _decoder(sizes)

        def forward(self, z):
            return ModelOutput(reconstruction=self.layers(z))

    class Timed(TrainingCallback):
        def on_epoch_begin(self, training_config, **kwargs):
            laps.start()

        def on_epoch_end(self, training_config, **kwargs):
            laps.lap()

    torch.manual_seed(job.seed)
    config = AEConfig(input_dim=(x.shape[1],), latent_dim=job.code_size)
    model = AE(config, encoder=Encoder(), decoder=Decoder())
    with tempfile.TemporaryDirectory() as folder, _silence():
        training = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=job.batch_size,
            num_epochs=job.epochs,
            learning_rate=job.learning_rate,
            seed=job.seed,
        )
        TrainingPipeline(model, training)(x, callbacks=[Timed()])
    layers = nn.Sequential(model.encoder.layers, model.decoder.layers)
    return Fitted(_forward(layers), laps.seconds)


def skorch(x: np.ndarray, job: Job) -> Fitted:
    """skorch's NeuralNetRegressor from x to x, without its held-out part."""
    from skorch import NeuralNetRegressor

    torch.manual_seed(job.seed)
    net = NeuralNetRegressor(
        _net(job, x.shape[1]),
        optimizer=torch.optim.Adam,
        lr=job.learning_rate,
        batch_size=job.batch_size,
        max_epochs=job.epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    ).fit(x, x)
    return Fitted(_forward(net.module_), net.history[:, "dur"])


#: Name → how it is called in tables, and the function.
PEERS: dict[str, tuple[str, Callable[[np.ndarray, Job], Fitted]]] = {
    "diabolo": ("Diabolo", diabolo),
    "diabolo_fp32": ("Diabolo, fp32", diabolo_fp32),
    "torch_loop": ("torch, DataLoader loop", torch_loop),
    "torch_loop_medium": ('the same, precision "medium"', torch_loop_medium),
    "pyod": ("PyOD AutoEncoder", pyod),
    "pythae": ("pythae AE", pythae),
    "skorch": ("skorch", skorch),
}


def _encoder(sizes: list[int]) -> nn.Sequential:
    """Linear layers with ReLU between them, and none after the code; they start like PyOD's."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        linear = nn.Linear(inputs, outputs)
        nn.init.kaiming_uniform_(linear.weight)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _decoder(sizes: list[int]) -> nn.Sequential:
    """The mirror of `_encoder`. PyOD leaves the output layer as torch makes it."""
    *hidden, last = reversed(sizes)
    return nn.Sequential(_encoder(hidden), nn.ReLU(), nn.Linear(hidden[-1], last))


def _net(job: Job, columns: int) -> nn.Sequential:
    sizes = job.encoder_sizes(columns)
    return nn.Sequential(_encoder(sizes), _decoder(sizes))


def _forward(model: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    def reconstruct(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(x)).numpy()

    return reconstruct


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Hold back progress bars and log lines, which would end up between the tables."""
    logging.disable(logging.INFO)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
