"""Variance, covariance and what is made of them: STDDEV, CORR, REGR_*.

A partial holds means and sums of squared deviations from them, which is merged without a difference
of large numbers (Chan, Golub, LeVeque 1979; Pébay 2008 for covariance): with n = a + b and
d = mean_b - mean_a, ``mean = mean_a + d·b/n`` and ``m2 = m2_a + m2_b + d²·a·b/n``.

Doubles round, so merges are associative and commutative within rounding: a variance is off by at
most 1e-12 of ``variance + |mean|·deviation``, whatever the batches: values that are all equal have
none, for the mean of a batch of them is exactly that value.

Where the values hold a NaN or an infinity beside another value, it is NaN. So it is where squared
deviations add up to more than the doubles hold. They only grow, so the batches have no say in it.
What is made of pairs is NaN where those of either column do: the products of the two come and go,
and without that bound a sum of them might be beyond in one batch and back in another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keyfold.view.family.law import Columns, Family, Reading, Slot, Types
from keyfold.view.types import Physical

_DOWN, _UP = 2.0**-128, 2.0**128
_LEAST_NORMAL = 2.0**-1022  # a product below it has lost digits


def _slots(count: str, *reals: str) -> tuple[Slot, ...]:
    return Slot(count, Physical.I64), *(Slot(name, Physical.F64) for name in reals)


def _merge(state: Sequence[np.ndarray], delta: Sequence[np.ndarray], *, means: int) -> Columns:
    """Merge partials (n, means, sums of products of deviations in the order xx, yy, xy)."""
    n_a, n_b = state[0], delta[0]
    n = n_a + n_b
    of_a, of_b = n_a / np.maximum(n, 1), n_b / np.maximum(n, 1)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = [delta[i] - state[i] for i in range(1, means + 1)]
        # From the heavier side, so that little is moved; means may be further apart than a double.
        merged = [
            np.where(
                np.isfinite(d),
                np.where(n_a >= n_b, state[i] + d * of_b, delta[i] - d * of_a),
                state[i] * of_a + delta[i] * of_b,
            )
            for i, d in enumerate(apart, 1)
        ]
        pairs = [(0, 0), (1, 1), (0, 1)][: 2 * means - 1]
        for at, (i, j) in enumerate(pairs, means + 1):
            # The weight in between: the product of both may be beyond, and half of it not.
            merged.append(state[at] + delta[at] + apart[i] * (n_a * of_b) * apart[j])
    # So that zero is the identity to the last bit.
    kept = [
        np.where(n_b == 0, a, np.where(n_a == 0, b, both))
        for a, b, both in zip(state[1:], delta[1:], merged, strict=True)
    ]
    return [n, *kept]


@dataclass(frozen=True, slots=True)
class _Arithmetic:
    """The operations that numbers and arrays do not share; to the same doubles."""

    over: Callable[[Any, Any], Any]
    root: Callable[[Any], Any]
    choose: Callable[[Any, Any, Any], Any]


_NUMBERS = _Arithmetic(
    over=lambda a, b: a / b if b else math.nan,
    root=lambda a: math.sqrt(a) if a >= 0 else math.nan,
    choose=lambda condition, a, b: a if condition else b,
)
_ARRAYS = _Arithmetic(over=np.divide, root=np.sqrt, choose=np.where)


def _reading(
    value: Callable[..., Any], there: Callable[..., Any] = lambda n, *_: n > 0
) -> Callable[[Types], Reading]:
    """How an answer is read.

    Args:
        value: (arithmetic, slots) → the answer.
        there: Slots → whether there is one.
    """

    def of_row(*slots: Any) -> float | None:
        if not there(*slots):
            return None
        answer: float = value(_NUMBERS, *slots)
        return answer if math.isfinite(answer) else math.nan

    def of_columns(slots: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(all="ignore"):
            answers = value(_ARRAYS, *slots)
        return np.where(np.isfinite(answers), answers, math.nan), there(*slots)

    return lambda _: Reading(of_row, of_columns)


def _of_pairs(
    value: Callable[..., Any], there: Callable[..., Any] = lambda n, *_: n > 0
) -> Callable[[Types], Reading]:
    """How an answer is read that both columns have a say in: none is beyond the doubles."""

    def bounded(op: _Arithmetic, n: Any, x: Any, y: Any, xx: Any, yy: Any, xy: Any) -> Any:
        beyond = (xx - xx != 0) | (yy - yy != 0)  # infinite, or NaN
        return op.choose(beyond, math.nan, value(op, n, x, y, xx, yy, xy))

    return _reading(bounded, there)


def _several(n: Any, *_: Any) -> Any:
    return n > 1


def _update_variance(x: Sequence[str], where: str) -> tuple[str, ...]:
    n, real = f"count({x[0]}){where}", f"({x[0]})::DOUBLE"
    # Where a sum of different values is beyond the doubles, so is that of the squares.
    return n, _batch_mean(real, where, ""), f"var_pop({real}){where} * {n}"


def _batch_mean(real: str, where: str, beyond: str) -> str:
    """The compensated mean of a batch, exact where all values are equal.

    Args:
        real: A DOUBLE.
        where: The filter.
        beyond: The mean where the sum is beyond the doubles; empty: anything that is not finite.
    """
    least, greatest, mean = (f"{name}({real}){where}" for name in ("min", "max", "favg"))
    otherwise = f"WHEN NOT isfinite({mean}) THEN {beyond} " if beyond else ""
    return f"CASE WHEN {least} = {greatest} THEN {least} {otherwise}ELSE {mean} END"


VARIANCE = Family(
    name="variance",
    slots=lambda _: _slots("n", "mean", "m2"),
    update=_update_variance,
    merge=lambda state, delta: _merge(state, delta, means=1),
    finals={
        "var_pop": _reading(lambda op, n, mean, m2: op.over(m2, n)),
        "var_samp": _reading(lambda op, n, mean, m2: op.over(m2, n - 1), _several),
        "stddev_pop": _reading(lambda op, n, mean, m2: op.root(op.over(m2, n))),
        "stddev_samp": _reading(lambda op, n, mean, m2: op.root(op.over(m2, n - 1)), _several),
    },
)


def _update_pairs(arguments: Sequence[str], where: str) -> tuple[str, ...]:
    y, x = (f"({sql})::DOUBLE" for sql in arguments)
    n, xx, yy, xy = (f"regr_{part}({y}, {x}){where}" for part in ("count", "sxx", "syy", "sxy"))
    means = []
    for one, other in ((x, y), (y, x)):
        real = f"(CASE WHEN {other} IS NOT NULL THEN {one} END)"
        means.append(_batch_mean(real, where, f"favg({real} * {_DOWN!r}){where} * {_UP!r}"))
    return n, *means, xx, yy, xy


def _corr(op: _Arithmetic, n: Any, x: Any, y: Any, xx: Any, yy: Any, xy: Any) -> Any:
    # One root rounds less, so pairs on a line have a 1; it is not to be had beyond the doubles.
    product = xx * yy
    within = (product > _LEAST_NORMAL) & (product < math.inf)
    return op.over(xy, op.choose(within, op.root(product), op.root(xx) * op.root(yy)))


def _r2(op: _Arithmetic, n: Any, x: Any, y: Any, xx: Any, yy: Any, xy: Any) -> Any:
    corr = _corr(op, n, x, y, xx, yy, xy)
    return op.choose(yy == 0, 1.0, corr * corr)


def _sloped(n: Any, x: Any, y: Any, xx: Any, yy: Any, xy: Any) -> Any:
    return (n > 0) & (xx != 0)


PAIRS = Family(
    name="pairs",
    slots=lambda _: _slots("n", "mean_x", "mean_y", "xx", "yy", "xy"),
    update=_update_pairs,
    merge=lambda state, delta: _merge(state, delta, means=2),
    finals={
        "covar_pop": _of_pairs(lambda op, n, x, y, xx, yy, xy: op.over(xy, n)),
        "covar_samp": _of_pairs(lambda op, n, x, y, xx, yy, xy: op.over(xy, n - 1), _several),
        "corr": _of_pairs(_corr),
        "regr_slope": _of_pairs(lambda op, n, x, y, xx, yy, xy: op.over(xy, xx)),
        "regr_intercept": _of_pairs(
            lambda op, n, x, y, xx, yy, xy: y - op.over(xy, xx) * x, _sloped
        ),
        "regr_r2": _of_pairs(_r2, _sloped),
        "regr_avgx": _reading(lambda op, n, x, y, xx, yy, xy: x),
        "regr_avgy": _reading(lambda op, n, x, y, xx, yy, xy: y),
        "regr_sxx": _reading(lambda op, n, x, y, xx, yy, xy: xx),
        "regr_syy": _reading(lambda op, n, x, y, xx, yy, xy: yy),
        "regr_sxy": _of_pairs(lambda op, n, x, y, xx, yy, xy: xy),
        "regr_count": lambda _: Reading(lambda n, *_: n, lambda columns: (columns[0], None)),
    },
)
