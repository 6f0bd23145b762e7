"""GROUPING SETS, ROLLUP and CUBE: what a GROUP BY groups by, set by set.

A column that a set leaves out is NULL in its rows, and NULL is a key like any other. What keeps the
rows of two sets apart is GROUPING(columns), a number with one bit per column, 1 where the column is
left out. It is a part of the key, the first, so the rows of one set lie side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from sqlglot import exp

from keyfold.sql.dialect import call_name
from keyfold.sql.location import SqlText

SETS_MAX = 64
"""Grouping sets of a view: every event makes a row in each."""
_WORDS: dict[type[exp.Expr], str] = {
    exp.GroupingSets: "GROUPING SETS",
    exp.Rollup: "ROLLUP",
    exp.Cube: "CUBE",
}

GroupingSet = tuple[exp.Expr, ...]


def has_sets(items: Sequence[exp.Expr]) -> bool:
    """Say whether a GROUP BY has more than columns."""
    return any(type(item) in _WORDS for item in items)


def grouping_sets(text: SqlText, items: Sequence[exp.Expr]) -> list[GroupingSet]:
    """Return the grouping sets of a GROUP BY, each as the expressions that it was written with.

    Raises:
        SqlError: There are too many.
    """
    sets: list[GroupingSet] = [()]
    for item in items:
        if len(sets) * _count(item) > SETS_MAX:
            raise text.error(
                item, f"there are more than {SETS_MAX} grouping sets", "name the sets that you need"
            )
        sets = [(*before, *one) for before in sets for one in _sets(item)]
    return sets


def _count(item: exp.Expr) -> int:
    """Return how many sets an item has, or more than there may be."""
    match item:
        case exp.GroupingSets():
            return sum(_count(part) for part in item.expressions)
        case exp.Rollup():
            return len(item.expressions) + 1
        case exp.Cube():
            return 1 << min(len(item.expressions), SETS_MAX)
    return 1


def _sets(item: exp.Expr) -> list[GroupingSet]:
    match item:
        case exp.GroupingSets():
            return [one for part in item.expressions for one in _sets(part)]
        case exp.Rollup():
            units = [_unit(part) for part in item.expressions]
            return [_joined(units[:n]) for n in range(len(units), -1, -1)]
        case exp.Cube():
            units = [_unit(part) for part in item.expressions]
            sizes = range(len(units), -1, -1)
            return [_joined(some) for n in sizes for some in combinations(units, n)]
    return [_unit(item)]


def _unit(item: exp.Expr) -> GroupingSet:
    """Return what goes together: ``(a, b)`` is one step of a ROLLUP."""
    return tuple(item.expressions) if isinstance(item, exp.Tuple) else (item,)


def _joined(units: Sequence[GroupingSet]) -> GroupingSet:
    return tuple(item for unit in units for item in unit)


def grouping_arguments(node: exp.Expr) -> list[exp.Expr] | None:
    """Return the arguments of GROUPING or GROUPING_ID, None for anything else."""
    return list(node.expressions) if call_name(node) in ("grouping", "grouping_id") else None


def grouping_id(columns: Sequence[int], grouped: frozenset[int]) -> int:
    """Return GROUPING of some columns in the rows of a set: the first column is the highest bit."""
    value = 0
    for column in columns:
        value = value * 2 + (column not in grouped)
    return value
