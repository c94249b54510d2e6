"""Peers that compile with XLA: Keras, and JAX with whole epochs in one call."""

from __future__ import annotations

import itertools
import os
import time
from typing import Any

import numpy as np

from bench.peers.job import Fitted, Job, Laps


def import_keras() -> Any:
    """Import Keras on JAX, its faster backend on a CPU, unless the environment names another."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import keras

    return keras


def keras(x: np.ndarray, job: Job) -> Fitted:
    """A Keras 3 ``Sequential`` model, compiled with Adam and "mse", trained by ``fit(x, x)``."""
    library = import_keras()
    laps = Laps()

    class Timed(library.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            laps.start()

        def on_epoch_end(self, epoch, logs=None):
            laps.lap()

    library.utils.set_random_seed(job.seed)
    model = keras_model(job.encoder_sizes(x.shape[1]), kernel_initializer="he_uniform")
    model.compile(optimizer=library.optimizers.Adam(job.learning_rate), loss="mse")
    options = {"batch_size": job.batch_size, "epochs": job.epochs, "verbose": 0}
    model.fit(x, x, callbacks=[Timed()], **options)
    return Fitted(lambda rows: model.predict(rows, verbose=0), laps.seconds, model)


def keras_model(sizes: list[int], output: str = "linear", **options: Any) -> Any:
    """Return the ``Sequential`` model over these widths and back, ReLU between, linear code."""
    library = import_keras()
    *hidden, code = sizes[1:]
    dense = library.layers.Dense
    layers = [dense(width, activation="relu", **options) for width in hidden]
    layers.append(dense(code, **options))
    layers += [dense(width, activation="relu", **options) for width in reversed(hidden)]
    layers.append(dense(sizes[0], activation=output))
    return library.Sequential([library.Input((sizes[0],)), *layers])


def jax_scan(x: np.ndarray, job: Job) -> Fitted:
    """JAX with a whole epoch in one compiled ``lax.scan``, Adam written out.

    The most that compilation can save: no Python between steps. The last incomplete batch is
    dropped, as PyOD does.
    """
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax
    import jax.numpy as jnp

    sizes = job.encoder_sizes(x.shape[1])
    linear = (len(sizes) - 2, 2 * len(sizes) - 3)  # the code's layer and the output's
    steps = len(x) // job.batch_size
    data = jnp.asarray(x)

    def reconstruct(weights, rows):
        for i, (matrix, bias) in enumerate(weights):
            rows = rows @ matrix + bias
            rows = rows if i in linear else jax.nn.relu(rows)
        return rows

    def loss(weights, rows):
        return jnp.square(reconstruct(weights, rows) - rows).mean()

    def adam(state, rows):
        weights, first, second, count = state
        gradient = jax.grad(loss)(weights, rows)
        count = count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        c1, c2 = 1 - 0.9**count, 1 - 0.999**count
        weights = jax.tree.map(
            lambda w, m, v: w - job.learning_rate * (m / c1) / (jnp.sqrt(v / c2) + 1e-8),
            weights,
            first,
            second,
        )
        return (weights, first, second, count), None

    def epoch(state, data, key):
        order = jax.random.permutation(key, len(data))[: steps * job.batch_size]
        batches = order.reshape(steps, job.batch_size)
        return jax.lax.scan(lambda state, batch: adam(state, data[batch]), state, batches)[0]

    weights = _weights([*sizes, *sizes[-2::-1]], job.seed)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = (jax.tree.map(jnp.asarray, weights), zeros, zeros, jnp.zeros(()))
    keys = jax.random.split(jax.random.key(job.seed), job.epochs)
    began = time.perf_counter()
    compiled = jax.jit(epoch).lower(state, data, keys[0]).compile()
    compile_seconds = time.perf_counter() - began
    laps = Laps()
    laps.start()
    for key in keys:
        state = jax.block_until_ready(compiled(state, data, key))
        laps.lap()
    final = state[0]
    return Fitted(
        lambda rows: np.asarray(reconstruct(final, jnp.asarray(rows))),
        laps.seconds,
        final,
        compile_seconds,
    )


def _weights(sizes: list[int], seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw matrices (inputs, outputs) as PyOD does, the last one as torch does; biases are zero."""
    rng = np.random.default_rng(seed)
    weights = []
    for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        bound = ((1 if i == len(sizes) - 2 else 6) / inputs) ** 0.5
        matrix = rng.uniform(-bound, bound, (inputs, outputs)).astype(np.float32)
        weights.append((matrix, np.zeros(outputs, np.float32)))
    return weights
