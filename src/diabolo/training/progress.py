"""What long work shows while it runs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Progress:
    """The silent progress; subclasses show something. One call per event."""

    def start(self, epochs: int, rows: int) -> None:
        """Work begins: `epochs` passes over `rows` rows."""

    def advance(self, rows: int, losses: torch.Tensor) -> None:
        """A step over `rows` rows is done. `losses` must not be read at every step."""

    def epoch(self, row: dict[str, float]) -> None:
        """A line of the history is complete."""

    def close(self) -> None:
        """Work has ended, well or not."""


class Lines(Progress):
    """Plain lines for pipes and log files: one for each look, at most one every two seconds."""

    def __init__(self, stream: Any = None, every: float = 2.0):
        self.stream = stream or sys.stderr
        self.every = every

    def start(self, epochs: int, rows: int) -> None:
        self.epochs, self.rows = epochs, rows
        self.said = -float("inf")

    def epoch(self, row: dict[str, float]) -> None:
        now = time.perf_counter()
        if now - self.said < self.every and row["epoch"] < self.epochs:
            return
        self.said = now
        rate = row["epoch"] * self.rows / max(row["seconds"], 1e-9)
        print(
            f"epoch {row['epoch']}/{self.epochs}  {describe(row)}  {rate:,.0f} rows/s",
            file=self.stream,
            flush=True,
        )


class Bar(Progress):
    """A live bar for terminals, with loss, rows a second and the time left."""

    def start(self, epochs: int, rows: int) -> None:
        from rich import progress
        from rich.console import Console

        self.epochs, self.rows = epochs, rows
        self.seen, self.began, self.drawn = 0, time.perf_counter(), 0.0
        self.text = ""
        self.bar = progress.Progress(
            progress.TextColumn("epoch {task.fields[epoch]}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[loss]}"),
            progress.TextColumn("{task.fields[rate]}"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            auto_refresh=False,
        )
        self.task = self.bar.add_task(
            "", total=epochs * rows, epoch=f"0/{epochs}", loss="", rate=""
        )
        self.bar.start()

    def advance(self, rows: int, losses: torch.Tensor) -> None:
        self.seen += rows
        now = time.perf_counter()
        if now - self.drawn < 0.25:
            return
        self.drawn = now
        text = self.text or f"loss {float(losses.detach().mean()):.4g} a row"
        self.bar.update(
            self.task,
            completed=self.seen,
            epoch=f"{self.seen // self.rows}/{self.epochs}",
            loss=text,
            rate=f"{self.seen / (now - self.began):,.0f} rows/s",
        )
        self.bar.refresh()

    def epoch(self, row: dict[str, float]) -> None:
        self.text = describe(row)

    def close(self) -> None:
        self.bar.stop()


def describe(row: dict[str, float]) -> str:
    """Return the losses of one line of the history, in words."""
    text = f"loss {row['train']:.5f}"
    return text + (f", held out {row['held_out']:.5f}" if "held_out" in row else "")


def progress_for(verbose: int) -> Progress:
    """Return the progress for a level of verbosity: none, or a bar (lines where piped)."""
    if not verbose:
        return Progress()
    return Bar() if sys.stderr.isatty() else Lines()
