"""Normal densities of several regions that have been fitted."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch

from diabolo.densities.gaussian import WHOLE, usual_rank
from diabolo.densities.normal import (
    Normal,
    covariance,
    kept_rows,
    moments,
    of_covariance,
    tensors_of,
)
from diabolo.random import numpy_generator
from diabolo.spec import require

#: Rows that a region has at least; rows of all that count in each, for each value; and rows that
#: regions are found by at most.
LEAST, OTHERS, ROWS = 20, 3, 2_000


@dataclasses.dataclass(frozen=True)
class Regions:
    """A normal density for each region.

    Attributes
    ----------
    centres : Tensor (k, g)
        A row lies in the region of the nearest.
    shares : Tensor (k,)
        Of the rows, in each.
    densities : tuple of Normal
    """

    centres: torch.Tensor
    shares: torch.Tensor
    densities: tuple[Normal, ...]

    def log_prob(self, x: torch.Tensor, where: torch.Tensor | None = None) -> torch.Tensor:
        """Return the log-density of rows x (n, d), (n,); missing values (NaN) are at the mean.

        Of rows that lie at `where` (n, g) it is that of their region; else that of the mixture.
        """
        each = torch.stack([normal.log_prob(x) for normal in self.densities], dim=1)  # (n, k)
        if where is None:
            return (each + self.shares.log()).logsumexp(dim=1)
        return each.gather(1, self._region(where)[:, None])[:, 0]

    def distance(self, x: torch.Tensor, where: torch.Tensor | None = None) -> torch.Tensor:
        """Return the squared Mahalanobis distance of rows x (n, d) from their region's mean."""
        each = torch.stack([normal.distance(x) for normal in self.densities], dim=1)
        return each.gather(1, self._region(x if where is None else where)[:, None])[:, 0]

    def contributions(self, x: torch.Tensor, where: torch.Tensor | None = None) -> torch.Tensor:
        """Return what each value adds to that, (n, d): see `Normal.contributions`."""
        each = torch.stack([normal.contributions(x) for normal in self.densities])  # (k, n, d)
        region = self._region(x if where is None else where)
        return each[region, torch.arange(len(x), device=x.device)]

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw rows, (count, d)."""
        region = torch.multinomial(self.shares, count, replacement=True, generator=generator)
        each = torch.stack([normal.sample(count, generator) for normal in self.densities])
        return each[region, torch.arange(count)]

    def arrays(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Return what is written of it, under names with a prefix."""
        own = {"centres": self.centres.numpy(), "shares": self.shares.numpy()}
        arrays = {prefix + name: array for name, array in own.items()}
        for i, normal in enumerate(self.densities):
            arrays |= normal.arrays(f"{prefix}{i}_")
        return arrays

    @classmethod
    def read(
        cls, arrays: Mapping[str, np.ndarray], d: int, prefix: str = "", g: int | None = None
    ) -> Regions:
        """Return the densities of rows of d values, at places of g, or d, that were written so.

        Raises
        ------
        KeyError, SpecError
            If arrays are missing, or could not have been written.
        """
        k = arrays[prefix + "shares"].size
        require(k > 0, f"{prefix}shares is not what it should be")
        shapes = {"centres": (k, d if g is None else g), "shares": (k,)}
        centres, shares = tensors_of(arrays, prefix, shapes, ("shares",))
        each = tuple(Normal.read(arrays, d, f"{prefix}{i}_") for i in range(k))
        return cls(centres, shares, each)

    def to(self, like: torch.Tensor) -> Regions:
        """Return the densities with numbers of the type of a tensor, where that one is."""
        each = tuple(normal.to(like) for normal in self.densities)
        return Regions(self.centres.to(like), self.shares.to(like), each)

    def _region(self, where: torch.Tensor) -> torch.Tensor:
        """Return the number of the region that each place (n, g) is in, (n,)."""
        return _closest(self.centres, where.nan_to_num(0.0))


def _closest(centres: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return the number of the centre (k, g) that each place (n, g) is nearest to, (n,)."""
    return (places @ centres.mT - centres.square().sum(dim=1) / 2).argmax(dim=1)


def fitted(
    x: torch.Tensor,
    k: int,
    shrinkage: float,
    trim: float,
    spread: float | None,
    where: torch.Tensor | None,
) -> Regions:
    """Return the densities of the rows x (n, d), which lie at `where` (n, g): see `Mixture`."""
    x = x.double()
    places = (x if where is None else where.double()).nan_to_num(0.0)
    rank = usual_rank(x.shape[1])
    kept = kept_rows(x, shrinkage, rank, trim, spread)
    x, places = x[kept], places[kept]
    centres = _centres(places, 1 if x.shape[1] > WHOLE else min(k, len(x) // LEAST))
    region = _closest(centres, places)
    counts = torch.bincount(region, minlength=len(centres)).double()
    if len(centres) == 1:
        return Regions(centres, counts / len(x), (moments(x, shrinkage, rank, spread),))
    pooled, others = covariance(x), float(OTHERS * x.shape[1])
    each = []
    for c, count in enumerate(counts.tolist()):
        together = _together((covariance(x[region == c]), pooled), (count, others))
        each.append(of_covariance(*together, shrinkage, spread))
    return Regions(centres, counts / len(x), tuple(each))


def _together(
    groups: tuple[tuple[torch.Tensor, torch.Tensor], ...], counts: tuple[float, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and covariance of all rows, from those of several groups of so many rows."""
    shares = [count / sum(counts) for count in counts]
    mean = torch.stack([w * m for w, (m, _) in zip(shares, groups, strict=True)]).sum(dim=0)
    found = torch.zeros_like(groups[0][1])
    for share, (own, spread) in zip(shares, groups, strict=True):
        found += share * (spread + torch.outer(own - mean, own - mean))
    return mean, found


def _centres(places: torch.Tensor, k: int) -> torch.Tensor:
    """Return k centres of places (n, g) or fewer, each the closest one of enough of them."""
    # Drawn, for rows may come in any order.
    drawn = numpy_generator(0, "regions").permutation(len(places))[:ROWS]
    few = places[torch.from_numpy(drawn).to(places.device)].cpu()
    k = min(k, len(few.unique(dim=0)))
    if k > 1:
        from sklearn.cluster import KMeans

        found = KMeans(k, n_init=2, random_state=0).fit(few.numpy())
        centres = torch.from_numpy(found.cluster_centers_).to(places)
        while len(centres) > 1:
            counts = torch.bincount(_closest(centres, places), minlength=len(centres))
            if counts.min() >= LEAST:
                return centres
            centres = centres[torch.arange(len(centres)) != counts.argmin()]
    return places.mean(dim=0, keepdim=True)
