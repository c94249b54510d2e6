"""A normal density that has been fitted."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import numpy as np
import torch

from diabolo.spec import require

#: A fitted density: a dataclass of tensors.
D = TypeVar("D", bound=Any)

#: Rounds in which the nearest rows are chosen anew, at most; they usually stay after a few.
ROUNDS = 20

#: Variance below which a value counts as constant, relative to the largest.
NOTHING = 1e-12


@dataclasses.dataclass(frozen=True)
class Normal:
    """A normal density with a covariance of low rank and more.

    Divided by `scale`, deviations from the mean have the variances `variances` along the columns of
    `basis`, and the variance `rest` in all directions at right angles to them.

    Attributes
    ----------
    mean, scale : Tensor (d,)
    basis : Tensor (d, k)
        Orthonormal columns.
    variances : Tensor (k,)
    rest : Tensor ()
    """

    mean: torch.Tensor
    scale: torch.Tensor
    basis: torch.Tensor
    variances: torch.Tensor
    rest: torch.Tensor

    def log_prob(self, x: torch.Tensor, where: torch.Tensor | None = None) -> torch.Tensor:
        """Return the log-density of rows x (n, d), (n,); missing values (NaN) are at the mean.

        It is the same everywhere.
        """
        d, k = self.basis.shape
        log_det = self.variances.log().sum() + (d - k) * self.rest.log()
        log_det = log_det + 2 * self.scale.log().sum()
        return -0.5 * (self.distance(x) + log_det + d * math.log(2 * math.pi))

    def distance(self, x: torch.Tensor) -> torch.Tensor:
        """Return the squared Mahalanobis distance of rows x (n, d) from the mean, (n,)."""
        u = self._standardised(x)
        along = u @ self.basis  # (n, k)
        beside = (u.square().sum(dim=1) - along.square().sum(dim=1)).clamp(min=0.0)
        return (along.square() / self.variances).sum(dim=1) + beside / self.rest

    def contributions(self, x: torch.Tensor, where: torch.Tensor | None = None) -> torch.Tensor:
        """Return what each value adds to the squared distance of a row from the mean, (n, d).

        The squares of the row multiplied by the symmetric inverse root of the correlations, which
        sum to the squared Mahalanobis distance and are never negative (Garthwaite & Koch 2016).
        """
        u = self._standardised(x)
        change = self.variances.rsqrt() - self.rest.rsqrt()
        return (u * self.rest.rsqrt() + ((u @ self.basis) * change) @ self.basis.mT).square()

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw rows, (count, d)."""
        u = torch.randn((count, len(self.mean)), generator=generator, dtype=self.mean.dtype)
        change = self.variances.sqrt() - self.rest.sqrt()
        u = u * self.rest.sqrt() + ((u @ self.basis) * change) @ self.basis.mT
        return self.mean + self.scale * u

    def arrays(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Return what is written of it, under names with a prefix."""
        return arrays_of(self, prefix)

    @classmethod
    def read(cls, arrays: Mapping[str, np.ndarray], d: int, prefix: str = "") -> Normal:
        """Return the density of rows of d values that was written so.

        Raises
        ------
        KeyError, SpecError
            If arrays are missing, or could not have been written.
        """
        k = arrays[prefix + "variances"].size
        shapes = {"mean": (d,), "scale": (d,), "basis": (d, k), "variances": (k,), "rest": ()}
        return cls(*tensors_of(arrays, prefix, shapes, ("scale", "variances", "rest")))

    def to(self, like: torch.Tensor) -> Normal:
        """Return the density with numbers of the type of a tensor, where that one is."""
        return moved(self, like)

    def _standardised(self, x: torch.Tensor) -> torch.Tensor:
        return ((x - self.mean) / self.scale).nan_to_num(0.0)


def moved(density: D, like: torch.Tensor) -> D:
    """Return a fitted density with numbers of the type of a tensor, where that one is."""
    fields = dataclasses.fields(density)
    return type(density)(*(getattr(density, field.name).to(like) for field in fields))


def arrays_of(density: Any, prefix: str) -> dict[str, np.ndarray]:
    """Return the tensors of a fitted density as arrays, under names with a prefix."""
    fields = dataclasses.fields(density)
    return {prefix + field.name: getattr(density, field.name).numpy() for field in fields}


def tensors_of(
    arrays: Mapping[str, np.ndarray],
    prefix: str,
    shapes: Mapping[str, tuple[int, ...]],
    positive: Collection[str],
) -> list[torch.Tensor]:
    """Return such tensors again, of these shapes, finite, and some of them positive."""
    found = []
    for name, shape in shapes.items():
        array = arrays[prefix + name]
        require(
            array.shape == shape
            and array.dtype == np.float64
            and bool(np.isfinite(array).all())
            and (name not in positive or bool((array > 0).all())),
            f"{prefix}{name} is not what it should be",
        )
        found.append(torch.from_numpy(array))
    return found


def fitted(
    x: torch.Tensor, shrinkage: float, rank: int, trim: float, spread: float | None
) -> Normal:
    """Return the density of the rows x (n, d): see `GaussianDensity`."""
    x = x.double()
    return moments(x[kept_rows(x, shrinkage, rank, trim, spread)], shrinkage, rank, spread)


def kept_rows(
    x: torch.Tensor, shrinkage: float, rank: int, trim: float, spread: float | None
) -> torch.Tensor:
    """Return the numbers of the rows x (n, d) that go together best, in their order."""
    if not trim:
        return torch.arange(len(x))
    kept = max(1, len(x) - round(trim * len(x)))
    # The first choice is by medians and quartiles, which the farthest rows do not move.
    low, middle, high = _quartiles(x)
    far = ((x - middle) / (high - low).clamp(min=1e-9)).nan_to_num(0.0).square()
    chosen = _best(-far.clamp(max=1e6).sum(dim=1), kept)
    for _ in range(ROUNDS):
        again = _best(moments(x[chosen], shrinkage, rank, spread).log_prob(x), kept)
        if torch.equal(again, chosen):
            break
        chosen = again
    return chosen


def _best(scores: torch.Tensor, count: int) -> torch.Tensor:
    """Return which rows have the highest scores, as ascending numbers."""
    return scores.argsort(descending=True, stable=True)[:count].sort().values


def _quartiles(x: torch.Tensor) -> list[torch.Tensor]:
    """Return the quartiles of the columns of x (n, d), three of (d,)."""
    last = (~x.isnan()).sum(dim=0).clamp(min=1) - 1
    ordered = x.nan_to_num(torch.inf).sort(dim=0).values
    return [ordered.gather(0, (q * last).long()[None])[0] for q in (0.25, 0.5, 0.75)]


def moments(x: torch.Tensor, shrinkage: float, rank: int, spread: float | None) -> Normal:
    """Return the density that has the moments of rows x (n, d)."""
    n, d = x.shape
    if rank >= d:
        return of_covariance(*covariance(x), shrinkage, spread)
    mean, centred, variance = _centred(x)
    variance, _ = _shrunk(variance, shrinkage, spread)
    scale = variance.sqrt()
    u = centred / scale * (1 - shrinkage) ** 0.5
    basis, variances = _leading(u / n**0.5, min(rank, n))
    rest = (d - variances.sum()) / (d - len(variances))
    return Normal(mean, scale, basis, variances.clamp(min=1e-9), rest.clamp(min=1e-9))


def covariance(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean (d,) and covariance (d, d) of rows x (n, d), NaN where a value is missing."""
    mean, centred, variance = _centred(x)
    found = centred.mT @ centred / len(x)
    # Products of rows give less where values are missing.
    found.diagonal().copy_(variance)
    return mean, found


def of_covariance(
    mean: torch.Tensor, covariance: torch.Tensor, shrinkage: float, spread: float | None
) -> Normal:
    """Return the density of this mean (d,), and of a covariance (d, d) that is shrunk."""
    variance, added = _shrunk(covariance.diagonal(), shrinkage, spread)
    scale = variance.sqrt()
    correlations = (1 - shrinkage) * covariance / (scale[:, None] * scale)
    correlations.diagonal().fill_(1.0)
    variances, basis = torch.linalg.eigh(correlations)
    least = float(added / variance.max())
    variances = variances.clamp(min=least)
    return Normal(mean, scale, basis, variances, variances.new_tensor(1.0))


def _centred(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return means (d,), rows less those (n, d), 0 where one is missing, and variances (d,)."""
    there = (~x.isnan()).sum(dim=0).clamp(min=1)
    mean = x.nan_to_num(0.0).sum(dim=0) / there
    centred = (x - mean).nan_to_num(0.0)
    return mean, centred, centred.square().sum(dim=0) / there


def _shrunk(
    variance: torch.Tensor, shrinkage: float, spread: float | None
) -> tuple[torch.Tensor, float]:
    """Return variances (d,) as they are shrunk, and what is added to each in that."""
    typical = float(variance.mean()) if spread is None else spread
    typical = typical if typical > 0 else 1.0
    # At least a trace of it: a value that never changed has no variance of its own.
    added = max(shrinkage, NOTHING) * typical
    return (1 - shrinkage) * variance + added, added


def _leading(u: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the leading right singular vectors (d, rank) of u (n, d), and squared singular values.

    What the diagonal lacks to 1 is added to the directions evenly, as to all others.
    """
    from sklearn.utils.extmath import randomized_svd

    d = u.shape[1]
    if rank == 0:
        return u.new_zeros((d, 0)), u.new_zeros(0)
    _, values, vectors = randomized_svd(u.numpy(), rank, n_iter=4, random_state=0)
    lacking = max(0.0, 1 - float(u.square().sum()) / d)
    basis = torch.from_numpy(vectors.T.copy())
    return basis, torch.from_numpy(values).square() + lacking
