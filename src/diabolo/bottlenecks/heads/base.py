"""What every head offers, and what it returns."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import nn

from diabolo.layers import Dense
from diabolo.random import Noise


class Code(NamedTuple):
    """A batch of codes and what they cost.

    Attributes
    ----------
    z : Tensor (n, code_size)
        What the decoder gets.
    costs : dict of str to Tensor (n,)
        Named terms, per sample, that the objective adds to −log p(x | z).
    second : (float, Tensor (n, code_size)) or None
        A weight, and other codes that shall explain the rows too: the objective adds the weight
        times their −log p(x | z).
    """

    z: torch.Tensor
    costs: dict[str, torch.Tensor]
    second: tuple[float, torch.Tensor] | None = None


class Head(nn.Module, abc.ABC):
    """The last layer of the encoder, which makes the code."""

    #: Whether a unit of the code is one layer's output, whatever the others are.
    pointwise = False

    layer: Dense

    @property
    def code_layer(self) -> Dense:
        """The layer whose weights lead from features to the code."""
        return self.layer

    @abc.abstractmethod
    def forward(self, h: torch.Tensor, noise: Noise | None = None, learning: bool = False) -> Code:
        """Return the codes of the features h (n, features).

        Parameters
        ----------
        noise : Noise, optional
            Given for what training minimises; without it codes are a function of h alone, and
            what they cost is told by `costs`.
        learning : bool
            Whether these rows are learned from. Only then what the head keeps between steps
            changes.
        """

    @abc.abstractmethod
    def centre(self, h: torch.Tensor) -> None:
        """Set the biases, and all else that starts from data, on these features."""

    def costs(self, h: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what codes without noise cost, as `Code.costs`: nothing, but where they are means.

        Apart from the codes, for only who asks for the objective needs it.
        """
        return {}

    def scored(self, h: torch.Tensor) -> Iterator[Code]:
        """Yield the codes at which rows are scored; a score is the mean over them."""
        yield self(h)
