"""``diabolo evaluate``"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from diabolo.cli import common


def evaluate(
    model: common.Model,
    data: common.Data,
    labels: Annotated[
        str | None,
        typer.Option(help="A column of DATA, or a file, with a class for each row: adds kNN."),
    ] = None,
    top: Annotated[int, typer.Option(help="How many of the worst rows to show.")] = 5,
    header: common.Header = None,
    size: common.Size = None,
    key: common.Key = None,
    json: common.Json = False,
) -> None:
    """Measure how well a model reconstructs DATA, and what its codes are worth."""
    import numpy as np

    estimator = common.load_model(model)
    source = common.open_data(data, header, size, key)
    X = source.read()
    classes = None if labels is None else _labels(X, labels)
    from diabolo.data.containers import select

    X = select(X, estimator.schema_.names)
    per_value = estimator.reconstruction_error(X, per_value=True)
    flat = per_value.reshape(len(per_value), -1)  # (n, *shape) -> (n, d)
    errors = flat.mean(axis=1)
    worst = np.argsort(-errors, kind="stable")[:top]
    result: dict[str, Any] = {
        "rows": len(errors),
        "reconstruction_error": float(errors.mean(dtype=np.float64)),
        "reconstruction_error_median": float(np.median(errors)),
        "reconstruction_error_99": float(np.quantile(errors, 0.99)),
        "log_likelihood": float(estimator.score_samples(X).mean(dtype=np.float64)),
        "worst_rows": [
            {"row": int(i), "name": _name(source, int(i)), "error": float(errors[i])} for i in worst
        ],
    }
    if estimator.spec_.kind == "table":
        columns = flat.mean(axis=0)
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
        "knn_accuracy_codes": "kNN accuracy on codes (k = 7, a fifth of the rows held back)",
        "knn_accuracy_raw": "kNN accuracy on the data itself",
    }
    rows = [(words[k], f"{v:,}" if isinstance(v, int) else f"{v:.6g}") for k, v in result.items()]
    common.print_table(("measure", "value"), rows)
    common.print_table(
        ("rows with the largest error", "error"),
        [(row["name"] or f"row {row['row']}", f"{row['error']:.6g}") for row in worst],
    )
    if columns:
        common.print_table(
            ("columns with the largest error", "error"),
            [(name, f"{value:.6g}") for name, value in columns.items()],
        )


def _labels(X: Any, labels: str) -> Any:
    """Return the classes from a column of X or from a file, as whole numbers."""
    import numpy as np

    from diabolo.data.readers import open_source
    from diabolo.errors import DataError

    if labels in getattr(X, "columns", ()):
        column = np.asarray(X[labels])
    else:
        read = open_source(labels).read()
        column = np.asarray(read)
        column = column[:, 0] if column.ndim == 2 and column.shape[1] == 1 else column
    if column.shape != (len(X),):
        raise DataError(
            f"--labels {labels}: expected one class for each of the {len(X)} rows, "
            f"and found shape {column.shape}"
        )
    return np.unique(column.astype(str), return_inverse=True)[1]


def _neighbours(estimator: Any, X: Any, classes: Any) -> dict[str, float]:
    import numpy as np

    from diabolo.errors import DataError
    from diabolo.metrics import knn_accuracy

    order = np.random.default_rng(0).permutation(len(classes))
    queries, known = np.split(order, [min(5000, len(order) // 5)])
    if len(known) < 7 or not len(queries):
        raise DataError(f"--labels needs at least 10 rows for kNN, and there are {len(order)}")
    result = {}
    raw = estimator._encode_input(X).numpy().reshape(len(order), -1)  # (n, *shape) -> (n, d)
    for name, values in (("codes", estimator.transform(X)), ("raw", raw)):
        result[f"knn_accuracy_{name}"] = knn_accuracy(
            values[known], classes[known], values[queries], classes[queries], k=7
        )
    return result


def _name(source: Any, row: int) -> str | None:
    return source.names[row] if source.names else None
