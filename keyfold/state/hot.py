"""Hot partials: the part of a view's state that the writer keeps in memory, in columns.

A dictionary gives each row key a place; each slot of the partial is one numpy array over places.
A delta is merged by whole columns; a key that is not here is fetched from the store, or starts as
zero. Each changed key is written once per commit, however often it changed.

Memory is bounded: past ``keys_max`` places, the ones that were not touched lately are given up (the
clock algorithm), clean ones only, since what is dirty lives nowhere else yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat

import numpy as np

from keyfold.view.aggregate import FAMILIES, Aggregate, zero
from keyfold.view.partial import PartialCodec

Fetch = Callable[[list[bytes]], list[bytes | None]]
_START = 1_024


class HotPartials:
    """The hot partials of one view. Not thread-safe.

    Attributes:
        dirty_count: How many keys have changed since the last ``take_dirty``.
    """

    def __init__(
        self, aggregates: Sequence[Aggregate], codec: PartialCodec, fetch: Fetch, keys_max: int
    ) -> None:
        """Make an empty cache.

        Args:
            aggregates: The view's aggregates, in order.
            codec: The codec of its partials.
            fetch: Reads stored partials by full key.
            keys_max: Places to keep; more only while more keys than this are dirty.
        """
        self._codec = codec
        self._fetch = fetch
        self._keys_max = keys_max
        self._families = []
        at = 0
        for aggregate in aggregates:
            width = len(aggregate.slots)
            self._families.append((slice(at, at + width), FAMILIES[aggregate.family].merge))
            at += width
        self.clear()

    def __len__(self) -> int:
        return len(self._places)

    def clear(self) -> None:
        """Forget everything, dirty keys too: the store's rows are what is left."""
        self._places: dict[bytes, int] = {}
        self._keys: list[bytes | None] = [None] * _START
        self._columns = zero(self._codec.slots, _START)
        self._dirty = np.zeros(_START, np.bool_)
        self._touched = np.zeros(_START, np.bool_)
        self._free = list(range(_START - 1, -1, -1))
        self._hand = 0
        self.dirty_count = 0

    def merge(self, keys: Sequence[bytes], delta: Sequence[np.ndarray]) -> None:
        """Merge a delta into the state.

        Args:
            keys: n different row keys, with the view's prefix.
            delta: One array of n values per slot.

        Raises:
            OverflowError: A merged value does not fit its slot; the cache must be cleared then.
        """
        # One pass in C: this line is run for every key of every batch.
        places = np.fromiter(map(self._places.get, keys, repeat(-1)), np.int64, len(keys))
        missing = np.flatnonzero(places < 0)
        if len(missing):
            # What is here must not be given up to make room for the rest of the same batch.
            self._mark_dirty(places[places >= 0])
            places[missing] = self._take_in([keys[i] for i in missing.tolist()])
        for slots, merge in self._families:
            state = self._columns[slots]
            merged = merge([column[places] for column in state], delta[slots])
            for column, values in zip(state, merged, strict=True):
                column[places] = values
        self._mark_dirty(places)
        self._touched[places] = True

    def take_dirty(self) -> tuple[list[bytes], list[bytes]]:
        """Return the changed keys and their encoded partials, which count as clean from now on."""
        places = np.flatnonzero(self._dirty)
        if not len(places):
            return [], []
        values = self._codec.encode([column[places] for column in self._columns])
        keys = [self._keys[place] for place in places.tolist()]
        self._dirty[places] = False
        self.dirty_count = 0
        return keys, values  # type: ignore[return-value]  # a dirty place has a key

    def forget(self, keys: Sequence[bytes]) -> None:
        """Drop keys whose rows are being deleted, with whatever is unsaved of them."""
        for key in keys:
            place = self._places.pop(key, None)
            if place is not None:
                if self._dirty[place]:
                    self._dirty[place] = False
                    self.dirty_count -= 1
                self._keys[place] = None
                self._free.append(place)

    def _mark_dirty(self, places: np.ndarray) -> None:
        self.dirty_count += len(places) - int(np.count_nonzero(self._dirty[places]))
        self._dirty[places] = True

    def _take_in(self, keys: list[bytes]) -> np.ndarray:
        """Give places to keys that are not here, with their stored partials or zero."""
        if len(self._free) < len(keys):
            self._make_room(len(keys))
        places = np.array([self._free.pop() for _ in keys], np.int64)
        stored = self._fetch(keys)
        found = [i for i, value in enumerate(stored) if value is not None]
        for column, empty in zip(self._columns, zero(self._codec.slots, 1), strict=True):
            column[places] = empty[0]
        if found:
            partials = self._codec.decode([stored[i] for i in found])  # type: ignore[misc]
            for column, values in zip(self._columns, partials, strict=True):
                column[places[found]] = values
        for key, place in zip(keys, places.tolist(), strict=True):
            self._places[key] = place
            self._keys[place] = key
        return places

    def _make_room(self, wanted: int) -> None:
        if len(self._keys) >= self._keys_max:
            self._give_up(max(wanted, self._keys_max // 8))
        if len(self._free) < wanted:
            self._grow(wanted)

    def _give_up(self, wanted: int) -> None:
        """Free clean places that were not touched since the hand last passed them."""
        n = len(self._keys)
        for _ in range(2):  # the first round takes the mark off, the second finds them unmarked
            order = np.roll(np.arange(n), -self._hand)
            idle = order[~(self._touched | self._dirty)[order]]
            victims = [place for place in idle.tolist() if self._keys[place] is not None][:wanted]
            for place in victims:
                del self._places[self._keys[place]]
                self._keys[place] = None
            self._free.extend(victims)
            wanted -= len(victims)
            if victims:
                self._hand = (victims[-1] + 1) % n
            if wanted <= 0:
                return
            self._touched[:] = False

    def _grow(self, wanted: int) -> None:
        old = len(self._keys)
        size = max(old * 2, old + wanted)
        if old < self._keys_max:
            size = max(min(size, self._keys_max), old + wanted)
        more = size - old
        self._columns = [
            np.concatenate([column, empty])
            for column, empty in zip(self._columns, zero(self._codec.slots, more), strict=True)
        ]
        self._dirty = np.concatenate([self._dirty, np.zeros(more, np.bool_)])
        self._touched = np.concatenate([self._touched, np.zeros(more, np.bool_)])
        self._keys.extend([None] * more)
        self._free.extend(range(size - 1, old - 1, -1))
