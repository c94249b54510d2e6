"""The optimisers by name."""

from __future__ import annotations

import torch
from torch import nn

#: Newton–Schulz steps of Muon. Three bring every singular value above a 65th of the update's norm
#: to between 0.68 and 1.2. Torch's default of five also lifts smaller ones, for two thirds more
#: time; on held-out MNIST rows three at a rate of 1e-2 did better than four at 8e-3.
NEWTON_SCHULZ_STEPS = 3


class Optimizer:
    """One or two torch optimisers that step together, with a common factor on their rates."""

    def __init__(self, parts: list[torch.optim.Optimizer]):
        self.parts = parts
        self.highest = [group["lr"] for part in parts for group in part.param_groups]

    def step(self, factor: float) -> None:
        """Update the weights at `factor` times the highest learning rates."""
        groups = [group for part in self.parts for group in part.param_groups]
        for group, highest in zip(groups, self.highest, strict=True):
            group["lr"] = highest * factor
        for part in self.parts:
            part.step()
            part.zero_grad()


def build_optimizer(
    name: str, module: nn.Module, learning_rate: float, weight_decay: float
) -> Optimizer:
    """Return the optimiser called `name` for the weights of `module`.

    Weight decay acts on matrices only: pulling a bias to zero regularises nothing.
    """
    matrices = [p for p in module.parameters() if p.ndim >= 2]
    vectors = [p for p in module.parameters() if p.ndim < 2]
    if name == "adam":
        groups: list[dict] = [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": vectors},
        ]
        return Optimizer([_adam(groups, learning_rate)])
    muon = torch.optim.Muon(
        matrices,
        lr=learning_rate,
        weight_decay=weight_decay,
        ns_steps=NEWTON_SCHULZ_STEPS,
        adjust_lr_fn="match_rms_adamw",
    )
    return Optimizer([muon, _adam([{"params": vectors}], learning_rate)])


def _adam(groups: list[dict], learning_rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=learning_rate, weight_decay=0.0, fused=True)
