"""A model on disk: a folder with ``config.json``, ``model.safetensors`` and ``README.md``.

The folder says what kind of model it is, how it is put together and which tensors it needs; who
reads it decides what to make of that. Nothing is pickled, and what is read is checked before it
is believed: format version, checksum of the tensors, and their names and shapes (by the caller).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from diabolo.data.atomic import atomic_folder, check_folder
from diabolo.errors import ModelError

CONFIG, TENSORS, CARD = "config.json", "model.safetensors", "README.md"


@dataclasses.dataclass(frozen=True)
class Section:
    """What a task has learned beside a model, in the same folder.

    Attributes
    ----------
    config : dict
        What JSON can hold.
    tensors : dict of str to ndarray
    """

    config: dict[str, Any]
    tensors: dict[str, np.ndarray]


#: Raised whenever older versions could misread a folder.
FORMAT = 1


def is_model(path: str | os.PathLike[str]) -> bool:
    """Return whether `path` is a folder that Diabolo wrote (readable by this version or not)."""
    try:
        return json.loads((Path(path) / CONFIG).read_text("utf-8")).get("library") == "diabolo"
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def is_only_model(path: str | os.PathLike[str]) -> bool:
    """Return whether `path` is a model and nothing else, so that a new one may replace it."""
    return is_model(path) and {p.name for p in Path(path).iterdir()} <= {CONFIG, TENSORS, CARD}


def check_target(path: str | os.PathLike[str]) -> None:
    """Raise `WriteError` now if `write` would refuse `path` later, after hours of training.

    Raises
    ------
    WriteError
    """
    check_folder(path, is_ours=is_only_model)


def write(
    path: str | os.PathLike[str],
    kind: str,
    config: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    card: str,
    sections: Mapping[str, Section] = MappingProxyType({}),
) -> None:
    """Write a model folder in one piece: it is complete under its name, or not there at all.

    Raises
    ------
    WriteError
        If it cannot be written, or `path` exists and holds anything but a Diabolo model.
    """
    from safetensors.numpy import save

    tensors = dict(tensors)
    for title, section in sections.items():
        tensors |= {f"{title}/{name}": array for name, array in section.tensors.items()}
    config = {**config, "sections": {title: s.config for title, s in sections.items()}}
    data = save({name: np.asarray(array, order="C") for name, array in tensors.items()})
    head = {
        "library": "diabolo",
        "format": FORMAT,
        "kind": kind,
        "tensors_sha256": hashlib.sha256(data).hexdigest(),
        "versions": {
            "diabolo": version("diabolo"),
            "torch": version("torch"),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    text = json.dumps(
        {**head, **config}, indent=2, ensure_ascii=False, allow_nan=False, default=_plain
    )
    with atomic_folder(path, is_ours=is_only_model) as folder:
        (folder / CONFIG).write_text(text + "\n", "utf-8")
        (folder / TENSORS).write_bytes(data)
        (folder / CARD).write_text(card, "utf-8")


def read(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any], dict[str, np.ndarray]]:
    """Return (kind, config, tensors) of a model folder.

    Raises
    ------
    ModelError
        If the folder is missing, foreign, damaged, or of a newer format.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    folder = Path(path)
    if not os.path.isdir(folder):  # noqa: PTH112, Path.is_dir raises below a closed folder
        there = os.path.lexists(folder)
        what = "this is no folder, and models are" if there else "there is no such model folder"
        raise ModelError(f"{folder}: {what}")
    config = _config(folder)
    try:
        data = (folder / TENSORS).read_bytes()
    except OSError as error:
        raise ModelError(f"{folder / TENSORS} cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != config.get("tensors_sha256"):
        raise ModelError(
            f"{folder / TENSORS} is damaged: its checksum is not the one in {CONFIG}; copy the "
            "folder again, or train again"
        )
    try:
        tensors = load(data)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder / TENSORS} is no safetensors file: {error}") from None
    return str(config.get("kind")), config, tensors


def sections_of(config: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> dict[str, Section]:
    """Return the sections of a folder that `read` has read, by their titles."""
    return {
        title: Section(
            own,
            {
                name.removeprefix(f"{title}/"): array
                for name, array in tensors.items()
                if name.startswith(f"{title}/")
            },
        )
        for title, own in config["sections"].items()
    }


def _plain(value: Any) -> Any:
    """Return numpy's numbers and arrays as JSON can hold them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be written as JSON")


def _no_number(text: str) -> None:
    raise ValueError(f"it has the value {text}, which JSON does not know")


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text("utf-8"), parse_constant=_no_number)
    except FileNotFoundError:
        raise ModelError(f"{folder} is no Diabolo model: it has no {CONFIG}") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged: {error}") from None
    if not isinstance(config, dict) or config.get("library") != "diabolo":
        raise ModelError(f"{folder} is no Diabolo model: {CONFIG} is from something else")
    if type(config.get("format")) is not int or config["format"] < 1:
        raise ModelError(f"{path} is damaged: it names no format version")
    if config["format"] > FORMAT:
        versions = config.get("versions")
        wrote = versions.get("diabolo") if isinstance(versions, dict) else "(unknown)"
        raise ModelError(
            f"{folder} has format {config['format']}, written by Diabolo {wrote}, and this version "
            f"({version('diabolo')}) reads up to {FORMAT}: upgrade Diabolo"
        )
    return config
