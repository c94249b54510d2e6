"""What every bottleneck returns."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Code(NamedTuple):
    """A batch of codes and what they cost.

    Attributes
    ----------
    z : Tensor (n, code_size)
        What the decoder gets.
    costs : dict of str to Tensor (n,)
        Named terms, per sample, that the objective adds to −log p(x | z).
    """

    z: torch.Tensor
    costs: dict[str, torch.Tensor]
