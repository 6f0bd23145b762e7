"""Nested types: DuckDB's type names as trees, and JSON text back to the values it stands for.

A nested key column lies in the state as compact JSON text (keyfold/view/types.py). Analysts get
real lists, structs and maps: ``parse_type`` reads the declared type, ``restorer`` turns the decoded
JSON of a value into what ``pyarrow.array`` takes for that type. What JSON cannot carry back exactly
(UNION, JSON itself, maps whose keys are nested) stays JSON text.

Grammar of a type name::

    type   = scalar | "STRUCT(" name type {", " name type} ")" | "MAP(" type ", " type ")"
           | type "[" [size] "]"
    name   = letters and digits, or quoted with "…" where "" is one quote
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from keyfold.view.element import element_reader
from keyfold.view.moment import moment_text
from keyfold.view.types import TIMESTAMP, TIMESTAMPTZ, column_type

_NAME = re.compile(r'"(?:[^"]|"")*"|[^\s(),"\[\]]+')
_SUFFIX = re.compile(r"\[\d*\]")
_WHOLE = frozenset("TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER".split())
"""What is int or long in Iceberg (lake/schema.py); wider numbers are decimals there, or text."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type without parts, by DuckDB's name."""

    name: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, or an array of fixed size."""

    element: Tree


@dataclass(frozen=True, slots=True)
class Struct:
    """Named fields in order."""

    fields: tuple[tuple[str, Tree], ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map from scalars."""

    key: Scalar
    value: Tree


Tree = Scalar | ListOf | Struct | MapOf


class _Unrestorable(ValueError):
    """The type has a part that JSON text does not carry back."""


def parse_type(name: str) -> Tree | None:
    """Return the tree of a type name, or None where its values stay JSON text."""
    try:
        tree, rest = _type(name)
    except _Unrestorable:
        return None
    return tree if not rest.strip() else None


def _type(text: str) -> tuple[Tree, str]:
    """Read one type at the start of ``text``; return it and what follows."""
    text = text.lstrip()
    tree: Tree
    if text.startswith("STRUCT("):
        fields = []
        rest = text[len("STRUCT") :]
        while rest[:1] in ("(", ","):
            label = _NAME.match(rest[1:].lstrip())
            if label is None:
                raise _Unrestorable(text)
            part, rest = _type(rest[1:].lstrip()[label.end() :])
            fields.append((_unquoted(label[0]), part))
            rest = rest.lstrip()
        tree, rest = Struct(tuple(fields)), rest[1:]
    elif text.startswith("MAP("):
        key, rest = _type(text[len("MAP(") :])
        value, rest = _type(rest.lstrip()[1:])
        if not isinstance(key, Scalar):
            raise _Unrestorable(text)
        tree, rest = MapOf(key, value), rest.lstrip()[1:]
    elif text.startswith(("UNION(", "JSON")):
        raise _Unrestorable(text)
    else:
        name, rest = _scalar_name(text)
        tree = Scalar(name)
    while suffix := _SUFFIX.match(rest):
        tree, rest = ListOf(tree), rest[suffix.end() :]
    return tree, rest


def _scalar_name(text: str) -> tuple[str, str]:
    """Split a scalar's name, arguments such as ``(18,2)`` included, from what follows it."""
    depth = at = 0
    quoted = False
    for at, char in enumerate(text):  # noqa: B007  # the position after the loop is the answer
        if char in "'\"":
            quoted = not quoted
        if quoted:
            continue
        if depth == 0 and char in ",)[":
            break
        depth += (char == "(") - (char == ")")
    else:
        at = len(text)
    return text[:at].strip(), text[at:]


def _unquoted(label: str) -> str:
    return label[1:-1].replace('""', '"') if label.startswith('"') else label


def decode_json(text: str) -> Any:
    """Decode JSON text; numbers with a point become ``Decimal``, so that none loses digits."""
    return json.loads(text, parse_float=Decimal)


def restorer(tree: Tree, target: pa.DataType) -> Callable[[Any], Any]:
    """Return the function from a decoded JSON value to a value for ``pyarrow.array``.

    Maps become lists of pairs, times become µs or days, as they are in the physical values
    outside of nested types (keyfold/view/types.py). Struct fields take the names of ``target``,
    which may differ from SQL's (Parquet names are restricted).

    Args:
        tree: The declared type.
        target: The Arrow type of the array.

    Raises (the returned function):
        ValueError: The value does not fit the type.
    """
    match tree:
        case ListOf(element=element):
            part = restorer(element, target.value_type)
            return lambda value: None if value is None else [part(item) for item in value]
        case Struct(fields=fields):
            parts = [
                (name, target.field(at).name, restorer(kind, target.field(at).type))
                for at, (name, kind) in enumerate(fields)
            ]
            return lambda value: (
                None
                if value is None
                else {label: read(value.get(name)) for name, label, read in parts}
            )
        case MapOf(key=key, value=kind):
            read_key = _from_text(key.name)
            read_value = restorer(kind, target.item_type)
            return lambda value: (
                None
                if value is None
                else [(read_key(name), read_value(item)) for name, item in value.items()]
            )
        case Scalar(name=name):
            return _scalar(name)


def _scalar(name: str) -> Callable[[Any], Any]:
    convert = _converter(name)
    return lambda value: None if value is None else convert(value)


def _converter(name: str) -> Callable[[Any], Any]:
    if name in ("FLOAT", "DOUBLE"):
        return float
    if name == "BOOLEAN":
        return bool
    if name.startswith("DECIMAL") or name in ("HUGEINT", "UBIGINT"):
        return lambda value: Decimal(str(value))
    if name in ("DATE", "TIME", TIMESTAMP, TIMESTAMPTZ):
        return element_reader(column_type(name))
    if name.startswith("TIMESTAMP"):
        return moment_text  # text in Iceberg, as REST has it
    if name in _WHOLE:
        return int
    return lambda value: value if isinstance(value, str) else json.dumps(value, default=str)


def _from_text(name: str) -> Callable[[str], Any]:
    """A map's keys are texts in JSON, whatever their type."""
    if name == "BOOLEAN":
        return lambda text: text == "true"
    return _converter(name)
