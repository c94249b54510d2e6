"""``diabolo datasets``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diabolo.cli import common


def datasets(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Fetch this one and print its folder.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write its rows to this file instead.")
    ] = None,
    split: Annotated[str, typer.Option(help="Which part --out writes: train or test.")] = "train",
) -> None:
    """List public data sets, or fetch one (checked, resumed where a download broke off).

    A folder named by the environment variable DIABOLO_DATA that already has them is used as it is.
    """
    from diabolo import datasets as public

    if name is None:
        rows = [(key, row.title, row.items, row.licence) for key, row in public.DATASETS.items()]
        common.print_table(("name", "what", "items", "licence"), rows)
        return
    if out is None:
        print(public.fetch(name))
        return
    from diabolo.data.writers import write

    write(out, public.load(name, split).data)
    print(out)
