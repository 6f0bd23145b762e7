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
           DECIMAL of at most 18 digits (scaled)
``i128``   UBIGINT, HUGEINT, wider DECIMAL (scaled)        int
``f64``    FLOAT, DOUBLE                                   float
``text``   VARCHAR                                         str
``json``   STRUCT, LIST, MAP, JSON (keys only)             str, compact JSON text
``bytes``  none: the sketches in partials                  bytes
=========  ==============================================  =====================================
"""

from __future__ import annotations

import datetime as dt
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
from keyfold.view.nested import nested_writer

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
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_NESTED = re.compile(r"(STRUCT\(|MAP\(|UNION\(|.*\[\d*\]$|JSON$)", re.DOTALL)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_LOCAL = dt.datetime(1970, 1, 1)
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
_INFINITY_US = 2**63 - 1
_INFINITY_DAYS = 2**31 - 1
_INFINITIES = ("infinity", "-infinity")
_DAY_US = 86_400_000_000
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_FAR = re.compile(r"(-?[0-9]{4,7})-([0-9]{2})-([0-9]{2})(?:T(.*))?")
_EXACT = Context(prec=100)
_FLOAT_PLAIN = float(np.float32(1e-4))  # the float nearest to 0.0001 is below it


class Physical(StrEnum):
    """How a value lies in keys, partials and memory."""

    BOOL = "bool"
    I64 = "i64"
    I128 = "i128"
    F64 = "f64"
    TEXT = "text"
    JSON = "json"
    BYTES = "bytes"

    @property
    def varies(self) -> bool:
        """Whether values are texts or bytes, of any length."""
        return self in (Physical.TEXT, Physical.JSON, Physical.BYTES)


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
        """True for DECIMAL types."""
        return self.name.startswith("DECIMAL")

    @property
    def precision(self) -> int:
        """The digits of a DECIMAL."""
        return int(self.name[8:].split(",")[0])

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
    if name == "VARCHAR":
        return ColumnType(name, Physical.TEXT)
    if match := _DECIMAL.fullmatch(name):
        precision, scale = int(match[1]), int(match[2])
        return ColumnType(name, Physical.I64 if precision <= 18 else Physical.I128, scale)
    if _NESTED.match(name):
        return ColumnType(name, Physical.JSON)
    hint = {
        "BLOB": "wrap it in decode(…) or hex(…)",
        "UUID": "cast it to VARCHAR",
        "INTERVAL": "turn it into a number, for example epoch_ms(b) - epoch_ms(a)",
        "UHUGEINT": "cast it to DECIMAL(38,0)",
        "TIMESTAMP_S": "cast it to TIMESTAMP",
        "TIMESTAMP_MS": "cast it to TIMESTAMP",
        "TIMESTAMP_NS": "cast it to TIMESTAMP",
        '"NULL"': "give it a type, for example CAST(NULL AS BIGINT)",
    }.get(name, "cast it to VARCHAR")
    raise SqlError(f"a view cannot hold a value of type {name}", hint=hint)


def integer_range(column: ColumnType) -> tuple[int, int]:
    """Return the least and the greatest value of an integer type (BOOLEAN: 0 and 1)."""
    if column.name in UINT_BITS:
        return 0, (1 << UINT_BITS[column.name]) - 1
    if column.name == "BOOLEAN":
        return 0, 1
    half = 1 << INT_BITS[column.name] - 1
    return -half, half - 1


def timestamp_text(micros: int, *, utc: bool) -> str:
    """Write µs since the epoch as RFC 3339 (with ``Z`` when ``utc``), fraction only if there."""
    try:
        text = (_EPOCH_LOCAL + dt.timedelta(0, 0, micros)).isoformat()
        if len(text) > 19:
            text = text.rstrip("0")
    except OverflowError:  # beyond the years that Python's calendar knows
        if abs(micros) == _INFINITY_US:
            return "infinity" if micros > 0 else "-infinity"
        days, rest = divmod(micros, _DAY_US)
        text = f"{_far_date(days)}T{time_text(rest)}"
    return text + "Z" if utc else text


def _far_date(days: int) -> str:
    """Proleptic Gregorian date of a day number (Howard Hinnant's civil_from_days)."""
    z = days + 719_468
    era, doe = divmod(z, 146_097)
    yoe = (doe - doe // 1460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    day = doy - (153 * mp + 2) // 5 + 1
    month = mp + 3 if mp < 10 else mp - 9
    year = yoe + era * 400 + (month <= 2)
    sign = "-" if year < 0 else ""
    return f"{sign}{abs(year):04}-{month:02}-{day:02}"


def _far_days(year: int, month: int, day: int) -> int:
    """The inverse of ``_far_date`` (Howard Hinnant's days_from_civil)."""
    year -= month <= 2
    era, yoe = divmod(year, 400)
    doy = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    doe = yoe * 365 + yoe // 4 - yoe // 100 + doy
    return era * 146_097 + doe - 719_468


def date_text(days: int) -> str:
    """Write days since the epoch as an ISO date."""
    try:
        return dt.date.fromordinal(days + _EPOCH_DAY).isoformat()
    except (ValueError, OverflowError):
        if abs(days) == _INFINITY_DAYS:
            return "infinity" if days > 0 else "-infinity"
        return _far_date(days)


def time_text(micros: int) -> str:
    """Write µs since midnight as an ISO time, fraction only if there."""
    seconds, fraction = divmod(micros, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text + f".{fraction:06}".rstrip("0") if fraction else text


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
        case Physical.BOOL:
            return lambda value: "true" if value else "false"
        case Physical.F64:
            return float_json if column.name == "FLOAT" else double_json
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
    if column.physical is Physical.TEXT:
        return str
    parse = _parser(column)

    def read(text: str) -> object:
        try:
            return parse(text)
        except (ValueError, InvalidOperation, OverflowError, msgspec.DecodeError):
            raise RequestError(
                f"{text!r} is not a value of type {column.name}", hint=_FORM.get(column.name, "")
            ) from None

    return read


_FORM = {
    TIMESTAMPTZ: "write it as 2026-01-31T12:00:00Z",
    TIMESTAMP: "write it as 2026-01-31T12:00:00",
    "DATE": "write it as 2026-01-31",
    "TIME": "write it as 12:00:00",
    "BOOLEAN": "write true or false",
}


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
    return {"DATE": _parse_date, "TIME": _parse_time}.get(column.name, timestamp_micros)


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


def _parse_date(text: str) -> int:
    if text in _INFINITIES:
        return _INFINITY_DAYS if text == "infinity" else -_INFINITY_DAYS
    try:
        return dt.date.fromisoformat(text).toordinal() - _EPOCH_DAY
    except ValueError:
        days, rest = _parse_far(text)
        return days if rest is None and abs(days) < _INFINITY_DAYS else _fail()


def _parse_time(text: str) -> int:
    if text == "24:00:00":  # DuckDB's last moment of a day
        return _DAY_US
    time = dt.time.fromisoformat(text)
    if time.tzinfo is not None:
        _fail()
    return ((time.hour * 60 + time.minute) * 60 + time.second) * 1_000_000 + time.microsecond


def _parse_far(text: str) -> tuple[int, str | None]:
    """Read a date beyond Python's calendar: (days, what stands after the T)."""
    match = _FAR.fullmatch(text)
    if match is None:
        _fail()
    days = _far_days(int(match[1]), int(match[2]), int(match[3]))
    if _far_date(days) != text.partition("T")[0]:  # the 30th of February
        _fail()
    return days, match[4]


def timestamp_micros(text: str) -> int:
    """Read an ISO 8601 timestamp (UTC where it names no zone) as µs since the epoch.

    Raises:
        ValueError: It is none.
    """
    if text in _INFINITIES:
        return _INFINITY_US if text == "infinity" else -_INFINITY_US
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        days, rest = _parse_far(text)
        micros = days * _DAY_US + _parse_time((rest or "00:00:00").removesuffix("Z"))
        return micros if abs(micros) < _INFINITY_US else _fail()
    since = moment - (_EPOCH_LOCAL if moment.tzinfo is None else _EPOCH)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _fail() -> NoReturn:
    raise ValueError
