"""Rows of users' data as modules eat them: scaled in advance, or as they are asked for."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch

from diabolo.data.containers import Unpacked
from diabolo.data.schema import Schema
from diabolo.device import room


class RowsLike(Protocol):
    """What rows are taken from by their numbers: a tensor, `Rows`, or what is made of them."""

    @property
    def shape(self) -> Any: ...

    @property
    def device(self) -> torch.device: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> torch.Tensor: ...


class Rows:
    """Scaled rows of data that `Schema.unpack` has checked.

    Parameters
    ----------
    schema : Schema
    data : Unpacked
    support : (float, float)
        Range that the likelihood allows.
    device : str
        Where the rows are wanted.
    most : float
        What scaled values are at most, and the negative of it at least.

    Attributes
    ----------
    shape : tuple of int
        (n, …).
    device : device
        Where the rows are: on the CPU where there is no room for them elsewhere.
    outside : (int, str) or None
        How many values lie outside the support, and an example with its place.

    Raises
    ------
    DataError
        If a number is too large for 32 bits once scaled, and `most` is no bound: here, or where the
        support is everything and rows are scaled as they are asked for, when it is asked for.
    """

    def __init__(
        self,
        schema: Schema,
        data: Unpacked,
        support: tuple[float, float] = (-math.inf, math.inf),
        device: str = "cpu",
        most: float = math.inf,
    ):
        self.schema, self.array, self.most = schema, data.array, most
        self.shape = (len(data.array), *schema.shape)
        self.values: torch.Tensor | None = None
        self.device = torch.device("cpu")
        if 4 * math.prod(self.shape) <= room(device):
            self.values = torch.empty(self.shape, dtype=torch.float32, device=device)
            self.device = self.values.device
        self.outside: tuple[int, str] | None = None
        if self.values is None and support == (-math.inf, math.inf):
            return  # nothing to find out in advance that is not found when rows are asked for
        count, example = 0, ""
        for place, values in schema.encoded(data, most):
            outside = schema.out_of_support(values, support, place.start)
            if outside is not None:
                example = example or outside[1]
                count += outside[0]
            if self.values is None:
                continue
            if self.device.type == "cpu":
                self.values.numpy()[place] = values
            else:
                self.values[place] = torch.tensor(values, device=self.device)
        if count:
            self.outside = (count, example)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice | torch.Tensor) -> torch.Tensor:
        """Return rows by a slice or their numbers, (m, …) of fp32.

        Raises
        ------
        DataError
            If a number is too large for 32 bits once scaled, and `most` is no bound.
        """
        if self.values is not None:
            return self.values[index]
        rows: Any
        if isinstance(index, slice):
            rows, piece = range(len(self))[index], self.array[index]
        else:
            rows = index.numpy()
            piece = self.array[rows]
        return torch.from_numpy(self.schema.encode_rows(piece, rows, self.most))
