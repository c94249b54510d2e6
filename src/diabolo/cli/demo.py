"""``diabolo demo``"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any

from diabolo.cli import common, options

CODE_SIZE, NEIGHBOURS = 8, 7

main = options.main


def demo(
    out: Annotated[
        Path,
        main.option("Folder for page, model and codes: demo.", "--out", "-o", metavar="FOLDER"),
    ] = Path("demo"),
    data: Annotated[
        str, main.option("Public data set: digits, mnist, fashion-mnist.", metavar="NAME")
    ] = "digits",
) -> None:
    """Show on small handwritten digits what one fitted model is good for."""
    from diabolo import datasets
    from diabolo.data.atomic import atomic_folder

    train, test = datasets.load(data, "train"), datasets.load(data, "test")
    with atomic_folder(out, is_ours=_is_demo) as folder:
        rows = _show(train, test, folder)
    common.print_table(("measure", "value"), rows, "lr")
    print(f"page:  {out / 'index.html'}  (open it in a browser)\nmodel: {out / 'model'}")
    # In a virtual environment that is not active the name alone would not be found.
    program = "diabolo" if shutil.which("diabolo") else f"{sys.executable} -m diabolo"
    common.say(
        "\nWhat next?\n"
        f"  {program} evaluate {out / 'model'} {data}/test --labels {data}/test\n"
        f"  {program} train YOUR.csv --out my-model    (or .parquet, .npy, a folder of images …)"
    )


def _is_demo(folder: Path) -> bool:
    """Return whether the folder is a demo of before, with nothing else in it."""
    from diabolo import store

    files = {"index.html", "codes.npy", "data.npy"}
    names = {path.name for path in folder.iterdir()}
    return names == {*files, "model"} and store.is_only_model(folder / "model")


def _show(train: Any, test: Any, folder: Path) -> list[tuple[str, str]]:
    """Write the demo's files into the folder and return its table."""
    import numpy as np

    from diabolo import Autoencoder, metrics
    from diabolo.data.writers import write
    from diabolo.report.model_page import model_page

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
    codes = model.transform(test.data)
    spaces = {
        f"raw pixels ({raw_train.shape[1]} numbers)": (raw_train, raw_test),
        f"codes ({CODE_SIZE} numbers)": (model.transform(train.data), codes),
    }
    for name, (known, asked) in spaces.items():
        began = time.perf_counter()
        accuracy = metrics.knn_accuracy(known, train.labels, asked, test.labels, k=NEIGHBOURS)
        took = time.perf_counter() - began
        rows.append((f"kNN accuracy on {name}", f"{accuracy:.1%} in {1000 * took:.0f} ms"))
    odd = np.argsort(-errors, kind="stable")[:5]
    rows.append(("most anomalous unseen rows", ", ".join(map(str, odd))))
    write(folder / "codes.npy", codes)
    write(folder / "data.npy", np.asarray(test.data, np.float32))
    for name, file in (("data", "data.npy"), ("codes", "codes.npy")):
        rows.append((f"bytes of the unseen {name} ({file})", f"{(folder / file).stat().st_size:,}"))
    model.save(folder / "model")

    page = model_page(
        model,
        test.data,
        test.labels,
        title=f"{train.title} in {CODE_SIZE} numbers",
        subtitle=f"An autoencoder after {seconds:.1f} s of training, shown rows it has never seen",
        measures=rows,
    )
    page.save(folder / "index.html")
    return rows


def _flat(images: Any) -> Any:
    """Return images as rows of numbers in [0, 1]: (n, h, w) → (n, h · w)."""
    import numpy as np

    scale = np.iinfo(images.dtype).max if images.dtype.kind == "u" else 1
    return images.reshape(len(images), -1).astype(np.float32) / scale
