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
=========  ==============================================  =====================================
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache

import msgspec

from keyfold.errors import RequestError, SqlError

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
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
_INFINITY_US = 2**63 - 1


class Physical(StrEnum):
    """How a value lies in keys, partials and memory."""

    BOOL = "bool"
    I64 = "i64"
    I128 = "i128"
    F64 = "f64"
    TEXT = "text"
    JSON = "json"


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
        "TIMESTAMP_NS": "cast it to TIMESTAMP",
        '"NULL"': "give it a type, for example CAST(NULL AS BIGINT)",
    }.get(name, "cast it to VARCHAR")
    raise SqlError(f"a view cannot hold a value of type {name}", hint=hint)


def timestamp_text(micros: int, *, utc: bool) -> str:
    """Write µs since the epoch as RFC 3339 (with ``Z`` when ``utc``), fraction only if there."""
    if micros in (_INFINITY_US, -_INFINITY_US):
        return "infinity" if micros > 0 else "-infinity"
    seconds, fraction = divmod(micros, 1_000_000)
    try:
        moment = _EPOCH + dt.timedelta(seconds=seconds)
        text = moment.strftime("%Y-%m-%dT%H:%M:%S") if moment.year >= 1000 else moment.isoformat()
    except OverflowError:  # beyond the years that Python's calendar knows
        days, rest = divmod(seconds, 86_400)
        text = f"{_far_date(days)}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    text = text[:-6] if text.endswith("+00:00") else text
    if fraction:
        text += f".{fraction:06}".rstrip("0")
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
    return f"{year:04}-{month:02}-{day:02}"


def date_text(days: int) -> str:
    """Write days since the epoch as an ISO date."""
    try:
        return dt.date.fromordinal(days + _EPOCH_DAY).isoformat()
    except (ValueError, OverflowError):
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
    import numpy as np  # noqa: PLC0415  # only views with FLOAT columns need it

    return str(np.float32(value)) if math.isfinite(value) else double_json(value)


_json_text = msgspec.json.Encoder().encode


def json_writer(column: ColumnType) -> Callable[[object], str]:
    """Return the function that writes a non-null physical value of ``column`` as JSON."""
    scale = column.scale
    name = column.name
    if column.physical is Physical.TEXT:
        return lambda value: _json_text(value).decode()
    if column.physical is Physical.JSON:
        return str
    if column.physical is Physical.BOOL:
        return lambda value: "true" if value else "false"
    if name == "FLOAT":
        return float_json  # type: ignore[return-value]
    if name == "DOUBLE":
        return double_json  # type: ignore[return-value]
    if column.decimal:
        return lambda value: decimal_text(value, scale)  # type: ignore[arg-type]
    if name == TIMESTAMPTZ:
        return lambda value: f'"{timestamp_text(value, utc=True)}"'  # type: ignore[arg-type]
    if name == TIMESTAMP:
        return lambda value: f'"{timestamp_text(value, utc=False)}"'  # type: ignore[arg-type]
    if name == "DATE":
        return lambda value: f'"{date_text(value)}"'  # type: ignore[arg-type]
    if name == "TIME":
        return lambda value: f'"{time_text(value)}"'  # type: ignore[arg-type]
    return str


def parse_text(column: ColumnType, text: str) -> object:
    """Read the text of a key value, as it stands in a URL, into a physical value.

    Raises:
        RequestError: The text is not of the column's type.
    """
    try:
        return _parse(column, text)
    except (ValueError, InvalidOperation, OverflowError, msgspec.DecodeError):
        raise RequestError(
            f"{text!r} is not a value of type {column.name}", hint=_FORM.get(column.name, "")
        ) from None


_FORM = {
    TIMESTAMPTZ: "write it as 2026-01-31T12:00:00Z",
    TIMESTAMP: "write it as 2026-01-31T12:00:00",
    "DATE": "write it as 2026-01-31",
    "TIME": "write it as 12:00:00",
    "BOOLEAN": "write true or false",
}


def _parse(column: ColumnType, text: str) -> object:
    name = column.name
    match column.physical:
        case Physical.TEXT:
            return text
        case Physical.JSON:
            return _json_text(msgspec.json.decode(text)).decode()
        case Physical.BOOL:
            return text.lower() == "true" if text.lower() in ("true", "false") else _fail()
        case Physical.F64:
            return float(text)
    if column.decimal:
        scaled = Decimal(text).scaleb(column.scale)
        if scaled != scaled.to_integral_value():
            _fail()
        return _bounded(int(scaled), 64 if column.physical is Physical.I64 else 128)
    if name in (TIMESTAMPTZ, TIMESTAMP):
        return timestamp_micros(text)
    if name == "DATE":
        return dt.date.fromisoformat(text).toordinal() - _EPOCH_DAY
    if name == "TIME":
        time = dt.time.fromisoformat(text)
        return ((time.hour * 60 + time.minute) * 60 + time.second) * 1_000_000 + time.microsecond
    return _bounded(int(text), 64 if column.physical is Physical.I64 else 128)


def timestamp_micros(text: str) -> int:
    """Read an ISO 8601 timestamp (UTC where it names no zone) as µs since the epoch.

    Raises:
        ValueError: It is none.
    """
    if text in ("infinity", "-infinity"):
        return _INFINITY_US if text == "infinity" else -_INFINITY_US
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def _bounded(value: int, bits: int) -> int:
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        _fail()
    return value


def _fail() -> object:
    raise ValueError
