"""Illnesses of a fitted model, each reported with its cure."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

from diabolo.errors import HealthWarning
from diabolo.estimator.resolved import Spec


def dead_units(z: torch.Tensor) -> list[int]:
    """Return the code units of z (n, k) that are zero on every row."""
    return torch.nonzero((z == 0).all(dim=0)).flatten().tolist()


def warn_of_illness(codes: Callable[[], torch.Tensor], spec: Spec) -> None:
    """Give a `HealthWarning` for each illness seen in the codes (n, k) of training rows."""
    dead = dead_units(codes()) if getattr(spec.bottleneck, "activation", "") == "relu" else []
    if dead:
        warnings.warn(
            f"{len(dead)} of {spec.code_size} code units are never active on the training data "
            f"(units {', '.join(map(str, dead[:10]))}{', …' if len(dead) > 10 else ''}), so the "
            f"code is smaller than it says: use a linear code, bottleneck=Plain(), or a learning "
            f"rate below {spec.training.learning_rate:g}",
            HealthWarning,
            stacklevel=3,
        )
