"""The restricted Boltzmann machine: visible and hidden units, connected by weights W.

p(v, h) ∝ exp(hᵀ W v + bᵀ v + cᵀ h − base(v) − base(h)), and summed over h it is exp(−F(v)), where
the free energy is F(v) = base(v) − bᵀ v − Σ log_partition(W v + c).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from diabolo.bottlenecks.heads.base import Code
from diabolo.bottlenecks.heads.binary import straight_through
from diabolo.layers import Dense
from diabolo.pretraining.units import UNITS
from diabolo.random import Noise, torch_generator

#: Deviation of the first weights (Hinton 2010, section 8).
START = 0.01

#: Deviation of rows that have no scale of their own, where units have one of 1 around their means:
#: machines take what is smaller than that for noise. At 1 some tables of few columns were rebuilt
#: worse than without pretraining; between 1.4 and 4 all are alike.
DEVIATION = 2.0


class Machine(nn.Module):
    """A restricted Boltzmann machine, trained by the one loop.

    Parameters
    ----------
    visible, hidden : int
        Numbers of units.
    visible_units, hidden_units : str
        Their kinds, names of `UNITS`.
    steps : int
        Of Gibbs sampling for an update.
    chains : int
        That go on from update to update; with 0 sampling begins at the data each time.
    """

    def __init__(
        self,
        visible: int,
        hidden: int,
        visible_units: str,
        hidden_units: str,
        steps: int = 1,
        chains: int = 0,
    ):
        super().__init__()
        self.visible, self.hidden = UNITS[visible_units], UNITS[hidden_units]
        #: W and c.
        self.layer = Dense(visible, hidden)
        #: b
        self.visible_bias = nn.Parameter(torch.empty(visible, dtype=torch.float32))
        #: Values of rows are divided by it.
        self.scale = 1.0
        self.steps = steps
        memory = torch.empty((chains, visible), dtype=torch.float32)
        self.chains = nn.Parameter(memory, requires_grad=False) if chains else None

    @classmethod
    def empty(cls, *arguments: Any) -> Machine:
        """Build with memory that holds nothing yet, without drawing from any generator."""
        with torch.device("meta"):
            machine = cls(*arguments)
        return machine.to_empty(device="cpu")

    @torch.no_grad()
    def initialise(self, seed: int, x: torch.Tensor) -> None:
        """Draw the weights from `seed`; visible units and chains start at the rows x (n, visible).

        Without hidden units the machine would model each value by its mean.
        """
        if not self.visible.bounded:
            deviation = float((x - x.mean(dim=0)).square().mean().sqrt())
            self.scale = deviation / DEVIATION if deviation > 0 else 1.0
        v = x / self.scale
        self.layer.weight.normal_(0.0, START, generator=torch_generator(seed, "weights"))
        self.layer.bias.zero_()
        self.visible_bias.copy_(self.visible.likelihood.bias(v.mean(dim=0)))
        if self.chains is not None:
            self.chains.copy_(v[torch.arange(len(self.chains)) % len(v)])

    @property
    def products(self) -> int:
        """Number of products of a weight and a value for a row, a third of those of an update."""
        return self.layer.products * (2 * self.steps + 3) // 3

    def encode(self, x: torch.Tensor) -> Code:
        """Return the hidden units of rows x (n, visible) where nothing is drawn."""
        return Code(self.hidden.likelihood.mean(self.layer(x / self.scale)), {})

    def decode(self, h: torch.Tensor) -> torch.Tensor:
        """Return the rows (n, visible) of hidden units h (n, hidden) where nothing is drawn."""
        return self.scale * self.visible.likelihood.mean(self.down(h))

    def down(self, h: torch.Tensor) -> torch.Tensor:
        """Return the inputs of the visible units, (n, visible)."""
        return F.linear(h, self.layer.weight.T, self.visible_bias)

    def free_energy(self, v: torch.Tensor) -> torch.Tensor:
        """Return F(v) of values v (n, visible) of the visible units, (n,)."""
        return self._free_energy(v, self.layer(v))

    def _free_energy(self, v: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        return (
            self.visible.base(v).sum(dim=1)
            - v @ self.visible_bias
            - self.hidden.log_partition(u).sum(dim=1)
        )

    def forward(self, x: torch.Tensor, noise: Noise, learning: bool = True) -> torch.Tensor:
        """Return how ill rows x (n, visible) are rebuilt, (n,), with the gradients of learning.

        The value is −log p(v | h), in nats, for hidden units drawn once; what the machine minimises
        cannot be computed. Its gradient is that of F(v) − F(v'), where v' is what the machine makes
        of v or of its chains (Hinton 2002): of the visible units the means given hidden ones that
        are drawn, for data are means too, where they are not zeros and ones.
        """
        v = x / self.scale
        u = self.layer(v)
        with torch.no_grad():
            rebuilt = self._drawn_back(u, noise)
            error = -self.visible.likelihood.log_prob(rebuilt, v).sum(dim=1)
            model = self.visible.likelihood.mean(self._sampled(rebuilt, noise))
        contrast = self._free_energy(v, u) - self.free_energy(model).mean()
        return straight_through(error, contrast)

    def _drawn_back(self, u: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Draw hidden units of inputs u (n, hidden); return the visible ones' inputs."""
        return self.down(self.hidden.draw(u, noise))

    def _sampled(self, inputs: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Return inputs of the visible units as sampling has them in the end.

        It begins at inputs (n, visible) after one step already, or goes on with its chains.
        """
        if self.chains is not None:
            inputs = self._drawn_back(self.layer(self.chains), noise)
        for _ in range(self.steps - 1):
            inputs = self._drawn_back(self.layer(self.visible.draw(inputs, noise)), noise)
        if self.chains is not None:
            self.chains.copy_(self.visible.draw(inputs, noise))
        return inputs

    @torch.no_grad()
    def unroll(self, layer: nn.Linear, back: nn.Linear) -> None:
        """Set the weights of a layer of the encoder and of the one that leads back.

        Outputs of that one beyond the visible units, which say how sure it is, stay as they are.
        """
        layer.weight.copy_(self.layer.weight / self.scale)
        layer.bias.copy_(self.layer.bias)
        count = len(self.visible_bias)
        back.weight[:count] = self.layer.weight.T * self.scale
        back.bias[:count] = self.visible_bias * self.scale
