"""What "auto" means: each rule in one function, of the data and the network.

Only the precision of training also goes by the processor (see `diabolo.device`).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.augmentations import AUGMENTATIONS, Augmentation, Shift
from diabolo.augmentations.base import splits_blocks
from diabolo.bottlenecks import Bottleneck
from diabolo.cells import filled
from diabolo.corruptions import CORRUPTIONS, Chain, Corruption
from diabolo.data.containers import Unpacked
from diabolo.data.schema import KINDS
from diabolo.data.statistics import Statistics
from diabolo.data.table import Table
from diabolo.errors import DataError
from diabolo.likelihoods import LIKELIHOODS, MSE, Bernoulli, Mixed
from diabolo.likelihoods.base import Likelihood
from diabolo.networks import MLP, NETWORKS, Conv, Network
from diabolo.networks.base import MOST
from diabolo.penalties import PENALTIES, Penalty
from diabolo.pretraining import PRETRAINING, Pretraining
from diabolo.spec import require, resolve_part
from diabolo.training import Training

if TYPE_CHECKING:
    import torch


#: Side in pixels below which there is little in an image to be moved or found elsewhere: digits of
#: 8 × 8 take dense layers a third of the time, and their neighbours are better (96.7 %, 95.6 %).
SMALL_IMAGE = 16

#: Where cells of a table are hidden as missing nothing can be copied, so that there is no need to
#: be narrow: values that a row has at least when widths are chosen by them, and numbers in a code
#: (see also `schedules`).
HIDING_VALUES, HIDING_CODE = 64, 64


def choose_kind(kind: str, shape: tuple[int, ...]) -> str:
    """Return what the rows of an array of this shape (n, …) are, "table", "image" or "series"."""
    require(kind in ("auto", *KINDS), f"kind={kind!r}: choose 'auto' or one of {', '.join(KINDS)}")
    dims = {"table": (2,), "image": (3, 4), "series": (2, 3)}
    if kind != "auto":
        if len(shape) not in dims[kind]:
            raise DataError(
                f"kind={kind!r} needs {' or '.join(str(d) for d in dims[kind])} dimensions "
                f"(rows first), and the data has shape {shape}"
            )
        return kind
    if len(shape) == 2:
        return "table"
    if len(shape) > 4:
        raise DataError(
            f"the data has shape {shape}: expected (n, columns), (n, height, width) or "
            "(n, height, width, channels)"
        )
    if len(shape) == 4 and not 1 <= shape[3] <= 4:
        hint = (
            "channels come last here: X.transpose(0, 2, 3, 1)"
            if 1 <= shape[1] <= 4
            else "the last axis should hold 1 to 4 channels; pass kind='image' if it does"
        )
        raise DataError(f"the data has shape {shape}: {hint}")
    return "image"


def choose_likelihood(
    likelihood: Any,
    scaling: str,
    data: Unpacked,
    statistics: Statistics,
    table: Table | None = None,
) -> Likelihood:
    """Return the likelihood: Bernoulli for data that lies in [0, 1] once scaled, otherwise MSE.

    In tables with columns of several kinds it is that of the numbers, and the others have their
    own.
    """
    if table is not None or likelihood == "mixed" or isinstance(likelihood, Mixed):
        part = (
            MSE() if likelihood == "auto" else resolve_part(likelihood, LIKELIHOODS, "likelihood")
        )
        return _mixed(part.numeric if isinstance(part, Mixed) else part, data, table)
    if likelihood != "auto":
        return resolve_part(likelihood, LIKELIHOODS, "likelihood")
    inside = {
        "auto": _is_unsigned(data) or _in_unit_interval(statistics),
        "unit": True,
        "none": _in_unit_interval(statistics),
        "minmax": True,
    }
    return Bernoulli() if inside.get(scaling, False) else MSE()


def _mixed(numeric: Likelihood, data: Unpacked, table: Table | None) -> Likelihood:
    if table is None:
        return Mixed(numeric)
    count = {
        block: sum(column.width for _, column in table.of(block))
        for block in ("numeric", "boolean")
    }
    levels = tuple(column.width for _, column in table.of("categorical"))
    if not count["boolean"] and not levels:
        return numeric
    return Mixed(numeric, count["numeric"], count["boolean"], levels)


def choose_scaling(
    scaling: str, likelihood: Likelihood, kind: str, data: Unpacked, statistics: Statistics
) -> str:
    """Return the scaling that suits the likelihood's support and the data's type."""
    if scaling != "auto":
        return scaling
    # Levels are 0 and 1, whatever numbers they are written with.
    levels = likelihood.sums_to_one and _in_unit_interval(statistics)
    if _is_unsigned(data) and not levels:
        return "unit"
    if likelihood.support == (0.0, 1.0) or (kind == "image" and _in_unit_interval(statistics)):
        return "none"
    return "standard" if likelihood.centred else "scale"


def choose_network(
    network: Any,
    hidden: Any,
    activation: str,
    kind: str,
    shape: tuple[int, ...],
    pretrained: bool = False,
    hiding: bool = False,
) -> Network:
    """Return the network; `hidden` and `activation` are shortcuts, refused beside a network.

    Where it is to be pretrained, "auto" means dense layers and nothing beside them; where cells are
    hidden as missing, those of a table are wider.
    """
    part = _network(network, hidden, activation, kind, shape, pretrained)
    if isinstance(part, MLP) and part.skip == "auto" and (pretrained or kind != "table"):
        part = dataclasses.replace(part, skip=False)
    if hiding and kind == "table":
        shape = (max(HIDING_VALUES, *shape),)
    return part.resolved(shape)


def _network(
    network: Any,
    hidden: Any,
    activation: str,
    kind: str,
    shape: tuple[int, ...],
    pretrained: bool,
) -> Network:
    """Return the network that is asked for or chosen, with its own "auto" still to resolve."""
    if network is not None:
        part = resolve_part(network, NETWORKS, "network")
        for name, value in (("hidden", hidden), ("activation", activation)):
            require(
                isinstance(value, str) and value == "auto",
                f"{name}={value!r} beside network={network!r}: set it inside the network, "
                f"network={type(part).__name__}({name}={value!r})",
            )
        others = [f"{cls.__name__}(…)" for cls in NETWORKS.values() if kind in cls.kinds]
        require(
            kind in part.kinds,
            f"network={part!r} needs rows of kind {' or '.join(map(repr, part.kinds))}, and these "
            f"are of kind {kind!r}: pass network={' or '.join(others)}",
        )
        return part
    if isinstance(hidden, int | np.integer) and not isinstance(hidden, bool):
        hidden = (hidden,)
    if isinstance(hidden, list | tuple | np.ndarray):
        hidden = tuple(int(w) if isinstance(w, np.integer) else w for w in hidden)
    # As good as GELU (a little better on tables), and a quarter of its time in small nets.
    activation = "silu" if activation == "auto" else activation
    if kind == "image" and hidden == "auto" and min(shape[:2]) >= SMALL_IMAGE and not pretrained:
        # A fully connected net trains in half the time, and errs as little where all images show
        # their object at one place (Fashion-MNIST in 8 numbers: 8.86, convolutions 8.92). Elsewhere
        # it does not: MNIST moved about in a larger frame, in 16 numbers, 14.8 beside 10.6; pieces
        # of photographs 71 beside 58.
        return Conv(activation=activation)
    return MLP(hidden=hidden, activation=activation)


def choose_augmentation(
    augmentation: Any,
    kind: str,
    shape: tuple[int, ...],
    code_size: int,
    likelihood: Likelihood,
) -> Augmentation | None:
    """Return the augmentation: "auto" moves images by a pixel where image and code are large.

    In small images a pixel is too large a step; and where an image is moved to takes room
    in the code, which a small one has better uses for (Fashion-MNIST in 8 numbers: error of
    held-out images 9.39 with it and 8.90 without; MNIST in 30, 5 epochs: 3.27 and 3.31, and longer
    training learns nothing by heart).
    """
    if isinstance(augmentation, str) and augmentation == "auto":
        suits = kind == "image" and min(shape[:2]) >= SMALL_IMAGE and code_size >= 20
        return Shift() if suits and not splits_blocks(shape, likelihood) else None
    if augmentation is None:
        return None
    part = resolve_part(augmentation, AUGMENTATIONS, "augmentation")
    part.check(kind, shape, likelihood)
    return part


def choose_corruption(corruption: Any, kind: str, shape: tuple[int, ...]) -> Corruption | None:
    """Return the corruption; several in a tuple or list are a `Chain`."""
    if corruption is None:
        return None
    if isinstance(corruption, tuple | list):
        parts = (resolve_part(part, CORRUPTIONS, "corruption") for part in corruption)
        corruption = Chain(tuple(parts))
    return resolve_part(corruption, CORRUPTIONS, "corruption").resolved(kind, shape)


def choose_penalties(penalties: Any, bottleneck: Bottleneck) -> tuple[Penalty, ...]:
    """Return the penalties, of which there may be none, one, or several of different kinds."""
    penalties = () if penalties is None else penalties
    several = penalties if isinstance(penalties, tuple | list) else (penalties,)
    parts = tuple(resolve_part(part, PENALTIES, "penalties") for part in several)
    for part in parts:
        part.check(bottleneck)
    require(
        len({part.term for part in parts}) == len(parts),
        f"penalties={penalties!r} names one of them twice: pass it once, with the sum of weights",
    )
    return parts


def choose_pretraining(
    pretraining: Any,
    network: Network,
    bottleneck: Bottleneck,
    likelihood: Likelihood,
    training: Training,
    learned: int,
) -> Pretraining | None:
    """Return the pretraining of a model of these parts that learns from so many rows."""
    if pretraining is None:
        return None
    part = resolve_part(pretraining, PRETRAINING, "pretraining")
    return part.resolved(network, bottleneck, likelihood, training, learned)


def choose_code_size(
    code_size: Any, x: torch.Tensor, bottleneck: Bottleneck, hiding: bool = False
) -> int:
    """Return the code size: "auto" is the smallest PCA rank that explains 90 % of the scaled x.

    Within 2 and 64, and never more than the number of values in a row; some bottlenecks hold as
    much in more numbers. Of tables whose cells are hidden as missing it is 64.
    """
    if code_size != "auto":
        require(
            isinstance(code_size, int | np.integer)
            and not isinstance(code_size, bool)
            and 1 <= code_size < MOST,
            f"code_size={code_size!r} must be a whole number ≥ 1 (below {MOST:,}) or 'auto'",
        )
        return int(code_size)
    if hiding and x.ndim == 2:
        return bottleneck.code_size(HIDING_CODE)
    from sklearn.decomposition import PCA

    flat = filled(x).flatten(1).double().numpy()  # (n, *shape) -> (n, d)
    most = min(64, *flat.shape)
    pca = PCA(most, svd_solver="randomized" if most < min(flat.shape) else "full", random_state=0)
    with np.errstate(invalid="ignore", divide="ignore"):  # constant data explains 0 of 0
        explained = np.nan_to_num(pca.fit(flat).explained_variance_ratio_)
    rank = int(np.searchsorted(np.cumsum(explained), 0.9)) + 1 if explained.any() else 2
    return bottleneck.code_size(min(max(2, min(rank, 64)), flat.shape[1]))


def _is_unsigned(data: Unpacked) -> bool:
    return set(data.dtypes) <= {"uint8"} or set(data.dtypes) <= {"uint16"}


def _in_unit_interval(statistics: Statistics) -> bool:
    return bool(statistics.low.min() >= 0 and statistics.high.max() <= 1)
