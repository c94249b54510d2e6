"""The tables: read as a user would, without names and free text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

_ADULT = (
    "age workclass fnlwgt education education_num marital_status occupation relationship race sex "
    "capital_gain capital_loss hours_per_week native_country income"
)

#: Name → its file, the columns that are dropped, and how it is read.
TABLES: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "titanic": ("titanic.csv", ("name", "ticket", "cabin"), {}),
    "penguins": ("penguins.csv", (), {}),
    "adult": (
        "adult-train.csv",
        (),
        {"names": _ADULT.split(), "na_values": "?", "skipinitialspace": True},
    ),
}


def read(name: str, rows: int | None = None) -> pd.DataFrame:
    """Return a table, or some of its rows, drawn, for files are sorted.

    Raises
    ------
    FileNotFoundError
        If ``DIABOLO_DATA`` names no folder with it.
    """
    file, dropped, options = TABLES[name]
    path = Path(os.environ.get("DIABOLO_DATA", ".")) / "tables" / file
    if not path.exists():
        raise FileNotFoundError(f"set DIABOLO_DATA to a folder that has tables/{file}")
    frame = pd.read_csv(path, **options).drop(columns=list(dropped))
    if rows is not None and rows < len(frame):
        chosen = np.random.default_rng(0).choice(len(frame), rows, replace=False)
        frame = frame.iloc[np.sort(chosen)].reset_index(drop=True)
    return frame


def levels_of(frame: pd.DataFrame) -> list[str]:
    """Return the columns that hold levels: text, and what is 0 or 1."""
    return [
        name
        for name, column in frame.items()
        if not pd.api.types.is_numeric_dtype(column) or column.dropna().isin((0, 1)).all()
    ]
