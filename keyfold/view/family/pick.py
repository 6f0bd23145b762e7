"""One value of one event: the first or the last by an order, and by its place where that ties.

FIRST and EARLIEST take the event that comes first, LAST and LATEST the one that comes last; with
``_desc`` the order runs down. Events of one rank are taken in the order of their partitions and
offsets, and no two have the same place, so which one is taken depends on the events alone (law 1).
An event whose rank is NULL does not count; its value may be NULL.

The arguments are the value, the rank, the partition and the offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from keyfold.view.columns import less
from keyfold.view.family.law import Columns, Family, Reading, Slot, Types
from keyfold.view.types import Physical


def _slots(types: Types) -> tuple[Slot, ...]:
    value, rank = types[0], types[1]
    return (
        Slot("has", Physical.BOOL),
        Slot("rank", rank.physical),
        Slot("partition", Physical.I64),
        Slot("offset", Physical.I64),
        Slot("known", Physical.BOOL),
        Slot("value", value.physical),
    )


def _update(arguments: Sequence[str], where: str, *, least: bool, first: bool) -> tuple[str, ...]:
    value, rank, partition, offset = arguments
    sign = "" if least == first else "-"  # so that the least or greatest row has the right place
    row = f"{{'r': {rank}, 'p': {sign}{partition}, 'o': {sign}{offset}, 'v': {value}}}"
    taken = f"{'min' if least else 'max'}(CASE WHEN ({rank}) IS NOT NULL THEN {row} END){where}"
    return (
        f"count({rank}){where} > 0",
        f"({taken}).r",
        f"{sign}({taken}).p",
        f"{sign}({taken}).o",
        f"({taken}).v IS NOT NULL",
        f"({taken}).v",
    )


def _merge(
    state: Sequence[np.ndarray], delta: Sequence[np.ndarray], *, least: bool, first: bool
) -> Columns:
    has_a, rank_a, partition_a, offset_a = state[:4]
    has_b, rank_b, partition_b, offset_b = delta[:4]
    below, above = less(rank_b, rank_a), less(rank_a, rank_b)
    before = (partition_b < partition_a) | ((partition_b == partition_a) & (offset_b < offset_a))
    sooner = (below if least else above) | (~below & ~above & (before == first))
    take_b = has_b & (~has_a | sooner)
    merged = [np.where(take_b, b, a) for a, b in zip(state[1:], delta[1:], strict=True)]
    return [has_a | has_b, *merged]


def _reading(_: Types) -> Reading:
    return Reading(
        lambda has, _rank, _partition, _offset, known, value: value if has and known else None,
        lambda columns: (columns[5], columns[0] & columns[4]),
    )


def _pick(name: str, functions: Sequence[str], *, least: bool, first: bool) -> Family:
    return Family(
        name=name,
        slots=_slots,
        update=partial(_update, least=least, first=first),
        merge=partial(_merge, least=least, first=first),
        finals=dict.fromkeys(functions, _reading),
    )


FIRST = _pick("first", ("first", "arg_min", "earliest"), least=True, first=True)
FIRST_DESC = _pick("first_desc", ("first", "arg_max"), least=False, first=True)
LAST = _pick("last", ("last", "latest"), least=False, first=False)
LAST_DESC = _pick("last_desc", ("last",), least=True, first=False)
