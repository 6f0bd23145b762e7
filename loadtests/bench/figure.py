"""What a benchmark says: one figure against its bar, and everything it was made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from loadtests.bench.repeat import Spread

REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure.

    Attributes:
        name: What was measured.
        bar: What it is held to, in words; ``reported`` where nothing is asked.
        value: The median of the repeats; NaN where it could not be measured.
        least: Of the repeats.
        greatest: Of the repeats.
        unit: ``x``, ``ms``, ``rows/s``, ``s`` …
        met: Whether the bar is met; None where it is only reported or could not be measured.
        detail: Raw rates, percentiles, settings, pinning, versions.
    """

    name: str
    bar: str
    value: float
    least: float
    greatest: float
    unit: str
    met: bool | None
    detail: dict[str, object] = field(default_factory=dict)


def figure(
    name: str,
    spread: Spread,
    unit: str,
    detail: dict[str, object],
    bar: tuple[Literal["at least", "at most"], float] | None = None,
) -> Figure:
    """Return the figure of a spread, its median held to a bar where there is one."""
    met, words = None, REPORTED
    if bar is not None:
        side, bound = bar
        met = spread.median >= bound if side == "at least" else spread.median <= bound
        words = f"{side} {bound:g} {unit}"
    return Figure(name, words, spread.median, spread.least, spread.greatest, unit, met, detail)


def missing(name: str, unit: str, what: str) -> Figure:
    """Return the figure that could not be measured, with what it needs."""
    return Figure(name, "not measured", math.nan, math.nan, math.nan, unit, None, {"missing": what})
