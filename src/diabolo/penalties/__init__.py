"""Penalties: what training adds to the objective, to shape the code."""

from __future__ import annotations

from diabolo.penalties.base import Penalty
from diabolo.penalties.contractive import Contractive
from diabolo.penalties.kl_sparsity import KLSparsity
from diabolo.penalties.l1 import L1

PENALTIES: dict[str, type[Penalty]] = {
    "l1": L1,
    "kl_sparsity": KLSparsity,
    "contractive": Contractive,
}

__all__ = ["L1", "PENALTIES", "Contractive", "KLSparsity", "Penalty"]
