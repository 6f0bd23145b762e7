"""Repeats, interleaved: a ratio is of two neighbours in time, so that a slow minute meets both.

The order is A B B A A B B A …: neither side always comes first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
"""Of everything that a figure is made of; the page says so where they were fewer than five."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What the repeats gave: the median, and how far they lie apart."""

    median: float
    least: float
    greatest: float


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of at least one value."""
    return Spread(median(values), min(values), max(values))


def interleaved(a: Callable[[], T], b: Callable[[], U], repeats: int) -> list[tuple[T, U]]:
    """Measure two things in turn, A B B A, and return the pairs."""
    pairs: list[tuple[T, U]] = []
    for turn in range(repeats):
        if turn % 2 == 0:
            one = a()
            pairs.append((one, b()))
        else:
            other = b()
            pairs.append((a(), other))
    return pairs


def ratios(pairs: Sequence[tuple[float, float]]) -> Spread:
    """Return the spread of a / b, pair by pair."""
    return spread([a / b for a, b in pairs])
