"""The command line: thin shells over the public functions.

Nothing heavy is imported until a command runs, so ``diabolo --help`` answers at once.
"""

from __future__ import annotations

import sys
import warnings

import typer

from diabolo.cli import datasets, demo, evaluate, info, train, transforms
from diabolo.errors import DiaboloError

#: Exit status of every refusal: bad input, bad options, an interrupted run.
REFUSED = 2

app = typer.Typer(
    name="diabolo",
    help="Compress unlabelled data into codes and back with one fitted autoencoder.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train.train)
app.command("encode")(transforms.encode)
app.command("decode")(transforms.decode)
app.command("reconstruct")(transforms.reconstruct)
app.command("evaluate")(evaluate.evaluate)
app.command("info")(info.info)
app.command("datasets")(datasets.datasets)
app.command("demo")(demo.demo)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        from diabolo import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; every refusal is one message and exit status 2."""
    warnings.showwarning = _one_line
    try:
        app()
    except DiaboloError as error:
        _refuse(str(error))
    except KeyboardInterrupt:
        _refuse("interrupted; nothing was written")
    except MemoryError:
        _refuse("there is not enough memory for this; use fewer rows, or a smaller batch_size")
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: nothing is wrong.
        sys.stderr.close()
        raise SystemExit(0) from None


def _refuse(message: str) -> None:
    print(f"diabolo: {message}", file=sys.stderr)
    raise SystemExit(REFUSED)


def _one_line(message, category, filename, lineno, file=None, line=None) -> None:
    print(f"warning: {message}", file=sys.stderr)
