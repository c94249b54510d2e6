"""What is measured on a model right after its training, for `health` to judge."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch

from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import Gaussian, Quantized, TopK
from diabolo.cells import Cells, column_means
from diabolo.device import arithmetic
from diabolo.ensemble import Ensemble
from diabolo.estimator.resolved import Spec
from diabolo.layers import layers_of
from diabolo.random import Noise, torch_generator
from diabolo.training.scoring import in_chunks

#: Rows that are rebuilt; rows for the gradients, a batch at most; and codes that are decoded at
#: once for what each unit adds.
REBUILT, LEARNED, DECODED = 1000, 256, 4096

#: Variance of its mean over the rows from which a unit of a variational code is active
#: (Burda et al. 2016, section 5.1).
ACTIVE = 0.01


@dataclasses.dataclass(frozen=True)
class Vitals:
    """Measures of a fitted model, on some of the rows that it learned (and some held-out ones).

    Attributes
    ----------
    rows, learned_rows : ndarray ()
        How many rows codes were looked at of, and how many were learned from.
    active : ndarray (code_size,)
        Share of them for which a unit of the code is not zero.
    spread : ndarray (code_size,)
        Standard deviation of each unit.
    adds : ndarray (code_size,)
        By how much the mean squared error per value grows where a unit is fixed at its mean; not
        measured (NaN) where codes are sparse, for units then stand in for each other.
    kl : ndarray (code_size,) or (1,) or (0,)
        Mean divergence of each unit in nats, of all together for a learned prior; none where codes
        are not drawn.
    entries : ndarray of int64 (places, codes)
        How often each entry of a codebook was chosen; (0, 0) where there is none.
    learned, held_out : ndarray
        Mean squared error per value of rows that were learned and that were not, in ascending
        order; the latter is empty where nothing was held out.
    shuffled : ndarray ()
        The mean of such errors for rows whose values come each from another row.
    values : ndarray ()
        How many values a row has.
    variance : ndarray ()
        Mean squared distance of a value from its mean over the rows.
    gradients : ndarray (layers,)
        Root mean square of the loss's gradient by the weights of each layer, relative to that of
        the weights; from the input to the output.
    beyond : ndarray (2,)
        Share of rebuilt values below and above the range of the data, by a hundredth of it at
        least.
    """

    rows: np.ndarray
    learned_rows: np.ndarray
    active: np.ndarray
    spread: np.ndarray
    adds: np.ndarray
    kl: np.ndarray
    entries: np.ndarray
    learned: np.ndarray
    held_out: np.ndarray
    shuffled: np.ndarray
    values: np.ndarray
    variance: np.ndarray
    gradients: np.ndarray
    beyond: np.ndarray

    @property
    def varied(self) -> np.ndarray:
        """Which units of a variational code are active, (code_size,) of bool: see `ACTIVE`."""
        return self.spread**2 >= ACTIVE


def measure(
    module: AutoencoderModule | Ensemble,
    spec: Spec,
    x: torch.Tensor,
    codes: torch.Tensor,
    held_out: torch.Tensor,
    learned: int,
) -> Vitals:
    """Measure a model on some of the rows that it learned, and on held-out ones.

    Parameters
    ----------
    codes : Tensor (n, code_size)
        Of x.
    x, held_out : Tensor (n, *shape), (m, *shape)
        On the CPU.
    learned : int
        Of how many rows x are some.
    """
    few = x[:REBUILT]
    rebuilt = in_chunks(module, few, module.reconstruct)
    low, high = few.nan_to_num(math.inf).amin(dim=0), few.nan_to_num(-math.inf).amax(dim=0)
    variance = (few - column_means(few)).square().nanmean()
    spread = float((few - few.nanmean()).square().nanmean().sqrt())
    # Constant columns have no range.
    slack = ((high - low) / 100).clamp(min=spread / 20)
    beyond = ((rebuilt < low - slack).float().mean(), (rebuilt > high + slack).float().mean())
    none = np.zeros(0, np.float32)
    divergence = (
        in_chunks(module, few, module.divergence).mean(dim=0).numpy()
        if isinstance(spec.bottleneck, Gaussian)
        else none
    )
    values = {
        "rows": torch.tensor(len(x)),
        "learned_rows": torch.tensor(learned),
        "active": (codes != 0).float().mean(dim=0),
        "spread": codes.std(dim=0, correction=0),
        "adds": (
            torch.full((codes.shape[1],), math.nan)
            if isinstance(spec.bottleneck, TopK)
            else _adds(module, few, codes)
        ),
        "learned": errors(module.cells, few, rebuilt),
        "held_out": errors(module.cells, held_out, in_chunks(module, held_out, module.reconstruct)),
        "shuffled": errors(module.cells, *_shuffled(module, few)).mean(),
        "values": torch.tensor(few[0].numel()),
        "variance": variance,
        "gradients": _gradients(module, few[: min(LEARNED, spec.training.batch_size)]),
        "beyond": torch.stack(beyond),
    }
    return Vitals(
        kl=divergence,
        entries=_entries(module, spec, x),
        **{name: value.cpu().numpy() for name, value in values.items()},
    )


def errors(cells: Cells, x: torch.Tensor, rebuilt: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error per cell of each row of x (n, *shape), ascending, (n,)."""
    return cells.error(x, rebuilt).sort().values


def _adds(
    module: AutoencoderModule | Ensemble, x: torch.Tensor, codes: torch.Tensor
) -> torch.Tensor:
    means, rows = codes.mean(dim=0), min(len(x), max(8, DECODED // codes.shape[1]))
    x, codes = x[:rows], codes[:rows]

    def error(fixed: torch.Tensor) -> torch.Tensor:
        """Return the error of codes (units, rows, code_size), by unit."""
        rebuilt = in_chunks(
            module, fixed.flatten(0, 1), lambda z: module.likelihood.mean(module.decode(z))
        )
        squared = (rebuilt.unflatten(0, fixed.shape[:2]) - x).square()
        return squared.flatten(1).nanmean(dim=1)

    adds = []
    for units in torch.arange(len(means)).split(max(1, DECODED // rows)):
        fixed = codes.repeat(len(units), 1, 1)
        fixed[torch.arange(len(units)), :, units] = means[units, None]
        adds.append(error(fixed))
    return torch.cat(adds) - error(codes[None])


def _shuffled(
    module: AutoencoderModule | Ensemble, x: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    flat = x.flatten(1)
    order = torch.rand(flat.shape, generator=torch_generator(0, "shuffled")).argsort(dim=0)
    mixed = flat.gather(0, order).view_as(x)
    return mixed, in_chunks(module, mixed, module.reconstruct)


def _gradients(module: AutoencoderModule | Ensemble, x: torch.Tensor) -> torch.Tensor:
    weights = [layer.weight for layer in layers_of(module)]
    device = weights[0].device
    with arithmetic("fp32", device.type), torch.enable_grad():
        # With noise: codes of entries and bits have their slopes in training only.
        loss = module(x.to(device), Noise(0, "vitals", device=str(device)), False).mean()
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    sizes = [
        math.nan if g is None else float(g.norm() / w.detach().norm().clamp(min=1e-30))
        for g, w in zip(gradients, weights, strict=True)
    ]
    return torch.tensor(sizes)


def _entries(module: AutoencoderModule | Ensemble, spec: Spec, x: torch.Tensor) -> np.ndarray:
    if not isinstance(spec.bottleneck, Quantized):
        return np.zeros((0, 0), np.int64)
    chosen = in_chunks(module, x, module.indices).numpy()
    codes = spec.bottleneck.codes
    return np.stack([np.bincount(place, minlength=codes) for place in chosen.T])
