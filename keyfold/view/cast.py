"""Conversions between column types, exactly as DuckDB converts: the casts that expressions need.

Values are physical (keyfold/view/types.py), so a DECIMAL is its scaled integer. Where a conversion
rounds, it does so as DuckDB does, which is not one rule:

==================  ========  ====================================================================
from                to        rounds
==================  ========  ====================================================================
FLOAT, DOUBLE       integer   half to even
FLOAT, DOUBLE       DECIMAL   half away from zero, after a multiplication in double
DECIMAL             integer,  half away from zero
                    DECIMAL
HUGEINT,            DOUBLE    each 64-bit word by itself, then their sum
DECIMAL(>18,0)
DECIMAL             DOUBLE    the quotient once, to nearest even
==================  ========  ====================================================================

The text of a NaN is ``nan``, where DuckDB shows the sign bit that the processor left (``-nan``).
Text is only written, never read: what DuckDB takes for a number ('0x10', '1_000', ' 12.5 ') is its
parser's to say, so ``CAST(text AS …)`` belongs inside the aggregate or the GROUP BY.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from keyfold.errors import SqlError
from keyfold.view.moment import (
    DAY_US,
    INFINITY_DAYS,
    INFINITY_US,
    date_text,
    time_text,
    timestamp_text,
)
from keyfold.view.types import (
    TIMESTAMP,
    TIMESTAMPTZ,
    ColumnType,
    Physical,
    column_type,
    decimal_text,
    float_text,
    integer_range,
)

Convert = Callable[[Any], Any]
_TIMESTAMPS = (TIMESTAMP, TIMESTAMPTZ)
_INTEGER_DIGITS = {8: 3, 16: 5, 32: 10, 64: 19, 128: 38}
_F32 = struct.Struct("<f")


class ExpressionError(ArithmeticError):
    """An evaluation has no value in the result's type; the row's column is NULL then."""


def caster(source: ColumnType | None, target: ColumnType) -> Convert | None:
    """Return the conversion of a non-null value, or None where the value stays as it is.

    Args:
        source: The value's type; None for the literal NULL.
        target: The type wanted.

    Raises:
        SqlError: There is no such conversion outside DuckDB.
    """
    if source is None or source == target or _widens(source, target):
        return None
    convert = _convert(source, target)
    if convert is None:
        raise SqlError(
            f"an output column cannot cast {source.name} to {target.name}",
            hint="cast inside the aggregate or the GROUP BY expression"
            + (", to DECIMAL(38,0)" if "UHUGEINT" in (source.name, target.name) else ""),
        )
    return convert


def _widens(source: ColumnType, target: ColumnType) -> bool:
    """True where every value of one integer type is one of the other."""
    if not (source.integer and target.integer):
        return False
    (low, high), (least, greatest) = integer_range(source), integer_range(target)
    return least <= low and high <= greatest


def _convert(source: ColumnType, target: ColumnType) -> Convert | None:
    number = source.numeric or source.name == "BOOLEAN"
    if target.name == "VARCHAR":
        return _text_writer(source)
    if target.integer:
        return _to_integer(source, target) if number else None
    if target.decimal:
        return _to_decimal(source, target) if number else None
    if target.name == "DOUBLE":
        return _to_double(source) if number else None
    if target.name == "FLOAT":
        return _to_float(source) if number else None
    if target.name == "BOOLEAN":
        return bool if number else None
    if target.name in _TIMESTAMPS:
        if source.name in _TIMESTAMPS:
            return lambda value: value  # the session's time zone is UTC
        return _timestamp_of_date if source.name == "DATE" else None
    if target.name == "DATE" and source.name in _TIMESTAMPS:
        return _date_of_timestamp
    return None


def check_range(target: ColumnType) -> Convert:
    """Return the function that passes values that fit an integer or DECIMAL and raises else."""
    if target.decimal:
        high = 10**target.precision - 1
        low = -high
    else:
        low, high = integer_range(target)
    name = target.name

    def check(value: int) -> int:
        if low <= value <= high:
            return value
        raise ExpressionError(f"{value} does not fit {name}")

    return check


def half_away(value: int, unit: int) -> int:
    """Divide by a positive unit and round half away from zero."""
    quotient = (abs(value) * 2 + unit) // (unit * 2)
    return quotient if value >= 0 else -quotient


def towards_zero(value: int, unit: int) -> int:
    """Divide by a positive unit and cut off what is left."""
    return value // unit if value >= 0 else -(-value // unit)


def round_half_away(value: float) -> float:
    """C's round(): a whole double, halves away from zero."""
    if not math.isfinite(value):
        return value
    size = abs(value)
    whole = float(math.floor(size))
    # The difference is exact, where adding 0.5 would round 0.49999999999999994 up.
    return math.copysign(whole + 1.0 if size - whole >= 0.5 else whole, value)


def float32(value: float) -> float:
    """Round to single precision; overflow is infinity, as in arithmetic."""
    try:
        return float(_F32.unpack(_F32.pack(value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _to_integer(source: ColumnType, target: ColumnType) -> Convert:
    check = check_range(target)
    if source.physical is Physical.F64:

        def of_double(value: float) -> Any:
            if not math.isfinite(value):
                raise ExpressionError(f"{value} has no whole number")
            return check(round(value))

        return of_double
    if source.decimal:
        unit = 10**source.scale
        return lambda value: check(half_away(value, unit))
    return lambda value: check(int(value))


def _to_decimal(source: ColumnType, target: ColumnType) -> Convert:
    check = check_range(target)
    if source.physical is Physical.F64:
        factor = 10.0**target.scale

        def of_double(value: float) -> Any:
            scaled = round_half_away(value * factor)
            if not math.isfinite(scaled):
                raise ExpressionError(f"{value} does not fit {target.name}")
            return check(int(scaled))

        return of_double
    shift = target.scale - source.scale
    if shift >= 0:
        up = 10**shift
        return lambda value: check(int(value) * up)
    down = 10**-shift
    return lambda value: check(half_away(value, down))


def _to_double(source: ColumnType) -> Convert:
    if source.scale:
        unit = 10**source.scale
        return lambda value: value / unit  # Python rounds a quotient of integers once
    return _double_of_wide if source.physical is Physical.I128 else float


def _to_float(source: ColumnType) -> Convert:
    if source.name == "DOUBLE":

        def narrow(value: float) -> float:
            rounded = float32(value)
            if math.isinf(rounded) and not math.isinf(value):
                raise ExpressionError(f"{value} does not fit FLOAT")
            return rounded

        return narrow
    if source.scale:
        unit = 10**source.scale
        return lambda value: float32(value / unit)
    return _float_of_wide


def _double_of_wide(value: int) -> float:
    """DuckDB's hugeint → double: 64-bit words are rounded by themselves."""
    low, high = value & 0xFFFF_FFFF_FFFF_FFFF, value >> 64
    if high == -1:
        return -float(0xFFFF_FFFF_FFFF_FFFF - low) - 1.0
    return float(low) + float(high) * 18446744073709551616.0


def _float_of_wide(value: int) -> float:
    if -(1 << 63) <= value < 1 << 63:
        return float(np.int64(value).astype(np.float32))  # one rounding, not via double
    return float32(_double_of_wide(value))


def _timestamp_of_date(days: int) -> int:
    if abs(days) == INFINITY_DAYS:
        return int(math.copysign(1, days)) * INFINITY_US
    micros = days * DAY_US
    if abs(micros) >= INFINITY_US:
        raise ExpressionError(f"the date {date_text(days)} does not fit TIMESTAMP")
    return micros


def _date_of_timestamp(micros: int) -> int:
    if abs(micros) == INFINITY_US:
        return INFINITY_DAYS if micros > 0 else -INFINITY_DAYS
    return micros // DAY_US


def _text_writer(source: ColumnType) -> Convert | None:
    """The text that DuckDB's CAST(… AS VARCHAR) writes."""
    scale = source.scale
    match source.name:
        case "BOOLEAN":
            return lambda value: "true" if value else "false"
        case "DOUBLE":
            return repr
        case "FLOAT":
            return float_text
        case "DATE":
            return lambda days: _era(date_text(days))
        case "TIME":
            return time_text
        case "TIMESTAMP":
            return lambda micros: _era(timestamp_text(micros, utc=False)).replace("T", " ")
        case "TIMESTAMP WITH TIME ZONE":
            return lambda micros: _with_zone(_era(timestamp_text(micros, utc=False)))
    if source.decimal:
        return lambda value: decimal_text(value, scale)
    if source.enum:
        return source.labels.__getitem__
    return str if source.integer or source.name in ("UHUGEINT", "UUID") else None


def _era(text: str) -> str:
    """Write a year before 1 as DuckDB does: ``-0043-03-15`` is ``0044-03-15 (BC)``."""
    if not text.startswith(("-", "0000")) or text == "-infinity":
        return text
    date, separator, time = text.partition("T")
    year, month, day = date.rsplit("-", 2)
    return f"{1 - int(year):04}-{month}-{day} (BC){separator}{time}"


def _with_zone(text: str) -> str:
    return text if text.endswith("infinity") else text.replace("T", " ") + "+00"


def common_type(first: ColumnType, second: ColumnType) -> ColumnType:
    """Return the type in which DuckDB compares two values.

    Raises:
        SqlError: They compare in no type that is known here.
    """
    if first == second and first.physical is not Physical.JSON:
        return first
    names = {first.name, second.name}
    numeric = first.numeric and second.numeric
    if numeric and "DOUBLE" in names:
        return column_type("DOUBLE")
    if numeric and "FLOAT" in names:
        return column_type("FLOAT")
    if numeric and (first.decimal or second.decimal):
        scale = max(first.scale, second.scale)
        whole = max(_digits(first) - first.scale, _digits(second) - second.scale)
        return column_type(f"DECIMAL({min(38, whole + scale)},{scale})")
    integers = first.integer or first.name == "BOOLEAN"
    if integers and (second.integer or second.name == "BOOLEAN"):
        return column_type("HUGEINT")
    if all(column.enum or column.name == "VARCHAR" for column in (first, second)):
        return column_type("VARCHAR")  # by the letters: only values of one ENUM have its order
    if names <= {"DATE", *_TIMESTAMPS}:
        return column_type(TIMESTAMPTZ if TIMESTAMPTZ in names else TIMESTAMP)
    raise SqlError(
        f"an output column cannot compare {first.name} with {second.name}",
        hint="cast one side inside the aggregate or the GROUP BY expression",
    )


def _digits(column: ColumnType) -> int:
    if column.decimal:
        return column.precision
    low, high = integer_range(column)
    if low == 0:
        return len(str(high))
    return _INTEGER_DIGITS[high.bit_length() + 1]
