"""Guess separator, decimal point and header of a delimited file from its first lines."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from dataclasses import dataclass

from diabolo.errors import ReadError

_SAMPLE = 100
# Missing cells say nothing about a column: neither that it is numeric nor that it is text.
_MISSING = {"", "na", "n/a", "#n/a", "nan", "-nan", "null", "1.#ind", "1.#qnan", "#na"}
# Values that are no numbers, and no names either.
_VALUE = re.compile(r"\s*(\d[-\d/:.,T ]*Z?|true|false)\s*", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d+([eE][-+]?\d+)?\s*")


@dataclass(frozen=True)
class Layout:
    """How a delimited file is laid out, and what was guessed."""

    delimiter: str
    decimal: str
    header: bool
    names: list[str]
    blank: int  # empty lines before the first row
    notes: tuple[str, ...]
    rows: list[list[str]]  # the sample


def sniff(path: str, head: bytes, complete: bool, header: bool | None, fixed: str | None) -> Layout:
    """Look at the first lines of a file.

    Parameters
    ----------
    path : str
        For messages.
    head : bytes
        The start of the file.
    complete : bool
        Whether that is all of it.
    header : bool or None
        Whether the first line holds names; None looks.
    fixed : str or None
        The separator, when the suffix fixes it.
    """
    text = head.decode("utf-8-sig", errors="replace")
    if not complete:
        # The last line may be cut off; one line alone must do.
        text = text[: text.rfind("\n") + 1] or text
    start = re.match(r"(\r?\n|\r)*", text)
    assert start is not None
    blank = len(re.findall(r"\r?\n|\r", start[0]))
    text = text[start.end() :]
    notes: list[str] = []
    if fixed is None:
        tried = [(mark, _rows(text, mark)) for mark in ",;\t"]
        delimiter, rows = max(tried, key=lambda pair: _merit(pair[1]))
        if delimiter != ",":
            notes.append(f"separator: {delimiter!r} (detected)")
    else:
        delimiter, rows = fixed, _rows(text, fixed)
    if not rows:
        raise ReadError(f"{path}: the first lines cannot be read as delimited text.")
    cells = [cell for row in rows for cell in row]
    decimal = "."
    if (
        delimiter != ","
        and any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)
        and not any("." in cell and _number(cell) for cell in cells)
    ):
        decimal = ","
        notes.append("decimal comma (detected)")
    first = rows[0]
    found = _has_header(rows, text, delimiter) if header is None else header
    how = "detected" if header is None else "as asked"
    if found:
        notes.insert(0, f"header: first line taken as column names ({how})")
        names = [cell or f"c{i}" for i, cell in enumerate(first)]
        if unnamed := [i for i, cell in enumerate(first) if not cell]:
            notes.append(f"column {unnamed[0] + 1} has no name and is called {names[unnamed[0]]!r}")
        if twice := sorted({name for name in names if names.count(name) > 1})[:5]:
            raise ReadError(
                f"{path}, line {blank + 1}: column names are used twice: "
                f"{', '.join(map(repr, twice))}. Rename them, or say that there is no header."
            )
    else:
        notes.insert(0, f"header: none, columns are named c0, c1, … ({how})")
        if header is None and len(first) > 2 and _counts_up(first):
            notes.append(
                f"the first line reads {', '.join(first[:3])} …: if these are names, say so "
                "(--header, header=True)"
            )
        names = [f"c{i}" for i in range(len(first))]
    return Layout(delimiter, decimal, found, names, blank, tuple(notes), rows)


def _rows(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    # A wide line is one endless cell to the wrong separator, which csv refuses.
    with contextlib.suppress(csv.Error):
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) == _SAMPLE:
                break
    return rows


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python's 1_000 is text to everybody else


def _merit(rows: list[list[str]]) -> tuple[bool, float, int]:
    # A separator is good when all lines have the same number of fields, then when the fields
    # are numbers, then when there are many of them.
    width = len(rows[0]) if rows else 0
    even = width > 1 and all(len(row) == width for row in rows)
    cells = [cell for row in rows[1:] or rows for cell in row]
    numbers = sum(_number(cell) or bool(_DECIMAL_COMMA.fullmatch(cell)) for cell in cells)
    return even, numbers / max(1, len(cells)), width


def _counts_up(cells: list[str]) -> bool:
    """Whether the cells are whole numbers that follow one another, as years and positions do."""
    if not all(cell.isdecimal() for cell in cells):
        return False
    return [int(cell) for cell in cells] == [int(cells[0]) + i for i in range(len(cells))]


def _has_header(rows: list[list[str]], text: str, delimiter: str) -> bool:
    first, others = rows[0], rows[1:]

    def is_text(cell: str) -> bool:
        return (
            cell.strip().lower() not in _MISSING
            and not _number(cell)
            and not _VALUE.fullmatch(cell)
        )

    # Names in quotes over bare numbers: how writers mark a header that reads 0, 1, 2.
    lines = text.splitlines()
    bare = [cell.startswith('"') for cell in lines[0].split(delimiter)]
    if all(bare) and len(lines) > 1 and not lines[1].startswith('"'):
        return True
    for position, cell in enumerate(first):
        if not is_text(cell):
            continue
        below = [row[position] for row in others if position < len(row)]
        below = [value for value in below if value.strip().lower() not in _MISSING]
        if below and not any(is_text(value) for value in below):
            return True
    if not all(is_text(cell) for cell in first) or len(set(first)) < len(first):
        return False
    # Text over text: a cell that comes again in its own column is a value.
    return not any(
        position < len(row) and row[position] == cell
        for row in others
        for position, cell in enumerate(first)
    )
