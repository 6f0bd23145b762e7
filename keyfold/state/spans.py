"""Seen spans: in which panes of its tile each member of a view's sets is (keyfold/view/tiles.py).

A member's value in the store is the place of the first and of the last of these panes in the tile,
two u16 BE. Those seen lately are in memory, in two generations, and a filter remembers which were
given up, as in keyfold/state/seen.py.

What changed since the last commit lives nowhere else yet, so no generation ends before a commit.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from keyfold.state.keyfilter import GivenUp
from keyfold.state.seen import KEYS_MIN, Fetch
from keyfold.view.tiles import Span

_PLACES = struct.Struct(">HH")
PLACES_BYTES = _PLACES.size
_ENTRY_BYTES = 190  # a key's object without its bytes, its place in a dict and a span, CPython 3.11


class SeenSpans:
    """The members of one view's sets. Not thread-safe."""

    def __init__(
        self, fetch: Fetch, bytes_max: int, *, store_empty: bool = False, keys_min: int = KEYS_MIN
    ) -> None:
        """Begin with nothing in memory; see ``SeenValues``."""
        self._fetch = fetch
        self._given_up = GivenUp(bytes_max, store_empty=store_empty)
        self._keys_min = keys_min
        self._begin()

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def clear(self) -> None:
        """Forget everything, changed members too: those in the store are what is left."""
        self._given_up.clear()
        self._begin()

    def _begin(self) -> None:
        self._recent: dict[bytes, Span] = {}
        self._recent_bytes = 0
        self._older: dict[bytes, Span] = {}
        self._changed: set[bytes] = set()

    @property
    def changed_count(self) -> int:
        """How many members have changed since the last ``take_changed``."""
        return len(self._changed)

    def get(self, key: bytes) -> Span | None:
        """Return where a member is, as far as that is in memory."""
        return self._recent.get(key) or self._older.get(key)

    def load(self, keys: Sequence[bytes]) -> None:
        """Have in memory what the store has of these members."""
        here, older = self._recent, self._older
        absent = list(dict.fromkeys(key for key in keys if key not in here))
        for key in absent:
            if key in older:
                self._take(key, older[key])
        absent = [key for key in absent if key not in older]
        held = self._given_up.may_hold(absent)
        absent = [absent[i] for i in np.flatnonzero(held).tolist()]
        if absent:
            for key, value in zip(absent, self._fetch(absent), strict=True):
                if value is not None:
                    self._take(key, _PLACES.unpack(value))

    def put(self, key: bytes, span: Span) -> None:
        """Say where a member is now; it was loaded."""
        self._take(key, span)
        self._changed.add(key)

    def take_changed(self) -> tuple[list[bytes], list[bytes]]:
        """Return the changed members in key order, and their values: the store has these now."""
        keys, self._changed = sorted(self._changed), set()
        values = [_PLACES.pack(*self._recent[key]) for key in keys]
        full = self._recent_bytes > self._given_up.kept_bytes // 2
        if full and len(self._recent) > self._keys_min:
            self._end_generation()
        return keys, values

    def _take(self, key: bytes, span: Span) -> None:
        if key not in self._recent:
            self._recent_bytes += len(key) + _ENTRY_BYTES
        self._recent[key] = span

    def _end_generation(self) -> None:
        self._given_up.add(self._older.keys() - self._recent.keys())
        self._older, self._recent, self._recent_bytes = self._recent, {}, 0
