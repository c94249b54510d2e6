"""Reading the next piece while the last one is worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

_END = object()


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield the items in order, each made by a thread while the one before it is in use.

    One item at most is made ahead. What goes wrong in making one is raised in its place.
    """
    wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
    made: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def make() -> None:
        iterator = iter(items)
        try:
            while wanted.get():
                made.put((next(iterator, _END), None))
        except BaseException as error:
            made.put((_END, error))
        finally:
            if hasattr(iterator, "close"):
                iterator.close()

    # A daemon, for it may wait for a pipe when Ctrl-C ends the program.
    threading.Thread(target=make, daemon=True).start()
    wanted.put(True)
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            wanted.put(True)
            yield item
    finally:
        wanted.put(False)
