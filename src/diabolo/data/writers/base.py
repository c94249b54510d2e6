"""What every writer gets: a `Job`, a checked stream of pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.errors import WriteError

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Job:
    """What is written where; `rows` counts what has passed."""

    shown: str
    pieces: Iterator[np.ndarray | pd.DataFrame]
    suffix: str
    gz: bool
    columns: list[str] | None = None
    names: list[str] | None = None
    rows: int = field(default=0)

    def error(self, text: str) -> WriteError:
        """Build the error that names this file."""
        return WriteError(f"{self.shown}: {text}")


def checked(job: Job, pieces: Any) -> Iterator[np.ndarray | pd.DataFrame]:
    """Pass the pieces on when they fit one another, and count their rows."""
    import pandas as pd

    stream = [pieces] if isinstance(pieces, np.ndarray | pd.DataFrame) else pieces
    if not isinstance(stream, Iterable):
        raise job.error(f"cannot write a {type(pieces).__name__}. Give an array or a DataFrame.")
    first: Any = None
    for number, piece in enumerate(stream, start=1):
        if not isinstance(piece, np.ndarray | pd.DataFrame):
            raise job.error(
                f"piece {number} is a {type(piece).__name__}. Give arrays or pandas DataFrames."
            )
        if piece.ndim == 0:
            raise job.error("a single number has no rows. Give an array of one dimension at least.")
        if first is None:
            first = piece[:0].copy()
        elif isinstance(piece, np.ndarray) != isinstance(first, np.ndarray):
            raise job.error(f"piece {number} is a {type(piece).__name__}, the first is not.")
        elif isinstance(piece, np.ndarray) and piece.shape[1:] != first.shape[1:]:
            raise job.error(
                f"piece {number} has rows of shape {piece.shape[1:]}, the first {first.shape[1:]}."
            )
        elif isinstance(piece, pd.DataFrame) and list(piece.columns) != list(first.columns):
            raise job.error(f"piece {number} has other columns than the first.")
        job.rows += len(piece)
        yield piece
    if first is None:
        raise job.error("there is nothing to write (no pieces).")
