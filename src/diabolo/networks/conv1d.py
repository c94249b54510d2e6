"""The convolutional network for series, symmetric around the code."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from diabolo.networks.stages import Stages


@dataclasses.dataclass(frozen=True)
class Conv1d(Stages):
    """Convolutions that halve the series from stage to stage, a dense head, and all of it back.

    What `Conv` is to images: each stage is one convolution along time, of stride 2, and an
    activation, and t steps become ⌈t/2⌉; in the decoder it is a transposed convolution, back to
    exactly t. Series of any length fit, with any number of channels.

    Parameters
    ----------
    channels : tuple of int or "auto"
        Of each stage. "auto" is resolved in ``fit`` by the length of the series: two stages, or as
        many as it takes to get to 128 steps or fewer, of 32, 64, 128 and then 256 channels. (More
        stages make the dense layers no narrower, for channels double where steps are halved.)
    kernel : int
        Length of the kernels in steps, odd.
    hidden : tuple of int
        Widths of dense layers between the last stage and the code.
    activation : str
        What follows each stage and each dense layer, a name of `ACTIVATIONS`.
    """

    kinds: ClassVar[tuple[str, ...]] = ("series",)
    axes: ClassVar[int] = 1
    stages: ClassVar[int] = 2
    places: ClassVar[int] = 128

    kernel: int = 7
