"""The quantised code: vectors out of a learned codebook."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from diabolo.bottlenecks.base import Bottleneck
from diabolo.spec import AutoInt, is_number, require, require_share

if TYPE_CHECKING:
    from diabolo.bottlenecks.heads.base import Head

#: Numbers of a vector on "auto", at most.
MOST_NUMBERS = 4


@dataclasses.dataclass(frozen=True)
class Quantized(Bottleneck):
    """z is made of vectors, each the nearest one of a codebook (van den Oord et al. 2017).

    A code of `code_size` numbers has code_size / vector vectors one after the other, and each place
    has a codebook of its own, so that a row is told by code_size / vector whole numbers
    (`Autoencoder.indices`). Codebooks follow the vectors that they stand for as exponential means
    (appendix A.1 there); an entry that is hardly used starts again at a vector of the batch
    (Dhariwal et al. 2020).

    Parameters
    ----------
    codes : int
        Entries of each codebook.
    vector : int or "auto"
        Numbers in a vector; "auto" is the largest divisor of the code size up to 4.
    commitment : float
        Weight of ‖u − z‖², which keeps what the encoder gives near the entries.
    decay : float
        Of the exponential means, from step to step.
    """

    codes: int = 256
    vector: AutoInt = "auto"
    commitment: float = 0.25
    decay: float = 0.99

    smooth: ClassVar[bool] = False

    def validate(self) -> None:
        require(
            type(self.codes) is int and 2 <= self.codes <= 1 << 16,
            f"Quantized(codes={self.codes!r}) must be a whole number from 2 to {1 << 16:,}",
        )
        require(
            self.vector == "auto" or (type(self.vector) is int and self.vector >= 1),
            f"Quantized(vector={self.vector!r}) must be a whole number ≥ 1, or 'auto'",
        )
        require(
            is_number(self.commitment) and self.commitment >= 0,
            f"Quantized(commitment={self.commitment!r}) must be a number ≥ 0",
        )
        require_share(self, "decay")

    def code_size(self, rank: int) -> int:
        vector = MOST_NUMBERS if self.vector == "auto" else self.vector
        return -(-rank // vector) * vector

    def resolved(self, code_size: int) -> Quantized:
        if self.vector == "auto":
            sizes = range(1, MOST_NUMBERS + 1)
            return dataclasses.replace(self, vector=max(v for v in sizes if not code_size % v))
        require(
            code_size % self.vector == 0,
            f"Quantized(vector={self.vector}) does not divide a code of {code_size} numbers: pass "
            f"code_size={self.code_size(code_size)}, or vector='auto'",
        )
        return self

    def build(self, features: int, code_size: int) -> Head:
        from diabolo.bottlenecks.heads.quantized import QuantizedHead

        return QuantizedHead(
            features, code_size, self.codes, self.vector, self.commitment, self.decay
        )
