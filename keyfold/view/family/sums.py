"""SUM and AVG: exact over whole numbers and decimals, compensated over doubles.

``sum_wide`` is ``sum_int`` whose SUM is NULL beyond the 38 digits of DECIMAL, where DuckDB's fails;
sums over at most 18 digits never come that far. What is kept may lie beyond, up to 128 bits: in
which batch the numbers came that bring it back must not matter (law 1).

``sum_real`` keeps what rounding lost in a second double (Neumaier 1974; Knuth's TwoSum for the
merge), so the error does not grow with the number of merges. Doubles do not add associatively to
the last bit, so its merge is associative and commutative within a few units in the last place.
A sum of finite numbers may pass the greatest double in one batch and come back in another. So what
is beyond is kept as well: where ``n`` is negative, both doubles are 2⁻¹²⁸ of what they stand for.
It is as exact as a plain sum of its greatest summands, and infinite only where an event is, or
where the whole sum is beyond when it is read.

The AVG of whole numbers and decimals is the double nearest to the exact quotient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from keyfold.view.columns import I128, add_i128, i128_of, int_of, less_i128, negate_i128, sum_i128
from keyfold.view.family.law import Columns, Family, Reading, Slot, Types
from keyfold.view.types import Physical

_EXACT = 1 << 53  # whole numbers up to here are exact doubles
_LEAST = -(1 << 63)  # its absolute value is not an int64
_DOWN, _UP = 2.0**-128, 2.0**128
_FAR = 2.0 ** (1023 - 128)  # scaled totals up to here are doubles as they are
_MOST_WIDE = 10**38 - 1
_MOST_WIDE_I128 = np.array([i128_of(_MOST_WIDE)], I128)
_LEAST_WIDE_I128 = np.array([i128_of(-_MOST_WIDE)], I128)


def _exact(name: str, total: Reading) -> Family:
    return Family(
        name=name,
        slots=lambda _: (Slot("n", Physical.I64), Slot("sum", Physical.I128)),
        update=lambda x, where: (f"count({x[0]}){where}", f"sum({x[0]}){where}"),
        merge=lambda state, delta: [state[0] + delta[0], add_i128(state[1], delta[1])],
        finals={"sum": lambda _: total, "avg": _exact_mean},
        undo=lambda columns: [-columns[0], negate_i128(columns[1])],
        fold=lambda rows, values, n: [np.bincount(rows, minlength=n), sum_i128(rows, values, n)],
    )


def _wide_total(columns: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    total = columns[1]
    beyond = less_i128(_MOST_WIDE_I128, total) | less_i128(total, _LEAST_WIDE_I128)
    return total, (columns[0] > 0) & ~beyond


def _exact_mean(types: Types) -> Reading:
    unit = 10 ** types[0].scale  # what one is in the argument's scaled integers
    return Reading(
        # Python rounds the quotient of two integers once, whatever their size.
        lambda n, total: total / (n * unit) if n else None,
        lambda columns: (_mean_of_i128(columns[0], columns[1], unit), columns[0] > 0),
    )


def _mean_of_i128(count: np.ndarray, total: np.ndarray, unit: int) -> np.ndarray:
    """Divide scaled 128-bit totals by counts, rounding once, to nearest even."""
    divisor = np.maximum(count, 1)
    narrow = total["low"].view(np.int64)
    # Where both sides are exact doubles, one division rounds once; elsewhere Python's integers do.
    exact = (total["high"] == narrow >> 63) & (np.abs(narrow) <= _EXACT) & (narrow != _LEAST)
    exact &= divisor <= _EXACT // unit
    mean: np.ndarray = narrow / (divisor * min(unit, _EXACT)).astype(np.float64)
    for i in np.flatnonzero(~exact).tolist():
        mean[i] = int_of(total["low"][i], total["high"][i]) / (int(divisor[i]) * unit)
    return mean


def _merge_real(state: Sequence[np.ndarray], delta: Sequence[np.ndarray]) -> Columns:
    count = np.abs(state[0]) + np.abs(delta[0])
    total, lost = _two_sum(state[1], state[2], delta[1], delta[2])
    beyond = (state[0] < 0) | (delta[0] < 0) | ~np.isfinite(total)
    if beyond.any():
        count[beyond], total[beyond], lost[beyond] = _merge_beyond(
            count[beyond], [one[beyond] for one in state], [one[beyond] for one in delta]
        )
    return [count, total, lost]


def _two_sum(
    a: np.ndarray, lost_a: np.ndarray, b: np.ndarray, lost_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore", over="ignore"):
        total = a + b
        part = total - a
        lost = (a - (total - part)) + (b - part) + lost_a + lost_b
    # Once the sum is infinite or NaN, what was lost is meaningless (inf - inf).
    return total, np.where(np.isfinite(total), lost, 0.0)


def _merge_beyond(count: np.ndarray, state: Columns, delta: Columns) -> tuple[np.ndarray, ...]:
    """Merge what may be beyond the doubles; then only an event's infinity makes a sum infinite."""
    total, lost = _two_sum(
        *(np.where(one[0] < 0, part, part * _DOWN) for one in (state, delta) for part in one[1:])
    )
    far = np.isfinite(total) & (np.abs(total) > _FAR)
    up = np.where(far, 1.0, _UP)
    return np.where(far, -count, count), total * up, lost * up


def _update_real(x: Sequence[str], where: str) -> tuple[str, ...]:
    """DuckDB's compensated sum; where that is not finite, a plain one that cannot overflow."""
    real, count = f"({x[0]})::DOUBLE", f"count({x[0]}){where}"
    compensated = f"fsum({real}){where}"
    scaled = f"sum({real} * {_DOWN!r}::DOUBLE){where}"
    far = f"NOT isfinite({compensated}) AND isfinite({scaled})"
    return (
        f"CASE WHEN {far} THEN -{count} ELSE {count} END",
        f"CASE WHEN isfinite({compensated}) THEN {compensated} ELSE {scaled} END",
        "0.0::DOUBLE",
    )


def _real_total(columns: Sequence[np.ndarray]) -> np.ndarray:
    with np.errstate(over="ignore"):
        total: np.ndarray = (columns[1] + columns[2]) * np.where(columns[0] < 0, _UP, 1.0)
    return total


_REAL_FINALS: dict[str, Callable[[Types], Reading]] = {
    "sum": lambda _: Reading(
        lambda n, total, lost: (total + lost) * (_UP if n < 0 else 1.0) if n else None,
        lambda columns: (_real_total(columns), columns[0] != 0),
    ),
    "avg": lambda _: Reading(
        lambda n, total, lost: (total + lost) * (_UP if n < 0 else 1.0) / abs(n) if n else None,
        lambda columns: (
            _real_total(columns) / np.maximum(np.abs(columns[0]), 1),
            columns[0] != 0,
        ),
    ),
}

SUM_INT = _exact(
    "sum_int",
    Reading(
        lambda n, total: total if n else None,
        lambda columns: (columns[1], columns[0] > 0),
    ),
)
SUM_WIDE = _exact(
    "sum_wide",
    Reading(
        lambda n, total: total if n and -_MOST_WIDE <= total <= _MOST_WIDE else None, _wide_total
    ),
)
SUM_REAL = Family(
    name="sum_real",
    slots=lambda _: (
        Slot("n", Physical.I64),
        Slot("sum", Physical.F64),
        Slot("lost", Physical.F64),
    ),
    update=_update_real,
    merge=_merge_real,
    finals=_REAL_FINALS,
)
