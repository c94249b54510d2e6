"""The schema: users' data in, batches of scaled numbers out, and back again.

It alone owns scaling. It is fitted once and travels with the model.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from diabolo.data.containers import Unpacked, as_frame, new_frame, pack_like, unpack
from diabolo.data.statistics import Statistics, pieces_of
from diabolo.errors import DataError, SchemaError, SpecError

KINDS = ("table", "image", "series")
SCALINGS = ("none", "unit", "standard", "minmax", "scale")


class Batch(NamedTuple):
    """What models eat.

    Attributes
    ----------
    values : ndarray of float32 (n, *shape)
        Scaled.
    observed : ndarray of bool (n, *shape) or None
        False where a cell is missing; None where all are there.
    """

    values: np.ndarray
    observed: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Block:
    """Neighbouring values that are treated alike: values[start:stop] of one kind."""

    kind: str
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class Schema:
    """How rows of the user's data become batches, fitted by `Schema.fit`.

    Attributes
    ----------
    kind : {"table", "image", "series"}
    shape : tuple of int
        Of one row: (columns,), (h, w), (h, w, c) or (t, c).
    names : tuple of str or None
        Columns, where the data was a frame.
    dtypes : tuple of str
        Original numpy types, one per column of a frame, else a single one.
    scaling : str
        One of `SCALINGS`: values are (x − shift) / scale. "none" leaves them, "unit" divides by
        the type's maximum, "standard" gives mean 0 and variance 1, "minmax" the range [0, 1],
        "scale" variance 1 without centring. Tables are scaled column by column, images and series
        channel by channel. A constant column has scale 1.
    shift, scale : ndarray of float64 (*shape)
    low, high : ndarray of float64 (*shape)
        Range of the fitted data, in original units.
    blocks : tuple of Block
    """

    kind: str
    shape: tuple[int, ...]
    names: tuple[str, ...] | None
    dtypes: tuple[str, ...]
    scaling: str
    shift: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    blocks: tuple[Block, ...]

    @classmethod
    def fit(cls, data: Unpacked, statistics: Statistics, kind: str, scaling: str) -> Schema:
        """Learn the scaling from the statistics of the data.

        Parameters
        ----------
        data : Unpacked
        statistics : Statistics
            Of ``data.array``.
        kind : str
            One of `KINDS`.
        scaling : str
            One of `SCALINGS`.

        Raises
        ------
        SpecError
            If there is no such scaling, or it does not suit the type of the data.
        DataError
            If values are too large.
        """
        if not isinstance(scaling, str) or scaling not in SCALINGS:
            raise SpecError(f"scaling={scaling!r}: choose 'auto' or one of {', '.join(SCALINGS)}")
        if not all(np.isfinite(field).all() for field in (statistics.mean, statistics.deviation)):
            raise DataError(
                "the data has values too large to be squared (above 1e150): rescale the column "
                f"with {max(abs(statistics.low.min()), abs(statistics.high.max())):g}"
            )
        shape = data.array.shape[1:]
        shift, scale = _affine(scaling, statistics.pooled(kind), data.array.dtype)
        return cls(
            kind,
            shape,
            data.names,
            data.dtypes,
            scaling,
            np.broadcast_to(shift, shape).copy(),
            np.broadcast_to(scale, shape).copy(),
            statistics.low,
            statistics.high,
            (Block("numeric", 0, math.prod(shape)),),
        )

    def unpack(self, data: Any, *, extra_columns: bool = False) -> Unpacked:
        """Return the data as an array, checked against what was fitted.

        Parameters
        ----------
        data : array-like or frame
        extra_columns : bool
            Whether a frame may have other columns, and another order, than the fitted one.

        Raises
        ------
        SchemaError
            If width, shape, column names or units differ from the fitted data.
        DataError
            If cells are missing or infinite.
        """
        names = self.names if extra_columns else None
        unpacked = unpack(data, names)
        if not extra_columns:
            self._same_columns(unpacked)
        shape = unpacked.array.shape[1:]
        if shape != self.shape:
            if len(shape) == len(self.shape) == 1:
                raise SchemaError(
                    f"X has {shape[0]} features, but Autoencoder is expecting {self.shape[0]} "
                    "features as input"
                )
            raise SchemaError(f"rows have shape {shape}, and the model was fitted on {self.shape}")
        if not len(unpacked.array):
            raise DataError(
                f"Found array with 0 sample(s) (shape={unpacked.array.shape}) while a minimum of "
                "1 is required: there is nothing to do"
            )
        self._same_units(unpacked.array)
        refuse_non_finite(unpacked)
        return unpacked

    def encode(self, unpacked: Unpacked) -> Batch:
        """Return the scaled batch of data that `unpack` has checked."""
        values = np.empty(unpacked.array.shape, np.float32)
        for place, piece in self.encoded(unpacked):
            values[place] = piece
        return Batch(values, None)

    def encoded(self, unpacked: Unpacked) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the scaled values of data that `unpack` has checked, piece by piece in order.

        Raises
        ------
        DataError
            If a number is too large once scaled.
        """
        for place, piece in pieces_of(unpacked.array):
            values = self.scaled(piece)
            if piece.dtype.kind == "f" and not np.isfinite(values).all():
                bad = ~np.isfinite(values)
                where = np.unravel_index(int(bad.argmax()), bad.shape)
                raise DataError(
                    f"{piece[where]:g} in {self.place((place.start + where[0], *where[1:]))} is "
                    "too large for 32-bit numbers once scaled: rescale the data, or drop the row"
                )
            yield place, values

    def scaled(self, array: np.ndarray) -> np.ndarray:
        """Return (x − shift) / scale of rows (n, *shape), in float32."""
        # In float64, because (x − shift) cancels for columns far from zero.
        with np.errstate(over="ignore"):
            values = array if self._plain else (array - self.shift) / self.scale
            return values.astype(np.float32)

    @functools.cached_property
    def _plain(self) -> bool:
        return bool(not self.shift.any() and (self.scale == 1).all())

    def decode(self, values: np.ndarray, source: Any = None) -> Any:
        """Return scaled values (n, *shape) in original units and types.

        Parameters
        ----------
        values : ndarray
        source : object, optional
            The data they reconstruct: the result is the same kind of container, with index,
            column order and unused columns as they are there. Without it, a numpy array.
        """
        frame = None if source is None else as_frame(source)
        if frame is not None:
            names = self.names if self.names is not None else tuple(frame.columns)
            return pack_like(source, names, self._columns(values))
        array = self._array(values)
        if source is not None and type(source).__module__.startswith("torch"):
            import torch

            return torch.from_numpy(array).to(source.device)
        return array

    def decode_frame(self, values: np.ndarray, like: Any) -> Any:
        """Return scaled values as a new frame of `like`'s library, with the fitted columns."""
        return new_frame(like, self.column_names(), self._columns(values))

    def column_names(self) -> tuple[str, ...]:
        """Return the names of the fitted columns, ``x0``, ``x1``, … where they had none."""
        return self.names or tuple(f"x{i}" for i in range(math.prod(self.shape)))

    def out_of_support(
        self, values: np.ndarray, support: tuple[float, float], first: int = 0
    ) -> tuple[int, str] | None:
        """Return the number of scaled values outside `support` and an example, or None.

        `first` is the row of the data that values[0] stands for.
        """
        low, high = support
        if low == -math.inf and high == math.inf:
            return None
        # Half a rounding error of fp32: 0.1 / 0.1 need not be 1 to the last bit.
        bad = (values < low - 1e-6) | (values > high + 1e-6)
        count = int(np.count_nonzero(bad))
        if not count:
            return None
        where = np.unravel_index(int(bad.argmax()), bad.shape)
        value = float(values[where]) * self.scale[where[1:]] + self.shift[where[1:]]
        return count, f"{value:g} in {self.place((first + where[0], *where[1:]))}"

    def place(self, where: tuple[Any, ...]) -> str:
        """Return an index (row, …) in words."""
        row, rest = int(where[0]), tuple(int(i) for i in where[1:])
        return _place(row, rest, self.names)

    def _columns(self, values: np.ndarray) -> list[np.ndarray]:
        flat = self._unscale(values).reshape(len(values), -1)  # (n, *shape) -> (n, d)
        dtypes = self.dtypes if len(self.dtypes) == flat.shape[1] else self.dtypes * flat.shape[1]
        return [as_dtype(flat[:, j], dtype) for j, dtype in enumerate(dtypes)]

    def _array(self, values: np.ndarray) -> np.ndarray:
        common = np.result_type(*(np.dtype(name) for name in self.dtypes))
        array = np.empty(values.shape, common)
        for place, piece in pieces_of(values):
            array[place] = as_dtype(self._unscale(piece), str(common))
        return array

    def _unscale(self, values: np.ndarray) -> np.ndarray:
        return values.astype(np.float64) * self.scale + self.shift

    def _same_columns(self, unpacked: Unpacked) -> None:
        # The wording is scikit-learn's, whose checks look for it.
        if self.names is None or unpacked.names is None or unpacked.names == self.names:
            return
        unseen = sorted(set(unpacked.names) - set(self.names))
        missing = sorted(set(self.names) - set(unpacked.names))
        lines = ["The feature names should match those that were passed during fit."]
        if unseen:
            lines += ["Feature names unseen at fit time:", *(f"- {name}" for name in unseen[:5])]
        if missing:
            lines += ["Feature names seen at fit time, yet now missing:"]
            lines += [f"- {name}" for name in missing[:5]]
        if not unseen and not missing:
            lines += ["Feature names must be in the same order as they were in fit."]
        raise SchemaError("\n".join([*lines, ""]))

    def _same_units(self, array: np.ndarray) -> None:
        """Refuse pixels in other units than the fitted ones: they would look black or glaring."""
        high, unsigned = self.high.max(), array.dtype.kind == "u"
        if self.scaling == "none" and unsigned and high <= 1 < array.max():
            raise SchemaError(
                f"the model was fitted on values up to {high:g} and this data is {array.dtype} up "
                f"to {array.max()}: divide by {np.iinfo(array.dtype).max} if these are the same "
                "pictures in other units"
            )
        if self.scaling != "unit":
            return
        top = float(self.scale.flat[0])
        if array.dtype.kind == "b" or (
            array.dtype.kind == "u" and np.iinfo(array.dtype).max != top
        ):
            raise SchemaError(
                f"the model was fitted on whole numbers from 0 to {top:g} and this data is "
                f"{array.dtype}, whose range is another: convert it to {self.dtypes[0]} first"
            )
        if array.dtype.kind != "f":
            return
        finite = array[np.isfinite(array)]
        # Whole numbers up to 1 are a picture of zeros and ones rather than the darkest of 0 … 255.
        if finite.size and (finite.max() == 1 or (finite != np.round(finite)).any()):
            raise SchemaError(
                f"the model was fitted on whole numbers from 0 to {top:g} and this data has "
                f"fractions ({array.dtype}): pass {self.dtypes[0]} values, or multiply by {top:g} "
                "and round if they lie in [0, 1]"
            )


def refuse_non_finite(data: Unpacked) -> None:
    """Raise `DataError` that names the first NaN or infinity."""
    array = data.array
    if array.dtype.kind != "f":
        return
    for rows, piece in pieces_of(array):
        bad = ~np.isfinite(piece)
        if not bad.any():
            continue
        where = np.unravel_index(int(bad.argmax()), bad.shape)
        place = _place(rows.start + int(where[0]), tuple(int(i) for i in where[1:]), data.names)
        if np.isnan(piece[where]):
            raise DataError(
                f"missing value (NaN) in {place}: rows with missing cells cannot be used yet; "
                "drop them (dropna) or fill them (scikit-learn's SimpleImputer) first"
            )
        raise DataError(f"infinite value (inf) in {place}: replace it by a number, or drop the row")


def as_dtype(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return float64 values in another type, kept in its range; whole numbers are rounded."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return values >= 0.5
    if kind.kind in "iu":
        info = np.iinfo(kind)
        # The largest float64 below 2⁶³ is what int64's maximum rounds down to.
        high = np.nextafter(float(info.max), 0) if info.bits == 64 else float(info.max)
        return np.clip(np.round(values), float(info.min), high).astype(kind)
    limit = float(np.finfo(kind).max)
    return np.clip(values, -limit, limit).astype(kind)


def _affine(
    scaling: str, statistics: Statistics, dtype: np.dtype
) -> tuple[np.ndarray | float, np.ndarray | float]:
    if scaling == "unit":
        if dtype.kind != "u":
            raise SpecError(
                f"scaling='unit' divides by the type's maximum and needs unsigned integers, not "
                f"{dtype}: use 'minmax'"
            )
        return 0.0, float(np.iinfo(dtype).max)
    if scaling == "none":
        return 0.0, 1.0
    if scaling == "minmax":
        span = statistics.high - statistics.low
        return statistics.low, np.where(statistics.constant | (span == 0), 1.0, span)
    deviation = np.where(statistics.constant, 1.0, statistics.deviation)
    return (statistics.mean if scaling == "standard" else 0.0), deviation


def _place(row: int, rest: tuple[int, ...], names: tuple[str, ...] | None) -> str:
    if len(rest) == 1:
        return f"row {row}, column {names[rest[0]]!r}" if names else f"row {row}, column {rest[0]}"
    return f"row {row}, position {rest}"
