"""What long work shows while it runs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Progress:
    """The silent progress; subclasses show something. One call per event.

    Attributes
    ----------
    stage : str
        What the epochs are of, where it is not the whole: to be set before `start`.
    """

    stage = ""

    def start(self, epochs: int, rows: int, values: int) -> None:
        """Work begins: `epochs` passes over `rows` rows of `values` values each."""

    def advance(self, rows: int, loss: torch.Tensor) -> None:
        """A step over `rows` rows is done. Their mean loss must not be read at every step."""

    def epoch(self, row: dict[str, float]) -> None:
        """A line of the history is complete."""

    def back(self, epochs: int) -> None:
        """So many epochs are done after all: those behind them are repeated."""

    def close(self) -> None:
        """Work has ended, well or not."""


class Counting(Progress):
    """Counts rows: those that were seen, and those of the run that are done."""

    def start(self, epochs: int, rows: int, values: int) -> None:
        self.epochs, self.rows, self.values = epochs, rows, values
        self.seen = self.done = 0
        self.began = time.perf_counter()

    def advance(self, rows: int, loss: torch.Tensor) -> None:
        self.seen += rows
        self.done += rows

    def back(self, epochs: int) -> None:
        self.done = epochs * self.rows


class Lines(Counting):
    """Plain lines for pipes and log files: for looks, at most one every `every` seconds; for the
    batch at hand where nothing was said for `latest` seconds; and for the last look.
    """

    def __init__(self, stream: Any = None, every: float = 2.0, latest: float = 10.0):
        self.stream = stream or sys.stderr
        self.every, self.latest = every, latest

    def start(self, epochs: int, rows: int, values: int) -> None:
        super().start(epochs, rows, values)
        self.said = self.began - self.every
        self.unsaid: dict[str, float] | None = None

    def advance(self, rows: int, loss: torch.Tensor) -> None:
        super().advance(rows, loss)
        if time.perf_counter() - self.said > self.latest:
            epoch = f"in epoch {(self.done - 1) // self.rows + 1}"
            self._say(f"loss {float(loss) / self.values:.5f}", epoch)

    def epoch(self, row: dict[str, float]) -> None:
        self.unsaid = row
        if time.perf_counter() - self.said >= self.every:
            self.close()

    def close(self) -> None:
        if self.unsaid is not None:
            self._say(describe(self.unsaid), f"epoch {self.unsaid['epoch']:.0f}")
            self.unsaid = None

    def _say(self, text: str, epoch: str) -> None:
        self.said = time.perf_counter()
        rate = self.seen / max(self.said - self.began, 1e-9)
        print(f"{self.stage}{epoch}/{self.epochs}  {text}  {rate:,.0f} rows/s", file=self.stream)
        self.stream.flush()


class Bar(Counting):
    """A live bar for terminals, with loss, rows a second and the time left."""

    def start(self, epochs: int, rows: int, values: int) -> None:
        super().start(epochs, rows, values)
        self.drawn, self.text = 0.0, ""
        self.bar = live_bar(self.stage + "epoch {task.fields[epoch]}", "{task.fields[loss]}")
        self.task = self.bar.add_task(
            "", total=epochs * rows, epoch=f"0/{epochs}", loss="", rate=""
        )
        self.bar.start()

    def advance(self, rows: int, loss: torch.Tensor) -> None:
        super().advance(rows, loss)
        now = time.perf_counter()
        if now - self.drawn < 0.25:
            return
        self.drawn = now
        text = self.text or f"loss {float(loss) / self.values:.5f}"
        self.bar.update(
            self.task,
            completed=self.done,
            epoch=f"{self.done // self.rows}/{self.epochs}",
            loss=text,
            rate=f"{self.seen / (now - self.began):,.0f} rows/s",
        )
        self.bar.refresh()

    def epoch(self, row: dict[str, float]) -> None:
        self.text = describe(row)

    def close(self) -> None:
        self.bar.stop()


def live_bar(before: str, *after: str) -> Any:
    """Return rich's bar on standard error: a text, the bar, texts, the rate, the time left.

    The texts are templates over a task's fields; ``rate`` is one of them.
    """
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn(before),
        progress.BarColumn(),
        *map(progress.TextColumn, (*after, "{task.fields[rate]}")),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,
    )


def describe(row: dict[str, float]) -> str:
    """Return the losses of one line of the history, in words."""
    text = f"loss {row['train']:.5f}"
    return text + (f", held out {row['held_out']:.5f}" if "held_out" in row else "")


def progress_for(verbose: int) -> Progress:
    """Return the progress for a level of verbosity: none, or a bar (lines where piped)."""
    if not verbose:
        return Progress()
    return Bar() if sys.stderr.isatty() else Lines()
