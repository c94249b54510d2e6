"""The page about one fitted model and the data it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.report.figures import code_map, column_errors, error_histogram, loss_curves
from diabolo.report.page import Page
from diabolo.report.pictures import most_anomalous, reconstructions

if TYPE_CHECKING:
    from diabolo.estimator import Autoencoder


def model_page(
    model: Autoencoder,
    X: Any,
    labels: Any = None,
    *,
    title: str = "",
    subtitle: str = "",
    measures: Sequence[tuple[str, Any]] = (),
) -> Page:
    """Return a page of pictures: losses, reconstructions, the code map, errors and odd rows.

    Parameters
    ----------
    model : Autoencoder
        Fitted.
    X : array or frame (n, …)
        Rows to look at, preferably ones that the model has not seen.
    labels : array (n,), optional
        Classes; they colour the code map and are used for nothing else.
    measures : sequence of (name, value), optional
        What was measured on these rows; a table at the top of the page.

    Returns
    -------
    Page
        More can be added to it before it is saved.
    """
    spec, schema = model.spec_, model.schema_
    page = Page(title or "What the model learned", subtitle)
    squared = model.reconstruction_error(X, per_value=True)
    errors = squared.reshape(len(squared), -1).mean(axis=1)  # (n, *shape) -> (n,)
    images = np.asarray(X) if spec.kind == "image" else None
    if measures:
        page.table(["measure", "value"], measures, "What was measured.", "lr")
    page.section("Code space")
    page.figure(
        code_map(model.transform(X), labels, images),
        f"Codes of {len(errors):,} rows, each a point"
        + (", coloured by class (the model never saw a class)." if labels is not None else "."),
    )
    page.section("Reconstructions")
    if images is not None:
        page.picture(
            reconstructions(images, model.reconstruct(images), labels, errors),
            "Images, their reconstructions from the code, and the difference",
            f"Images, what comes back from a code of {spec.code_size} numbers, and the difference.",
        )
    else:
        flat = squared.reshape(len(squared), -1)  # (n, *shape) -> (n, d)
        page.figure(
            column_errors(schema.column_names(), flat.mean(axis=0)),
            "Mean squared error by column, in scaled units.",
        )
    page.section("Errors")
    page.figure(error_histogram(errors), "Reconstruction error of the rows.")
    if images is not None:
        page.picture(
            most_anomalous(images, errors),
            "The images with the largest reconstruction error",
            "The rows that the model reconstructs worst: the oddest of this data.",
        )
    page.section("Training")
    if model.history_:
        page.figure(loss_curves(model.history_, model.kept_), "Loss, nats per value.")
    epochs = model.history_[-1]["epoch"] if model.history_ else 0
    page.table(
        ["", "value"],
        [
            ["input", " × ".join(map(str, schema.shape))],
            ["code", f"{spec.code_size} numbers, {spec.bottleneck}"],
            ["network", str(spec.network)],
            ["augmentation", str(spec.augmentation)],
            ["corruption", str(spec.corruption)],
            ["likelihood", str(spec.likelihood)],
            ["penalties", ", ".join(map(str, spec.penalties)) or "none"],
            ["pretraining", str(spec.pretraining)],
            ["training", str(spec.training)],
            ["epochs", f"{epochs} of {spec.max_epochs} ({model.stopped_})"],
            ["seed", spec.seed],
        ],
        "The model, with everything that was chosen automatically.",
        "ll",
    )
    return page
