"""The command line: thin shells over the public functions.

Nothing heavy is imported until a command runs, so ``diabolo --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, cast

import typer

from diabolo.cli import datasets, demo, detect, doctor, evaluate, info, train, transforms
from diabolo.cli.common import guarded, refuse, say
from diabolo.errors import DiaboloWarning

app = typer.Typer(
    name="diabolo",
    help="Compress unlabelled data into codes and back with one fitted autoencoder.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    train.train,
    transforms.encode,
    transforms.decode,
    transforms.reconstruct,
    transforms.impute,
    detect.detect,
    evaluate.evaluate,
    info.info,
    doctor.doctor,
    datasets.datasets,
    demo.demo,
):
    app.command(command.__name__)(guarded(command))

#: What typer raises for options and arguments that it cannot make sense of.
UsageError = cast(type[typer.BadParameter], typer.BadParameter.__bases__[0])


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from diabolo import __version__

        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line; every refusal is one message and exit status 2."""
    # A shell that closed them (>&-) leaves None.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that knows no "→" must not end the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    with warnings.catch_warnings():
        warnings.simplefilter("always", DiaboloWarning)
        warnings.showwarning = _Remarks()
        try:
            status = app(prog_name="diabolo", standalone_mode=False)
        except UsageError as error:
            context = getattr(error, "ctx", None)
            path = context.command_path if context else "diabolo"
            refuse(f"{error.format_message().rstrip('.')}. See `{path} --help`.")
    raise SystemExit(status or 0)


#: Warnings that are shown: one for each piece of a large file would bury the result.
MOST_REMARKS = 10


class _Remarks:
    """Shows each warning once, on a line of its own, and only the first few."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def __call__(self, message, category, filename, lineno, file=None, line=None) -> None:
        if str(message) in self.said or len(self.said) > MOST_REMARKS:
            return
        self.said.add(str(message))
        more = len(self.said) > MOST_REMARKS
        say("warning: there are more warnings" if more else f"warning: {message}")
