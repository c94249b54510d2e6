"""Randomness without globals: every draw has a key, and a key always gives the same numbers.

A run owns one integer seed. What is drawn at a place is determined by (seed, place), for example
(seed, "noise", epoch, batch), so that it depends on no draw before it, and nobody else's random
state is touched.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, *key: int | str) -> int:
    """Return a 63-bit integer determined by `seed` and `key` (numpy's ``SeedSequence``)."""
    # The length is hashed too, because SeedSequence takes missing words for zeros.
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else int(part) for part in key]
    state = np.random.SeedSequence([int(seed), len(words), *words]).generate_state(2, np.uint32)
    return (int(state[0]) << 31) ^ int(state[1])


def torch_generator(seed: int, *key: int | str, device: str = "cpu") -> torch.Generator:
    """Return a new torch generator for this key."""
    import torch

    return torch.Generator(device=device).manual_seed(derive_seed(seed, *key))


def numpy_generator(seed: int, *key: int | str) -> np.random.Generator:
    """Return a new numpy generator for this key."""
    return np.random.default_rng(derive_seed(seed, *key))


class Noise:
    """The random tensors of one training step.

    Modules take ``noise: Noise | None``; ``None`` means evaluation, which is deterministic.

    Parameters
    ----------
    seed, *key
        They determine the numbers.
    device : str
    at : float
        Place of the step in the run, 0 to 1, for costs that grow; rows that only judge the model
        are at its end. What goes by it uses `position`: steps may be recorded, and only that
        follows in a replay.
    """

    def __init__(self, seed: int, *key: int | str, device: str = "cpu", at: float = 1.0):
        self.seed, self.key, self.device, self.at = seed, key, device, at

    @functools.cached_property
    def position(self) -> torch.Tensor:
        """The place in the run as a tensor (), so that what is made of it can be recorded."""
        import torch

        return torch.tensor(self.at, device=self.device, dtype=torch.float32)

    @functools.cached_property
    def generator(self) -> torch.Generator:
        """Where the numbers come from; made when first asked for, which most steps never do."""
        return torch_generator(self.seed, *self.key, device=self.device)

    def integers(self, below: int, shape: tuple[int, ...]) -> torch.Tensor:
        """Return whole numbers from 0 to below `below`."""
        import torch

        return torch.randint(below, shape, generator=self.generator, device=self.device)

    def again(self) -> Noise:
        """Return the same noise from its beginning."""
        return Noise(self.seed, *self.key, device=self.device, at=self.at)

    def become(self, other: Noise) -> None:
        """Take another's place in the run, in the same tensor and the same generator."""
        self.seed, self.key, self.at = other.seed, other.key, other.at
        self.position.fill_(self.at)
        self.generator.manual_seed(derive_seed(self.seed, *self.key))

    def uniform(self, shape: Sequence[int]) -> torch.Tensor:
        """Return uniform numbers in [0, 1), in fp32: bf16 knows only 256 of them."""
        import torch

        return torch.rand(shape, generator=self.generator, device=self.device, dtype=torch.float32)

    def normal(self, shape: Sequence[int]) -> torch.Tensor:
        """Return standard normal numbers, in fp32."""
        import torch

        return torch.randn(shape, generator=self.generator, device=self.device, dtype=torch.float32)

    def dropout(self, x: torch.Tensor, rate: float) -> torch.Tensor:
        """Return x with each value zeroed with probability `rate`, the others scaled up."""
        return x * (self.uniform(x.shape) >= rate) / (1 - rate)
