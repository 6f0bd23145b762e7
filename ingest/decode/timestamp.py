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
"""

from __future__ import annotations

from keyfold.errors import SettingsError
from keyfold.view.plan import SourcePlan

_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_MICROS_MAX = 9.2e18  # make_timestamp takes no more


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
        kind: ``TIMESTAMP`` or ``TIMESTAMP WITH TIME ZONE``.
        unit: See ``timestamp_unit``.
    """
    number = f"try_cast({text} AS DOUBLE)"
    if unit == "auto":
        size = f"abs({number})"
        factor = (
            f"CASE WHEN {size} < 1e11 THEN 1e6 WHEN {size} < 1e14 THEN 1e3 "
            f"WHEN {size} < 1e17 THEN 1.0 ELSE 1e-3 END"
        )
    else:
        factor = repr(_UNITS[unit])
    micros = f"round({number} * ({factor}))"
    # Text first, as where the column is read with its type: "infinity" is a number as well.
    return (
        f"coalesce(try_cast({text} AS {kind}), CASE WHEN abs({micros}) < {_MICROS_MAX} "
        f"THEN make_timestamp({micros}::BIGINT)::{kind} END)"
    )
