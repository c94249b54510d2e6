"""The autoencoder itself: encoder, bottleneck, decoder, likelihood, and what training minimises.

::

    x ── corruption ── encoder ──▶ h ── bottleneck ──▶ z ── decoder ──▶ px, of p(x | z)
    objective = −log p(x | z)  +  cost of the bottleneck  +  Σ penalties    (per sample, named)
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import nn

from diabolo.augmentations import Augmentation
from diabolo.bottlenecks import Bottleneck
from diabolo.bottlenecks.heads.base import Code
from diabolo.cells import Cells, column_means, filled
from diabolo.corruptions import Corruption
from diabolo.layers import chunk_rows, initialise, layers_of
from diabolo.likelihoods.base import Likelihood
from diabolo.networks import Network
from diabolo.penalties import Penalty
from diabolo.random import Noise, torch_generator


@dataclasses.dataclass(frozen=True)
class Loss:
    """Named terms of the objective, each (n,), in nats per sample."""

    terms: dict[str, torch.Tensor]

    @property
    def total(self) -> torch.Tensor:
        """Sum of the terms, (n,)."""
        first, *others = self.terms.values()
        return sum(others, start=first)


class AutoencoderModule(nn.Module):
    """Parts put together for inputs of one shape, with gaps or without.

    ``noise=None`` means evaluation: every output is then a deterministic function of x.
    """

    encoder: Any
    bottleneck: Any
    decoder: Any

    def __init__(
        self,
        shape: tuple[int, ...],
        code_size: int,
        network: Network,
        bottleneck: Bottleneck,
        likelihood: Likelihood,
        augmentation: Augmentation | None = None,
        corruption: Corruption | None = None,
        penalties: tuple[Penalty, ...] = (),
        cells: Cells | None = None,
    ):
        super().__init__()
        self.cells = cells or Cells("table", shape)
        self.encoder = network.encoder(self.cells.shown_shape)
        self.bottleneck = bottleneck.build(self.encoder.out_features, code_size)
        self.decoder = network.decoder(code_size, shape, likelihood.outputs)
        if network.tied:
            self.decoder.tie([*layers_of(self.encoder), self.bottleneck.code_layer])
        self.shape = shape
        self.likelihood = likelihood
        self.augmentation, self.corruption, self.penalties = augmentation, corruption, penalties

    @classmethod
    def planned(cls, *args: Any, **options: Any) -> AutoencoderModule:
        """Build without memory, on torch's device "meta"."""
        with torch.device("meta"):
            return cls(*args, **options)

    @classmethod
    def empty(cls, *args: Any, **options: Any) -> AutoencoderModule:
        """Build with memory that holds nothing yet, without drawing from any generator."""
        return cls.planned(*args, **options).to_empty(device="cpu")

    @torch.no_grad()
    def initialise(self, seed: int, x: torch.Tensor) -> None:
        """Draw the weights from `seed`, and set biases on the rows x (n, *shape).

        The decoder starts at the mean of the data, and code units start centred.
        """
        initialise(self, torch_generator(seed, "weights"))
        mean = column_means(x) if self.cells.gaps else x.mean(dim=0)
        self.decoder.set_output_bias(self.likelihood.bias(mean))
        # In pieces, for the maps of large images would not fit.
        pieces = x.split(chunk_rows(self))
        if not all(p.requires_grad for p in self.encoder.parameters()):
            # What the network keeps between steps starts from these rows.
            for i, piece in enumerate(pieces):
                self.features(piece, Noise(seed, "start", i))
        features = [self.features(piece) for piece in pieces]
        self.bottleneck.centre(torch.cat(features))

    @property
    def weights(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.parameters())

    @property
    def products(self) -> int:
        """Number of products of a weight and a value that a row takes, there and back."""
        return sum(layer.products for layer in layers_of(self))

    @property
    def values(self) -> int:
        """Number of values that a row has behind all its layers, there and back."""
        return sum(layer.outputs for layer in layers_of(self))

    def features(self, x: torch.Tensor, noise: Noise | None = None) -> torch.Tensor:
        """Return what the encoder makes of x (n, *shape) for the bottleneck, (n, out_features)."""
        return self.encoder(self.cells.shown(x), noise)

    def encode(self, x: torch.Tensor, noise: Noise | None = None) -> Code:
        """Return the codes of x (n, *shape)."""
        return self.bottleneck(self.features(x, noise), noise)

    def decode(self, z: torch.Tensor, noise: Noise | None = None) -> torch.Tensor:
        """Return the parameters of p(x | z) for z (n, code_size)."""
        return self.decoder(z, noise)

    def indices(self, x: torch.Tensor) -> torch.Tensor:
        """Return the numbers of the vectors that the quantised codes of x (n, *shape) are made of.

        (n, vectors in a code)
        """
        return self.bottleneck.indices(self.features(x))

    def divergence(self, x: torch.Tensor) -> torch.Tensor:
        """Return what a variational code of x (n, *shape) costs, by unit: see `Prior`."""
        return self.bottleneck.divergence(self.features(x))

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw codes from the prior, (count, code_size)."""
        return self.bottleneck.prior.sample(count, generator)

    def objective(self, x: torch.Tensor, noise: Noise | None = None, learning: bool = True) -> Loss:
        """Return the named terms that training minimises, for x (n, *shape).

        With noise, x is augmented first: the target changes with the input; then it is corrupted
        for the encoder, and the target is not; and penalties are added.

        Parameters
        ----------
        learning : bool
            False for rows that only judge the model: without dropout, and without augmentation
            unless it says what the data are.
        """
        dropping = noise if learning else None
        if self.augmentation is not None:
            changing = noise if self.augmentation.of_data else dropping
            x = x if changing is None else self.augmentation.apply(x, changing)
        x_tilde = x
        if noise is not None and self.corruption is not None:
            x_tilde = self.corruption.apply(x, noise, self.cells)
        h = self.features(x_tilde, dropping)
        code = self.bottleneck(h, noise, dropping is not None)
        costs = self.bottleneck.costs(h) if noise is None else code.costs
        terms = {"reconstruction": -self._log_prob(code.z, x, dropping), **costs}
        if code.second is not None:
            weight, z = code.second
            # Without noise: the running statistics of a network are those of the codes alone.
            terms["auxiliary"] = -weight * self._log_prob(z, x)
        if noise is not None:
            for penalty in self.penalties:
                terms[penalty.term] = penalty.cost(self, x_tilde, code.z, noise)
        return Loss(terms)

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Return log p(x | z) of x (n, *shape) at its code, (n,).

        Where codes are drawn it is the lower bound on log p(x), over some fixed draws.
        """
        codes = self.bottleneck.scored(self.features(x))
        scores = [self._log_prob(z, x) - sum(costs.values()) for z, costs, _ in codes]
        return sum(scores[1:], start=scores[0]) / len(scores)

    def _log_prob(
        self, z: torch.Tensor, x: torch.Tensor, noise: Noise | None = None
    ) -> torch.Tensor:
        px = self.decode(z, noise)
        if self.cells.gaps:
            log_prob = self.likelihood.log_prob(px, filled(x)).masked_fill(x.isnan(), 0.0)
        else:
            log_prob = self.likelihood.log_prob(px, x)
        return log_prob.flatten(1).sum(dim=1)

    def seen(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features (n, out_features) of x, and the mean of p(x | z) at its code."""
        h = self.features(x)
        return h, self.likelihood.mean(self.decode(self.bottleneck(h, None).z))

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of p(x | z) at the code of x, (n, *shape)."""
        return self.seen(x)[1]

    def all_seen(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the same as of an ensemble of one member: (1, n, out_features), (1, n, *shape)."""
        h, rebuilt = self.seen(x)
        return h[None], rebuilt[None]

    def reconstructions(self, x: torch.Tensor) -> torch.Tensor:
        """Return the reconstruction alone, (1, n, *shape)."""
        return self.reconstruct(x)[None]

    def forward(
        self, x: torch.Tensor, noise: Noise | None = None, learning: bool = True
    ) -> torch.Tensor:
        """Return the objective per sample, (n,)."""
        return self.objective(x, noise, learning).total
