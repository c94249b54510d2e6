"""Helpers of the tests of readers."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def same(source, rows: int) -> None:
    """The pieces put together equal the whole."""
    whole, pieces = source.read(), list(source.chunks(rows))
    assert [len(piece) for piece in pieces[:-1]] == [rows] * (len(pieces) - 1)
    if source.rows is not None:
        assert source.rows == len(whole)
    if not len(whole):
        assert pieces == []
    elif source.kind == "table":
        for piece in pieces:
            pd.testing.assert_series_equal(piece.dtypes, whole.dtypes)
        pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), whole)
    else:
        for piece in pieces:
            assert piece.dtype == whole.dtype
            assert piece.flags.writeable
        np.testing.assert_array_equal(np.concatenate(pieces), whole)
