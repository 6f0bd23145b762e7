"""Functions of texts, exactly as DuckDB computes them: by code points, as Python counts too."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from keyfold.view.cast import ExpressionError
from keyfold.view.lettercase import RUNS
from keyfold.view.namedtype import Named, Prepare
from keyfold.view.types import ColumnType, column_type

_TEXT = column_type("VARCHAR")
_PLACE_MAX = 2**32 - 1
_SPACES = "".join(map(chr, (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)))
"""What DuckDB trims: the code points of Unicode's category Zs, so neither tabs nor line ends."""
_BIGINT = column_type("BIGINT")


def _prepare(function: Callable[..., Any], shape: str, optional: int = 0) -> Prepare:
    """Return what takes operands of a shape: ``t`` is a text and ``n`` a whole number.

    The last ``optional`` ones may be left out.
    """
    operands = [_TEXT if letter == "t" else _BIGINT for letter in shape]

    def prepare(types: list[ColumnType], _: list[Any]) -> Named:
        if not len(shape) - optional <= len(types) <= len(shape):
            raise KeyError(types[0].name)
        for kind, operand in zip(types, operands, strict=False):
            if not (kind == _TEXT if operand is _TEXT else kind.integer):
                raise KeyError(kind.name)
        return Named(operands[: len(types)], function)

    return prepare


@cache
def cases(function: str) -> dict[int, int]:
    """Return what ``str.translate`` takes for ``lower`` or ``upper``, as DuckDB has them."""
    return {
        code: code + distance
        for run in RUNS[function].split()
        for first, last, step, distance in (map(int, run.split(":")),)
        for code in range(first, last + 1, step)
    }


def _lower(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(cases("lower"))


def _upper(text: str) -> str:
    return text.upper() if text.isascii() else text.translate(cases("upper"))


def _trim(strip: Callable[[str, str], str]) -> Callable[..., str]:
    """Return one of ``trim``, ``ltrim`` and ``rtrim``: no characters are none, not white space."""

    def trim(text: str, characters: str = _SPACES) -> str:
        return strip(text, characters) if characters else text

    return trim


def _substring(text: str, start: int, length: int = _PLACE_MAX) -> str:
    """``substring``: places count from 1, below zero from the end; a length below zero goes back.

    Place 0 is before the first character, and takes one of the length.
    """
    if not -_PLACE_MAX - 1 <= start <= _PLACE_MAX:
        raise ExpressionError("substring offset outside of supported range")
    if not -_PLACE_MAX - 1 <= length <= _PLACE_MAX:
        raise ExpressionError("substring length outside of supported range")
    first = start - 1 if start >= 0 else len(text) + start
    begin, end = sorted((first, first + length))
    return text[max(begin, 0) : max(end, 0)]


def _place(text: str, part: str) -> int:
    return text.find(part) + 1


def _split_part(text: str, separator: str, place: int) -> str:
    """``split_part``: the part at a place from 1 on, below zero from the end, or nothing."""
    parts = text.split(separator) if separator else list(text)
    index = place - 1 if place > 0 else len(parts) + place
    return parts[index] if place and 0 <= index < len(parts) else ""


def _replace(text: str, old: str, new: str) -> str:
    return text.replace(old, new) if old else text


def _left(text: str, count: int) -> str:
    if count > _PLACE_MAX:
        raise ExpressionError("substring length outside of supported range")
    return text[:count]


def _right(text: str, count: int) -> str:
    return text[max(0, len(text) - count) :] if count >= 0 else text[-count:]


def _prepare_like(folded: Callable[[str], str]) -> Prepare:
    """``like(text, pattern)``: the pattern is a constant, ``%`` any text and ``_`` a code point.

    Args:
        folded: What both are brought to before they are compared.
    """

    def prepare(types: list[ColumnType], constants: list[Any]) -> Named:
        pattern = constants[1]
        if types[0] != _TEXT or not isinstance(pattern, str):
            raise KeyError(types[0].name)
        matches = like(folded(pattern))
        return Named([_TEXT, _TEXT], lambda text, _: matches(folded(text)))

    return prepare


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
    "lower": _prepare(_lower, "t"),
    "upper": _prepare(_upper, "t"),
    "trim": _prepare(_trim(str.strip), "tt", optional=1),
    "ltrim": _prepare(_trim(str.lstrip), "tt", optional=1),
    "rtrim": _prepare(_trim(str.rstrip), "tt", optional=1),
    "starts_with": _prepare(str.startswith, "tt"),
    "ends_with": _prepare(str.endswith, "tt"),
    "contains": _prepare(str.__contains__, "tt"),
    "strpos": _prepare(_place, "tt"),
    "replace": _prepare(_replace, "ttt"),
    "left": _prepare(_left, "tn"),
    "right": _prepare(_right, "tn"),
    "substring": _prepare(_substring, "tnn", optional=1),
    "split_part": _prepare(_split_part, "ttn"),
    "like": _prepare_like(str),
    "ilike": _prepare_like(_lower),
}
