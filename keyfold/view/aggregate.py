"""The laws of aggregates: families of ``zero · update · merge · finalize``.

Partial is not final (law 3). A family says which *slots* its partial has, and:

- ``update``: the DuckDB expressions that make the partial of one batch of events,
- ``merge``: how partials combine, slot column by slot column; associative and commutative,
- ``zero``: the partial of no events, the identity of ``merge``,
- ``finalize``: the answer for one partial (``finalizer``), and the same for columns of partials
  (``finalize_columns``), bit for bit, so that a REST row and an Iceberg row agree (law 4),
- ``inverse``: whether a partial can be taken out of another again (retraction); stated, not
  guessed.

=========  ==================================  ======  =============================================
family     slots                               inverse answers
=========  ==================================  ======  =============================================
count      n i64                               yes     COUNT(*), COUNT(x)
sum_int    n i64, sum i128                     yes     SUM, AVG over integers and DECIMAL
sum_wide   n i64, sum i128                     yes     SUM, AVG over DECIMAL of more than 18 digits
sum_real   n i64, sum f64, lost f64            no      SUM, AVG over FLOAT and DOUBLE
min, max   has bool, value (any ordered type)  no      MIN, MAX
=========  ==================================  ======  =============================================

``sum_wide`` is ``sum_int`` whose SUM is NULL beyond the 38 digits of DECIMAL, where DuckDB's fails;
sums over at most 18 digits never come that far. What is kept may lie beyond, up to 128 bits: in
which batch the numbers came that bring it back must not matter (law 1).

``sum_real`` keeps what rounding lost in a second double (Neumaier 1974; Knuth's TwoSum for the
merge), so the error does not grow with the number of merges. Doubles do not add associatively to
the last bit, so its merge is associative and commutative within a few units in the last place.

``min`` and ``max`` keep 0.0 for -0.0: they are equal, and which came first must not show (law 1).

The AVG of whole numbers and decimals is the double nearest to the exact quotient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from keyfold.view.columns import DTYPE, I128, add_i128, i128_of, int_of, less_i128
from keyfold.view.types import ColumnType, Physical, column_type

Columns = list[np.ndarray]
_EXACT = 1 << 53  # whole numbers up to here are exact doubles
_LEAST = -(1 << 63)  # its absolute value is not an int64
_MOST_WIDE = 10**38 - 1
_MOST_WIDE_I128 = np.array([i128_of(_MOST_WIDE)], I128)
_LEAST_WIDE_I128 = np.array([i128_of(-_MOST_WIDE)], I128)


class Slot(msgspec.Struct, frozen=True):
    """One column of a partial.

    Attributes:
        name: What it holds, for ``explain``.
        physical: How it is stored.
    """

    name: str
    physical: Physical


@dataclass(frozen=True, slots=True)
class Family:
    """A law-abiding aggregate; see the module's docstring.

    Attributes:
        name: Family name as in stored plans.
        slots: The slots of a partial over an argument of the given type.
        update: (argument SQL or None, `` FILTER (…)`` or empty) → one DuckDB expression per slot.
        merge: (state columns, delta columns) → merged columns; each slot column has n values.
        inverse: Whether ``merge`` can be undone.
    """

    name: str
    slots: Callable[[ColumnType | None], tuple[Slot, ...]]
    update: Callable[[str | None, str], tuple[str, ...]]
    merge: Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], Columns]
    inverse: bool


def zero(slots: Sequence[Slot], n: int) -> Columns:
    """Return the identity partial n times: zeros, False, and None for text."""
    return [np.zeros(n, DTYPE[slot.physical]) if slot.physical not in (Physical.TEXT, Physical.JSON)
            else np.full(n, None, object) for slot in slots]  # fmt: skip


def _merge_count(state: Sequence[np.ndarray], delta: Sequence[np.ndarray]) -> Columns:
    return [state[0] + delta[0]]


def _merge_sum_int(state: Sequence[np.ndarray], delta: Sequence[np.ndarray]) -> Columns:
    return [state[0] + delta[0], add_i128(state[1], delta[1])]


def _merge_sum_real(state: Sequence[np.ndarray], delta: Sequence[np.ndarray]) -> Columns:
    a, b = state[1], delta[1]
    with np.errstate(invalid="ignore", over="ignore"):
        total = a + b
        part = total - a
        lost = (a - (total - part)) + (b - part) + state[2] + delta[2]
    # Once the sum is infinite or NaN, what was lost is meaningless (inf - inf).
    return [state[0] + delta[0], total, np.where(np.isfinite(total), lost, 0.0)]


def _merge_extreme(
    state: Sequence[np.ndarray], delta: Sequence[np.ndarray], *, least: bool
) -> Columns:
    has_a, a = state
    has_b, b = delta
    if a.dtype == object:
        take_b = np.fromiter(
            (
                y is not None and (x is None or (y < x if least else y > x))
                for x, y in zip(a, b, strict=True)
            ),
            np.bool_,
            len(a),
        )
        return [has_a | has_b, np.where(take_b, b, a)]
    if a.dtype == DTYPE[Physical.I128]:
        better = less_i128(b, a) if least else less_i128(a, b)
    elif a.dtype == np.float64:
        # NaN is the greatest double, as in DuckDB and PostgreSQL.
        nan_a, nan_b = np.isnan(a), np.isnan(b)
        better = (nan_a & ~nan_b) | (b < a) if least else (nan_b & ~nan_a) | (b > a)
    else:
        better = b < a if least else b > a
    take_b = has_b & (~has_a | better)
    kept = np.where(take_b, b, a)
    if kept.dtype == np.float64:
        kept += 0.0  # which makes 0.0 of -0.0, and changes no other double
    return [has_a | has_b, kept]


def _extreme(name: str, *, least: bool) -> Family:
    return Family(
        name=name,
        slots=lambda argument: (
            Slot("has", Physical.BOOL),
            Slot(name, argument.physical if argument else Physical.I64),
        ),
        update=lambda x, where: (f"count({x}){where} > 0", f"{name}({x}){where}"),
        merge=lambda state, delta: _merge_extreme(state, delta, least=least),
        inverse=False,
    )


def _real_sum(x: str, where: str) -> str:
    """DuckDB's compensated sum; where that meets an infinity it says NaN, so the plain sum."""
    compensated = f"fsum({x}){where}"
    return f"CASE WHEN isfinite({compensated}) THEN {compensated} ELSE sum({x}){where} END"


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="count",
            slots=lambda _: (Slot("n", Physical.I64),),
            update=lambda x, where: (f"count({x or '*'}){where}",),
            merge=_merge_count,
            inverse=True,
        ),
        Family(
            name="sum_int",
            slots=lambda _: (Slot("n", Physical.I64), Slot("sum", Physical.I128)),
            update=lambda x, where: (f"count({x}){where}", f"sum({x}){where}"),
            merge=_merge_sum_int,
            inverse=True,
        ),
        Family(
            name="sum_wide",
            slots=lambda _: (Slot("n", Physical.I64), Slot("sum", Physical.I128)),
            update=lambda x, where: (f"count({x}){where}", f"sum({x}){where}"),
            merge=_merge_sum_int,
            inverse=True,
        ),
        Family(
            name="sum_real",
            slots=lambda _: (
                Slot("n", Physical.I64),
                Slot("sum", Physical.F64),
                Slot("lost", Physical.F64),
            ),
            update=lambda x, where: (
                f"count({x}){where}",
                _real_sum(f"({x})::DOUBLE", where),
                "0.0::DOUBLE",
            ),
            merge=_merge_sum_real,
            inverse=False,
        ),
        _extreme("min", least=True),
        _extreme("max", least=False),
    )
}


class Aggregate(msgspec.Struct, frozen=True):
    """One partial that a view keeps; several outputs may read it (SUM(x) and AVG(x) do).

    Attributes:
        family: Name in ``FAMILIES``.
        argument: DuckDB SQL of the argument, empty for COUNT(*).
        argument_type: The argument's type name, empty for COUNT(*).
        where: The FILTER condition as DuckDB SQL, or empty.
    """

    family: str
    argument: str = ""
    argument_type: str = ""
    where: str = ""

    @property
    def column(self) -> ColumnType | None:
        """The argument's type, None for COUNT(*)."""
        return column_type(self.argument_type) if self.argument_type else None

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots of the partial."""
        return FAMILIES[self.family].slots(self.column)

    def update_sql(self) -> tuple[str, ...]:
        """One DuckDB expression per slot: the partial of a batch."""
        where = f" FILTER (WHERE {self.where})" if self.where else ""
        return FAMILIES[self.family].update(self.argument or None, where)


class Final(msgspec.Struct, frozen=True):
    """How an aggregate function's answer is read from a partial.

    Attributes:
        function: ``count``, ``sum``, ``avg``, ``min`` or ``max``.
        type: The answer's type name.
    """

    function: str
    type: str


def finalizer(final: Final, aggregate: Aggregate) -> Callable[..., object]:
    """Return the function from an aggregate's slot values to the physical answer or None.

    Slot values are Python values: int for ``i64`` and ``i128``, float, bool, str.
    """
    match final.function, aggregate.family:
        case "count", _:
            return lambda n: n
        case "sum", "sum_int":
            return lambda n, total: total if n else None
        case "sum", "sum_wide":
            return lambda n, total: total if n and -_MOST_WIDE <= total <= _MOST_WIDE else None
        case "sum", "sum_real":
            return lambda n, total, lost: total + lost if n else None
        case "avg", "sum_int" | "sum_wide":
            unit = _unit(aggregate)
            # Python rounds the quotient of two integers once, whatever their size.
            return lambda n, total: total / (n * unit) if n else None
        case "avg", "sum_real":
            return lambda n, total, lost: (total + lost) / n if n else None
        case (("min" | "max"), _):
            return lambda has, value: value if has else None
    raise AssertionError(f"no finalizer for {final} over {aggregate.family}")


def finalize_columns(
    final: Final, aggregate: Aggregate, columns: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return ``finalizer`` for n partials at once: the same values, bit for bit.

    Returns:
        (values, valid): n physical values, and bool[n] or None when none is NULL.
    """
    match final.function, aggregate.family:
        case "count", _:
            return columns[0], None
        case "sum", "sum_int":
            return columns[1], columns[0] > 0
        case "sum", "sum_wide":
            total = columns[1]
            beyond = less_i128(_MOST_WIDE_I128, total) | less_i128(total, _LEAST_WIDE_I128)
            return total, (columns[0] > 0) & ~beyond
        case "sum", "sum_real":
            return _real_total(columns), columns[0] > 0
        case "avg", "sum_int" | "sum_wide":
            return _mean_of_i128(columns[0], columns[1], _unit(aggregate)), columns[0] > 0
        case "avg", "sum_real":
            return _real_total(columns) / np.maximum(columns[0], 1), columns[0] > 0
        case (("min" | "max"), _):
            return columns[1], columns[0]
    raise AssertionError(f"no finalizer for {final} over {aggregate.family}")


def _unit(aggregate: Aggregate) -> int:
    """What one is in the argument's scaled integers."""
    return 10**aggregate.column.scale if aggregate.column else 1


def _real_total(columns: Sequence[np.ndarray]) -> np.ndarray:
    with np.errstate(over="ignore"):
        total: np.ndarray = columns[1] + columns[2]
    return total


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
