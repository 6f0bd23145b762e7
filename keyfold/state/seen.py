"""Seen values: which members of a view's sets are in the store already (keyfold/view/distinct.py).

Each member is new once. Those seen lately are in memory, in two generations: once the recent one
fills its half of the bound, it becomes the older one, and what was the older one is given up. A
member that is in neither is looked for in the store. Where all members of a view passed through
here, a filter remembers which were given up, so that a new one need not be looked for.

What is new since the last commit lives nowhere else yet, so no generation ends before a commit.

A row that has expired goes with its members, and they are not taken out here: nothing is counted
in such a row again that anybody could see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from keyfold.state.keyfilter import GivenUp

Fetch = Callable[[list[bytes]], list[bytes | None]]
KEYS_MIN = 10_000
_ENTRY_BYTES = 90  # a key's object without its bytes, and its place in a set, in CPython 3.11


class SeenValues:
    """The members of one view's sets. Not thread-safe."""

    def __init__(
        self, fetch: Fetch, bytes_max: int, *, store_empty: bool = False, keys_min: int = KEYS_MIN
    ) -> None:
        """Begin with nothing in memory.

        Args:
            fetch: Reads stored values by full key.
            bytes_max: Memory to keep to; more only while more than fits is new.
            store_empty: The store has no member of the view, so what is there comes from here.
            keys_min: Members of a generation that are kept however small ``bytes_max`` is.
        """
        self._fetch = fetch
        self._given_up = GivenUp(bytes_max, store_empty=store_empty)
        self._keys_min = keys_min
        self._begin()

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def clear(self) -> None:
        """Forget everything, new members too: those in the store are what is left."""
        self._given_up.clear()
        self._begin()

    def _begin(self) -> None:
        self._recent: set[bytes] = set()
        self._recent_bytes = 0
        self._older: set[bytes] = set()
        self._new: list[bytes] = []

    @property
    def new_count(self) -> int:
        """How many members are new since the last ``take_new``."""
        return len(self._new)

    def add(self, keys: Sequence[bytes]) -> np.ndarray:
        """Put members in.

        Args:
            keys: n different keys.

        Returns:
            bool[n], which of them are new.
        """
        known = np.fromiter(map(self._recent.__contains__, keys), np.bool_, len(keys))
        places = np.flatnonzero(~known)
        if not len(places):
            return np.zeros(len(keys), np.bool_)
        absent = list(keys) if len(places) == len(keys) else [keys[i] for i in places.tolist()]
        known[places] = self._seen_before(absent)
        self._new += [keys[i] for i in np.flatnonzero(~known).tolist()]
        self._recent.update(absent)
        self._recent_bytes += sum(map(len, absent)) + _ENTRY_BYTES * len(absent)
        return ~known

    def forget(self, keys: Sequence[bytes]) -> None:
        """Take members out: their rows go, and so do those in the store, with the next commit."""
        gone = set(keys)
        if gone:
            self._recent -= gone
            self._older -= gone
            if self._new:
                self._new = [key for key in self._new if key not in gone]

    def take_new(self) -> list[bytes]:
        """Return the members that are new, in key order; they are in the store from now on."""
        taken, self._new = sorted(self._new), []
        full = self._recent_bytes > self._given_up.kept_bytes // 2
        if full and len(self._recent) > self._keys_min:
            self._end_generation()
        return taken

    def _seen_before(self, keys: list[bytes]) -> np.ndarray:
        """Which members are older or in the store: bool[n]."""
        seen = np.fromiter(map(self._older.__contains__, keys), np.bool_, len(keys))
        places = np.flatnonzero(~seen & self._given_up.may_hold(keys))
        if len(places):
            stored = self._fetch([keys[i] for i in places.tolist()])
            seen[places] = [value is not None for value in stored]
        return seen

    def _end_generation(self) -> None:
        self._given_up.add(self._older - self._recent)
        self._older, self._recent, self._recent_bytes = self._recent, set(), 0
