"""The sparse code: only the largest numbers of it are kept."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from diabolo.bottlenecks.base import Bottleneck
from diabolo.spec import AutoInt, is_number, require

if TYPE_CHECKING:
    from diabolo.bottlenecks.heads.base import Head

#: Numbers of a code for each that is kept, on "auto"; and how many are kept in small codes.
OVERCOMPLETE, FEW = 8, 4


@dataclasses.dataclass(frozen=True)
class TopK(Bottleneck):
    """z = ReLU(u) with all but the k largest numbers set to zero (Makhzani & Frey 2014).

    u is W h, scaled to variance one over the rows (Ioffe & Szegedy 2015) and shifted by a bias.
    Codes are larger than plain ones, and each row uses few of their units, which come to stand for
    parts that rows are made of.

    Against units that no row uses, more than k are kept in the first half of training, down to k
    (the same, section 4.2.1), and units that few rows have used of late learn to make up for the
    error of the others (Gao et al. 2024, section 2.4).

    Parameters
    ----------
    k : int or "auto"
        Numbers kept in each code; "auto" is an eighth of them, but four or half of them at least.
    auxiliary : float
        Weight of what unused units learn from, beside −log p(x | z).
    """

    k: AutoInt = "auto"
    auxiliary: float = 1 / 32

    def validate(self) -> None:
        require(
            self.k == "auto" or (type(self.k) is int and self.k >= 1),
            f"TopK(k={self.k!r}) must be a whole number ≥ 1, or 'auto'",
        )
        require(
            is_number(self.auxiliary) and self.auxiliary >= 0,
            f"TopK(auxiliary={self.auxiliary!r}) must be a number ≥ 0",
        )

    def code_size(self, rank: int) -> int:
        return OVERCOMPLETE * (rank if self.k == "auto" else self.k)

    def resolved(self, code_size: int) -> TopK:
        if self.k == "auto":
            least = max(1, min(FEW, code_size // 2))
            return dataclasses.replace(self, k=max(least, code_size // OVERCOMPLETE))
        require(
            self.k <= code_size,
            f"TopK(k={self.k}) keeps more numbers than a code of {code_size} has: pass a larger "
            f"code_size, for example {OVERCOMPLETE * self.k}, or a smaller k",
        )
        return self

    def build(self, features: int, code_size: int) -> Head:
        from diabolo.bottlenecks.heads.topk import TopKHead

        return TopKHead(features, code_size, self.k, self.auxiliary)
