"""The options of the commands: those that several share, and short forms for writing one a line."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from diabolo.errors import SpecError
from diabolo.spec import parse_part


@dataclasses.dataclass(frozen=True)
class Panel:
    """A group of options in a command's help.

    Defaults are not printed beside an option: where there is a choice, the first name is it.
    """

    title: str | None = None

    def option(self, help: str, *names: str, **settings: Any) -> Any:
        """Return an option that takes text; it is called after the parameter without `names`."""
        return typer.Option(
            *names, help=help, show_default=False, rich_help_panel=self.title, **settings
        )

    def flag(self, help: str, *names: str) -> Any:
        """Return an option that takes nothing."""
        return self.option(help, *names, metavar="")

    def choice(self, what: str, names: Iterable[str], auto: bool = True) -> Any:
        """Return an option that takes one of the names, or "auto" where that is allowed."""
        names = (*(("auto",) if auto else ()), *names)

        def parse(text: str) -> str:
            if text not in names:
                raise typer.BadParameter(f"{text!r} is not known: choose one of {', '.join(names)}")
            return text

        return self.option(f"{what}: {', '.join(names)}.", metavar="NAME", parser=parse)

    def part(self, what: str, table: Mapping[str, type], words: Iterable[str] = ()) -> Any:
        """Return an option that takes a part, perhaps with its options, or one of the words."""
        words = tuple(words)

        def parse(text: Any) -> Any:
            if not isinstance(text, str) or text in words:
                return text
            try:
                return parse_part(text, table)
            except SpecError as error:
                raise typer.BadParameter(str(error)) from None

        names = ", ".join((*words, *table))
        return self.option(f"{what}: {names}.", metavar="PART", parser=parse)

    def number(self, help: str, kind: type = int, auto: bool = True) -> Any:
        """Return an option that takes a number, or "auto" where that is allowed."""

        def parse(text: Any) -> Any:
            if auto and text == "auto":
                return text
            try:
                return kind(text)
            except ValueError:
                what = "a whole number" if kind is int else "a number"
                wanted = what + ", or auto" * auto
                raise typer.BadParameter(f"{text!r}: give {wanted}") from None

        return self.option(help, metavar="N" if kind is int else "X", parser=parse)

    def widths(self, help: str) -> Any:
        """Return an option that takes widths such as 256,128, nothing at all, or "auto"."""

        def parse(text: Any) -> Any:
            if text == "auto" or isinstance(text, tuple):
                return text
            try:
                return tuple(int(part) for part in text.split(",")) if text.strip() else ()
            except ValueError:
                raise typer.BadParameter(
                    f"{text!r}: give widths such as 256,128, '' for none, or auto"
                ) from None

        return self.option(help, metavar="WIDTHS", parser=parse)


def pixels(text: Any) -> tuple[int, int]:
    """Parse "32x32" as height and width."""
    height, _, width = str(text).lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise typer.BadParameter(f"{text!r}: give height and width in pixels, for example 32x32")
    return int(height), int(width)


main, reading = Panel(), Panel("Reading the data")

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder that `train` wrote.")]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A file (.csv .tsv .parquet .feather .npy .npz .idx), a folder of images, a URI of "
        "either, or a public data set: NAME or NAME/test (see `diabolo datasets`).",
    ),
]
Codes = Annotated[
    str, typer.Argument(metavar="CODES", help="A file of codes, such as `encode` wrote.")
]
Out = Annotated[
    Path,
    main.option(
        "File to write, in the format of its suffix: .csv .parquet .feather .npy …",
        *("--out", "-o"),
        metavar="FILE",
    ),
]
Json = Annotated[bool, main.flag("Print one line of JSON instead of tables.", "--json")]
Header = Annotated[
    bool | None,
    reading.flag("Whether a CSV begins with names; detected if not said.", "--header/--no-header"),
]
Size = Annotated[
    Any, reading.option("Resize the images of a folder to 32x32.", metavar="HxW", parser=pixels)
]
Key = Annotated[str | None, reading.option("Which array of an .npz file.", metavar="NAME")]
