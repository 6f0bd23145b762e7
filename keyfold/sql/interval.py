"""Spans of time: ``'7 days'``, ``INTERVAL '5' SECOND``, ``INTERVAL '1 hour 30 minutes'`` → µs."""

from __future__ import annotations

import re
from decimal import Decimal

UNITS_US = {
    "us": 1,
    "µs": 1,
    "microsecond": 1,
    "ms": 1_000,
    "millisecond": 1_000,
    "s": 1_000_000,
    "sec": 1_000_000,
    "second": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "minute": 60_000_000,
    "h": 3_600_000_000,
    "hour": 3_600_000_000,
    "d": 86_400_000_000,
    "day": 86_400_000_000,
    "w": 604_800_000_000,
    "week": 604_800_000_000,
}
SPAN_US_MAX = 36_525_000 * 86_400_000_000 // 10
"""Ten thousand years: what a timestamp can still be moved by."""
_PART = re.compile(r"\s*([+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?)\s*([a-zµ]+)\s*")
_CLOCK = re.compile(r"\s*([0-9]{1,9}):([0-9]{2})(?::([0-9]{2}))?\s*")


def span_us(text: str) -> int:
    """Return a span in µs.

    Raises:
        ValueError: It is none, or one of months or years, whose length depends on the calendar, or
            longer than ten thousand years.
    """
    total = Decimal(0)
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        total = Decimal((hours * 3600 + minutes * 60 + seconds) * 1_000_000)
    else:
        at = 0
        lower = text.lower()
        while part := _PART.match(lower, at):
            total += Decimal(part[1]) * _unit_us(part[2])
            at = part.end()
        if at == 0 or at != len(lower):
            raise ValueError(f"{text!r} is no span of time; write it like '5 minutes'")
    if abs(total) > SPAN_US_MAX:
        raise ValueError(f"{text!r} is longer than 10,000 years")
    return round(total)


def _unit_us(word: str) -> int:
    unit = word if word in UNITS_US else word.removesuffix("s")
    if unit in ("month", "mon", "quarter", "year", "y", "decade", "century", "centurie"):
        raise ValueError(f"the length of a {unit} depends on the calendar; use days")
    if unit not in UNITS_US:
        raise ValueError(f"{word!r} is no unit of time; use seconds, minutes, hours, days")
    return UNITS_US[unit]


def span_text(us: int) -> str:
    """Return a span as people write it: ``90 seconds``, ``7 days``."""
    for unit in ("day", "hour", "minute", "second", "millisecond"):
        count, rest = divmod(us, UNITS_US[unit])
        if count and not rest:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{us} microseconds"
