"""What the commands share: refusals, reading data, printing tables."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from diabolo.errors import DataError, DiaboloError, ReadError, SpecError

if TYPE_CHECKING:
    from diabolo.data.readers import Source
    from diabolo.estimator import Autoencoder

#: Exit status of every refusal: bad input, bad options, an interrupted run.
REFUSED = 2

#: Rows that the streaming commands hold at a time at most, and values (32 MiB as fp64).
ROWS, VALUES = 8192, 1 << 22


def say(message: str) -> None:
    """Print a remark; standard output is kept for results."""
    print(message, file=sys.stderr)


def refuse(message: str) -> NoReturn:
    """End the program with one message and exit status 2."""
    say(f"diabolo: {message}")
    raise SystemExit(REFUSED)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with every error that a user can cause turned into one message."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
            sys.stdout.flush()
        except DiaboloError as error:
            refuse(str(error).strip())
        except KeyboardInterrupt:
            refuse("interrupted; nothing was written")
        except MemoryError:
            refuse(
                "there is not enough memory for this: use a smaller net, fewer rows or a smaller "
                "--batch-size"
            )
        except BrokenPipeError:
            _give_up_output()  # its reader (head, less) has gone
        except OSError as error:
            from diabolo.data.files import reason_of

            # What is below a closed folder, or an output that cannot be written.
            _give_up_output()
            refuse(f"{error.filename or 'standard output'}: {reason_of(error)}")

    return run


def _give_up_output() -> None:
    """Keep Python from trying its output again at the end, which would be a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_data(data: str, header: bool | None = None, size: Any = None, key: Any = None) -> Source:
    """Open DATA: a path or URI, or (where no such file exists) a public data set by name."""
    from diabolo.data.readers import array_source, open_source

    public = public_data(data)
    if public is None:
        source = open_source(data, header=header, image_size=size, key=key)
        for note in source.notes:
            say(f"{data}: {note}")
        return source
    for option, value in (("--header", header), ("--size", size), ("--key", key)):
        if value is not None:
            raise SpecError(f"{option} is for files, and {data} is a public data set")
    say(f"{public.title}: {len(public.data):,} rows")
    return array_source(data, public.data)


def public_data(name: str) -> Any:
    """Return the public data set called NAME or NAME/SPLIT; None where it is no such name."""
    from diabolo import datasets

    name, _, split = name.partition("/")
    if name not in datasets.names() or Path(name, split).exists():
        return None
    return datasets.load(name, split or "train")


def load_model(path: Path) -> Autoencoder:
    """Load the model folder of a command: the autoencoder, also of a task that has one."""
    from diabolo import load

    loaded = load(path)
    return getattr(loaded, "model_", loaded)


def epochs(estimator: Autoencoder) -> str:
    """Say how long a model was trained and why it ended; its first epoch may be unfinished."""
    done = estimator.history_[-1]["epoch"] if estimator.history_ else 0
    return f"{done} of {estimator.spec_.max_epochs} epochs, {estimator.stopped_}"


def losses(estimator: Autoencoder) -> str:
    """Say what the losses of the model were, those of the weights that were kept."""
    if estimator.kept_ is None:
        return "loss unknown: training ended before the first look at it"
    row = estimator.history_[estimator.kept_]
    text = f"loss {row['train']:.5g} nats per value"
    if "held_out" in row:
        text += f", {row['held_out']:.5g} on {len(estimator.held_out_):,} held-out rows"
    return text


def read_with_columns(source: Source, names: tuple[str, ...] | None) -> tuple[Any, Any]:
    """Return all rows of a source, and the same rows with just the columns `names`."""
    from diabolo.data.containers import select

    rows = source.read()
    with about(source.path):
        return rows, select(rows, names)


def mapped(
    estimator: Autoencoder,
    source: Source,
    function: Callable[[Any], Any],
    names: tuple[str, ...] | None = None,
) -> Iterator[Any]:
    """Yield `function` of the rows of a source piece by piece, frames reduced to `names`.

    The next piece is read while one is computed and written.
    """
    from diabolo.data.ahead import ahead
    from diabolo.data.containers import select

    done = 0
    rows = max(1, min(ROWS, VALUES // math.prod(estimator.schema_.shape)))
    with _bar(source) as advance:
        for piece in ahead(source.chunks(rows)):
            with about(source.path, done):
                result = function(select(piece, names))
            yield result
            done += len(piece)
            advance(len(piece))
    if not done:
        raise ReadError(f"{source.path}: there are no rows")


@contextlib.contextmanager
def _bar(source: Source) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many rows are done; yield what counts them."""
    if not sys.stderr.isatty():
        yield lambda rows: None
        return
    from diabolo.training.progress import live_bar

    began, done = time.perf_counter(), 0

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        rate = f"{done / (time.perf_counter() - began):,.0f} rows/s"
        bar.update(task, completed=done, rows=f"{done:,} rows", rate=rate)
        bar.refresh()

    with live_bar("{task.fields[rows]}") as bar:
        task = bar.add_task("", total=source.rows, rows="", rate="")
        yield advance


@contextlib.contextmanager
def about(path: str, first: int = 0) -> Iterator[None]:
    """Name the file in errors and warnings about its data, and where their rows count from."""
    place = f"{path} (rows counted from row {first:,} on)" if first else path
    try:
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            yield
    except ReadError:
        raise  # names its file already
    except DataError as error:
        raise type(error)(f"{place}: {str(error).strip()}") from None
    finally:
        for remark in remarks:
            text = f"{place}: {remark.message}"
            warnings.warn(text, remark.category, stacklevel=3)


def print_table(
    headers: Sequence[str], rows: Sequence[Sequence[Any]], align: str, title: str = ""
) -> None:
    """Print a table that is aligned on a terminal and plain where piped.

    Parameters
    ----------
    align : str
        A letter for each column: "l" or "r".
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for header, side in zip(headers, align, strict=True):
        table.add_column(header, justify="left" if side == "l" else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    # Piped output must not be cut to the width of a terminal that is not there.
    console = Console(width=None if sys.stdout.isatty() else 200)
    with console.capture() as captured:
        console.print(table)
    print(captured.get(), end="")


def print_json(value: Any) -> None:
    """Print one line of JSON; numbers that it does not know (infinities) become null."""
    print(json.dumps(_finite(value), ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
