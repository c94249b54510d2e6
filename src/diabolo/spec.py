"""What a part is: a frozen dataclass of hyperparameters, found by name in its axis's table.

A part can be compared, hashed, printed and written as JSON. Each axis has one explicit table,
``{"name": Class}``, which loading, the command line, the docs and the tests all read.
"""

from __future__ import annotations

import ast
import dataclasses
import math
import numbers
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

from diabolo.errors import SpecError

P = TypeVar("P")

#: A number, or "auto" until `fit` has resolved it.
AutoInt: TypeAlias = Any
AutoFloat: TypeAlias = Any


@dataclasses.dataclass(frozen=True)
class Part:
    """Base of all parts. Subclasses are frozen dataclasses whose fields JSON can hold."""

    def __post_init__(self) -> None:
        # JSON has no tuples: normalising here makes a part equal to its own reading.
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))
        self.validate()

    def validate(self) -> None:
        """Raise `SpecError` where a hyperparameter is outside its domain."""


def resolve_part(value: Any, table: Mapping[str, type[P]], argument: str) -> P:
    """Return `value` as a part of the axis: an instance as it is, a name with its defaults.

    Raises
    ------
    SpecError
        If `value` is neither a part of this axis nor one of its names.
    """
    if isinstance(value, str) and value in table:
        return table[value]()
    if type(value) in table.values():
        return value
    if isinstance(value, type) and value in table.values():
        raise SpecError(f"{argument}={value.__name__} is a class: pass {value.__name__}()")
    choices = ", ".join(repr(name) for name in table)
    classes = ", ".join(f"{part.__name__}(…)" for part in table.values())
    raise SpecError(f"{argument}={value!r} is not known: pass one of {choices}, or {classes}")


def parse_part(text: str, table: Mapping[str, type[Any]]) -> Any:
    """Return the part that a text such as "masking:0.3" or "mlp:hidden=(64,32),skip=True" names.

    Behind the colon are the part's fields, in their order or by name, as Python writes numbers,
    tuples, True, False and None; words need no quotes.

    Raises
    ------
    SpecError
        If the axis has no such part, the part no such field, or the text is none of this kind.
    """
    name, _, fields = text.partition(":")
    if name not in table:
        raise SpecError(f"{name!r} is not known: choose one of {', '.join(table)}")
    has = [field.name for field in dataclasses.fields(table[name])]
    try:
        call = ast.parse(f"f({fields})", mode="eval").body
        assert isinstance(call, ast.Call)
        values = [_literal(value) for value in call.args]
        named = {str(keyword.arg): _literal(keyword.value) for keyword in call.keywords}
        return table[name](*values, **named)
    except (SyntaxError, TypeError, AssertionError):
        hint = f"its options are {', '.join(has)}" if has else "it has no options"
        raise SpecError(
            f"{text!r}: {hint}" + (f", written as in {name}:{has[0]}=…" if has else "")
        ) from None


def _literal(node: ast.expr) -> Any:
    """Return the value of a number, a word, or a tuple of such."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(map(_literal, node.elts))
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise SyntaxError from None


def to_json(value: Any, table: Mapping[str, type]) -> Any:
    """Return an axis's value as JSON can hold it: parts, also within tuples, and all else as it is.

    A part is ``{"part": name, field: value, …}``; its fields may hold parts of the same axis.
    """
    if isinstance(value, list | tuple):
        return [to_json(item, table) for item in value]
    if not isinstance(value, Part):
        return value
    name = next(name for name, kind in table.items() if type(value) is kind)
    fields = dataclasses.fields(value)
    return {"part": name} | {f.name: to_json(getattr(value, f.name), table) for f in fields}


def from_json(value: Any, table: Mapping[str, type]) -> Any:
    """Inverse of `to_json`; unknown names and fields raise `SpecError`."""
    if isinstance(value, list | tuple):
        return tuple(from_json(item, table) for item in value)
    if not isinstance(value, Mapping):
        return value
    fields = {key: from_json(item, table) for key, item in value.items()}
    name = fields.pop("part", None)
    if name not in table:
        raise SpecError(f"unknown part {name!r}: this version knows {', '.join(table)}")
    try:
        return table[name](**fields)
    except TypeError as error:
        raise SpecError(f"part {name!r}: {error}") from None


def is_number(value: Any) -> bool:
    """Return whether the value is a finite number (True and False are none)."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return number and math.isfinite(value)


def require_share(part: Part, field: str) -> None:
    """Raise `SpecError` unless a field of the part lies between 0 and 1."""
    value = getattr(part, field)
    require(
        is_number(value) and 0 < value < 1,
        f"{type(part).__name__}({field}={value!r}) must be a number between 0 and 1",
    )


def require(condition: Any, message: str) -> None:
    """Raise `SpecError` with `message` unless `condition` holds."""
    if not condition:
        raise SpecError(message)
