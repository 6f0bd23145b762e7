"""Functions of dates and timestamps, exactly as DuckDB computes them in the time zone UTC.

Physical values (keyfold/view/types.py): days of a DATE and microseconds of a TIMESTAMP, with or
without time zone, since the epoch. A part of an infinite value is NULL, and so is a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keyfold.view.cast import ExpressionError, caster, half_away, towards_zero
from keyfold.view.moment import DAY_US, INFINITY_DAYS, INFINITY_US, civil_date, civil_days
from keyfold.view.namedtype import Named, Prepare
from keyfold.view.types import TIMESTAMP, TIMESTAMPTZ, ColumnType, column_type

_MICROS_LEAST = -106_751_991 * DAY_US  # 290309-12-22 (BC)
_STEPS = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": DAY_US,
}
UNITS = (*_STEPS, "week", "month", "quarter", "year")
PARTS = (
    *("year", "quarter", "month", "day", "hour", "minute", "second", "epoch"),
    *("dow", "isodow", "doy", "week"),
)
_MONDAY = 3  # 1970-01-01 was a Thursday


def _moment(kind: ColumnType) -> ColumnType:
    """The type in which a date or timestamp is looked at; KeyError for any other."""
    return {
        "DATE": column_type(TIMESTAMP),
        TIMESTAMP: column_type(TIMESTAMP),
        TIMESTAMPTZ: column_type(TIMESTAMPTZ),
    }[kind.name]


def _finite(micros: int) -> bool:
    return -INFINITY_US < micros < INFINITY_US


def _checked(micros: int) -> int:
    if not _MICROS_LEAST <= micros < INFINITY_US:
        raise ExpressionError("date and time not in timestamp range")
    return micros


# --- parts -----------------------------------------------------------------------------------


def _day_part(part: str) -> Callable[[int], int]:
    match part:
        case "year":
            return lambda day: civil_date(day)[0]
        case "quarter":
            return lambda day: (civil_date(day)[1] + 2) // 3
        case "month":
            return lambda day: civil_date(day)[1]
        case "day":
            return lambda day: civil_date(day)[2]
        case "dow":
            return lambda day: (day + 4) % 7
        case "isodow":
            return lambda day: (day + _MONDAY) % 7 + 1
        case "doy":
            return lambda day: day - civil_days(civil_date(day)[0], 1, 1) + 1
    return _iso_week


def _iso_week(day: int) -> int:
    thursday = day - (day + _MONDAY) % 7 + 3
    return (thursday - civil_days(civil_date(thursday)[0], 1, 1)) // 7 + 1


def _prepare_part(types: list[ColumnType], constants: list[Any]) -> Named:
    part, kind = constants[0], types[1]
    if part not in PARTS:
        raise KeyError(part)
    _moment(kind)
    of_date = kind.name == "DATE"

    def date_part(_: str, value: int) -> Any:
        if abs(value) == (INFINITY_DAYS if of_date else INFINITY_US):
            return None
        return evaluate(value)

    evaluate = _part(part, of_date=of_date)
    if kind.name == TIMESTAMPTZ:
        evaluate = {"year": _year_of_era, "epoch": _epoch_zoned}.get(part, evaluate)
    return Named([types[0], kind], date_part)


def _year_of_era(micros: int) -> int:
    """ICU's year: 44 BC is 44, not -43."""
    year = civil_date(micros // DAY_US)[0]
    return year if year > 0 else 1 - year


def _epoch_zoned(micros: int) -> float:
    millis, rest = divmod(micros, 1_000)
    return float(millis) / 1e3 + rest / 1e6


def _part(part: str, *, of_date: bool) -> Callable[[int], Any]:
    if part == "epoch":
        return (lambda day: float(day * 86_400)) if of_date else (lambda us: float(us) / 1e6)
    if part in ("hour", "minute", "second"):
        if of_date:
            return lambda _: 0
        step, size = _STEPS[part], 24 if part == "hour" else 60
        return lambda micros: micros // step % size
    day_part = _day_part(part)
    return day_part if of_date else (lambda micros: day_part(micros // DAY_US))


def _prepare_epoch(step: int) -> Prepare:
    def prepare(types: list[ColumnType], _: list[Any]) -> Named:
        (kind,) = types
        _moment(kind)
        if kind.name == "DATE":
            ticks = DAY_US // step
            return Named(
                types, lambda day: None if abs(day) == INFINITY_DAYS else _fit(day * ticks)
            )
        half = step // 2

        def epoch(micros: int) -> int | None:
            if not _finite(micros):
                return None
            _fit(abs(micros) + half)
            return half_away(micros, step)

        return Named(types, epoch)

    return prepare


def _fit(value: int) -> int:
    if abs(value) > INFINITY_US:
        raise ExpressionError(f"{value} does not fit BIGINT")
    return value


# --- units -----------------------------------------------------------------------------------


def _month_index(micros: int) -> int:
    year, month, _ = civil_date(micros // DAY_US)
    return year * 12 + month - 1


def _prepare_trunc(types: list[ColumnType], constants: list[Any]) -> Named:
    unit, moment = constants[0], _moment(types[1])
    if unit not in UNITS:
        raise KeyError(unit)
    floor = _floor(unit)
    if types[1].name == "DATE":
        to_moment = caster(types[1], moment)
        assert to_moment is not None

        def date_trunc_date(_: str, day: int) -> Any:
            if abs(day) != INFINITY_DAYS:
                day = floor(day * DAY_US) // DAY_US
            return to_moment(day)

        return Named(types, date_trunc_date)

    def date_trunc(_: str, micros: int) -> int:
        return _checked(floor(micros)) if _finite(micros) else micros

    return Named([types[0], moment], date_trunc)


def _floor(unit: str) -> Callable[[int], int]:
    if unit in _STEPS:
        step = _STEPS[unit]
        return lambda micros: micros // step * step
    if unit == "week":

        def week(micros: int) -> int:
            day = micros // DAY_US
            return (day - (day + _MONDAY) % 7) * DAY_US

        return week
    months = {"month": 1, "quarter": 3, "year": 12}[unit]

    def calendar(micros: int) -> int:
        year, month = divmod(_month_index(micros) // months * months, 12)
        return civil_days(year, month + 1, 1) * DAY_US

    return calendar


def _prepare_diff(types: list[ColumnType], constants: list[Any]) -> Named:
    """``date_diff``: how many bounds of a unit lie between two moments."""
    unit, moments = constants[0], [_moment(kind) for kind in types[1:]]
    if unit not in UNITS:
        raise KeyError(unit)
    zoned = column_type(TIMESTAMPTZ)
    moment = zoned if zoned in moments else moments[0]
    index = _index(unit, zoned=moment == zoned)
    units = 7 if unit == "week" else 1  # whole weeks between, where other units count bounds
    dates = types[1].name == types[2].name == "DATE"
    if dates and unit not in ("microsecond", "millisecond"):

        def date_diff_date(_: str, start: int, end: int) -> int | None:
            if INFINITY_DAYS in (abs(start), abs(end)):
                return None
            return towards_zero(index(end * DAY_US) - index(start * DAY_US), units)

        return Named(types, date_diff_date)

    def date_diff(_: str, start: int, end: int) -> int | None:
        if not (_finite(start) and _finite(end)):
            return None
        return _fit(towards_zero(index(end) - index(start), units))

    return Named([types[0], moment, moment], date_diff)


def _index(unit: str, *, zoned: bool) -> Callable[[int], int]:
    """Return the number of the unit that a moment lies in; a week's is that of its day."""
    if unit in _STEPS:
        step = _STEPS[unit]
        return lambda micros: micros // step
    if unit == "week":
        return lambda micros: micros // DAY_US
    if unit == "quarter" and not zoned:  # DuckDB divides the months towards zero, ICU down
        return lambda micros: towards_zero(_month_index(micros), 3)
    months = {"month": 1, "quarter": 3, "year": 12}[unit]
    return lambda micros: _month_index(micros) // months


# --- intervals -------------------------------------------------------------------------------


def _prepare_interval(types: list[ColumnType], constants: list[Any]) -> Named:
    """``add_interval(moment, months, days, µs)``, from calendar to clock.

    With a time zone ICU has an order of its own, so there it is either months or days and µs.
    """
    moment = _moment(types[0])
    _, months, *rest = constants
    if moment.name == TIMESTAMPTZ and months and rest != [0, 0]:
        raise KeyError(months)

    def add(micros: int, months: int, days: int, more: int) -> int:
        if not _finite(micros):
            return micros
        return _checked(_add_months(micros, months) + days * DAY_US + more)

    return Named([moment, *types[1:]], add)


def _add_months(micros: int, months: int) -> int:
    if months == 0:
        return micros
    day, time = divmod(micros, DAY_US)
    year, month, of_month = civil_date(day)
    year, month = divmod(year * 12 + month - 1 + months, 12)
    first = civil_days(year, month + 1, 1)
    after = civil_days(year + (month == 11), (month + 1) % 12 + 1, 1)
    return (min(first + of_month, after) - 1) * DAY_US + time


FUNCTIONS: dict[str, Prepare] = {
    "date_part": _prepare_part,
    "date_trunc": _prepare_trunc,
    "date_diff": _prepare_diff,
    "epoch_ms": _prepare_epoch(1_000),
    "epoch_us": _prepare_epoch(1),
    "add_interval": _prepare_interval,
}
