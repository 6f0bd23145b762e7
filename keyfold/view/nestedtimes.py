"""The times in nested values, as answers have them: DuckDB's JSON text → RFC 3339.

A nested value lies in the state as the text of DuckDB's ``to_json``, where times are
``2026-01-31 12:00:00.5+00``. In an answer they are ``2026-01-31T12:00:00.5Z``, as outside of them;
without ``Z`` where the type has no zone. Only what the type says is a time is changed, keys of maps
included: a text that looks like one, and what lies in a JSON value, stay. So do all numbers, digit
by digit.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from keyfold.view.moment import moment_text
from keyfold.view.nested import Forms, Write, type_writer

_encode = msgspec.json.Encoder().encode


class _Number(str):
    """A number's own text, or that of a NaN."""

    __slots__ = ()


class _Fields(list[tuple[str, Any]]):
    """A JSON object in its order: a JSON value may have a name twice."""

    __slots__ = ()


def nested_times(name: str) -> Callable[[str], str]:
    """Return what writes the stored text of a nested type for an answer; ``str`` without times."""
    write = type_writer(name, _FORMS) if "TIMESTAMP" in name else None
    if write is None:
        return str
    put = write

    def rewritten(text: str) -> str:
        return put(_decoder.decode(text))

    return rewritten


def _any(value: Any) -> str:
    match value:
        case _Number():
            return value
        case _Fields():
            return "{" + ",".join(f"{_text(key)}:{_any(one)}" for key, one in value) + "}"
        case list():
            return "[" + ",".join(map(_any, value)) + "]"
    return _text(value)


def _text(value: object) -> str:
    return _encode(value).decode()


def _moment(value: Any) -> str:
    return _text(moment_text(value)) if isinstance(value, str) else _any(value)


def _struct(fields: list[tuple[str, Write]]) -> Write:
    parts = dict(fields)

    def write_struct(value: Any) -> str:
        if not isinstance(value, _Fields):
            return _any(value)
        return (
            "{" + ",".join(f"{_text(key)}:{parts.get(key, _any)(one)}" for key, one in value) + "}"
        )

    return write_struct


def _map(key_type: str, part: Write) -> Write:
    label = _moment if key_type.startswith("TIMESTAMP") else _text

    def write_map(value: Any) -> str:
        if not isinstance(value, _Fields):
            return _any(value)
        return "{" + ",".join(f"{label(key)}:{part(one)}" for key, one in value) + "}"

    return write_map


def _list(part: Write) -> Write:
    def write_list(value: Any) -> str:
        if not isinstance(value, list):
            return _any(value)
        return "[" + ",".join(map(part, value)) + "]"

    return write_list


_FORMS = Forms(
    struct=_struct,
    mapping=_map,
    listing=_list,
    scalar=lambda name: _moment if name.startswith("TIMESTAMP") else _any,
)
_decoder = json.JSONDecoder(
    object_pairs_hook=_Fields,
    parse_float=_Number,
    parse_int=_Number,
    parse_constant=_Number,
    strict=False,
)
