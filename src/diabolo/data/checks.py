"""What is refused of the rows that users pass."""

from __future__ import annotations

import numpy as np

from diabolo.data.containers import Unpacked
from diabolo.data.statistics import pieces_of
from diabolo.errors import DataError, SchemaError


def refuse_non_finite(data: Unpacked, missing: bool = False) -> None:
    """Raise `DataError` that names the first infinity, or NaN unless cells may be missing."""
    array = data.array
    if array.dtype.kind != "f":
        return
    for rows, piece in pieces_of(array):
        if all_finite(piece):
            continue
        bad = np.isinf(piece) if missing else ~np.isfinite(piece)
        if not bad.any():
            continue
        where = np.unravel_index(int(bad.argmax()), bad.shape)
        place = place_of(rows.start + int(where[0]), tuple(int(i) for i in where[1:]), data.names)
        if np.isnan(piece[where]):
            raise DataError(
                f"missing value (NaN) in {place}, and the model never saw one: drop such rows "
                "(dropna), fill them (diabolo's Imputer, fitted on such data), or train on data "
                "with missing cells"
            )
        raise DataError(f"infinite value (inf) in {place}: replace it by a number, or drop the row")


def all_finite(array: np.ndarray) -> bool:
    """Return True only if no number is infinite or NaN; large ones may give False.

    One pass without a temporary: what is not finite stays in the sum.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()))


def same_columns(fitted: tuple[str, ...] | None, names: tuple[str, ...] | None) -> None:
    """Raise `SchemaError` unless a frame has the columns that were fitted, in their order."""
    # The wording is scikit-learn's, whose checks look for it.
    if fitted is None or names is None or names == fitted:
        return
    unseen = sorted(set(names) - set(fitted))
    missing = sorted(set(fitted) - set(names))
    lines = ["The feature names should match those that were passed during fit."]
    if unseen:
        lines += ["Feature names unseen at fit time:", *(f"- {name}" for name in unseen[:5])]
    if missing:
        lines += ["Feature names seen at fit time, yet now missing:"]
        lines += [f"- {name}" for name in missing[:5]]
    if not unseen and not missing:
        lines += ["Feature names must be in the same order as they were in fit."]
    raise SchemaError("\n".join([*lines, ""]))


def same_shape(array: np.ndarray, fitted: tuple[int, ...]) -> None:
    """Refuse an array (n, …) whose rows are not of the fitted shape, or that has none."""
    shape = array.shape[1:]
    if shape != fitted:
        if len(shape) == len(fitted) == 1:
            raise SchemaError(
                f"X has {shape[0]} features, but Autoencoder is expecting {fitted[0]} "
                "features as input"
            )
        raise SchemaError(f"rows have shape {shape}, and the model was fitted on {fitted}")
    if not len(array):
        raise DataError(
            f"Found array with 0 sample(s) (shape={array.shape}) while a minimum of 1 is required: "
            "there is nothing to do"
        )


def same_units(array: np.ndarray, scaling: str, high: float, top: float, dtype: str) -> None:
    """Refuse pixels in other units than the fitted ones: they would look black or glaring.

    Parameters
    ----------
    array : ndarray (n, …)
    scaling : str
        Of the fitted data.
    high, top : float
        The largest value of the fitted data, and that of its type `dtype`.
    """
    unsigned = array.dtype.kind == "u"
    if scaling == "none" and unsigned and high <= 1 < array.max():
        raise SchemaError(
            f"the model was fitted on values up to {high:g} and this data is {array.dtype} up "
            f"to {array.max()}: divide by {np.iinfo(array.dtype).max} if these are the same "
            "pictures in other units"
        )
    if scaling != "unit":
        return
    if array.dtype.kind == "b" or (array.dtype.kind == "u" and np.iinfo(array.dtype).max != top):
        raise SchemaError(
            f"the model was fitted on whole numbers from 0 to {top:g} and this data is "
            f"{array.dtype}, whose range is another: convert it to {dtype} first"
        )
    if array.dtype.kind != "f":
        return
    finite = array[np.isfinite(array)]
    # Whole numbers up to 1 are a picture of zeros and ones rather than the darkest of 0 … 255.
    if finite.size and (finite.max() == 1 or (finite != np.round(finite)).any()):
        raise SchemaError(
            f"the model was fitted on whole numbers from 0 to {top:g} and this data has "
            f"fractions ({array.dtype}): pass {dtype} values, or multiply by {top:g} "
            "and round if they lie in [0, 1]"
        )


def place_of(row: int, rest: tuple[int, ...], names: tuple[str, ...] | None) -> str:
    """Return where a value is in words."""
    if len(rest) == 1:
        return f"row {row}, column {names[rest[0]]!r}" if names else f"row {row}, column {rest[0]}"
    return f"row {row}, position {rest}"
