"""Pages of dead letters, the newest first."""

from __future__ import annotations

import asyncio
from typing import Any

from keyfold.errors import RequestError
from keyfold.state import deadletter
from keyfold.state.reader import StateReader
from serving.describe import source_plan
from serving.lookup import HIDDEN_ROWS_MAX, ROWS_PER_TURN
from serving.predicates import page_limit, query_fields

PAGE_BYTES_MAX = 8 << 20
"""Message bytes on a page, beyond which it ends short."""


async def letters_page(
    reader: StateReader, raw_query: bytes, limit_default: int, limit_max: int
) -> dict[str, Any]:
    """Return a page of dead letters.

    Args:
        reader: The open state.
        raw_query: ``source``, ``view``, ``all``, ``limit``, ``cursor``, each optional.
        limit_default: Letters on a page unless asked for.
        limit_max: Letters at most.

    Raises:
        RequestError: A parameter is unknown or malformed.
        NotFoundError: There is no such source or view. With ``all`` it may be one that was dropped.
    """
    fields = query_fields(raw_query)
    unknown = sorted(set(fields) - {"source", "view", "all", "limit", "cursor"})
    if unknown:
        raise RequestError(
            f"the parameter {unknown[0]!r} is not known here",
            hint="known are source, view, all, limit and cursor",
        )
    limit = page_limit(fields["limit"], limit_max) if "limit" in fields else limit_default
    record = reader.record
    after = _cursor(fields["cursor"]) if "cursor" in fields else record.dead_letter_next
    every = _truth(fields.get("all", "0"))
    earlier = deadletter.earlier_builds(reader.catalog)
    source, view = fields.get("source"), fields.get("view")
    if source is not None and not every:
        source_plan(reader, source)
    if view is not None and not every:
        reader.view(view)
    wanted = deadletter.asked_for(reader.catalog, record, source, view, every=every)
    letters: list[dict[str, Any]] = []
    first = record.dead_letter_first
    seen, size = 0, 0
    following: str | None = None
    found = deadletter.read(reader.replica, first, max(first, after), newest_first=True)
    for number, letter in found:
        if wanted(letter):
            letters.append({"number": number, **letter.as_dict(earlier=earlier(letter))})
            size += len(letter.value or b"")
        seen += 1
        if len(letters) >= limit or seen >= limit + HIDDEN_ROWS_MAX or size >= PAGE_BYTES_MAX:
            following = str(number) if number > first else None
            break
        if seen % ROWS_PER_TURN == 0:
            await asyncio.sleep(0)
    return {
        "dead_letters": letters,
        "next_cursor": following,
        "kept": record.dead_letter_next - first,
    }


def _truth(text: str) -> bool:
    if text not in ("0", "1"):
        raise RequestError(f"all is {text!r}", hint="give all=1 for letters of earlier builds too")
    return text == "1"


def _cursor(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise RequestError(
            "the cursor is not one of dead letters", hint="give next_cursor of the page before"
        )
    return min(int(text), (1 << 63) - 1)
