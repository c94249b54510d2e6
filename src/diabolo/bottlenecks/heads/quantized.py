"""The head of `Quantized`."""

from __future__ import annotations

import torch
from torch import nn

from diabolo.bottlenecks.heads.base import Code, Head
from diabolo.bottlenecks.heads.binary import straight_through
from diabolo.bottlenecks.heads.plain import centre
from diabolo.layers import Dense, full
from diabolo.random import Noise

#: An entry is dead where its share of the vectors is below this share of an even one.
DEAD = 0.1


class QuantizedHead(Head):
    """h (n, features) → z (n, code_size), of vectors from codebooks (places, codes, vector)."""

    def __init__(
        self,
        features: int,
        code_size: int,
        codes: int,
        vector: int,
        commitment: float,
        decay: float,
    ):
        super().__init__()
        self.layer = Dense(features, code_size)
        self.commitment, self.decay = commitment, decay
        self.shape = (code_size // vector, vector)
        places = code_size // vector
        self.codebook = nn.Parameter(torch.empty(places, codes, vector), requires_grad=False)
        #: Each entry's share of the vectors at its place, lately.
        self.used = nn.Parameter(torch.empty(places, codes), requires_grad=False)

    def forward(self, h: torch.Tensor, noise: Noise | None = None, learning: bool = False) -> Code:
        u = full(self.layer(h))
        with torch.autocast(h.device.type, enabled=False):  # nearest in bf16 is not nearest
            vectors = u.unflatten(1, self.shape)  # (n, code_size) -> (n, places, vector)
            indices = self.nearest(vectors.detach())
            z = self._entries(indices)
            if noise is None:
                return Code(z, {})
            costs = {"commitment": self.commitment * (u - z).square().sum(dim=1)}
            if learning:
                self._follow(vectors.detach(), indices, noise)
        return Code(straight_through(z, u), costs)

    def indices(self, h: torch.Tensor) -> torch.Tensor:
        """Return the number of each vector in its codebook, (n, places)."""
        return self.nearest(self.layer(h).unflatten(1, self.shape))

    def nearest(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the nearest entry of each vector (n, places, vector): its number, (n, places)."""
        # ‖u − e‖² without ‖u‖², which is the same for all entries.
        products = torch.einsum("npv,pcv->npc", vectors, self.codebook)
        return (self.codebook.square().sum(dim=2) - 2 * products).argmin(dim=2)

    def _entries(self, indices: torch.Tensor) -> torch.Tensor:
        """Return the vectors of these numbers (n, places), one after the other: (n, code_size)."""
        places = torch.arange(self.shape[0], device=indices.device)
        return self.codebook[places, indices].flatten(1)  # (n, places, vector) -> (n, code_size)

    @torch.no_grad()
    def _follow(self, vectors: torch.Tensor, indices: torch.Tensor, noise: Noise) -> None:
        """Move the entries towards the vectors that chose them, and dead ones onto some vectors."""
        numbers = torch.arange(self.used.shape[1], device=indices.device)
        chosen = (indices[:, :, None] == numbers).to(vectors.dtype) / len(vectors)
        share = chosen.sum(dim=0)  # (n, places, codes) -> (places, codes)
        used = torch.lerp(share, self.used, self.decay)
        # The mean of an entry's vectors, kept as a mean: m ← m + (1 − γ) (Σu − N m) / N.
        sums = torch.einsum("npc,npv->pcv", chosen, vectors)
        excess = sums - share[:, :, None] * self.codebook
        moved = self.codebook + (1 - self.decay) * excess / used[:, :, None].clamp(min=1e-12)
        even = 1 / self.used.shape[1]
        dead = used < DEAD * even
        drawn = vectors[noise.integers(len(vectors), (self.used.shape[1],))]
        moved = torch.where(dead[:, :, None], drawn.transpose(0, 1), moved)
        self.used.copy_(torch.where(dead, even, used))
        self.codebook.copy_(moved)

    @torch.no_grad()
    def centre(self, h: torch.Tensor) -> None:
        centre(self.layer, h)
        vectors = self.layer(h).unflatten(1, self.shape)
        codes = self.used.shape[1]
        # Entries start at rows; where these are fewer, at the same ones with some distance.
        rows = torch.arange(codes, device=h.device) % len(vectors)
        again = torch.arange(codes, device=h.device) // len(vectors)
        spread = vectors.std(dim=0, correction=0) * 0.01  # (places, vector)
        start = vectors[rows] + again[:, None, None] * spread
        self.codebook.copy_(start.transpose(0, 1))  # (codes, places, v) -> (places, codes, v)
        self.used.fill_(1 / codes)
