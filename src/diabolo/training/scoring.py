"""Evaluation in chunks of one fixed size, so that a row's result depends on that row alone.

Matrix products of fp32 numbers round differently for different numbers of rows (1.5e-4 was seen
between one row and 4,096), so the last chunk is padded and every product has the same shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from diabolo.device import arithmetic

#: Values in the widest layer of a chunk: enough rows to feed the product, few enough to stay in
#: the cache (4 MiB of fp32).
CHUNK_VALUES = 1 << 20


def chunk_rows(width: int) -> int:
    """Return the rows in a chunk for a net whose widest layer is `width`: a power of two."""
    return 1 << max(6, min(13, int(math.log2(max(1, CHUNK_VALUES // max(1, width))))))


def widest(module: torch.nn.Module) -> int:
    """Return the widest layer of a module, inputs and outputs included."""
    return max(max(p.shape) for p in module.parameters() if p.ndim >= 2)


@torch.inference_mode()
def in_chunks(
    module: torch.nn.Module,
    x: torch.Tensor,
    function: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Apply `function` (default: the module itself) to x (n, …) chunk by chunk, in fp32.

    Results are on x's device, whatever the module's.

    Parameters
    ----------
    module : Module
        Its widest layer decides the size of the chunks.
    function : callable, optional
        Rows (m, …) → results (m, …).
    """
    function = function or module
    rows = chunk_rows(widest(module))
    results: torch.Tensor | None = None
    device = next(module.parameters()).device
    with arithmetic("fp32", device.type):
        for start in range(0, max(1, len(x)), rows):
            piece = x[start : start + rows]
            count = len(piece)
            if count < rows:
                padded = piece.new_zeros((rows, *piece.shape[1:]))
                padded[:count] = piece
                piece = padded
            result = function(piece.to(device))[:count].to(x.device)
            if results is None:
                results = result.new_empty((len(x), *result.shape[1:]))
            results[start : start + count] = result
    assert results is not None  # the loop runs at least once
    return results
