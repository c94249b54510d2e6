"""New rows of a fitted model, from codes that no row had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from diabolo.bottlenecks import Gaussian
from diabolo.densities.normal import Normal, tensors_of
from diabolo.errors import ModelError, SchemaError
from diabolo.estimator.fitting import CODES, seed_of
from diabolo.random import torch_generator
from diabolo.spec import require

if TYPE_CHECKING:
    from diabolo.estimator.estimator import Autoencoder


def sample(model: Autoencoder, n: int, random_state: Any) -> Any:
    """Decode codes drawn from the prior, or their density; see `Autoencoder.sample`."""
    check_is_fitted(model)
    bottleneck, section = model.spec_.bottleneck, model.sections_.get(CODES)
    require(
        isinstance(bottleneck, Gaussian) or section is not None,
        f"codes of {bottleneck!r} have neither a prior nor a density to draw from: train with "
        "bottleneck=Gaussian(), or recipes.variational()",
    )
    require(
        isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= 1,
        f"n={n!r} must be a whole number ≥ 1",
    )
    generator = torch_generator(seed_of(random_state), "sample")
    if section is None:
        with torch.no_grad():
            codes = model.module_.sample(int(n), generator)
    else:
        size = model.spec_.code_size
        try:
            density = Normal.read(section.tensors, size)
            low, high = tensors_of(section.tensors, "", {"low": (size,), "high": (size,)}, ())
        except (LookupError, ValueError) as error:
            raise ModelError(f"the section {CODES!r} is damaged: {error}") from None
        # Codes of sigmoid units, say, are never beyond 1.
        codes = density.sample(int(n), generator).clamp(low, high).float()
    return model.schema_.decode(model._apply(codes, model._decoded).numpy())


def interpolate(model: Autoencoder, a: Any, b: Any, steps: int) -> Any:
    """Decode codes between those of a and b; see `Autoencoder.interpolate`."""
    check_is_fitted(model)
    require(
        model.spec_.bottleneck.smooth,
        f"there is nothing between two codes of {model.spec_.bottleneck!r}: train with "
        "bottleneck=Gaussian() or Plain()",
    )
    require(
        isinstance(steps, int | np.integer) and not isinstance(steps, bool) and steps >= 2,
        f"steps={steps!r} must be a whole number ≥ 2",
    )
    shape = model.schema_.low.shape
    for name, rows in (("a", a), ("b", b)):
        has = np.shape(rows)
        if has[-len(shape) :] != shape or len(has) > len(shape) + 1:
            raise SchemaError(f"{name} has shape {has}: a row of the model has {shape}")
    one = np.ndim(a) == len(shape)
    start, end = (model.transform(np.asarray(x)[None] if one else x) for x in (a, b))
    if start.shape != end.shape:
        raise SchemaError(f"a has {len(start)} rows, and b {len(end)}: a way needs both ends")
    share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    codes = start[:, None] * (1 - share) + end[:, None] * share  # (n, steps, code_size)
    rows = model.inverse_transform(codes.reshape(-1, codes.shape[2]))
    if not isinstance(rows, np.ndarray):
        return rows  # a table of several kinds
    ways = rows.reshape(len(start), int(steps), *shape)
    return ways[0] if one else ways
