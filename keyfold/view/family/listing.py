"""The first n values by an order: ARRAY_AGG(x ORDER BY y LIMIT n), MAX(x, n), ARG_MAX(x, y, n).

STRING_AGG joins them, JSON_GROUP_ARRAY makes a JSON array of them, and JSON_OBJECT_AGG members of
an object: ``"key":value``.

What is kept is bounded by n, and is law-abiding: a value that n others go before in some of the
events has them before it in all of them. Ties go by partition and offset, as in pick.py; an event
whose rank is NULL does not count. The bound is a slot of its own, so that a partial says by itself
how it is merged; zero has none.

The items are JSON: ``[[rank, partition, offset, value], …]`` in order, the value as JSON text
within a JSON text, so that no digit of it changes. A merge is a step per key, not per column.

The arguments are the value as JSON text, the rank, partition, offset, n, and the rank as JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from keyfold.view.family.law import Columns, Family, Reading, Slot, Types
from keyfold.view.moment import INFINITY_US
from keyfold.view.types import Physical

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode


def _update(arguments: Sequence[str], where: str, *, least: bool) -> tuple[str, ...]:
    value, rank, partition, offset, bound, rank_json = arguments
    sign = "" if least else "-"
    known = known_rank(rank, rank_json)
    text = f"concat('[', {known}, ',', {partition}, ',', {offset}, ',', to_json({value}), ']')"
    row = f"{{'r': {rank}, 'p': {sign}{partition}, 'o': {sign}{offset}, 't': {text}}}"
    taken = (
        f"{'min' if least else 'max'}"
        f"(CASE WHEN ({rank}) IS NOT NULL THEN {row} END, {bound}){where}"
    )
    return (
        f"{bound}::BIGINT",
        f"'[' || array_to_string([__item.t for __item in {taken}], ',') || ']'",
    )


def known_rank(rank: str, rank_json: str) -> str:
    """Return the SQL of a rank as JSON, where DuckDB has no number for it either.

    That is so for the two infinities of a timestamp: ``epoch_us`` of them is NULL, and their
    physical values stand at the ends of int64.
    """
    least, greatest = f"'-{INFINITY_US}'", f"'{INFINITY_US}'"
    beyond = f"CASE CAST({rank} AS VARCHAR) WHEN 'infinity' THEN {greatest} ELSE {least} END"
    return f"coalesce({rank_json}, {beyond})"


def _rank(item: list[Any]) -> tuple[bool, Any]:
    rank = item[0]
    return isinstance(rank, float) and math.isnan(rank), rank  # NaN is the greatest double


def _first(items: list[list[Any]], bound: int, *, least: bool) -> bytes:
    items.sort(key=lambda item: (item[1], item[2]))
    items.sort(key=_rank, reverse=not least)
    return _dump(items[:bound]).encode()


def _merge(state: Sequence[np.ndarray], delta: Sequence[np.ndarray], *, least: bool) -> Columns:
    bound = np.maximum(state[0], delta[0])
    items = np.empty(len(bound), object)
    items[:] = [
        a
        if b is None
        else b
        if a is None
        else _first(json.loads(a) + json.loads(b), n, least=least)
        for a, b, n in zip(state[1], delta[1], bound.tolist(), strict=True)
    ]
    return [bound, items]


def _list(values: list[str]) -> str:
    return f"[{','.join(values)}]"


def _object(members: list[str]) -> str:
    # Of one key the last member counts, at the place of the first, as in JSON's readers.
    return f"{{{','.join({_decode(member)[0]: member for member in members}.values())}}}"


def _string(separator: str) -> Callable[[list[str]], str]:
    return lambda values: separator.join(json.loads(value) for value in values)


def _reading(answer: Callable[[list[str]], str]) -> Reading:
    """How an answer is read from the values in order, each as JSON text."""

    def value(_: int, items: str | bytes | None) -> str | None:
        return None if items is None else answer([item[3] for item in json.loads(items)])

    def columns(slots: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        texts = [value(0, items) for items in slots[1]]
        values = np.empty(len(texts), object)
        values[:] = [None if text is None else text.encode() for text in texts]
        return values, np.fromiter((text is not None for text in texts), np.bool_, len(texts))

    return Reading(value, columns)


def _slots(_: Types) -> tuple[Slot, ...]:
    return Slot("bound", Physical.I64), Slot("items", Physical.TEXT)


def _listing(name: str, *, least: bool) -> Family:
    return Family(
        name=name,
        slots=_slots,
        update=partial(_update, least=least),
        merge=partial(_merge, least=least),
        finals={
            "list": lambda _: _reading(_list),
            "array": lambda _: _reading(_list),
            "object": lambda _: _reading(_object),
            "string": lambda _, separator=",": _reading(_string(separator)),
        },
    )


LIST = _listing("list", least=True)
LIST_DESC = _listing("list_desc", least=False)
