"""Sampled messages → the columns of a source, and the CREATE SOURCE that says so.

Every value has a type of the table below; two values of one field have the least type that holds
both, so the answer does not depend on the order of the messages.

=====================  ================================================================
JSON                   type
=====================  ================================================================
whole number           BIGINT, HUGEINT beyond 64 bits, DOUBLE beyond 128
other number           DOUBLE, whole numbers beside it too
text                   DATE, TIMESTAMP or (with a zone) TIMESTAMPTZ in ISO form, or VARCHAR
array, object          a list of what its elements have in common, a struct of its fields
mixed                  VARCHAR; JSON where an array or object is among them
only nulls             VARCHAR
=====================  ================================================================

A CSV cell is text in JSON. It is read as the number or truth value that it writes, where that is
sure: ``12``, ``-0.5``, ``1e6``, ``true``; ``007`` and ``+1`` stay texts, and so does a whole number
beyond 128 bits.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from sqlglot.dialects.risingwave import RisingWave

from keyfold.errors import SqlError
from keyfold.sql.bind import Binder, quoted, text_literal
from keyfold.sql.dialect import plain_name
from keyfold.sql.interval import span_text
from keyfold.sql.options import CONNECTOR_OPTIONS
from keyfold.view.plan import Column, Watermark

Struct = dict[str, "Shape"]
Shape = str | Struct | list["Shape"]
"""A type name, the fields of a struct, or a list of the one element type. ``""``: only nulls."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """What a process that reads sources says of one: its columns, or why there are none.

    Attributes:
        source: Its name.
        columns: Its columns; empty where they cannot be told.
        code: Of the error, or empty.
        message: Of the error, or empty.
        hint: Of the error, or empty.
    """

    source: str
    columns: tuple[Column, ...]
    code: str = ""
    message: str = ""
    hint: str = ""


_FIELDS_MAX = 500  # an object with more keys is a dictionary, not a record
_DEPTH_MAX = 20
_NUMBERS = ("BIGINT", "HUGEINT", "DOUBLE")
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMPTZ")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)?")
_WHOLE_CHARACTERS_MAX = 40
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}(?::[0-9]{2})?)?"
)
_CLAUSE_WORDS = frozenset({"watermark", "include", "with", "format", "encode", "primary"})


def infer_columns(lines: Sequence[bytes], *, cells: bool = False) -> tuple[Column, ...]:
    """Return the columns that hold all of the sampled messages.

    Args:
        lines: Messages. What is no JSON object is passed over.
        cells: The fields are CSV cells.

    Raises:
        SqlError: No message is a JSON object with a field.
    """
    shapes = (_shape_of_line(line, cells=cells) for line in lines)
    whole = _merged([shape for shape in shapes if isinstance(shape, dict)])
    named = whole.items() if isinstance(whole, dict) else ()
    fields = {name: shape for name, shape in named if not name.startswith("__")}  # reserved
    if not fields:
        raise SqlError(
            f"none of {len(lines)} sampled messages is a JSON object with fields",
            hint="give the source a column list, or send one JSON object per message",
        )
    types = Binder().types_named([_type_text(shape) for shape in fields.values()])
    return tuple(Column(name, kind) for name, kind in zip(fields, types, strict=True))


def create_source_sql(
    name: str,
    columns: Sequence[Column],
    connector_options: Mapping[str, str],
    watermark: Watermark | None = None,
    encode: str = "",
) -> str:
    """Return the CREATE SOURCE statement of a source; ``compile_sql`` accepts it.

    Args:
        name: Of the source.
        columns: Its columns.
        connector_options: WITH options by key, ``connector`` among them.
        watermark: Its event time, if known.
        encode: The word after ENCODE; empty to leave the clause out.
    """
    listed = [f"{_name(column.name)} {_type_spelling(column.type)}" for column in columns]
    if watermark is not None:
        column = _name(watermark.column)
        delay = f" - INTERVAL '{span_text(watermark.delay_us)}'" if watermark.delay_us else ""
        listed.append(f"WATERMARK FOR {column} AS {column}{delay}")
    body = " (\n  " + ",\n  ".join(listed) + "\n)" if listed else ""
    options = ",\n  ".join(
        f"{_option_name(key)} = {text_literal(value)}" for key, value in connector_options.items()
    )
    form = f"\nFORMAT PLAIN ENCODE {encode.upper()}" if encode else ""
    return f"CREATE SOURCE {_name(name)}{body}\nWITH (\n  {options}\n){form};\n"


# --- shapes ----------------------------------------------------------------------------------


def _shape_of_line(line: bytes, *, cells: bool) -> Shape:
    try:
        value = json.loads(line, parse_constant=_no_constant)
        if cells and isinstance(value, dict):
            return {name: "" if cell is None else _cell_type(cell) for name, cell in value.items()}
        return _shape(value, 0)
    except (ValueError, RecursionError):
        return ""


def _cell_type(text: object) -> Shape:
    if not isinstance(text, str):  # a record that fits no header, and is JSON by itself
        return _shape(text, 1)
    if text.lower() in ("true", "false"):
        return "BOOLEAN"
    match = _NUMBER.fullmatch(text)
    if match is None:
        return _text_type(text)
    if match[1]:
        return "DOUBLE" if math.isfinite(float(text)) else "VARCHAR"
    kind = _shape(int(text), 1) if len(text) <= _WHOLE_CHARACTERS_MAX else ""
    return kind if kind in ("BIGINT", "HUGEINT") else "VARCHAR"


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _shape(value: object, depth: int) -> Shape:
    match value:
        case None:
            return ""
        case bool():
            return "BOOLEAN"
        case int():
            narrow, wide = -(1 << 63) <= value < 1 << 63, -(1 << 127) <= value < 1 << 127
            return "BIGINT" if narrow else "HUGEINT" if wide else "DOUBLE"
        case float():
            return "DOUBLE"
        case str():
            return _text_type(value)
        case list() if depth < _DEPTH_MAX:
            return [_merged([_shape(element, depth + 1) for element in value])]
        case dict() if depth < _DEPTH_MAX and len(value) <= _FIELDS_MAX:
            return _struct(value, depth)
    return "JSON"


def _struct(value: Mapping[str, object], depth: int) -> Shape:
    fields: Struct = {}
    seen: set[str] = set()
    for name, element in value.items():
        # DuckDB's names are equal without regard to case; the first spelling is the field's.
        if name and name.lower() not in seen and "\0" not in name:
            seen.add(name.lower())
            fields[name] = _shape(element, depth + 1)
    return fields


def _text_type(text: str) -> str:
    match = _TIMESTAMP.fullmatch(text)
    try:
        if match is not None:
            dt.datetime.fromisoformat(match[1])
            return "TIMESTAMPTZ" if match[2] else "TIMESTAMP"
        if _DATE.fullmatch(text):
            dt.date.fromisoformat(text)
            return "DATE"
    except ValueError:
        pass  # shaped like a date, but of no calendar
    return "VARCHAR"


def _merge(a: Shape, b: Shape) -> Shape:
    """Return the least shape that holds both; commutative but for the order of fields."""
    if a in ("", b):
        return b
    match a, b:
        case _, "":
            return a
        case dict(), dict():
            return _merge_structs(a, b)
        case [inner_a], [inner_b]:
            return [_merge(inner_a, inner_b)]
        case str(), str():
            for ladder in (_NUMBERS, _TIMES):
                if a in ladder and b in ladder:
                    return max(a, b, key=ladder.index)
            return "JSON" if "JSON" in (a, b) else "VARCHAR"
    return "JSON"


def _merged(shapes: list[Shape]) -> Shape:
    nothing: Shape = ""
    return reduce(_merge, shapes, nothing)


def _merge_structs(a: Struct, b: Struct) -> Shape:
    merged = dict(a)
    names = {name.lower(): name for name in a}
    for name, shape in b.items():
        known = names.setdefault(name.lower(), name)
        merged[known] = _merge(merged[known], shape) if known in merged else shape
    return merged if len(merged) <= _FIELDS_MAX else "JSON"


def _type_text(shape: Shape) -> str:
    match shape:
        case "":
            return "VARCHAR"
        case str():
            return shape
        case [inner]:
            return f"{_type_text(inner)}[]"
        case dict() if shape:
            fields = (f"{quoted(name)} {_type_text(inner)}" for name, inner in shape.items())
            return f"STRUCT({', '.join(fields)})"
    return "JSON"  # an object that never has a field


# --- spelling --------------------------------------------------------------------------------


def _name(name: str) -> str:
    words = RisingWave.Tokenizer.KEYWORDS
    plain = plain_name(name) and name.upper() not in words and name not in _CLAUSE_WORDS
    return name if plain else quoted(name)


def _option_name(key: str) -> str:
    known = any(key in options for options in CONNECTOR_OPTIONS.values())
    plain = known or all(plain_name(part) for part in key.split("."))
    return key if plain else text_literal(key)


def _type_spelling(kind: str) -> str:
    """Return DuckDB's name of a type as CREATE SOURCE spells it."""
    parts = re.split(r'("(?:[^"]|"")*"|\'(?:[^\']|\'\')*\')', kind)
    for i in range(0, len(parts), 2):  # what stands between the quoted names
        parts[i] = re.sub(r"\bFLOAT\b", "REAL", parts[i])
        parts[i] = parts[i].replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
    return "".join(parts)
