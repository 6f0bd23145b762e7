"""The first n rows of a group by an order, kept together: ROW_NUMBER() … <= n.

A bounded list of what best.py keeps one of, in the same order. It is law-abiding, since a row that
n others go before in some of the events has them before it in all of them. The name says what a
merge needs: ``rows10:da`` are ten rows, by a rank that runs down and then one that runs up.

The rows are a text, a line for each in order: ``[[rank, …],partition,offset]``, a tab, and
``[value, …]``, with physical values as JSON, which has neither tabs nor line ends. So a merge reads
what it compares, and moves lines as they are; readers get each of them as a partial of ``best``
(keyfold/view/toprows.py). A merge is a step per key, not per column.

The arguments are those of ``best``, and the line of a row.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from keyfold.view.family.best import DIRECTIONS, order_sql
from keyfold.view.family.law import Columns, Family, Slot, Types
from keyfold.view.types import Physical

_NAME = re.compile(rf"rows([1-9]\d*):([{''.join(DIRECTIONS)}]+)")


def rows_name(rows: int, order: str) -> str:
    """Return the name of the family of so many rows in an order."""
    return f"rows{rows}:{order}"


@cache
def ranked_rows(name: str) -> Family:
    """Return the family of a name.

    Raises:
        KeyError: It is the name of none.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise KeyError(name)
    rows, order = int(found[1]), found[2]
    return Family(
        name=name,
        slots=_slots,
        update=partial(_update, rows=rows, order=order),
        merge=partial(_merge, rows=rows, order=order),
        finals={},
    )


def _slots(_: Types) -> tuple[Slot, ...]:
    return (Slot("rows", Physical.TEXT),)


def _update(arguments: Sequence[str], where: str, *, rows: int, order: str) -> tuple[str, ...]:
    taken = f"arg_min({arguments[-1]}, {order_sql(arguments, order)}, {rows}){where}"
    return (f"array_to_string({taken}, chr(10))",)


def _merge(
    state: Sequence[np.ndarray], delta: Sequence[np.ndarray], *, rows: int, order: str
) -> Columns:
    merged = np.empty(len(state[0]), object)
    merged[:] = [
        a if b is None else b if a is None else _merged(a, b, rows, order)
        for a, b in zip(state[0], delta[0], strict=True)
    ]
    return [merged]


def _merged(a: bytes, b: bytes, rows: int, order: str) -> bytes:
    ours, theirs = a.split(b"\n"), b.split(b"\n")
    if len(ours) == rows and _in_order([ours[-1], *theirs], order)[0] == 0:
        return a  # the last of so many goes before all that is new
    lines = ours + theirs
    return b"\n".join([lines[i] for i in _in_order(lines, order)[:rows]])


def _in_order(lines: Sequence[bytes], order: str) -> list[int]:
    """Return the places of lines in their order."""
    heads = json.loads(b"[" + b",".join([line.partition(b"\t")[0] for line in lines]) + b"]")
    # By the last criterion first: what ties later stays as it is by then.
    places = sorted(range(len(heads)), key=lambda i: heads[i][1:])
    for at, by in reversed(list(enumerate(order))):
        down = by in "dD"
        # Behind the values, or before them: in the order as it is before it is turned.
        null = 1 if (by in "ad") != down else -1
        keys = [_rank(head[0][at], null) for head in heads]
        places.sort(key=keys.__getitem__, reverse=down)
    return places


def _rank(rank: Any, null: int) -> tuple[int, bool, Any]:
    if rank is None:
        return null, False, 0
    return 0, isinstance(rank, float) and math.isnan(rank), rank  # NaN is the greatest double
