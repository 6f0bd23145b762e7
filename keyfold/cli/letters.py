"""``keyfold dead-letters``: read from the state itself, so that no server need run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from keyfold.cli.show import add_row, out, table
from keyfold.errors import SettingsError, did_you_mean
from keyfold.settings import Settings
from keyfold.state.deadletter import asked_for, earlier_builds, read
from keyfold.state.reader import StateReader

_BLOCK_CACHE_BYTES = 8 << 20
_VALUE_CHARACTERS_MAX = 60
_SHOWN = ("source", "view", "partition", "offset", "field", "reason", "value")


def show_dead_letters(
    settings: Settings, source: str | None, view: str | None, limit: int, *, every: bool
) -> None:
    """Print the newest dead letters: a table on a terminal, NDJSON otherwise.

    Args:
        settings: The settings.
        source: Only of this source.
        view: Only those that this view's ledger counts; with ``every``, its own earlier ones too.
        limit: At most so many.
        every: Those of earlier builds too.

    Raises:
        StateError: There is no state in the data directory.
        SettingsError: There is no such source or view, nor a letter of one.
    """
    state = StateReader.open(settings.data_dir, os.getpid(), block_cache_bytes=_BLOCK_CACHE_BYTES)
    try:
        letters = list(islice(_letters(state, source, view, every=every), limit))
        sources = [one.name for one in state.catalog.catalog.sources]
        views = list(state.views)
    finally:
        state.close()
    for what, name, known in (("source", source, sources), ("view", view, views)):
        if name is not None and not letters and name not in known:
            raise SettingsError(
                f"there is no {what} {name} in {settings.data_dir}",
                hint=did_you_mean(name, known) or f"there is no {what} at all",
            )
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


def _letters(
    state: StateReader, source: str | None, view: str | None, *, every: bool
) -> Iterator[dict[str, Any]]:
    record = state.record
    earlier = earlier_builds(state.catalog)
    asked = asked_for(state.catalog, record, source, view, every=every)
    kept = read(state.replica, record.dead_letter_first, record.dead_letter_next, newest_first=True)
    for number, letter in kept:
        if asked(letter):
            yield {"number": number} | letter.as_dict(earlier=earlier(letter))
