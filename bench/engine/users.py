"""The deep net as users of other libraries would train it: their defaults, watched over time.

Each function trains on rows of pixels (n, 784) until the course is over. Batch size, optimiser and
learning rate are the library's own. Layers have the widths of ours, with ReLU between them; what
else a net has is what the library's own nets have. The code is linear where there is a choice.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Callable

import numpy as np
import torch

from bench.engine.clock import Course, Over
from bench.peers.job import forward
from bench.peers.torch_peers import pythae_model, silence
from bench.peers.xla import import_keras, keras_model

#: What a peer's function gets to measure with: the net as a function of rows → its error.
Measure = Callable[[Callable[[np.ndarray], np.ndarray]], float]

#: More than any budget allows.
EPOCHS = 10_000


def pythae(x: np.ndarray, sizes: list[int], course: Course, measure: Measure, device: str) -> None:
    """pythae: batches of 64, Adam at 1e-4, sigmoid output, squared error."""
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    torch.manual_seed(0)
    encoder, decoder = _layers(sizes), _layers(sizes[::-1])
    decoder.append(torch.nn.Sigmoid())
    net = torch.nn.Sequential(encoder, decoder)
    reconstruct = forward(net)

    class Watched(TrainingCallback):
        def on_train_step_end(self, training_config, **kwargs):
            course.step(lambda: measure(reconstruct))

    with tempfile.TemporaryDirectory() as folder, silence():
        training = BaseTrainerConfig(output_dir=folder, num_epochs=EPOCHS, no_cuda=device == "cpu")
        model = pythae_model(encoder, decoder, x.shape[1:], sizes[-1])
        course.start()
        TrainingPipeline(model, training)(x, callbacks=[Watched()])


def pyod(x: np.ndarray, sizes: list[int], course: Course, measure: Measure, device: str) -> None:
    """PyOD: batches of 32, Adam at 1e-3, batch norm, dropout 0.2, ReLU also behind the code.

    It would standardise the pixels, divide by a deviation of nearly zero where no training image
    has ink, and lose one test image entirely; without that it sees the pixels from 0 to 1.
    """
    from pyod.models.auto_encoder import AutoEncoder

    class Watched(AutoEncoder):
        def training_forward(self, batch_data):
            loss = super().training_forward(batch_data)
            course.step(lambda: measure(forward(self.model)))
            return loss

    detector = Watched(
        preprocessing=False,
        epoch_num=EPOCHS,
        hidden_neuron_list=sizes[1:],
        device=torch.device(device),
        verbose=0,
    )
    course.start()
    detector.fit(x)


def keras(x: np.ndarray, sizes: list[int], course: Course, measure: Measure, device: str) -> None:
    """Keras: batches of 32, Adam at 1e-3, sigmoid output, cross-entropy, as its tutorials do."""
    library = import_keras()

    class Watched(library.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            # Diabolo is watched then too, and to be asked after each batch makes Keras wait for it.
            course.step(lambda: measure(self._reconstruct), self._wait)

        def _wait(self):  # steps run ahead of Python
            if library.backend.backend() == "jax":
                self.model.jax_state_sync()
            library.ops.convert_to_numpy(self.model.trainable_variables[-1].value)

        def _reconstruct(self, rows):
            return library.ops.convert_to_numpy(self.model(rows, training=False))

    library.utils.set_random_seed(0)
    model = keras_model(sizes, "sigmoid")
    model.compile(optimizer="adam", loss="binary_crossentropy")
    course.start()
    model.fit(x, x, epochs=EPOCHS, verbose=0, callbacks=[Watched()])


#: Name → how it is called in tables, and the function.
USERS = {
    "pythae": ("pythae AE", pythae),
    "pyod": ("PyOD AutoEncoder", pyod),
    "keras": ("Keras", keras),
}


def train(
    name: str,
    x: np.ndarray,
    sizes: list[int],
    course: Course,
    measure: Measure,
    device: str = "cpu",
) -> None:
    """Train with one library until the course is over.

    Raises
    ------
    ImportError
        If the library is not installed.
    """
    with contextlib.suppress(Over):
        USERS[name][1](x, sizes, course, measure, device)


def _layers(sizes: list[int]) -> torch.nn.Sequential:
    """Linear layers as torch starts them, with ReLU between them."""
    layers: list[torch.nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])
