"""``diabolo evaluate``"""

from __future__ import annotations

from typing import Annotated, Any

from diabolo.cli import common, options

#: Neighbours that vote, where labels are given.
NEIGHBOURS = 7


def evaluate(
    model: options.Model,
    data: options.Data,
    labels: Annotated[
        str | None,
        options.main.option(
            "A column of DATA, a file or a public data set with a class for each row; adds the "
            "accuracy of nearest neighbours on codes and on the data itself.",
            metavar="NAME",
        ),
    ] = None,
    top: Annotated[
        int, options.main.option("How many of the worst rows to show.", metavar="N", min=0)
    ] = 5,
    json: options.Json = False,
    header: options.Header = None,
    size: options.Size = None,
    key: options.Key = None,
) -> None:
    """Measure how well a model reconstructs DATA, and what its codes are worth."""
    import numpy as np

    estimator = common.load_model(model)
    source = common.open_data(data, header, size, key)
    everything, X = common.read_with_columns(source, estimator.schema_.names)
    classes = None if labels is None else _labels(everything, labels)
    with common.about(source.path):
        per_value = estimator.reconstruction_error(X, per_value=True)
        log_prob = estimator.score_samples(X)
    flat = per_value.reshape(len(per_value), -1)  # (n, *shape) -> (n, d)
    there = ~np.isnan(flat)
    flat = np.where(there, flat, 0)
    errors = flat.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    worst = np.argsort(-errors, kind="stable")[:top]
    result: dict[str, Any] = {
        "rows": len(errors),
        "reconstruction_error": float(errors.mean(dtype=np.float64)),
        "reconstruction_error_median": float(np.median(errors)),
        "reconstruction_error_99": float(np.quantile(errors, 0.99)),
        "log_likelihood": float(log_prob.mean(dtype=np.float64)),
        "worst_rows": [
            {"row": int(i), "name": _name(source, int(i)), "error": float(errors[i])} for i in worst
        ],
    }
    if estimator.spec_.kind == "table":
        columns = flat.sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        order = np.argsort(-columns, kind="stable")[:top]
        names = estimator.schema_.column_names()
        result["worst_columns"] = {names[j]: float(columns[j]) for j in order}
    if classes is not None:
        result |= _neighbours(estimator, X, classes)
    common.print_json(result) if json else _print(result)


def _print(result: dict[str, Any]) -> None:
    worst, columns = result.pop("worst_rows"), result.pop("worst_columns", {})
    words = {
        "rows": "rows",
        "reconstruction_error": "reconstruction error, mean (squared, per value, scaled units)",
        "reconstruction_error_median": "reconstruction error, median row",
        "reconstruction_error_99": "reconstruction error, 99 % of rows are below",
        "log_likelihood": "log-likelihood given the code, mean (nats a row, scaled units)",
        "knn_accuracy_codes": f"kNN accuracy on codes (k = {NEIGHBOURS}, a fifth held back)",
        "knn_accuracy_raw": "kNN accuracy on the data itself",
    }
    rows = [(words[k], f"{v:,}" if isinstance(v, int) else f"{v:.6g}") for k, v in result.items()]
    common.print_table(("measure", "value"), rows, "lr")
    if worst:
        lines = [(row["name"] or f"row {row['row']}", f"{row['error']:.6g}") for row in worst]
        common.print_table(("rows with the largest error", "error"), lines, "lr")
    if columns:
        lines = [(name, f"{value:.6g}") for name, value in columns.items()]
        common.print_table(("columns with the largest error", "error"), lines, "lr")


def _labels(X: Any, labels: str) -> Any:
    """Return the classes from a column of X or from a file, as whole numbers."""
    import numpy as np

    from diabolo.errors import DataError

    if labels in getattr(X, "columns", ()):
        column = np.asarray(X[labels])
    elif public := common.public_data(labels):
        column = public.labels
    else:
        column = np.asarray(common.open_data(labels).read())
        column = column[:, 0] if column.ndim == 2 and column.shape[1] == 1 else column
    if column.shape != (len(X),):
        raise DataError(
            f"--labels {labels}: expected one class for each of the {len(X)} rows, "
            f"and found shape {column.shape}"
        )
    return np.unique(column.astype(str), return_inverse=True)[1]


def _neighbours(estimator: Any, X: Any, classes: Any) -> dict[str, float]:
    import numpy as np

    from diabolo.cells import filled
    from diabolo.errors import DataError
    from diabolo.metrics import knn_accuracy

    order = np.random.default_rng(0).permutation(len(classes))
    queries, known = np.split(order, [min(5000, len(order) // 5)])
    if len(known) < NEIGHBOURS or not len(queries):
        raise DataError(f"--labels needs at least 10 rows for kNN, and there are {len(order)}")
    result = {}
    raw = filled(estimator._encode_input(X)[:]).flatten(1).numpy()  # (n, *shape) -> (n, d)
    for name, values in (("codes", estimator.transform(X)), ("raw", raw)):
        result[f"knn_accuracy_{name}"] = knn_accuracy(
            values[known], classes[known], values[queries], classes[queries], k=NEIGHBOURS
        )
    return result


def _name(source: Any, row: int) -> str | None:
    return source.names[row] if source.names else None
