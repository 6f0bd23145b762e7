"""``keyfold get``: one row by its key."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from keyfold.cli.client import ask, connect, path
from keyfold.cli.show import add_row, out, table

NULL_WORD = "\\N"
"""A key argument that stands for NULL, as in PostgreSQL's COPY: an argument cannot hold a NUL."""
_NULL_TEXT = "\0"  # what stands for NULL in a path


def get_row(view: str, key: Sequence[str], url: str | None, token: str | None) -> None:
    """Print a row: a table on a terminal, the answer's JSON otherwise.

    Raises:
        ServerError: There is no such row, or no answer.
    """
    # The row of a view without a key stands behind a slash with nothing after it.
    parts = [_NULL_TEXT if part == NULL_WORD else part for part in key] or [""]
    with connect(url, token) as client:
        answer = ask(client, "GET", path("v1", "views", view, "rows", *parts))
    if sys.stdout.isatty():
        _show(answer.content)
    else:
        sys.stdout.write(answer.text.rstrip("\n") + "\n")


def _show(body: bytes) -> None:
    # Numbers stay as the server wrote them: a DECIMAL must not become a double on the way.
    answer = msgspec.json.decode(body, type=dict[str, dict[str, msgspec.Raw]])
    row = table("column", "value")
    for name, raw in answer["row"].items():
        add_row(row, [name, _text(raw)])
    console = out()
    console.print(row)
    fresh: dict[str, Any] = {n: msgspec.json.decode(raw) for n, raw in answer["freshness"].items()}
    colour = "green" if fresh.get("state") in ("live", "complete") else "yellow"
    age = fresh.get("staleness_ms")
    told = str(fresh.get("state")) + ("" if age is None else f", {age} ms behind its source")
    console.print(told, style=colour)


def _text(raw: msgspec.Raw) -> str:
    value = msgspec.json.decode(raw)
    return value if isinstance(value, str) else bytes(raw).decode()
