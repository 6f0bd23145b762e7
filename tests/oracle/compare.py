"""Rows of a view beside DuckDB's, each output by its bound."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from keyfold.view.bytestext import blob_bytes
from tests.oracle.values import ROUGH_MAX
from tests.oracle.view import ABOUT, DOCUMENT, EXACT, JSON, MAP, MAPS, OBJECT, TEXTS

Rows = list[dict[str, Any]]
_IN_JSON = {JSON, DOCUMENT, TEXTS, OBJECT, MAP, MAPS}
_OFF_MAX = 3
"""So far a number of different values may be off, of a hundred or so."""


def read_json(text: str) -> Any:
    """Read JSON without losing a digit."""
    return json.loads(text, parse_float=Decimal)


def with_json(rows: Rows, bounds: dict[str, str]) -> Rows:
    """Read what stands in Arrow rows as JSON text."""
    return [
        {
            name: read_json(value) if value is not None and bounds[name] in _IN_JSON else value
            for name, value in row.items()
        }
        for row in rows
    ]


def assert_same(ours: Rows, theirs: Rows, bounds: dict[str, str]) -> None:
    """Compare rows that are in one order.

    Raises:
        AssertionError: They differ.
    """
    assert len(ours) == len(theirs), f"{len(ours)} rows, not {len(theirs)}: {ours}, not {theirs}"
    for one, other in zip(ours, theirs, strict=True):
        assert list(one) == list(other), "the columns differ"
        for name, value in one.items():
            like = _told(other[name], bounds[name])
            same = _same(_as(value, like), like, bounds[name])
            assert same, f"{name} is {value!r}, not {like!r}, in {other}"


def _told(value: Any, bound: str) -> Any:
    """DuckDB's value as JSON says it."""
    match bound:
        case _ if value is None:
            return None
        case "object":  # of one key the last value counts
            return {pair["k"]: pair["v"] for pair in value}
        case "map":
            return dict(value)
        case "maps":
            return [None if one is None else dict(one) for one in value]
        case "document":
            return read_json(value) if isinstance(value, str) else [_told(v, bound) for v in value]
        case "texts":
            return [read_json(text) for text in value]
    return value


def _as(value: Any, like: Any) -> Any:
    """A JSON value in the types of another value, as far as they belong together."""
    match like:
        case list() if isinstance(value, list) and len(value) == len(like):
            return [_as(one, other) for one, other in zip(value, like, strict=True)]
        case dict() if isinstance(value, dict) and len(value) == len(like):
            pairs = zip(value.items(), like.items(), strict=True)
            return {_key(one, key): _as(v, other) for (one, v), (key, other) in pairs}
        case datetime() if isinstance(value, str):
            return datetime.fromisoformat(value)
        case date() if isinstance(value, str):
            return date.fromisoformat(value)
        case time() if isinstance(value, str):
            return time.fromisoformat(value)
        case UUID() if isinstance(value, str):
            return UUID(value)
        case bytes() if isinstance(value, str):
            return blob_bytes(value)
        case float() if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
            return float(value)
    return value


def _key(text: Any, like: Any) -> Any:
    """The key of a JSON object in the type of another one."""
    match like:
        case bool():
            return {"true": True, "false": False}[text]
        case int() | Decimal():
            return type(like)(text)
    return _as(text, like)


def _same(value: Any, other: Any, bound: str) -> bool:
    match value, other:
        case list(), list():
            return len(value) == len(other) and all(
                _same(*both, bound) for both in zip(value, other, strict=True)
            )
        case dict(), dict():
            return all(map(_same_entry, value.items(), other.items())) and len(value) == len(other)
        case float(), float():
            return _near(value, other, bound)
    return bool(abs(value - other) <= _OFF_MAX if bound == ABOUT else value == other)


def _same_entry(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    return _same(one[0], other[0], EXACT) and _same(one[1], other[1], EXACT)


def _near(value: float, other: float, bound: str) -> bool:
    if math.isnan(value) or math.isnan(other):
        return math.isnan(value) and math.isnan(other)
    match bound:
        case "close":
            return math.isclose(value, other, rel_tol=1e-14)
        case "moment":
            return math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-9)
        case "rough":
            return math.isclose(value, other, rel_tol=1e-12, abs_tol=40 * ROUGH_MAX * 2**-52)
    return value == other
