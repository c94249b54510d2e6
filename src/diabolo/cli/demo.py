"""``diabolo demo``"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from diabolo.cli import common

CODE_SIZE, NEIGHBOURS = 8, 7


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the page, the model and the codes.")
    ] = Path("demo"),
    data: Annotated[
        str, typer.Option(help="Which public data set: digits, mnist, fashion-mnist.")
    ] = "digits",
) -> None:
    """Train on small handwritten digits and show what one fitted model is good for."""
    import numpy as np

    from diabolo import Autoencoder, datasets, metrics
    from diabolo.data.writers import write
    from diabolo.report.model_page import model_page

    train, test = datasets.load(data, "train"), datasets.load(data, "test")
    out.mkdir(parents=True, exist_ok=True)
    common.say(f"{train.title}: learning a code of {CODE_SIZE} numbers from {len(train.data):,}")
    began = time.perf_counter()
    model = Autoencoder(CODE_SIZE, random_state=0, verbose=1).fit(train.data)
    seconds = time.perf_counter() - began

    errors = model.reconstruction_error(test.data)
    raw_train, raw_test = (_flat(part.data) for part in (train, test))
    pca = metrics.pca_reconstruction_error(raw_train, raw_test, CODE_SIZE)
    rows = [
        ("training", f"{seconds:.1f} s, {len(train.data):,} rows"),
        (f"reconstruction error, {len(test.data):,} unseen rows", f"{errors.mean():.4f}"),
        (f"reconstruction error of a PCA of {CODE_SIZE}", f"{pca:.4f}"),
    ]
    spaces = {
        f"raw pixels ({raw_train.shape[1]} numbers)": (raw_train, raw_test),
        f"codes ({CODE_SIZE} numbers)": (model.transform(train.data), model.transform(test.data)),
    }
    for name, (known, asked) in spaces.items():
        began = time.perf_counter()
        accuracy = metrics.knn_accuracy(known, train.labels, asked, test.labels, k=NEIGHBOURS)
        took = time.perf_counter() - began
        rows.append((f"kNN accuracy on {name}", f"{accuracy:.1%} in {1000 * took:.0f} ms"))
    odd = np.argsort(-errors, kind="stable")[:5]
    rows.append(("most anomalous unseen rows", ", ".join(map(str, odd))))
    write(out / "codes.npy", model.transform(test.data))
    write(out / "data.npy", np.asarray(test.data, np.float32))
    for name, file in (("data", "data.npy"), ("codes", "codes.npy")):
        rows.append((f"bytes of the unseen {name} ({file})", f"{(out / file).stat().st_size:,}"))
    model.save(out / "model")

    page = model_page(
        model,
        test.data,
        test.labels,
        title=f"{train.title} in {CODE_SIZE} numbers",
        subtitle=f"An autoencoder after {seconds:.1f} s of training, shown rows it has never seen",
    )
    page.section("In figures")
    page.table(("measure", "value"), rows)
    page.save(out / "index.html")
    common.print_table(("measure", "value"), rows)
    print(f"model: {out / 'model'}\npage:  {out / 'index.html'}  (open it in a browser)")


def _flat(images):
    """Return images as rows of numbers in [0, 1]: (n, h, w) → (n, h · w)."""
    import numpy as np

    scale = np.iinfo(images.dtype).max if images.dtype.kind == "u" else 1
    return images.reshape(len(images), -1).astype(np.float32) / scale
