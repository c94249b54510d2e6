"""Evaluation in chunks of one fixed size, so that a row's result depends on that row alone.

Matrix products of fp32 numbers round differently for different numbers of rows (1.5e-4 was seen
between one row and 4,096), so the last chunk is padded and every product has the same shape.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from diabolo.data.rows import RowsLike
from diabolo.device import arithmetic
from diabolo.layers import chunk_rows


@torch.inference_mode()
def in_chunks(
    module: torch.nn.Module,
    x: RowsLike,
    function: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Apply `function` (default: the module itself) to x (n, …) chunk by chunk, in fp32.

    Results are on x's device, whatever the module's.

    Parameters
    ----------
    module : Module
        Its layers decide the size of the chunks.
    function : callable, optional
        Rows (m, …) → results (m, …).
    """
    function = function or module
    device = next(module.parameters()).device
    rows = chunk_rows(module, device.type)
    results: torch.Tensor | None = None
    with arithmetic("fp32", device.type):
        for start in range(0, max(1, len(x)), rows):
            piece = x[start : start + rows]
            count = len(piece)
            if count < rows:
                whole = piece.new_zeros((rows, *piece.shape[1:]))
                whole[:count] = piece
                piece = whole
            result = function(piece.to(device))[:count].to(x.device)
            if results is None:
                results = result.new_empty((len(x), *result.shape[1:]))
            results[start : start + count] = result
    assert results is not None  # the loop runs at least once
    return results
