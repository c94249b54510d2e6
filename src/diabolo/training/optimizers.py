"""The optimisers by name. Each takes gradients and changes its parameters in place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Adam's (Kingma & Ba 2015).
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8

#: Muon's (Jordan 2024).
MOMENTUM = 0.95

#: Coefficients of its Newton–Schulz iteration X ← a X + (b A + c A²) X, with A = X Xᵀ.
A, B, C = 3.4445, -4.7750, 2.0315

#: Steps of it. Three bring every singular value above a 56th of the update's norm to between 0.68
#: and 1.2; five also lift smaller ones, for two thirds more time.
NEWTON_SCHULZ_STEPS = 3

#: A matrix is orthogonalised in blocks of at most this many rows (or columns, if it has fewer):
#: the time of the products grows with it.
BLOCK = 128

#: On a GPU the axes of a block are filled up with zeros, which change nothing, to a multiple of
#: this: for others its matrix units have only slow kernels.
ALIGNED = 8

#: Size of an entry of Muon's update at a rate of 1: that of Adam's, so that one rate suits both
#: (Liu et al. 2025).
UPDATE_SIZE = 0.2


class Adam:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019) of the matrices."""

    def __init__(self, matrices: list[Tensor], vectors: list[Tensor], decay: float):
        self.groups = [(matrices, decay), (vectors, 0.0)]
        self.first = [[torch.zeros_like(p) for p in group] for group, _ in self.groups]
        self.second = [[torch.zeros_like(p) for p in group] for group, _ in self.groups]
        like = (matrices + vectors)[0]
        self.count = torch.zeros((), device=like.device, dtype=torch.float32)

    @torch.no_grad()
    def step(self, gradients: Sequence[list[Tensor]], rate: float | Tensor) -> None:
        """Update by the gradients of the matrices and of the vectors."""
        self.count += 1
        # The kernel goes through memory, whatever the strides say.
        gradients = [[gradient.contiguous() for gradient in group] for group in gradients]
        for (group, decay), g, first, second in zip(
            self.groups, gradients, self.first, self.second, strict=True
        ):
            # What torch.optim.AdamW(fused=True) calls in the end; its own bookkeeping in Python
            # takes longer than a whole step of a small net.
            if group:
                torch._fused_adamw_(
                    group,
                    g,
                    first,
                    second,
                    [],
                    [self.count] * len(group),
                    lr=rate,
                    beta1=BETA1,
                    beta2=BETA2,
                    weight_decay=decay,
                    eps=EPS,
                    amsgrad=False,
                    maximize=False,
                )


class Muon:
    """Momentum whose singular values are made equal, for matrices; Adam for vectors.

    A matrix may have axes before its last two (members of an ensemble).
    """

    def __init__(
        self,
        matrices: list[Tensor],
        vectors: list[Tensor],
        decay: float,
        dtype: torch.dtype,
    ):
        self.decay, self.dtype = decay, dtype
        self.matrices = matrices
        self.momenta = [torch.zeros_like(p) for p in matrices]
        self.adam = Adam([], vectors, 0.0) if vectors else None

    @torch.no_grad()
    def step(self, gradients: Sequence[list[Tensor]], rate: float | Tensor) -> None:
        """Update by the gradients of the matrices and of the vectors."""
        for matrix, gradient, momentum in zip(
            self.matrices, gradients[0], self.momenta, strict=True
        ):
            momentum.lerp_(gradient, 1 - MOMENTUM)
            update = orthogonalised(gradient.lerp(momentum, MOMENTUM), self.dtype)
            matrix.mul_(1 - rate * self.decay)
            length = rate * (UPDATE_SIZE * math.sqrt(max(matrix.shape[-2:])))
            if isinstance(length, Tensor):
                matrix.addcmul_(update, length, value=-1.0)
            else:
                matrix.sub_(update, alpha=length)
        if self.adam is not None:
            self.adam.step([[], gradients[1]], rate)


def orthogonalised(x: Tensor, dtype: torch.dtype, block: int = BLOCK) -> Tensor:
    """Return x (…, r, c) with its singular values moved towards 1, block by block.

    The shorter of the last two axes is cut into even blocks of at most `block`; all of them go
    through the same few products at once. The rows (or columns) of a block are nearly orthonormal
    afterwards; those of different blocks need not be, which costs little quality and saves most of
    the time (compare Khaled et al. 2025).
    """
    rows, columns = x.shape[-2:]
    wide = rows <= columns
    short = min(rows, columns)
    pieces = -(-short // block)
    width = -(-short // pieces)
    rest = pieces * width - short
    if rest:
        x = nn.functional.pad(x, (0, 0, 0, rest) if wide else (0, rest))
    axis = -2 if wide else -1
    x = x.unflatten(axis, (pieces, width))
    if not wide:
        x = x.movedim(-2, -3)  # (…, r, pieces, width) -> (…, pieces, r, width)
    shape = x.shape
    x = x.flatten(0, -3)  # (…, pieces, r, c) -> (blocks, r, c)
    if x.is_cuda:
        x = nn.functional.pad(x, (0, -x.shape[2] % ALIGNED, 0, -x.shape[1] % ALIGNED))
    norms = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True).clamp(min=1e-12)
    x = (x / norms).to(dtype)
    for _ in range(NEWTON_SCHULZ_STEPS):
        squares = x @ x.mT if wide else x.mT @ x
        factors = torch.baddbmm(squares, squares, squares, beta=B, alpha=C)
        left, right = (factors, x) if wide else (x, factors)
        x = torch.baddbmm(x, left, right, beta=A)
    x = x[:, : shape[-2], : shape[-1]].reshape(shape)
    if not wide:
        x = x.movedim(-3, -2)
    return x.flatten(axis - 1, axis)[..., :rows, :columns]


class Optimizer:
    """A rule for the parameters of a module, which may have any shape."""

    def __init__(
        self,
        name: str,
        parameters: Sequence[Tensor],
        decay: float,
        *,
        members: bool = False,
        dtype: torch.dtype = torch.float32,
    ):
        """Take the optimiser called `name`.

        Parameters
        ----------
        parameters : sequence of Tensor
            Weight decay and Muon act on those of two axes or more: pulling a bias to zero
            regularises nothing.
        members : bool
            Whether the first axis of each parameter counts the members of an ensemble.
        dtype : dtype
            Of Muon's products.
        """
        self.first = first = 1 if members else 0
        self.is_matrix = [p.ndim >= first + 2 for p in parameters]
        # Views in the parameters' own memory; kernels are matrices: their first axis by the others.
        matrices, vectors = self._divided([p.detach() for p in parameters])
        self.rule: Adam | Muon
        if name == "adam":
            self.rule = Adam(matrices, vectors, decay)
        else:
            self.rule = Muon(matrices, vectors, decay, dtype)

    def step(self, gradients: Sequence[Tensor], rate: float | Tensor) -> None:
        """Update the parameters at this learning rate, a number or a tensor () on the device."""
        self.rule.step(self._divided(gradients), rate)

    def _divided(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        groups: tuple[list[Tensor], list[Tensor]] = ([], [])
        for tensor, matrix in zip(tensors, self.is_matrix, strict=True):
            if not matrix:
                groups[1].append(tensor)
            elif tensor.ndim == self.first + 2:
                groups[0].append(tensor)
            else:
                groups[0].append(tensor.flatten(self.first + 1))
        return groups
