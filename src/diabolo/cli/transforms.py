"""``diabolo encode``, ``decode``, ``reconstruct`` and ``impute``: rows in, rows out, in constant
memory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from diabolo.cli import common, options


def encode(
    model: options.Model,
    data: options.Data,
    out: options.Out,
    header: options.Header = None,
    size: options.Size = None,
    key: options.Key = None,
) -> None:
    """Write the codes of DATA, one row for each row."""
    from diabolo.data.writers import write

    estimator = common.load_model(model)
    source = common.open_data(data, header, size, key)
    codes = common.mapped(estimator, source, estimator.transform, estimator.schema_.names)
    write(out, codes, columns=list(estimator.get_feature_names_out()))
    print(out)


#: Where rows in the data's own form go; images may go into a folder.
Rows = Annotated[
    Path,
    options.main.option(
        "File to write, in the format of its suffix, or a folder for images.",
        *("--out", "-o"),
        metavar="PATH",
    ),
]


def decode(
    model: options.Model,
    codes: options.Codes,
    out: Rows,
    header: options.Header = None,
    key: options.Key = None,
) -> None:
    """Turn codes back into rows, in original units."""
    from diabolo.data.writers import write

    estimator = common.load_model(model)
    source = common.open_data(codes, header, None, key)
    names = list(estimator.get_feature_names_out())

    def decoded(piece: Any) -> Any:
        # A file of codes may have more columns, or another order, if it names its columns.
        if set(names) <= set(getattr(piece, "columns", ())):
            piece = piece[names]
        # Codes in a table are a table's rows only where the model was fitted on one.
        if estimator.schema_.names is None and hasattr(piece, "to_numpy"):
            piece = piece.to_numpy()
        return estimator.inverse_transform(piece)

    write(
        out,
        common.mapped(estimator, source, decoded),
        columns=list(estimator.schema_.column_names()),
    )
    print(out)


def reconstruct(
    model: options.Model,
    data: options.Data,
    out: Rows,
    header: options.Header = None,
    size: options.Size = None,
    key: options.Key = None,
) -> None:
    """Write DATA as the model sees it, after the way through the code.

    Columns that the model does not know are copied as they were read: 007 becomes 7.
    """
    estimator = common.load_model(model)
    source = common.open_data(data, header, size, key)
    _rewrite(estimator, source, estimator.reconstruct, out)


def impute(
    model: options.Model,
    data: options.Data,
    out: Rows,
    header: options.Header = None,
    size: options.Size = None,
    key: options.Key = None,
) -> None:
    """Fill the missing cells of DATA; all others are as they were read.

    Where a column of DATA holds whole numbers, what is filled in is whole. MODEL is of
    `diabolo train --recipe imputing`.
    """
    from diabolo import Imputer

    estimator = common.load_model(model)
    imputer = Imputer(estimator).fit(None)
    source = common.open_data(data, header, size, key)
    _rewrite(estimator, source, lambda piece: _whole(piece, imputer.transform(piece)), out)


def _whole(piece: Any, filled: Any) -> Any:
    """Return filled rows with whole numbers in columns where all that was there is whole.

    Whole numbers with gaps are floats once they are read, and nobody wants 1.96 children.
    """
    for name in getattr(piece, "columns", ()):
        column = piece[name]
        if column.dtype.kind == "f" and column.hasnans and (column.dropna() % 1 == 0).all():
            filled = filled.assign(**{name: filled[name].round()})
    return filled


def _rewrite(estimator: Any, source: Any, function: Callable[[Any], Any], out: Path) -> None:
    """Write what a function makes of the rows of a source, in their own form."""
    from diabolo.data.writers import write

    rows = common.mapped(estimator, source, function)
    write(out, rows, columns=list(estimator.schema_.column_names()), names=source.names)
    print(out)
