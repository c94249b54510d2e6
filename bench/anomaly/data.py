"""The tables of ADBench (Han et al. 2022), and what is published for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd


def folder() -> Path:
    """Return the folder with the tables, below the one that ``DIABOLO_DATA`` names."""
    given = os.environ.get("DIABOLO_DATA")
    path = Path(given or "") / "adbench"
    if not given or not (path / "INDEX.csv").is_file():
        raise FileNotFoundError(
            "set DIABOLO_DATA to a folder with adbench/INDEX.csv and a .npz of X and y per table"
        )
    return path


def names(chosen: Sequence[str] | None = None) -> list[str]:
    """Return the names of all tables, or of those chosen, in the order of the index.

    Parameters
    ----------
    chosen : sequence of str, optional
        Names with or without their number, in any case.
    """
    known = pd.read_csv(folder() / "INDEX.csv")["name"].tolist()
    if chosen is None:
        return known
    wanted = {name.lower() for name in chosen}
    found = [name for name in known if wanted & {name.lower(), published_name(name)}]
    unknown = wanted - {alias for name in found for alias in (name.lower(), published_name(name))}
    if unknown:
        raise ValueError(f"there is no table {', '.join(sorted(unknown))} in {', '.join(known)}")
    return found


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a table's values, float64 (n, d), and 1 for each row that is an anomaly, (n,)."""
    with np.load(folder() / f"{name}.npz") as arrays:
        return arrays["X"].astype(np.float64), arrays["y"].astype(np.int64).ravel()


def published_name(name: str) -> str:
    """Return what the published figures call a table: "27_PageBlocks" is "pageblocks"."""
    return name.partition("_")[2].lower()


def published(setting: str, method: str) -> dict[str, float]:
    """Return the published AUROC of a method, in percent, by the published names of the tables.

    Parameters
    ----------
    setting : {"semisup", "unsup"}
    method : str
        As the published tables call it.
    """
    frame = pd.read_csv(folder() / f"published_aucroc_DTE_{setting}.csv", index_col="dataset")
    return frame[f"{method}_mean"].to_dict()
