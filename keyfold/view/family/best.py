"""One row of a group: the first by an order of several columns, with all columns that are shown.

``ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) = 1``. Unlike a pick (pick.py) it counts an event
whose rank is NULL, as ROW_NUMBER does, and its columns are of one row, whatever ties. The order is
part of the family's name: ``best:`` and a letter per rank (``DIRECTIONS``). Rows of the same ranks
are taken in the order of their partitions and offsets, and rows of one event, which UNNEST makes,
in the order of ``apart``; so which one is taken depends on the events alone (law 1).

The arguments are the ranks, the partition, the offset, what tells rows of one event apart, and the
values.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import numpy as np

from keyfold.view.columns import less
from keyfold.view.family.law import Columns, Family, Reading, Slot, Types
from keyfold.view.types import Physical

BEST = "best:"
VALUES_MAX = 256
"""The most columns of a row beside its key."""
DIRECTIONS = {
    "a": "ASC NULLS LAST",
    "A": "ASC NULLS FIRST",
    "d": "DESC NULLS LAST",
    "D": "DESC NULLS FIRST",
}
"""How a rank is ordered, by its letter in the name of a family."""
_FINAL = "value"


def value_final(index: int) -> str:
    """Return the function that reads a value of the row."""
    return f"{_FINAL}{index}"


def values_at(order: str) -> int:
    """Return the index of the first value among the arguments."""
    return len(order) + 3


def order_words(arguments: Sequence[str], family: str) -> str:
    """Return the order of a family in SQL's words."""
    order = family.removeprefix(BEST)
    ranked = zip(arguments, order, strict=False)
    return ", ".join(f"{rank} {DIRECTIONS[by]}" for rank, by in ranked)


def order_sql(arguments: Sequence[str], order: str) -> str:
    """Return a value by which DuckDB orders the rows of a batch; it is not stored."""
    by = order + "a" * (values_at(order) - len(order))  # what tells ties apart goes upwards
    keys = [f"{sql}, '{DIRECTIONS[way]}'" for sql, way in zip(arguments, by, strict=False)]
    return f"create_sort_key({', '.join(keys)})"


@cache
def best(name: str) -> Family:
    """Return the family of a name, ``best:da``.

    Raises:
        KeyError: It is the name of none.
    """
    order = name.removeprefix(BEST)
    if not name.startswith(BEST) or not set(order) <= set(DIRECTIONS):
        raise KeyError(name)
    return Family(
        name=name,
        slots=partial(_slots, order=order),
        update=partial(_update, order=order),
        merge=partial(_merge, order=order),
        finals={value_final(i): partial(_reading, order=order, index=i) for i in range(VALUES_MAX)},
        words=partial(_words, order=order),
    )


def _slots(types: Types, *, order: str) -> tuple[Slot, ...]:
    ranks, values = types[: len(order)], types[values_at(order) :]
    slots = [Slot("has", Physical.BOOL)]
    for rank in ranks:
        slots += [Slot("ranked", Physical.BOOL), Slot("rank", rank.physical)]
    slots += [Slot("partition", Physical.I64), Slot("offset", Physical.I64)]
    for value in values:
        slots += [Slot("known", Physical.BOOL), Slot("value", value.physical)]
    return tuple(slots)


def _update(arguments: Sequence[str], where: str, *, order: str) -> tuple[str, ...]:
    key = order_sql(arguments, order)
    taken = [f"arg_min_null({sql}, {key}){where}" for sql in arguments]
    slots = [f"count(*){where} > 0"]
    for rank in taken[: len(order)]:
        slots += [f"{rank} IS NOT NULL", rank]
    slots += taken[len(order) : len(order) + 2]
    for value in taken[values_at(order) :]:
        slots += [f"{value} IS NOT NULL", value]
    return tuple(slots)


def _merge(state: Sequence[np.ndarray], delta: Sequence[np.ndarray], *, order: str) -> Columns:
    has_a, has_b = state[0], delta[0]
    before = np.zeros(len(has_a), np.bool_)
    tied = np.ones(len(has_a), np.bool_)
    at = 1
    for by in order:
        (known_a, a), (known_b, b) = state[at : at + 2], delta[at : at + 2]
        sooner, later = less(b, a), less(a, b)
        if by in "dD":
            sooner, later = later, sooner
        both = known_a & known_b
        b_alone, a_alone = known_b & ~known_a, known_a & ~known_b
        if by in "AD":  # NULL goes first
            b_alone, a_alone = a_alone, b_alone
        sooner, later = (both & sooner) | b_alone, (both & later) | a_alone
        before |= tied & sooner
        tied &= ~(sooner | later)
        at += 2
    (partition_a, offset_a), (partition_b, offset_b) = state[at : at + 2], delta[at : at + 2]
    place = (partition_b < partition_a) | ((partition_b == partition_a) & (offset_b < offset_a))
    take_b = has_b & (~has_a | before | (tied & place))
    merged = [np.where(take_b, b, a) for a, b in zip(state[1:], delta[1:], strict=True)]
    return [has_a | has_b, *merged]


def _words(function: str, arguments: Sequence[str], *, order: str) -> str:
    return arguments[values_at(order) + int(function.removeprefix(_FINAL))]


def _reading(_: Types, *, order: str, index: int) -> Reading:
    known = 1 + 2 * len(order) + 2 + 2 * index
    return Reading(
        lambda *slots: slots[known + 1] if slots[known] else None,
        lambda columns: (columns[known + 1], columns[known]),
    )
