"""What the commands share: arguments, reading input, printing tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.errors import ReadError, SpecError

if TYPE_CHECKING:
    from diabolo.data.readers import Source
    from diabolo.estimator import Autoencoder

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder that `train` wrote.")]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A file (.csv .tsv .parquet .feather .npy .npz .idx, also .gz), a folder of images, "
        "a URI of either, or a public data set as NAME or NAME/test (see `diabolo datasets`).",
    ),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header", help="Whether a CSV begins with column names. [default: detected]"
    ),
]
Size = Annotated[
    str | None, typer.Option(metavar="HxW", help="Resize the images of a folder, e.g. 32x32.")
]
Key = Annotated[str | None, typer.Option(help="Which array of an .npz file.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="File to write, by suffix.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON instead of a table.")]

#: Rows that the streaming commands hold at a time.
ROWS = 8192


def say(message: str) -> None:
    """Print a remark; standard output is kept for results."""
    print(message, file=sys.stderr)


def open_data(data: str, header: bool | None, size: str | None, key: str | None) -> Source:
    """Open DATA: a path or URI, or (where no such file exists) a public data set by name."""
    from diabolo.data.readers import open_source
    from diabolo.datasets import names

    name, _, split = data.partition("/")
    if name in names() and not Path(data).exists():
        return _dataset(name, split or "train")
    source = open_source(data, header=header, image_size=_size(size), key=key)
    for note in source.notes:
        say(f"{data}: {note}")
    return source


def _dataset(name: str, split: str) -> Any:
    from diabolo import datasets
    from diabolo.data.readers import array_source

    loaded = datasets.load(name, split)
    say(f"{loaded.title}: {len(loaded.data):,} rows of the {split} split")
    return array_source(f"{name}/{split}", loaded.data)


def _size(size: str | None) -> tuple[int, int] | None:
    if size is None:
        return None
    height, _, width = size.lower().partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise SpecError(f"--size {size}: give height and width in pixels, for example 32x32")
    return int(height), int(width)


def load_model(path: Path) -> Autoencoder:
    """Load the model folder of a command."""
    from diabolo import load

    return load(path)


def pieces(source: Source, names: tuple[str, ...] | None = None) -> Iterator[Any]:
    """Yield the rows of a source in pieces, frames reduced to the columns `names`."""
    from diabolo.data.containers import select

    empty = True
    for piece in source.chunks(ROWS):
        empty = False
        yield select(piece, names)
    if empty:
        raise ReadError(f"{source.path}: there are no rows")


def parse_widths(text: str | None) -> tuple[int, ...] | str:
    """Return "1000,500" as widths, "" as none, and nothing as "auto"."""
    if text is None or text == "auto":
        return "auto"
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise SpecError(f"--hidden {text}: give widths such as 256,128") from None


def number_or_auto(text: str, option: str, kind: type = int) -> Any:
    """Return an option's text as a number, or "auto"."""
    if text == "auto":
        return text
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise SpecError(f"{option} {text}: give {what}, or auto") from None


def print_table(headers: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
    """Print a table that is aligned on a terminal and plain where piped."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for i, header in enumerate(headers):
        table.add_column(header, justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    # Piped output must not be cut to the width of a terminal that is not there.
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)


def print_json(value: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps(value, ensure_ascii=False))
