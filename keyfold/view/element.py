"""Elements of a kept list, as its JSON text has them → physical values (keyfold/view/types.py).

The text is DuckDB's ``to_json``: a decimal is a number, a moment ``2026-01-31 12:00:00.5`` (with
``+00`` where it has a zone, and ``(BC)`` behind a date before the year 1), a BLOB its text, and
what is no number among doubles a string (keyfold/sql/valueform.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

from keyfold.view.bytestext import blob_bytes
from keyfold.view.cast import float32
from keyfold.view.moment import (
    TICKS,
    date_days,
    moment_text,
    ticks_of_text,
    time_micros,
    timestamp_micros,
)
from keyfold.view.types import TIMESTAMP, TIMESTAMPTZ, ColumnType, Physical

Read = Callable[[Any], Any]
_EXACT = Context(prec=100)
_MOMENTS = 1024
"""Timestamps that are remembered with their text: a condition reads that of an element twice."""


def elements(text: str) -> list[Any]:
    """Return the elements of a list without losing a digit: numbers with a point as Decimal."""
    found: list[Any] = json.loads(text, parse_float=Decimal)
    return found


def element_reader(column: ColumnType) -> Read:
    """Return the function from an element that is not null to its physical value.

    Args:
        column: Its type, not nested.
    """
    if column.decimal:
        scale = column.scale
        return lambda value: int(_EXACT.scaleb(Decimal(value), scale))
    match column.physical:
        case Physical.F64 if column.name == "FLOAT":
            return lambda value: float32(float(value))
        case Physical.F64:
            return float
        case Physical.BYTES:
            return blob_bytes
    if column.enum:
        return column.labels.index
    if column.name in TICKS:
        ticks = TICKS[column.name]
        return lambda text: ticks_of_text(moment_text(text), ticks)
    return _READERS.get(column.name, lambda value: value)


@lru_cache(_MOMENTS)
def _moment(text: str) -> int:
    return timestamp_micros(moment_text(text))


_READERS: dict[str, Read] = {
    TIMESTAMP: _moment,
    TIMESTAMPTZ: _moment,
    "DATE": lambda text: date_days(moment_text(text)),
    "TIME": time_micros,
}
