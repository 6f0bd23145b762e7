"""Answers that are near enough, from sketches of Apache DataSketches in its own stored form.

- ``cpc``: APPROX_COUNT_DISTINCT, a CPC sketch of 2**12 rows. Every partial has been through a
  union, whose result is the same bytes for the same values in any order and batches (law 1).
- ``kll``: APPROX_QUANTILE, a KLL sketch of doubles with k = 200. It throws dice when it makes room,
  so the same events give answers that may differ, each within the bound; one partial always gives
  one answer. Up to k values it is exact.
- ``top``: APPROX_TOP_K, a frequent-items sketch of at most 2**10 counters, of values as JSON text.
  What it drops depends on the order; up to 768 different values it is exact.

A batch brings its values as lists, which ``gather`` makes sketches of. A merge is a step per key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from datasketches import (
    cpc_sketch,
    cpc_union,
    frequent_items_error_type,
    frequent_strings_sketch,
    kll_doubles_sketch,
)

from keyfold.view.family.law import Columns, Family, Reading, Slot, Types
from keyfold.view.types import Physical, double_json

CPC_LG_K = 12
KLL_K = 200
TOP_LG_MAX = 10
_ALL_FREQUENT = frequent_items_error_type.NO_FALSE_NEGATIVES


def _objects(values: Sequence[object]) -> np.ndarray:
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _union(*sketches: cpc_sketch) -> bytes:
    union = cpc_union(CPC_LG_K)
    for sketch in sketches:
        union.update(sketch)
    merged: bytes = union.get_result().serialize()
    return merged


def _gather_cpc(lists: pa.Array) -> np.ndarray:
    return _objects([None if values is None else _cpc(values) for values in lists.to_pylist()])


def _cpc(values: list[Any]) -> bytes:
    sketch = cpc_sketch(CPC_LG_K)
    for value in values:
        sketch.update(0 if value == "" else value)  # DataSketches passes over the empty text
    return _union(sketch)


def _merged_cpc(a: bytes, b: bytes) -> bytes:
    return _union(cpc_sketch.deserialize(a), cpc_sketch.deserialize(b))


def _gather_kll(lists: pa.Array) -> np.ndarray:
    return _objects([None if values is None else _kll(values) for values in lists.to_pylist()])


def _kll(values: list[float]) -> bytes:
    sketch = kll_doubles_sketch(KLL_K)
    sketch.update(np.array(values, np.float64))
    stored: bytes = sketch.serialize()
    return stored


def _merged_kll(a: bytes, b: bytes) -> bytes:
    sketch = kll_doubles_sketch.deserialize(a)
    sketch.merge(kll_doubles_sketch.deserialize(b))
    stored: bytes = sketch.serialize()
    return stored


def _gather_top(lists: pa.Array) -> np.ndarray:
    return _objects([None if counts is None else _top(counts) for counts in lists.to_pylist()])


def _top(counts: list[dict[str, Any]]) -> bytes:
    sketch = frequent_strings_sketch(TOP_LG_MAX)
    for one in counts:
        sketch.update(one["key"], one["value"])
    stored: bytes = sketch.serialize()
    return stored


def _merged_top(a: bytes, b: bytes) -> bytes:
    sketch = frequent_strings_sketch.deserialize(a)
    sketch.merge(frequent_strings_sketch.deserialize(b))
    stored: bytes = sketch.serialize()
    return stored


def _distinct(stored: bytes) -> int:
    estimate: float = cpc_sketch.deserialize(stored).get_estimate()
    return round(estimate)


def _quantile(_: Types, ranks: str = "0.5") -> Reading:
    """Read the value at a rank, or with ``[0.25,0.75]`` the list of several."""
    shares = [float(rank) for rank in ranks.strip("[]").split(",")]
    listed = ranks.startswith("[")

    def of(stored: bytes) -> float | str | None:
        sketch = kll_doubles_sketch.deserialize(stored)
        if sketch.is_empty():  # it passes over NaN
            return None
        found = [_value_at(sketch, share) for share in shares]
        return f"[{','.join(map(double_json, found))}]" if listed else found[0]

    return _reading(of, None, None, object) if listed else _reading(of, None, 0.0, np.float64)


def _value_at(sketch: kll_doubles_sketch, share: float) -> float:
    # The sketch keeps its ends exactly, and its samples need not have them.
    if share in (0.0, 1.0):
        return float(sketch.get_max_value() if share else sketch.get_min_value())
    return float(sketch.get_quantile(share, True))


def _most(_: Types, number: str = "10") -> Reading:
    def of(stored: bytes) -> str:
        found = frequent_strings_sketch.deserialize(stored).get_frequent_items(_ALL_FREQUENT)
        found.sort(key=lambda one: (-one[1], one[0]))
        return f"[{','.join(one[0] for one in found[: int(number)])}]"

    return _reading(of, None, None, object)


def _reading(of: Callable[[bytes], Any], nothing: object, blank: object, form: Any) -> Reading:
    """How an answer is read.

    Args:
        of: Stored sketch → the answer, or None.
        nothing: The answer of no values.
        blank: What stands in a column where the answer is NULL.
        form: The numpy type of the column.
    """

    def value(stored: bytes | None) -> Any:
        return nothing if stored is None else of(stored)

    def columns(slots: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        found = [value(stored) for stored in slots[0]]
        valid = np.fromiter((one is not None for one in found), np.bool_, len(found))
        column = np.empty(len(found), form)
        column[:] = [
            blank if one is None else one.encode() if form is object else one for one in found
        ]
        return column, valid

    return Reading(value, columns)


def _merge(
    state: Sequence[np.ndarray],
    delta: Sequence[np.ndarray],
    *,
    merged: Callable[[bytes, bytes], bytes],
) -> Columns:
    pairs = zip(state[0], delta[0], strict=True)
    return [_objects([a if b is None else b if a is None else merged(a, b) for a, b in pairs])]


def _sketch(
    name: str,
    update: Callable[[str, str], str],
    gather: Callable[[pa.Array], np.ndarray],
    merged: Callable[[bytes, bytes], bytes],
    finals: dict[str, Callable[..., Reading]],
) -> Family:
    return Family(
        name=name,
        slots=lambda _: (Slot("sketch", Physical.BYTES),),
        update=lambda x, where: (update(x[0], where),),
        merge=lambda state, delta: _merge(state, delta, merged=merged),
        finals=finals,
        gather=gather,
    )


CPC = _sketch(
    "cpc",
    lambda value, where: f"list(DISTINCT {value}){where}",
    _gather_cpc,
    _merged_cpc,
    {"approx_count_distinct": lambda _: _reading(_distinct, 0, 0, np.int64)},
)
KLL = _sketch(
    "kll",
    lambda value, where: f"list({value}){where}",
    _gather_kll,
    _merged_kll,
    {"approx_quantile": _quantile},
)
TOP = _sketch(
    "top",
    lambda value, where: f"map_entries(histogram({value}){where})",
    _gather_top,
    _merged_top,
    {"approx_top_k": _most},
)
