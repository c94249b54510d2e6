"""What the convolutional networks share: stages of stride 2, a dense head, and all of it back."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from diabolo.networks.base import MOST, Network, are_widths, require_activation
from diabolo.spec import require

if TYPE_CHECKING:
    from torch import nn

    from diabolo.networks.convolution import Kernel, Map

S = TypeVar("S", bound="Stages")

#: Channels of the first stage on "auto"; they double from stage to stage, up to the most.
FIRST_CHANNELS, MOST_CHANNELS = 32, 256


@dataclasses.dataclass(frozen=True)
class Stages(Network, abc.ABC):
    """Convolutions that halve a row from stage to stage, a dense head, and all of it back.

    Parameters
    ----------
    channels : tuple of int or "auto"
    kernel : int
    hidden : tuple of int
    activation : str

    Attributes
    ----------
    axes : int
        Of a row that are halved, 1 or 2; a further one is that of its channels.
    stages, places : int
        On "auto", stages at least and places of the last one at most. The places and their channels
        are the width of the dense layers next to the code.
    """

    channels: Any = "auto"
    kernel: int = 3
    hidden: Any = (256,)
    activation: str = "silu"

    axes: ClassVar[int]
    stages: ClassVar[int]
    places: ClassVar[int]

    def validate(self) -> None:
        require(
            self.channels == "auto" or (are_widths(self.channels) and self.channels),
            f"channels={self.channels!r}: give those of each stage as a tuple of whole numbers "
            f"from 1 to {MOST - 1:,}, for example (32, 64), or 'auto'",
        )
        require(
            type(self.kernel) is int and 3 <= self.kernel < MOST and self.kernel % 2,
            f"kernel={self.kernel!r} must be an odd whole number ≥ 3, so that it has a middle "
            "and a stride of 2 skips nothing",
        )
        require(
            are_widths(self.hidden),
            f"hidden={self.hidden!r}: give the widths of the dense layers as a tuple of whole "
            f"numbers from 1 to {MOST - 1:,}, for example (256,), or () for none",
        )
        require_activation(self.activation)

    def resolved(self: S, shape: tuple[int, ...]) -> S:
        """Return this network with nothing left on "auto", for rows of this shape.

        There are as many stages as it takes to get to `places` or fewer, but `stages` of them at
        least, of 32, 64, 128 and then 256 channels.
        """
        if self.channels != "auto":
            return self
        height, width, _ = self._image(shape)
        channels: list[int] = []
        while len(channels) < self.stages or height * width > self.places:
            channels.append(min(FIRST_CHANNELS << len(channels), MOST_CHANNELS))
            height, width = _halved(height), _halved(width)
        return dataclasses.replace(self, channels=tuple(channels))

    def sizes(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        stages = (stage[2 - self.axes :] for stage in self._maps(shape)[1:])
        return (*stages, *((width,) for width in self.hidden))

    def encoder(self, shape: tuple[int, ...]) -> nn.Module:
        from diabolo.networks.convolution import ConvEncoder

        return ConvEncoder(self._maps(shape), self._kernel, self.hidden, self.activation)

    def decoder(self, code_size: int, shape: tuple[int, ...], outputs: int) -> nn.Module:
        from diabolo.networks.convolution import ConvDecoder

        widths = (code_size, *self.hidden[::-1])
        maps = self._maps(shape)[::-1]
        return ConvDecoder(widths, maps, self._kernel, self.activation, shape, outputs)

    @property
    def _kernel(self) -> Kernel:
        return (1 if self.axes == 1 else self.kernel, self.kernel)

    def _image(self, shape: tuple[int, ...]) -> Map:
        """Return a row's shape as (height, width, channels); a series is one pixel high."""
        *sides, channels = shape if len(shape) > self.axes else (*shape, 1)
        return (1 if self.axes == 1 else sides[0], sides[-1], channels)

    def _maps(self, shape: tuple[int, ...]) -> list[Map]:
        """Return (height, width, channels) of the row and of each stage."""
        maps = [self._image(shape)]
        for channels in self.channels:
            height, width, _ = maps[-1]
            maps.append((_halved(height), _halved(width), channels))
        return maps


def _halved(side: int) -> int:
    return -(-side // 2)
