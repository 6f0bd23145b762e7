"""Functions of texts, exactly as DuckDB computes them: by code points, as Python counts too.

``lower`` and ``upper`` are not here, since they follow the Unicode tables of the DuckDB build.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from keyfold.view.cast import ExpressionError
from keyfold.view.namedtype import Named, Prepare
from keyfold.view.types import ColumnType, column_type

_TEXT = column_type("VARCHAR")
_LEFT_MAX = 2**32 - 1
_BIGINT = column_type("BIGINT")


def _prepare(function: Callable[..., Any], texts: int, numbers: int = 0) -> Prepare:
    def prepare(types: list[ColumnType], _: list[Any]) -> Named:
        fits = len(types) == texts + numbers and all(kind == _TEXT for kind in types[:texts])
        if not fits or not all(kind.integer for kind in types[texts:]):
            raise KeyError(types[0].name)
        return Named([_TEXT] * texts + [_BIGINT] * numbers, function)

    return prepare


def _replace(text: str, old: str, new: str) -> str:
    return text.replace(old, new) if old else text


def _left(text: str, count: int) -> str:
    if count > _LEFT_MAX:
        raise ExpressionError("substring length outside of supported range")
    return text[:count]


def _right(text: str, count: int) -> str:
    return text[max(0, len(text) - count) :] if count >= 0 else text[-count:]


def _prepare_like(types: list[ColumnType], constants: list[Any]) -> Named:
    """``like(text, pattern)``: the pattern is a constant, ``%`` any text and ``_`` a code point."""
    pattern = constants[1]
    if types[0] != _TEXT or not isinstance(pattern, str):
        raise KeyError(types[0].name)
    matches = like(pattern)
    return Named([_TEXT, _TEXT], lambda text, _: matches(text))


def like(pattern: str) -> Callable[[str], bool]:
    """Return what says whether a text matches; in time with its length, however many ``%``."""
    first, *others = (_piece(part) for part in pattern.split("%"))
    if not others:
        return lambda text: first.fullmatch(text) is not None
    *middle, last = others
    tail = len(pattern) - pattern.rfind("%") - 1

    def matches(text: str) -> bool:
        found = first.match(text)
        for piece in middle:  # the first place that fits leaves most to the pieces after it
            if found is None:
                return False
            found = piece.search(text, found.end())
        end = len(text) - tail
        return found is not None and found.end() <= end and last.match(text, end) is not None

    return matches


def _piece(part: str) -> re.Pattern[str]:
    return re.compile("".join("." if c == "_" else re.escape(c) for c in part), re.DOTALL)


FUNCTIONS: dict[str, Prepare] = {
    "starts_with": _prepare(str.startswith, 2),
    "ends_with": _prepare(str.endswith, 2),
    "contains": _prepare(str.__contains__, 2),
    "replace": _prepare(_replace, 3),
    "left": _prepare(_left, 1, 1),
    "right": _prepare(_right, 1, 1),
    "like": _prepare_like,
}
