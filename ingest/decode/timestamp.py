"""Timestamps in messages: ISO 8601, or a number of seconds, ms, µs or ns since the epoch.

A number's unit is the source's option ``timestamp.unit``, or is told by its size:

==================  ====  =========================
below               unit  that is up to the year
==================  ====  =========================
1e11                s     5138
1e14                ms    5138
1e17                µs    5138
above               ns
==================  ====  =========================

A number is rounded to what its type counts, as DuckDB's cast rounds a text. A TIMESTAMP_NS has each
digit of a whole number, which a double would not.
"""

from __future__ import annotations

from keyfold.errors import SettingsError
from keyfold.view.moment import TICKS
from keyfold.view.plan import SourcePlan
from keyfold.view.types import TIMESTAMP, TIMESTAMPTZ

_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_TICKS_MAX = 9.2e18  # make_timestamp and make_timestamp_ns take no more
NUMBERED = frozenset({TIMESTAMP, TIMESTAMPTZ, *TICKS})
"""The types of columns in which a number is a time."""


def timestamp_unit(source: SourcePlan) -> str:
    """Return the unit of timestamps that are numbers: ``auto``, ``s``, ``ms``, ``us`` or ``ns``.

    Raises:
        SettingsError: The option names none of these.
    """
    unit = source.options.get("timestamp.unit", "auto")
    if unit != "auto" and unit not in _UNITS:
        raise SettingsError(
            f"source {source.name}: timestamp.unit is {unit!r}",
            hint="use auto, s, ms, us or ns",
        )
    return unit


def timestamp_sql(text: str, kind: str, unit: str) -> str:
    """Return the DuckDB expression of a timestamp, NULL where there is none in the text.

    Args:
        text: SQL of a VARCHAR.
        kind: One of ``NUMBERED``.
        unit: See ``timestamp_unit``.
    """
    number = f"try_cast({text} AS DOUBLE)"
    nanos = kind == "TIMESTAMP_NS"
    ticks = f"{number} * ({_factor_sql(number, unit, 1e3 if nanos else 1.0)})"
    if nanos:
        whole = _factor_sql(number, unit, 1_000)
        value = f"make_timestamp_ns(CAST(try_cast({text} AS DECIMAL(38,9)) * ({whole}) AS BIGINT))"
    else:
        value = f"make_timestamp(round({ticks})::BIGINT)::{kind}"
    # Text first, as where the column is read with its type: "infinity" is a number as well.
    return (
        f"coalesce(try_cast({text} AS {kind}), "
        f"CASE WHEN abs(round({ticks})) < {_TICKS_MAX} THEN {value} END)"
    )


def _factor_sql(number: str, unit: str, per_micro: float) -> str:
    """Return the SQL of the ticks in a unit, of which so many are a microsecond."""
    factors = {name: repr(type(per_micro)(one * per_micro)) for name, one in _UNITS.items()}
    if unit != "auto":
        return factors[unit]
    size = f"abs({number})"
    return (
        f"CASE WHEN {size} < 1e11 THEN {factors['s']} WHEN {size} < 1e14 THEN {factors['ms']} "
        f"WHEN {size} < 1e17 THEN {factors['us']} ELSE {factors['ns']} END"
    )
