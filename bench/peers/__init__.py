"""The same training job given to Diabolo and to its peers, each in one function.

All train x → widths → … → code → … → x with ReLU between the layers, a linear code, a linear
output, squared error and Adam, shuffled every epoch, and nothing else. What a peer does by default
beyond that is switched off here and named in its docstring. What remains different:

- weights start as PyOD starts them (Kaiming uniform) wherever the net is the user's own, that is in
  torch, pythae, skorch, Keras and JAX; Diabolo starts them in its own way;
- Diabolo trains in bf16 where the processor has instructions for it, and in fp32 in a second row;
  the others train in fp32, for none of them offers anything else on a CPU without more code;
- Keras runs on JAX, which took two thirds of the time of its TensorFlow backend;
- PyOD and the JAX loop drop the last incomplete batch of an epoch;
- pythae and Diabolo sum the squared error over the columns where the others average it, which Adam
  does not notice; pythae also copies the model after each epoch that improved.

Peers are imported where they are used: a benchmark needs only those that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from bench.peers.job import Fitted, Job, Laps
from bench.peers.ours import diabolo, diabolo_fp32
from bench.peers.torch_peers import pyod, pythae, skorch, torch_loop, torch_loop_medium
from bench.peers.xla import jax_scan, keras

#: Name → how it is called in tables, and the function.
PEERS: dict[str, tuple[str, Callable[[np.ndarray, Job], Fitted]]] = {
    "diabolo": ("Diabolo", diabolo),
    "diabolo_fp32": ("Diabolo, fp32", diabolo_fp32),
    "torch_loop": ("torch, DataLoader loop", torch_loop),
    "torch_loop_medium": ('the same, precision "medium"', torch_loop_medium),
    "pyod": ("PyOD AutoEncoder", pyod),
    "pythae": ("pythae AE", pythae),
    "skorch": ("skorch", skorch),
    "keras": ("Keras", keras),
    "jax_scan": ("JAX, epochs compiled", jax_scan),
}


def warm_up(names: Iterable[str], x: np.ndarray, job: Job) -> tuple[list[str], list[str]]:
    """Train the job once with each peer, so that imports and lazy starts are in no fit's time.

    Returns
    -------
    present, missing : list of str
        The peers that can be imported, and what is said of those that cannot.
    """
    present, missing = [], []
    for name in names:
        try:
            PEERS[name][1](x, job)
        except ImportError as error:
            missing.append(f"{PEERS[name][0]} is left out: {error}.")
        else:
            present.append(name)
    return present, missing


__all__ = ["PEERS", "Fitted", "Job", "Laps", "warm_up"]
