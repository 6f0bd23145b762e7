"""Dates, times and timestamps: physical values (keyfold/view/types.py) and their ISO 8601 text.

Python's calendar has the years 1 to 9999; what lies beyond is written and read here, since DuckDB's
types go further. The two infinities of a date or timestamp stand at the ends of its integers.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import NoReturn

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_LOCAL = dt.datetime(1970, 1, 1)
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
INFINITY_US = 2**63 - 1
"""Infinity of any timestamp; the other one is this below zero."""
INFINITY_DAYS = 2**31 - 1
"""Infinity of a date, likewise."""
DAY_US = 86_400_000_000
_INFINITIES = ("infinity", "-infinity")
_FAR = re.compile(r"(-?[0-9]{4,7})-([0-9]{2})-([0-9]{2})(?:T(.*))?")
_DUCKDB = re.compile(r"(\d{4,})(-\d\d-\d\d)( \(BC\))?(?: (\d\d:\d\d:\d\d(?:\.\d+)?)(\+00)?)?")
_FRACTION = re.compile(r"(.*:[0-9]{2})\.([0-9]{1,9})(.*)")
TICKS = {"TIMESTAMP_S": 1, "TIMESTAMP_MS": 1_000, "TIMESTAMP_NS": 1_000_000_000}
"""The types of timestamps that do not count microseconds → what they count, per second."""


def timestamp_text(micros: int, *, utc: bool) -> str:
    """Write µs since the epoch as RFC 3339 (with ``Z`` when ``utc``), fraction only if there."""
    try:
        text = (_EPOCH_LOCAL + dt.timedelta(0, 0, micros)).isoformat()
        if len(text) > 19:
            text = text.rstrip("0")
    except OverflowError:  # beyond the years that Python's calendar knows
        if abs(micros) == INFINITY_US:
            return "infinity" if micros > 0 else "-infinity"
        days, rest = divmod(micros, DAY_US)
        text = f"{_far_date(days)}T{time_text(rest)}"
    return text + "Z" if utc else text


def moment_text(text: str) -> str:
    """Write one of DuckDB's dates or timestamps as RFC 3339; what is none, as infinity, stays.

    Its own have a space for the ``T``, ``+00`` for the ``Z``, and ``(BC)`` behind a date before the
    year 1.
    """
    match = _DUCKDB.fullmatch(text)
    if match is None:
        return text
    year, day, before_christ, time, zone = match.groups()
    if before_christ:  # 1 BC is the year 0
        before = int(year) - 1
        year = f"-{before:04}" if before else "0000"
    return f"{year}{day}" + (f"T{time}{'Z' if zone else ''}" if time else "")


def civil_date(days: int) -> tuple[int, int, int]:
    """Proleptic Gregorian (year, month, day) of a day number (Hinnant's civil_from_days)."""
    z = days + 719_468
    era, doe = divmod(z, 146_097)
    yoe = (doe - doe // 1460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    day = doy - (153 * mp + 2) // 5 + 1
    month = mp + 3 if mp < 10 else mp - 9
    return yoe + era * 400 + (month <= 2), month, day


def _far_date(days: int) -> str:
    year, month, day = civil_date(days)
    sign = "-" if year < 0 else ""
    return f"{sign}{abs(year):04}-{month:02}-{day:02}"


def civil_days(year: int, month: int, day: int) -> int:
    """The inverse of ``civil_date`` (Howard Hinnant's days_from_civil)."""
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
        if abs(days) == INFINITY_DAYS:
            return "infinity" if days > 0 else "-infinity"
        return _far_date(days)


def time_text(micros: int) -> str:
    """Write µs since midnight as an ISO time, fraction only if there."""
    seconds, fraction = divmod(micros, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text + f".{fraction:06}".rstrip("0") if fraction else text


def ticks_text(value: int, ticks: int) -> str:
    """Write a timestamp that counts so many ticks per second, as ``timestamp_text`` does."""
    if abs(value) == INFINITY_US:
        return "infinity" if value > 0 else "-infinity"
    seconds, rest = divmod(value, ticks)
    text = timestamp_text(seconds * 1_000_000, utc=False)
    digits = len(str(ticks)) - 1
    return text + f".{rest:0{digits}}".rstrip("0") if rest else text


def date_days(text: str) -> int:
    """Read an ISO date as days since the epoch.

    Raises:
        ValueError: It is none.
    """
    if text in _INFINITIES:
        return INFINITY_DAYS if text == "infinity" else -INFINITY_DAYS
    try:
        return dt.date.fromisoformat(text).toordinal() - _EPOCH_DAY
    except ValueError:
        days, rest = _parse_far(text)
        return days if rest is None and abs(days) < INFINITY_DAYS else _fail()


def time_micros(text: str) -> int:
    """Read an ISO time, of no zone, as µs since midnight.

    Raises:
        ValueError: It is none.
    """
    if text == "24:00:00":  # DuckDB's last moment of a day
        return DAY_US
    time = dt.time.fromisoformat(text)
    if time.tzinfo is not None:
        _fail()
    return ((time.hour * 60 + time.minute) * 60 + time.second) * 1_000_000 + time.microsecond


def _parse_far(text: str) -> tuple[int, str | None]:
    """Read a date beyond Python's calendar: (days, what stands after the T)."""
    match = _FAR.fullmatch(text)
    if match is None:
        _fail()
    days = civil_days(int(match[1]), int(match[2]), int(match[3]))
    if _far_date(days) != text.partition("T")[0]:  # the 30th of February
        _fail()
    return days, match[4]


def timestamp_micros(text: str) -> int:
    """Read an ISO 8601 timestamp (UTC where it names no zone) as µs since the epoch.

    Raises:
        ValueError: It is none.
    """
    if text in _INFINITIES:
        return INFINITY_US if text == "infinity" else -INFINITY_US
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        days, rest = _parse_far(text)
        micros = days * DAY_US + time_micros((rest or "00:00:00").removesuffix("Z"))
        return micros if abs(micros) < INFINITY_US else _fail()
    since = moment - (_EPOCH_LOCAL if moment.tzinfo is None else _EPOCH)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def ticks_of_text(text: str, ticks: int) -> int:
    """Read an ISO 8601 timestamp into one that counts so many ticks per second.

    Raises:
        ValueError: It is none, or lies between two ticks, or beyond the type.
    """
    if text in _INFINITIES:
        return INFINITY_US if text == "infinity" else -INFINITY_US
    nanos = 0
    if match := _FRACTION.fullmatch(text):
        text, nanos = match[1] + match[3], int(match[2].ljust(9, "0"))
    value, between = divmod((timestamp_micros(text) * 1_000 + nanos) * ticks, 1_000_000_000)
    return value if not between and abs(value) < INFINITY_US else _fail()


def _fail() -> NoReturn:
    raise ValueError
