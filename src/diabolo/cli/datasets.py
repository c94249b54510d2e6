"""``diabolo datasets``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diabolo.cli import common, options

main = options.main


def datasets(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Fetch this one and print its folder.")
    ] = None,
    out: Annotated[
        Path | None,
        main.option("Write its rows to this file instead.", "--out", "-o", metavar="FILE"),
    ] = None,
    labels: Annotated[
        Path | None, main.option("Write the class of each row to this file.", metavar="FILE")
    ] = None,
    split: Annotated[str, main.option("Part to write: train or test.", metavar="NAME")] = "train",
) -> None:
    """List public data sets, or fetch one of them.

    What is fetched is checked; a download that broke off goes on where it stopped.

    A folder in the environment variable DIABOLO_DATA that has the files is used.
    """
    from diabolo import datasets as public

    if name is None:
        if out or labels:
            raise typer.BadParameter("name a data set to write", param_hint="NAME")
        rows = [
            (key, row.title, row.what, row.items, row.shape, row.licence)
            for key, row in public.DATASETS.items()
        ]
        header = ("name", "title", "what", "items", "of", "licence")
        common.print_table(header, rows, "lllrll")
        for key, row in public.DATASETS.items():
            print(f"  {key}: {row.origin}")
        return
    if out is None and labels is None:
        print(public.fetch(name))
        return
    from diabolo.data.writers import check, write

    # Before anything is fetched or written.
    for path in (out, labels):
        if path is not None:
            check(path)
    if out == labels:
        raise typer.BadParameter("the same file as --out", param_hint="--labels")
    loaded = public.load(name, split)
    for path, values in ((out, loaded.data), (labels, loaded.labels)):
        if path is not None:
            write(path, values, columns=["label"] if path == labels else None)
            print(path)
