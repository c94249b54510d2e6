"""Several autoencoders of one make, trained and evaluated at once.

Where all layers are dense, those of all members are one batched product. Members differ in their
first weights and in the noise they see; they share each batch of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, vmap

from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks.heads.base import Code
from diabolo.cells import Cells
from diabolo.layers import layers_of
from diabolo.likelihoods.base import Likelihood
from diabolo.random import Noise, derive_seed


class Ensemble(nn.Module):
    """Autoencoders whose weights are stacked: each parameter has a leading axis of members.

    Codes are those of the first member. Reconstructions and log-probabilities are means over the
    members: the error of a mean is at most the mean of the errors.

    Parameters
    ----------
    members : int
    *parts
        Of each member, as `AutoencoderModule` takes them.
    """

    def __init__(self, members: int, *parts: Any):
        super().__init__()
        self.members, self.parts = members, parts
        # One member's structure around the weights of all. It is only ever called with the weights
        # of one member in their place.
        self.stacked = AutoencoderModule(*parts)
        # Convolutions come one member after the other: in one call they take half as long again,
        # and autocast does not see them there.
        self.batched = all(layer.weight.ndim == 2 for layer in layers_of(self.stacked))
        for module in self.stacked.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                stack = parameter.new_empty((members, *parameter.shape))
                setattr(module, name, nn.Parameter(stack, parameter.requires_grad))

    @torch.no_grad()
    def initialise(self, seed: int, x: torch.Tensor) -> None:
        """Initialise each member on the rows x (n, *shape), the first one as if it were alone."""
        for member, own in self.each(seed):
            member.initialise(own, x)

    def each(self, seed: int) -> Iterator[tuple[AutoencoderModule, int]]:
        """Yield each member, with its weights in the ensemble's memory, and its part of the seed.

        That of the first one is the whole, as if it were alone.
        """
        for i in range(self.members):
            member = AutoencoderModule.planned(*self.parts)
            weights = {name: stack[i] for name, stack in self.stacked.state_dict().items()}
            member.load_state_dict(weights, assign=True)
            yield member, derive_seed(seed, "member", i) if i else seed

    @torch.no_grad()
    def sort(self, losses: torch.Tensor) -> None:
        """Put the members in the order of their losses (members,), the best one first."""
        order = losses.argsort(stable=True)
        for stack in self.stacked.parameters():
            stack.copy_(stack[order])

    @property
    def weights(self) -> int:
        """Number of weights, of all members together."""
        return sum(p.numel() for p in self.parameters())

    @property
    def products(self) -> int:
        """Products of a weight and a value for each row, of all members together."""
        return self.members * self.stacked.products

    @property
    def likelihood(self) -> Likelihood:
        return self.stacked.likelihood

    @property
    def encoder(self) -> Any:
        return self.stacked.encoder

    @property
    def cells(self) -> Cells:
        return self.stacked.cells

    def forward(
        self, x: torch.Tensor, noise: Noise | None = None, learning: bool = True
    ) -> torch.Tensor:
        """Return the objective per row and member, (n, members), for x (n, *shape)."""
        return self._all("forward", x, noise, learning).T  # (members, n) -> (n, members)

    def all_seen(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what each member's encoder makes of x, and its reconstruction, at once.

        (members, n, out_features), (members, n, *shape)
        """
        return self._all("seen", x)

    def reconstructions(self, x: torch.Tensor) -> torch.Tensor:
        """Return each member's reconstruction of x (n, *shape), (members, n, *shape)."""
        return self._all("reconstruct", x)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean reconstruction of x, (n, *shape)."""
        return self.reconstructions(x).mean(dim=0)

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of log p(x | z) over the members, (n,)."""
        return self._all("log_prob", x).mean(dim=0)

    def encode(self, x: torch.Tensor) -> Code:
        """Return the first member's codes of x (n, *shape)."""
        return self._first("encode", x)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Return the first member's parameters of p(x | z) for z (n, code_size)."""
        return self._first("decode", z)

    def indices(self, x: torch.Tensor) -> torch.Tensor:
        """Return the numbers of the vectors in the first member's quantised codes of x."""
        return self._first("indices", x)

    def divergence(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the first member's variational codes of x cost, by unit."""
        return self._first("divergence", x)

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw codes from the first member's prior, (count, code_size)."""
        return self._first("sample", count, generator)

    def _all(self, method: str, *arguments: Any) -> Any:
        call = _Call(self.stacked, method)

        def member(weights: dict[str, torch.Tensor]) -> torch.Tensor:
            return functional_call(call, weights, arguments)

        weights: dict[str, torch.Tensor] = dict(call.named_parameters())
        if not self.batched:
            # Not by index: each would have a gradient as large as the stack.
            apart = {name: stack.unbind() for name, stack in weights.items()}
            each = [member({n: own[i] for n, own in apart.items()}) for i in range(self.members)]
            several = isinstance(each[0], tuple)
            return (
                tuple(map(torch.stack, zip(*each, strict=True))) if several else torch.stack(each)
            )
        return vmap(member, randomness="different")(weights)

    def _first(self, method: str, *arguments: Any) -> Any:
        call = _Call(self.stacked, method)
        return functional_call(call, {n: p[0] for n, p in call.named_parameters()}, arguments)


class _Call(nn.Module):
    """A method of a module as a module of its own: what `functional_call` can call."""

    def __init__(self, module: nn.Module, method: str):
        super().__init__()
        self.module, self.method = module, method

    def forward(self, *arguments: Any) -> Any:
        return getattr(self.module, self.method)(*arguments)
