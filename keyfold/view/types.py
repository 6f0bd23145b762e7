"""The types of view columns: which SQL types can be kept, and in what physical form.

A type is named as DuckDB's DESCRIBE names it (``BIGINT``, ``DECIMAL(18,2)``,
``TIMESTAMP WITH TIME ZONE``). Its *physical* form is how a value lies in a key, in a partial and in
memory; the *logical* value is what a person reads. Physical forms, with the Python value of each:

=========  ==============================================  =====================================
physical   SQL types                                       Python value
=========  ==============================================  =====================================
``bool``   BOOLEAN                                         bool
``i64``    TINYINT … BIGINT, UTINYINT … UINTEGER, DATE     int (days, µs, or the scaled decimal)
           (days), TIME, TIMESTAMP, TIMESTAMPTZ (µs),
           TIMESTAMP_S, _MS, _NS (s, ms, ns),
           ENUM (the place of the value among all)
           DECIMAL of at most 18 digits (scaled)
``i128``   UBIGINT, HUGEINT, wider DECIMAL (scaled)        int
``u128``   UHUGEINT                                        int
``f64``    FLOAT, DOUBLE                                   float
``text``   VARCHAR, UUID                                   str
``json``   STRUCT, LIST, MAP, JSON (keys only)             str, compact JSON text
``bytes``  BLOB, and the sketches in partials              bytes
=========  ==============================================  =====================================

UHUGEINT, UUID, BLOB, ENUM and the three timestamps beside TIMESTAMP are kept, ordered and answered,
and take part in no arithmetic: neither ``integer`` nor ``numeric``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from typing import Any, NoReturn

import msgspec
import numpy as np

from keyfold.errors import RequestError, SqlError
from keyfold.view.bytestext import blob_bytes, blob_text, uuid_text
from keyfold.view.moment import (
    TICKS,
    date_days,
    date_text,
    ticks_of_text,
    ticks_text,
    time_micros,
    time_text,
    timestamp_micros,
    timestamp_text,
)
from keyfold.view.nested import nested_writer
from keyfold.view.nestedtimes import nested_times

_ALIAS = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}

INT_BITS = {
    "TINYINT": 8,
    "SMALLINT": 16,
    "INTEGER": 32,
    "BIGINT": 64,
    "HUGEINT": 128,
}
UINT_BITS = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64}
TIMESTAMPTZ = "TIMESTAMP WITH TIME ZONE"
TIMESTAMP = "TIMESTAMP"
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_LOST_PLUS = re.compile(r"\d\d:\d\d(?:[:.\d]*) \d\d(?::?\d\d)?$|\d[eE] \d+$|^ \d")
_NESTED = re.compile(r"(STRUCT\(|MAP\(|UNION\(|.*\[\d*\]$|JSON$)", re.DOTALL)
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_EXACT = Context(prec=100)
_FLOAT_PLAIN = float(np.float32(1e-4))  # the float nearest to 0.0001 is below it


class Physical(StrEnum):
    """How a value lies in keys, partials and memory."""

    BOOL = "bool"
    I64 = "i64"
    I128 = "i128"
    U128 = "u128"
    F64 = "f64"
    TEXT = "text"
    JSON = "json"
    BYTES = "bytes"

    @property
    def varies(self) -> bool:
        """Whether values are texts or bytes, of any length."""
        return self in (Physical.TEXT, Physical.JSON, Physical.BYTES)


_RARE = {"UHUGEINT": Physical.U128, "BLOB": Physical.BYTES} | dict.fromkeys(TICKS, Physical.I64)


class ColumnType(msgspec.Struct, frozen=True):
    """An SQL type that a view can hold.

    Attributes:
        name: DuckDB's name of the type.
        physical: Its physical form.
        scale: Digits after the point for DECIMAL, else 0.
    """

    name: str
    physical: Physical
    scale: int = 0

    @property
    def decimal(self) -> bool:
        """True for DECIMAL types, and not for lists of them."""
        return self.name.startswith("DECIMAL") and self.physical is not Physical.JSON

    @property
    def precision(self) -> int:
        """The digits of a DECIMAL."""
        return int(self.name[8:].split(",")[0])

    @property
    def enum(self) -> bool:
        """True for enumerations."""
        return self.physical is Physical.I64 and self.name.startswith("ENUM(")

    @property
    def labels(self) -> tuple[str, ...]:
        """The values of an enumeration, in their order."""
        return tuple(text.replace("''", "'") for text in _LABEL.findall(self.name))

    @property
    def integer(self) -> bool:
        """True for whole-number types, signed or not."""
        return self.name in INT_BITS or self.name in UINT_BITS

    @property
    def numeric(self) -> bool:
        """True for types that arithmetic takes."""
        return self.integer or self.decimal or self.physical is Physical.F64


@lru_cache(maxsize=4096)
def column_type(name: str) -> ColumnType:
    """Return the column type for one of DuckDB's type names.

    Raises:
        SqlError: A view cannot hold that type.
    """
    name = _ALIAS.get(name, name)
    if name in ("HUGEINT", "UBIGINT"):
        return ColumnType(name, Physical.I128)
    if name in INT_BITS or name in UINT_BITS or name in (TIMESTAMP, TIMESTAMPTZ, "DATE", "TIME"):
        return ColumnType(name, Physical.I64)
    if name in ("DOUBLE", "FLOAT"):
        return ColumnType(name, Physical.F64)
    if name == "BOOLEAN":
        return ColumnType(name, Physical.BOOL)
    if name in ("VARCHAR", "UUID"):
        return ColumnType(name, Physical.TEXT)
    if name.startswith("ENUM(") and name.endswith(")"):
        return ColumnType(name, Physical.I64)
    if name in _RARE:
        return ColumnType(name, _RARE[name])
    if match := _DECIMAL.fullmatch(name):
        precision, scale = int(match[1]), int(match[2])
        return ColumnType(name, Physical.I64 if precision <= 18 else Physical.I128, scale)
    if _NESTED.match(name):
        return ColumnType(name, Physical.JSON)
    hint = {
        "INTERVAL": "turn it into a number, for example epoch_ms(b) - epoch_ms(a)",
        '"NULL"': "give it a type, for example CAST(NULL AS BIGINT)",
    }.get(name, "cast it to VARCHAR")
    if name.startswith("TUPLE("):
        hint = (
            "several columns order rows in a subquery: ROW_NUMBER() OVER (PARTITION BY a ORDER BY "
            "b, c); a value is a struct, {'b': b, 'c': c}"
        )
    raise SqlError(f"a view cannot hold a value of type {name}", hint=hint)


def integer_range(column: ColumnType) -> tuple[int, int]:
    """Return the least and the greatest value of an integer type (BOOLEAN: 0 and 1)."""
    if column.name in UINT_BITS:
        return 0, (1 << UINT_BITS[column.name]) - 1
    if column.name == "BOOLEAN":
        return 0, 1
    half = 1 << INT_BITS[column.name] - 1
    return -half, half - 1


def decimal_text(scaled: int, scale: int) -> str:
    """Write a scaled integer as an exact decimal number with ``scale`` digits after the point."""
    if scale == 0:
        return str(scaled)
    sign = "-" if scaled < 0 else ""
    digits = str(abs(scaled)).rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def double_json(value: float) -> str:
    """Write a double as JSON: shortest form that reads back; NaN and infinities as strings."""
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if math.isnan(value) else ('"Infinity"' if value > 0 else '"-Infinity"')


def float_json(value: float) -> str:
    """Write a single-precision float as JSON, shortest form that reads back as a float."""
    return float_text(value) if math.isfinite(value) else double_json(value)


def float_text(value: float) -> str:
    """Write a single-precision float as DuckDB does: an exponent below 1e-4 and from 1e16 on."""
    single = np.float32(value)
    if _FLOAT_PLAIN <= abs(value) < 1e16:
        return np.format_float_positional(single, trim="0")
    return str(single)


_json_text = msgspec.json.Encoder().encode


def json_writer(column: ColumnType) -> Callable[[Any], str]:
    """Return the function that writes a non-null physical value of ``column`` as JSON."""
    scale = column.scale
    if column.decimal:
        return lambda value: decimal_text(value, scale)
    match column.physical:
        case Physical.TEXT:
            return lambda value: _json_text(value).decode()
        case Physical.BYTES:
            return lambda value: _json_text(blob_text(value)).decode()
        case Physical.BOOL:
            return lambda value: "true" if value else "false"
        case Physical.F64:
            return float_json if column.name == "FLOAT" else double_json
        case Physical.JSON:
            return nested_times(column.name)
    if column.enum:
        texts = [_json_text(label).decode() for label in column.labels]
        return texts.__getitem__
    if column.name in TICKS:
        ticks = TICKS[column.name]
        return lambda value: f'"{ticks_text(value, ticks)}"'
    return _TIME_WRITERS.get(column.name, str)


_TIME_WRITERS: dict[str, Callable[[Any], str]] = {
    TIMESTAMPTZ: lambda value: f'"{timestamp_text(value, utc=True)}"',
    TIMESTAMP: lambda value: f'"{timestamp_text(value, utc=False)}"',
    "DATE": lambda value: f'"{date_text(value)}"',
    "TIME": lambda value: f'"{time_text(value)}"',
}


def parse_text(column: ColumnType, text: str) -> object:
    """Read the text of a key value, as it stands in a URL, into a physical value.

    Raises:
        RequestError: The text is not of the column's type.
    """
    return text_parser(column)(text)


def text_parser(column: ColumnType) -> Callable[[str], object]:
    """Return ``parse_text`` for one column, with the choices made in advance."""
    if column.name == "VARCHAR":
        return str
    parse = _parser(column)
    nested = "write it as JSON text" if column.physical is Physical.JSON else ""

    def read(text: str) -> object:
        try:
            return parse(text)
        except (ValueError, InvalidOperation, OverflowError, msgspec.DecodeError):
            hint = _plus_hint(text) or _FORM.get(column.name) or nested or _range_hint(column)
            raise RequestError(
                f"{text!r} is not a value of type {column.name}", hint=hint
            ) from None

    return read


_FORM = {
    TIMESTAMPTZ: "write it as 2026-01-31T12:00:00Z",
    TIMESTAMP: "write it as 2026-01-31T12:00:00",
    "DATE": "write it as 2026-01-31",
    "TIME": "write it as 12:00:00",
    "BOOLEAN": "write true or false",
    "BLOB": "write a byte that is no printable ASCII, a quote or a backslash as \\xAA",
    "UUID": "write it as 550e8400-e29b-41d4-a716-446655440000",
    **dict.fromkeys(TICKS, "write it as 2026-01-31T12:00:00, with as many digits as it counts"),
    "JSON": 'write it as JSON text, a string with its quotes: "x", which is %22x%22 in a URL',
}


def _plus_hint(text: str) -> str:
    """Say what became of a plus in a query string."""
    lost = _LOST_PLUS.search(text) is not None
    return "a plus is a space in a query string: write %2B" if lost else ""


def _range_hint(column: ColumnType) -> str:
    if column.decimal:
        digits, scale = column.precision, column.scale
        return f"write a number with {scale} digits after the point at most, and {digits} in all"
    if column.integer:
        low, high = integer_range(column)
        return f"write a whole number from {low} to {high}"
    return ""


def _parser(column: ColumnType) -> Callable[[str], object]:
    match column.physical:
        case Physical.JSON:
            return nested_writer(column.name)
        case Physical.BOOL:
            return lambda text: _BOOLEANS[text.lower()] if text.lower() in _BOOLEANS else _fail()
        case Physical.F64:
            narrow = column.name == "FLOAT"
            return lambda text: _parse_double(text, narrow=narrow)
    if column.decimal:
        return lambda text: _parse_decimal(column, text)
    if column.integer:
        low, high = integer_range(column)
        return lambda text: _parse_integer(text, low, high)
    if column.enum:
        labels = column.labels
        return labels.index  # which raises ValueError where it is none
    if column.name in TICKS:
        ticks = TICKS[column.name]
        return lambda text: ticks_of_text(text, ticks)
    if column.physical is Physical.U128:
        return lambda text: _parse_integer(text, 0, (1 << 128) - 1)
    return _PARSERS.get(column.name, timestamp_micros)


_PARSERS: dict[str, Callable[[str], object]] = {
    "DATE": date_days,
    "TIME": time_micros,
    "UUID": uuid_text,
    "BLOB": blob_bytes,
}


_BOOLEANS = {"true": True, "false": False}


def _parse_double(text: str, *, narrow: bool) -> float:
    number = float(text) if "_" not in text else _fail()
    return float(np.float32(number)) if narrow else number


def _parse_integer(text: str, low: int, high: int) -> int:
    value = int(text) if _WHOLE.fullmatch(text) else _fail()
    return value if low <= value <= high else _fail()


def _parse_decimal(column: ColumnType, text: str) -> int:
    number = Decimal(text) if "_" not in text else _fail()
    # The exponent is looked at first: 1e999999 is a short text and a long integer.
    if not number.is_finite() or number.adjusted() > column.precision:
        _fail()
    scaled = _EXACT.scaleb(number, column.scale)
    whole = int(scaled)
    return whole if whole == scaled and abs(whole) < 10**column.precision else _fail()


def _fail() -> NoReturn:
    raise ValueError
