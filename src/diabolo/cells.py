"""What the values of a row are: which belong to one cell, and which cells may be missing.

Missing cells travel as NaN in the rows themselves, so that nothing on the way has to carry a second
tensor. The encoder gets zeros in their places, which is the mean of standardised columns, and
beside the values which of them are missing; a cell that is missing has no part in the loss.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from diabolo.random import Noise


@dataclasses.dataclass(frozen=True)
class Cells:
    """The cells that rows of values are made of.

    Parameters
    ----------
    kind : {"table", "image", "series"}
    shape : tuple of int
        Of a row of values.
    columns : tuple of int, optional
        The column that each value of a table belongs to; None where each is a cell of its own.
    gaps : tuple of int
        Values along the last axis of a row that may be missing, of a table one for each column, of
        images and series the channels: the encoder is told where they are.
    """

    kind: str
    shape: tuple[int, ...]
    columns: tuple[int, ...] | None = None
    gaps: tuple[int, ...] = ()

    @property
    def bare(self) -> bool:
        """Whether rows have no axis of channels, as grey images and series of one value."""
        return len(self.shape) == {"table": 0, "series": 1, "image": 2}[self.kind]

    @property
    def shown_shape(self) -> tuple[int, ...]:
        """Shape of what the encoder is shown of a row: see `shown`."""
        if not self.gaps:
            return self.shape
        *axes, last = (*self.shape, 1) if self.bare else self.shape
        return (*axes, last + len(self.gaps))

    def shown(self, x: torch.Tensor) -> torch.Tensor:
        """Return rows x (n, *shape) without NaN, and behind their values 1 where one was."""
        import torch

        if not self.gaps:
            return x
        x = x.unsqueeze(-1) if self.bare else x
        missing = x.isnan()
        told = missing
        if len(self.gaps) < x.shape[-1]:
            told = missing[..., _index(self.gaps, x.device)]
        return torch.cat([x.masked_fill(missing, 0.0), told.to(x.dtype)], dim=-1)

    def uniform(self, noise: Noise, rows: int) -> torch.Tensor:
        """Return uniform numbers, one for each cell of so many rows, that go with (n, *shape).

        A pixel of an image is one cell, whatever its channels.
        """
        if self.columns is not None:
            drawn = noise.uniform((rows, max(self.columns) + 1))
            return drawn[:, _index(self.columns, drawn.device)]
        places = self.shape if len(self.shape) < 3 else (*self.shape[:2], 1)
        return noise.uniform((rows, *places))

    def errors(self, x: torch.Tensor, rebuilt: torch.Tensor) -> torch.Tensor:
        """Return the squared error of each cell of rows (n, *shape), NaN where it is missing.

        (n, *shape), or (n, columns): that of a level is the sum over all its numbers (Brier 1950).
        """
        return self.sums((x - rebuilt).square())

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum over the values of each cell: (n, …) as it is, or (n, columns)."""
        if self.columns is None:
            return values
        total = values.new_zeros((len(values), max(self.columns) + 1))
        return total.index_add(1, _index(self.columns, values.device), values)

    def error(self, x: torch.Tensor, rebuilt: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error over the cells that each row has, 0 if none, (n,)."""
        errors = self.errors(x, rebuilt).flatten(1)
        return errors.nanmean(dim=1).nan_to_num(0.0) if self.gaps else errors.mean(dim=1)


@functools.lru_cache(maxsize=64)
def _index(numbers: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return numbers as a tensor, made once: no captured step may copy them to a GPU."""
    import torch

    with torch.inference_mode(False):  # or training could not use what scoring has made
        return torch.tensor(numbers, device=device)


def filled(x: torch.Tensor) -> torch.Tensor:
    """Return x with zeros for its missing cells."""
    return x.masked_fill(x.isnan(), 0.0)


def column_means(x: torch.Tensor) -> torch.Tensor:
    """Return the mean of each value over the rows of x (n, …) that have it, 0 where none has."""
    there = (~x.isnan()).sum(dim=0).clamp(min=1)
    return filled(x).sum(dim=0) / there
