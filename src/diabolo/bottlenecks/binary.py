"""The binary code: zeros and ones, for hashes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from diabolo.bottlenecks.base import Bottleneck

if TYPE_CHECKING:
    from diabolo.bottlenecks.heads.base import Head

#: Bits for each plain number, on "auto".
BITS = 4


@dataclasses.dataclass(frozen=True)
class Binary(Bottleneck):
    """Bits z = [W h + b > 0].

    In training they are drawn, with the probabilities σ(W h + b), and gradients pass as if z were
    these probabilities: a straight-through estimate (Bengio et al. 2013). The draws push the
    probabilities towards 0 and 1, where a bit says most (Salakhutdinov & Hinton 2009 add noise for
    the same reason).
    """

    smooth: ClassVar[bool] = False

    def code_size(self, rank: int) -> int:
        return BITS * rank

    def build(self, features: int, code_size: int) -> Head:
        from diabolo.bottlenecks.heads.binary import BinaryHead

        return BinaryHead(features, code_size)
