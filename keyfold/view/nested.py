"""The text of a nested key: JSON as people write it → as DuckDB's ``to_json`` does.

A nested key lies in the state as the text that DuckDB wrote (keyfold/sql/batch.py); a key that is
looked up must become the same text. What is written is DuckDB's:

- fields in the order of their type, those that are left out as ``null``; no white space,
- decimals of at most 15 digits as doubles (``1.1``, ``5.0``), wider ones with their whole scale,
- times as ``2026-01-31 12:00:00.5``, with ``+00`` where they have a zone, and ``(BC)`` behind a
  date before the year 1.

Keys with an ``inexact_part`` are refused at creation, so only JSON itself has other numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

import msgspec

_QUOTED = re.compile(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'')
_INEXACT = re.compile(r"\b(?:FLOAT|DOUBLE|DECIMAL\((1[6-9]|[23]\d),\1\))(?=[,)\[]|$)")
_NAME = re.compile(r'\s*("(?:[^"]|"")*"|[^\s(),"\[\]]+)\s+')
_SCALAR = re.compile(r"\s*(?:'(?:[^']|'')*'|\([^()]*\)|[^(),\[\]'])+")
_LIST = re.compile(r"\[\d*\]")
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_TIME = re.compile(
    r"(-?\d{4,})(-\d\d-\d\d)( \(BC\))?[T ](\d\d:\d\d)(:\d\d(?:\.\d+)?)?(Z|[+-]00(?::?00)?)?"
)
_ESCAPE = re.compile(r"\\u00[01][0-9a-f]|\\\\")
_DOUBLE_DIGITS = 15
_encode = msgspec.json.Encoder().encode

Write = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Forms:
    """How the parts of a nested type are written.

    Attributes:
        struct: From the fields' names and writers.
        mapping: From the name of the keys' type and the values' writer.
        listing: From the elements' writer.
        scalar: From the name of a type without parts.
    """

    struct: Callable[[list[tuple[str, Write]]], Write]
    mapping: Callable[[str, Write], Write]
    listing: Callable[[Write], Write]
    scalar: Callable[[str], Write]


def inexact_part(name: str) -> str:
    """Return the first type inside a nested type of which DuckDB's JSON is no JSON, or nothing.

    NaN and infinities stand bare, and DECIMAL(16,16) is ``.5``.
    """
    found = _INEXACT.search(_QUOTED.sub('""', name))
    return found[0] if found else ""


def nested_writer(name: str) -> Callable[[str], str]:
    """Return the function from JSON text to the key text of a nested type.

    Raises (the returned function):
        ValueError: It is no JSON, or does not fit the type.
    """
    # A type that is not taken apart is one as UNION.
    write = type_writer(name, Forms(_struct, _map, _list, _scalar)) or _any

    def read(text: str) -> str:
        try:
            return write(json.loads(text, parse_float=Decimal, parse_constant=_fail))
        except (TypeError, AttributeError, ArithmeticError, RecursionError) as problem:
            raise ValueError(str(problem)) from problem

    return read


def _fail(_: object = None) -> NoReturn:
    raise ValueError


def type_writer(name: str, forms: Forms) -> Write | None:
    """Return the writer of a nested type; None for one that is not taken apart, as UNION."""
    try:
        write, rest = _type(name, forms)
    except ValueError:
        return None
    return None if rest else write


def _type(text: str, forms: Forms) -> tuple[Write, str]:
    """Read one type at the start of ``text``; return its writer and what follows."""
    text = text.lstrip()
    write: Write
    if text.startswith("STRUCT("):
        fields = []
        rest = text.removeprefix("STRUCT")
        while rest[:1] in ("(", ","):
            label = _NAME.match(rest, 1)
            if label is None:
                _fail()
            part, rest = _type(rest[label.end() :], forms)
            quoted = label[1].startswith('"')
            fields.append((label[1][1:-1].replace('""', '"') if quoted else label[1], part))
        write, rest = forms.struct(fields), rest[1:]
    elif text.startswith("MAP("):
        inner = text.removeprefix("MAP(")
        _, rest = _type(inner, forms)
        key = inner[: len(inner) - len(rest)]
        part, rest = _type(rest[1:], forms)
        write, rest = forms.mapping(key, part), rest[1:]
    else:
        scalar = _SCALAR.match(text)
        if scalar is None:
            _fail()
        write, rest = forms.scalar(scalar[0].strip()), text[scalar.end() :]
    while suffix := _LIST.match(rest):
        write, rest = forms.listing(write), rest[suffix.end() :]
    return write, rest


def _struct(fields: list[tuple[str, Write]]) -> Write:
    names = {name for name, _ in fields}
    parts = [(name, _text(name) + ":", write) for name, write in fields]

    def write_struct(value: Any) -> str:
        if value is None:
            return "null"
        if not isinstance(value, dict) or not value.keys() <= names:
            _fail()
        return "{" + ",".join(label + write(value.get(name)) for name, label, write in parts) + "}"

    return write_struct


def _map(key_type: str, part: Write) -> Write:
    label = _scalar(key_type) if key_type.startswith("TIMESTAMP") else _text

    def write_map(value: Any) -> str:
        if value is None:
            return "null"
        return "{" + ",".join(f"{label(key)}:{part(item)}" for key, item in value.items()) + "}"

    return write_map


def _list(part: Write) -> Write:
    def write_list(value: Any) -> str:
        if value is None:
            return "null"
        if not isinstance(value, list):
            _fail()
        return "[" + ",".join(map(part, value)) + "]"

    return write_list


def _scalar(name: str) -> Write:
    if name == "JSON":
        return _any
    if match := _DECIMAL.fullmatch(name):
        precision, scale = int(match[1]), int(match[2])
        return lambda value: "null" if value is None else _decimal(value, precision, scale)
    if name.startswith("TIMESTAMP"):
        zone = "+00" if name == "TIMESTAMP WITH TIME ZONE" else ""
        return lambda value: _any(_moment(value, zone) if isinstance(value, str) else value)
    return _any


def _decimal(value: Any, precision: int, scale: int) -> str:
    number = Decimal(value)
    # The exponent is looked at first: 1e999999 is a short text and a long number.
    if isinstance(value, bool) or not number.is_finite() or not -39 < number.adjusted() < 39:
        _fail()
    if not number:
        number = Decimal(0)  # a decimal has no -0
    if precision <= _DOUBLE_DIGITS:
        return _double(float(number))
    text = f"{number:f}"
    whole, _, fraction = text.partition(".")
    if fraction[scale:].strip("0"):
        _fail()
    return whole + ("." + fraction[:scale].ljust(scale, "0") if scale else "")


def _moment(text: str, zone: str) -> str:
    """Undo ``moment_text`` (keyfold/view/moment.py), and its spellings."""
    match = _TIME.fullmatch(text)
    if match is None:
        return text  # infinity, or none at all: as it is
    year, day, before_christ, minutes, seconds, _ = match.groups()
    if not before_christ and int(year) < 1:  # the year 0 is 1 BC
        year, before_christ = f"{1 - int(year):04}", " (BC)"
    whole, _, fraction = (seconds or ":00").partition(".")
    fraction = fraction.rstrip("0")
    rest = f"{minutes}{whole}" + (f".{fraction}" if fraction else "")
    return f"{year}{day}{before_christ or ''} {rest}{zone}"


def _any(value: Any) -> str:
    """Write any JSON as DuckDB writes the type JSON."""
    match value:
        case dict():
            return "{" + ",".join(f"{_text(key)}:{_any(one)}" for key, one in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_any, value)) + "]"
        case Decimal():
            return _double(float(value))
    return _text(value)


def _text(value: object) -> str:
    if type(value) is int:
        return str(value)
    text = _encode(value).decode()
    # DuckDB writes control characters with capital digits.
    return _ESCAPE.sub(lambda found: found[0].upper().replace("U", "u"), text)


def _double(value: float) -> str:
    if 1e16 <= abs(value) < 1e21:  # where DuckDB does not write an exponent, and Python does
        return f"{Decimal(repr(value)):f}.0"
    if 1e-6 <= abs(value) < 1e-5:
        return f"{Decimal(repr(value)):f}"
    return _encode(value).decode()
