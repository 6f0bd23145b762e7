"""``keyfold dead-letters``: read from the state itself, so that no server need run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from keyfold.cli.show import add_row, out, table
from keyfold.settings import Settings
from keyfold.state.deadletter import read
from keyfold.state.reader import StateReader

_BLOCK_CACHE_BYTES = 8 << 20
_VALUE_CHARACTERS_MAX = 60
_SHOWN = ("source", "view", "partition", "offset", "field", "reason", "value")


def show_dead_letters(settings: Settings, source: str | None, limit: int) -> None:
    """Print the newest dead letters: a table on a terminal, NDJSON otherwise.

    Raises:
        StateError: There is no state in the data directory.
    """
    state = StateReader.open(settings.data_dir, os.getpid(), block_cache_bytes=_BLOCK_CACHE_BYTES)
    try:
        letters = list(islice(_letters(state, source), limit))
    finally:
        state.close()
    if not sys.stdout.isatty():
        for letter in letters:
            sys.stdout.write(msgspec.json.encode(letter).decode() + "\n")
        return
    console = out()
    if not letters:
        console.print("no dead letters")
        return
    rows = table(*_SHOWN)
    for letter in letters:
        shown = letter | {"value": str(letter["value"])[:_VALUE_CHARACTERS_MAX]}
        add_row(rows, ["" if shown[name] is None else shown[name] for name in _SHOWN])
    console.print(rows)


def _letters(state: StateReader, source: str | None) -> Iterator[dict[str, Any]]:
    record = state.record
    kept = read(state.replica, record.dead_letter_first, record.dead_letter_next, newest_first=True)
    for number, letter in kept:
        if source in (None, letter.source):
            yield {"number": number} | letter.as_dict()
