"""``diabolo encode``, ``decode`` and ``reconstruct``: rows in, rows out, in constant memory."""

from __future__ import annotations

from diabolo.cli import common


def encode(
    model: common.Model,
    data: common.Data,
    out: common.Out,
    header: common.Header = None,
    size: common.Size = None,
    key: common.Key = None,
) -> None:
    """Write the codes of DATA, one row for each row."""
    from diabolo.data.writers import write

    estimator = common.load_model(model)
    source = common.open_data(data, header, size, key)
    names = list(estimator.get_feature_names_out())
    rows = common.pieces(source, estimator.schema_.names)
    write(out, (estimator.transform(piece) for piece in rows), columns=names)
    print(out)


def decode(
    model: common.Model,
    codes: common.Data,
    out: common.Out,
    header: common.Header = None,
    key: common.Key = None,
) -> None:
    """Turn codes back into rows, in original units."""
    from diabolo.data.writers import write

    estimator = common.load_model(model)
    source = common.open_data(codes, header, None, key)
    rows = (estimator.inverse_transform(piece) for piece in common.pieces(source))
    write(out, rows, columns=list(estimator.schema_.column_names()))
    print(out)


def reconstruct(
    model: common.Model,
    data: common.Data,
    out: common.Out,
    header: common.Header = None,
    size: common.Size = None,
    key: common.Key = None,
) -> None:
    """Write DATA as the model sees it, after the way through the code.

    Columns that the model does not know are copied.
    """
    from diabolo.data.writers import write

    estimator = common.load_model(model)
    source = common.open_data(data, header, size, key)
    rows = (estimator.reconstruct(piece) for piece in common.pieces(source))
    write(out, rows, columns=list(estimator.schema_.column_names()), names=source.names)
    print(out)
