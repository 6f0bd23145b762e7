"""How often each value comes, for the n least values: HISTOGRAM, MODE, ARRAY_AGG(DISTINCT x).

What is kept is bounded by n, and is law-abiding: a value that n others are below in some of the
events has them below it in all of them, so a value that is kept at the end was never dropped and
its count is whole. ``over`` says that there were more than n values; then there is no histogram and
no mode. Both bounds are slots, so that a partial says by itself how it is merged; zero has none.

The items are JSON: ``[[rank, value, count], …]`` in order, the rank being the physical value, and
the value as JSON text within a JSON text. A merge is a step per key, not per column.

The arguments are the value, its JSON text, n, and its rank as JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keyfold.view.columns import DTYPE, i128_of
from keyfold.view.family.law import Columns, Family, Reading, Slot, Types
from keyfold.view.family.listing import known_rank
from keyfold.view.types import Physical

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
Item = list[Any]


def _update(arguments: Sequence[str], where: str) -> tuple[str, ...]:
    value, text, bound, rank_json = arguments
    known = known_rank(value, rank_json)
    row = f"{{'v': {value}, 't': concat('[', {known}, ',', to_json({text}))}}"
    counts = f"histogram(CASE WHEN ({value}) IS NOT NULL THEN {row} END){where}"
    least = f"list_slice(list_sort(map_entries({counts})), 1, {bound})"
    items = f"[concat(__item.key.t, ',', __item.value, ']') for __item in {least}]"
    return (
        f"{bound}::BIGINT",
        f"cardinality({counts}) > {bound}",
        f"'[' || array_to_string({items}, ',') || ']'",
    )


def _order(item: Item) -> tuple[bool, Any]:
    rank = item[0]
    return (True, 0) if isinstance(rank, float) and math.isnan(rank) else (False, rank)


def _added(a: bytes, b: bytes) -> list[Item]:
    items = {_order(item): item for item in json.loads(a)}
    for item in json.loads(b):
        known = items.setdefault(_order(item), item)
        if known is not item:
            known[2] += item[2]
    return [items[key] for key in sorted(items)]


def _merge(state: Sequence[np.ndarray], delta: Sequence[np.ndarray]) -> Columns:
    bound, over = np.maximum(state[0], delta[0]), state[1] | delta[1]
    texts = np.empty(len(bound), object)
    for at, (a, b) in enumerate(zip(state[2], delta[2], strict=True)):
        if a is None or b is None:
            texts[at] = b if a is None else a
            continue
        items = _added(a, b)
        over[at] |= len(items) > bound[at]
        texts[at] = _dump(items[: int(bound[at])]).encode()
    return [bound, over, texts]


def _key(text: str) -> str:
    return text if text.startswith('"') else f'"{text}"'


def _histogram(items: list[Item]) -> str:
    return f"{{{','.join(f'{_key(item[1])}:{item[2]}' for item in items)}}}"


def _values(items: list[Item]) -> str:
    return f"[{','.join(item[1] for item in items)}]"


def _string(_: Types, separator: str = ",") -> Reading:
    def joined(items: list[Item]) -> str:
        return separator.join(json.loads(item[1]) for item in items)

    return _reading(joined, whole=False, physical=Physical.TEXT)(())


def _mode(items: list[Item]) -> Any:
    return max(items, key=lambda item: item[2])[0]  # the first of these, so the least value


def _reading(
    answer: Callable[[list[Item]], Any], *, whole: bool, physical: Physical | None = None
) -> Callable[[Types], Reading]:
    """How an answer is read, which needs all values where it is ``whole``; as JSON by default."""

    def reading(types: Types) -> Reading:
        form = physical or types[0].physical
        # JSON has no bytes: the rank of a BLOB is its hexadecimal text.
        made = bytes.fromhex if form is Physical.BYTES else None

        def value(_: int, over: bool, items: str | bytes | None) -> Any:
            if items is None or (whole and over):
                return None
            found = answer(json.loads(items))
            return made(found) if made else found

        def columns(slots: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            found = [value(*row) for row in zip(*slots, strict=True)]
            valid = np.fromiter((one is not None for one in found), np.bool_, len(found))
            return _column(form, found), valid

        return Reading(value, columns)

    return reading


def _column(physical: Physical, values: list[Any]) -> np.ndarray:
    """Physical values, anything where they are None."""
    if physical.varies:
        texts = np.empty(len(values), object)
        texts[:] = [value.encode() if isinstance(value, str) else value for value in values]
        return texts
    if physical in (Physical.I128, Physical.U128):
        return np.array([i128_of(value or 0) for value in values], DTYPE[physical])
    return np.array([value or 0 for value in values], DTYPE[physical])


TALLY = Family(
    name="tally",
    slots=lambda _: (
        Slot("bound", Physical.I64),
        Slot("over", Physical.BOOL),
        Slot("items", Physical.TEXT),
    ),
    update=_update,
    merge=_merge,
    finals={
        "histogram": _reading(_histogram, whole=True, physical=Physical.JSON),
        "values": _reading(_values, whole=False, physical=Physical.JSON),
        "mode": _reading(_mode, whole=True),
        "string": _string,
    },
)
