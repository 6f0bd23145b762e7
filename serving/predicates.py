"""The query string of a list: a prefix of the key, a range on the next column, the page."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from keyfold.errors import RequestError
from serving.lookup import BOUNDS, NULL_TEXT, KeyRange, ViewLookup

_FIELDS_MAX = 200


@dataclass(frozen=True, slots=True)
class Query:
    """What a list is asked for.

    Attributes:
        wanted: The range of keys.
        limit: Rows at most.
        cursor: Where to go on, or None.
        commit: Whether to state the commit.
    """

    wanted: KeyRange
    limit: int
    cursor: str | None
    commit: bool


def rows_query(raw: bytes, view: ViewLookup, limit_default: int, limit_max: int) -> Query:
    """Read the query string of a list.

    ``column=value`` or ``column.eq=value`` is equality, ``column.gte=value`` and the like a bound,
    ``%00`` stands for NULL.

    Raises:
        RequestError: A parameter is unknown, twice there, or of no use with this key.
    """
    limit, cursor, commit = limit_default, None, False
    equals: dict[str, str | None] = {}
    bounds: dict[tuple[str, str], str | None] = {}
    for name, text in query_fields(raw).items():
        match name:
            case "limit":
                limit = page_limit(text, limit_max)
            case "cursor":
                cursor = text
            case "offsets" if text in ("0", "1"):
                commit = text == "1"
            case _:
                column, bound = _column(name, view)
                value = None if text == NULL_TEXT else text
                if bound == "eq":
                    if column in equals:
                        raise RequestError(f"column {column} is given twice")
                    equals[column] = value
                else:
                    bounds[column, bound] = value
    return Query(view.key_range(equals, bounds), limit, cursor, commit)


def query_fields(raw: bytes) -> dict[str, str]:
    """Return the fields of a query string.

    Raises:
        RequestError: It is not UTF-8, or a field is twice there.
    """
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_FIELDS_MAX,
        )
    except ValueError as error:
        raise RequestError(f"the query string cannot be read: {error}") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RequestError("a parameter is given twice")
    return fields


def page_limit(text: str, limit_max: int) -> int:
    """Read a page's limit.

    Raises:
        RequestError: It is no whole number in its bounds.
    """
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= limit_max:
        raise RequestError(f"limit is {text!r}", hint=f"give a whole number from 1 to {limit_max}")
    return number


def _column(name: str, view: ViewLookup) -> tuple[str, str]:
    """Split a parameter into a key column and what is asked of it."""
    if name in view.key_names:
        return name, "eq"
    column, _, bound = name.rpartition(".")
    if column in view.key_names and bound in ("eq", *BOUNDS):
        return column, bound
    raise RequestError(
        f"the parameter {name!r} is not known here",
        hint=f"the key is ({', '.join(view.key_names)}): give equality on the first columns "
        "(column=value), then column.gt, .gte, .lt, .lte on the next one; and limit, cursor, "
        "offsets",
    )
