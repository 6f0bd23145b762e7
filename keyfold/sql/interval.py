"""Spans of time: ``'7 days'``, ``INTERVAL '5' SECOND``, ``INTERVAL '1 hour 30 minutes'`` → µs."""

from __future__ import annotations

import re

UNITS_US = {
    "us": 1,
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
_PART = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*([a-zµ]+)\s*")
_CLOCK = re.compile(r"\s*(\d+):(\d\d)(?::(\d\d))?\s*")


def span_us(text: str) -> int:
    """Return a span in µs.

    Raises:
        ValueError: It is none, or one of months or years, whose length depends on the calendar.
    """
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return (hours * 3600 + minutes * 60 + seconds) * 1_000_000
    total = 0.0
    at = 0
    lower = text.lower()
    while part := _PART.match(lower, at):
        unit = part[2] if part[2] in UNITS_US else part[2].removesuffix("s")
        if unit in ("month", "mon", "quarter", "year", "y"):
            raise ValueError(f"the length of a {unit} depends on the calendar; use days")
        if unit not in UNITS_US:
            raise ValueError(f"{part[2]!r} is no unit of time; use seconds, minutes, hours, days")
        total += float(part[1]) * UNITS_US[unit]
        at = part.end()
    if at == 0 or at != len(text):
        raise ValueError(f"{text!r} is no span of time; write it like '5 minutes'")
    return round(total)


def span_text(us: int) -> str:
    """Return a span as people write it: ``90 seconds``, ``7 days``."""
    for unit in ("day", "hour", "minute", "second", "millisecond"):
        count, rest = divmod(us, UNITS_US[unit])
        if count and not rest:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{us} microseconds"
