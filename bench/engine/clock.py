"""How good a model is after how many seconds, without the seconds that finding out takes."""

from __future__ import annotations

import contextlib
import inspect
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock


class Stopwatch:
    """Seconds since the start, less those inside `stopped`."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin again at zero."""
        self._start, self._away = time.perf_counter(), 0.0

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._start - self._away

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Do not count the block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._away += time.perf_counter() - began


class Over(Exception):
    """The budget of a training is spent: raised out of the training that is being watched."""


class Course:
    """The error of one training over time.

    Parameters
    ----------
    grid : sequence of float
        Seconds at which `step` measures, in rising order; after the last one training is over.
        Without a grid, only `note` measures.

    Attributes
    ----------
    points : list of (float, float)
        Seconds and error of each measurement.
    """

    def __init__(self, grid: Sequence[float] = ()):
        self.grid = list(grid)
        self.points: list[tuple[float, float]] = []
        self.watch = Stopwatch()

    def start(self) -> None:
        """Begin to count: to be called right before the training."""
        self.watch.start()

    def note(self, measure: Callable[[], float]) -> None:
        """Measure now."""
        seconds = self.watch.seconds
        with self.watch.stopped():
            self.points.append((seconds, measure()))

    def step(self, measure: Callable[[], float], wait: Callable[[], Any] = lambda: None) -> None:
        """Measure if a time of the grid has come; to be called after each step of training.

        Parameters
        ----------
        measure : callable
            Returns the error of the model as it is.
        wait : callable
            Waits for steps that are still being computed.

        Raises
        ------
        Over
            After the last time of the grid.
        """
        if self.watch.seconds < self.grid[0]:
            return
        wait()
        self.note(measure)
        while self.grid and self.grid[0] <= self.points[-1][0]:
            del self.grid[0]
        if not self.grid:
            raise Over

    def at(self, seconds: float) -> float:
        """Return the error last seen by this time, NaN before the first measurement.

        A time of the grid is measured after the step that it fell into, hence a hundredth more.
        """
        seen = [error for when, error in self.points if when <= seconds * 1.01]
        return seen[-1] if seen else math.nan

    def until(self, error: float) -> float:
        """Return the seconds until the error was first at most this, infinity if it never was."""
        return next((when for when, seen in self.points if seen <= error), math.inf)

    @property
    def best(self) -> float:
        """The lowest error seen."""
        return min((error for _, error in self.points), default=math.nan)

    @property
    def end(self) -> float:
        """Seconds of the last measurement."""
        return self.points[-1][0]


def grid(budget: float, marks: Sequence[float]) -> list[float]:
    """Return the times at which a training is looked at: more often in the first fifth.

    Parameters
    ----------
    budget : float
        Seconds at the end of the grid.
    marks : sequence of float
        Times that must be in it.
    """
    early = [budget * i / 60 for i in range(1, 13)]
    late = [budget * i / 20 for i in range(5, 21)]
    return sorted({*early, *late, *(mark for mark in marks if mark <= budget)})


@contextlib.contextmanager
def at_each_look(look: Callable[[Any], None]) -> Iterator[None]:
    """Within the block, every ``fit`` of Diabolo calls ``look(module)`` after each of its looks.

    The loop reports a look through its `Progress`; this puts one in place that knows the module. At
    a look it has the weights that would be kept.
    """
    from diabolo.estimator import fitting
    from diabolo.training.progress import Progress

    train = fitting.train
    signature = inspect.signature(train)

    class Looks(Progress):
        def __init__(self, module: Any):
            self.module = module

        def epoch(self, row: dict[str, float]) -> None:
            look(self.module)

    def watched(*args: Any, **options: Any) -> Any:
        call = signature.bind(*args, **options)
        call.arguments["progress"] = Looks(call.arguments["module"])
        return train(*call.args, **call.kwargs)

    with mock.patch.object(fitting, "train", watched):
        yield
