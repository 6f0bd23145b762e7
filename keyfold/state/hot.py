"""Hot partials: the part of a view's state that the writer keeps in memory, in columns.

A dictionary gives each row key a place; each slot of the partial is one numpy array over places.
A delta is merged by whole columns; a key that is not here is fetched from the store, or starts as
zero. Each changed key is written once per commit, however often it changed, and in key order:
RocksDB takes sorted keys into its memtable ten times faster than shuffled ones.

Memory is bounded: past ``bytes_max``, the places that were not touched lately are given up (the
clock algorithm), clean ones only, since what is dirty lives nowhere else yet. Where all rows of a
view passed through here, a filter remembers which were given up, so that a new key need not be
looked for in the store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import repeat

import numpy as np

from keyfold.state.keyfilter import GivenUp
from keyfold.view.aggregate import Aggregate, slot_merges
from keyfold.view.family.law import zero
from keyfold.view.partial import PartialCodec

Fetch = Callable[[list[bytes]], list[bytes | None]]
KEYS_MIN = 10_000
_START = 1_024
_ENTRY_BYTES = 240  # a key's object, its dictionary entry and its place, measured in CPython 3.11
_SAMPLE = 512


class HotPartials:
    """The hot partials of one view. Not thread-safe.

    Attributes:
        dirty_count: How many keys have changed since the last ``take_dirty``.
    """

    def __init__(
        self,
        aggregates: Sequence[Aggregate],
        codec: PartialCodec,
        fetch: Fetch,
        bytes_max: int,
        *,
        store_empty: bool = False,
        keys_min: int = KEYS_MIN,
    ) -> None:
        """Make an empty cache.

        Args:
            aggregates: The view's aggregates, in order.
            codec: The codec of its partials.
            fetch: Reads stored partials by full key.
            bytes_max: Memory to keep to; more only while more than fits is dirty.
            store_empty: The store has no row of the view, so what is there comes from here.
            keys_min: Places that are kept however small ``bytes_max`` is.
        """
        self._codec = codec
        self._fetch = fetch
        self._given_up = GivenUp(bytes_max, store_empty=store_empty)
        self._keys_min = keys_min
        self._merges = slot_merges(aggregates)
        self._begin()

    def __len__(self) -> int:
        return len(self._places)

    def clear(self) -> None:
        """Forget everything, dirty keys too: the store's rows are what is left."""
        self._given_up.clear()
        self._begin()

    def _begin(self) -> None:
        self._places: dict[bytes, int] = {}
        self._keys = np.full(_START, None, object)
        self._columns = zero(self._codec.slots, _START)
        self._dirty = np.zeros(_START, np.bool_)
        self._touched = np.zeros(_START, np.bool_)
        self._used = np.zeros(_START, np.bool_)
        # The free places are the first ``_free_count`` here; they are handed out from the end.
        self._free = np.arange(_START - 1, -1, -1)
        self._free_count = _START
        self._order: np.ndarray | None = None  # of all used places, until another key comes or goes
        self._hand = 0
        self._bound = self._keys_min  # how many keys fit, as last found
        self.dirty_count = 0

    def merge(self, keys: Sequence[bytes], delta: Sequence[np.ndarray]) -> None:
        """Merge a delta into the state.

        Args:
            keys: n different row keys, with the view's prefix.
            delta: One array of n values per slot.

        Raises:
            OverflowError: A merged value does not fit its slot; the cache must be cleared then.
        """
        places = self._places_of(keys)
        for slots, merge in self._merges:
            state = self._columns[slots]
            merged = merge([column[places] for column in state], delta[slots])
            for column, values in zip(state, merged, strict=True):
                column[places] = values
        self._mark_dirty(places)
        self._touched[places] = True

    def take_out(self, keys: Sequence[bytes]) -> list[np.ndarray]:
        """Return the partials of keys whose rows are being deleted, and drop them.

        Args:
            keys: n different row keys, with the view's prefix.

        Returns:
            One array of n values per slot.
        """
        places = self._places_of(keys)
        columns = [column[places] for column in self._columns]
        self.forget(keys)
        return columns

    def _places_of(self, keys: Sequence[bytes]) -> np.ndarray:
        """Return the places of keys, which get one if they have none."""
        # One pass in C: this line is run for every key of every batch.
        places = np.fromiter(map(self._places.get, keys, repeat(-1)), np.int64, len(keys))
        missing = np.flatnonzero(places < 0)
        if len(missing):
            # What is here must not be given up to make room for the rest of the same batch.
            self._mark_dirty(places[places >= 0])
            wanted = (
                list(keys) if len(missing) == len(keys) else [keys[i] for i in missing.tolist()]
            )
            places[missing] = self._take_in(wanted)
        return places

    def take_dirty(self) -> tuple[list[bytes], list[bytes]]:
        """Return the changed keys in order and their encoded partials; they count as clean now."""
        places = np.flatnonzero(self._dirty)
        if not len(places):
            return [], []
        places = self._in_order(places)
        self._dirty[places] = False
        self.dirty_count = 0
        values = self._codec.encode([column[places] for column in self._columns])
        return self._keys[places].tolist(), values

    def _in_order(self, places: np.ndarray) -> np.ndarray:
        """Return dirty places in the order of their keys."""
        most = 2 * len(places) > len(self._places)
        if self._order is None and most:
            # Where most keys change with every commit, they are sorted once for many commits.
            self._order = self._sorted(np.flatnonzero(self._used))
        if self._order is None:
            return self._sorted(places)
        changed: np.ndarray = self._order[self._dirty[self._order]]
        return changed

    def _sorted(self, places: np.ndarray) -> np.ndarray:
        keys = self._keys[places].tolist()
        in_order: np.ndarray = places[sorted(range(len(keys)), key=keys.__getitem__)]
        return in_order

    def unchanged(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return those of some keys that the next ``take_dirty`` leaves out."""
        places, dirty = self._places, self._dirty
        return [key for key in keys if (place := places.get(key)) is None or not dirty[place]]

    def forget(self, keys: Sequence[bytes]) -> None:
        """Drop keys whose rows are being deleted, with whatever is unsaved of them."""
        found = [key for key in keys if key in self._places]
        if not found:
            return
        # Until the deletion is committed their rows are in the store.
        self._given_up.add(found)
        places = np.array([self._places.pop(key) for key in found], np.int64)
        self.dirty_count -= int(np.count_nonzero(self._dirty[places]))
        self._dirty[places] = False
        self._release(places)

    def _mark_dirty(self, places: np.ndarray) -> None:
        self.dirty_count += len(places) - int(np.count_nonzero(self._dirty[places]))
        self._dirty[places] = True

    def _take_in(self, keys: list[bytes]) -> np.ndarray:
        """Give places to keys that are not here, with their stored partials or zero."""
        n = len(keys)
        if self._free_count < n or len(self._places) + n > self._bound:
            self._make_room(n)
        places = self._free[self._free_count - n : self._free_count][::-1].copy()
        self._free_count -= n
        for column, empty in zip(self._columns, zero(self._codec.slots, 1), strict=True):
            column[places] = empty[0]
        looked_for = np.flatnonzero(self._given_up.may_hold(keys))
        if len(looked_for):
            stored = self._fetch([keys[i] for i in looked_for])
            found = [i for i, value in enumerate(stored) if value is not None]
            if found:
                partials = self._codec.decode([stored[i] for i in found])  # type: ignore[misc]
                here = places[looked_for[found]]
                for column, values in zip(self._columns, partials, strict=True):
                    column[here] = values
        self._places.update(zip(keys, places.tolist(), strict=True))
        self._keys[places] = keys
        self._used[places] = True
        self._order = None
        return places

    def _release(self, places: np.ndarray) -> None:
        self._keys[places] = None
        self._used[places] = False
        self._order = None
        self._touched[places] = False
        n = len(places)
        self._free[self._free_count : self._free_count + n] = places[::-1]
        self._free_count += n

    def _make_room(self, wanted: int) -> None:
        self._bound = keys_max = self._keys_max()
        # More than fits may have been dirty at once, or texts have grown: back to the bound.
        over = len(self._places) + wanted - keys_max
        if over > 0:
            self._give_up(max(over, keys_max // 8))
        if self._free_count < wanted:
            self._grow(wanted, keys_max)

    def _keys_max(self) -> int:
        """How many keys fit, by the length of those that are here and of their texts."""
        entry_bytes = _ENTRY_BYTES + self._codec.width
        used = np.flatnonzero(self._used)
        if len(used):
            sample = used[:: max(1, len(used) // _SAMPLE)]
            texts = [self._keys[sample]]
            texts += [self._columns[i][sample] for i in self._codec.text_slots]
            # A text in a slot is an object of its own, and its head counts too.
            size = sum(len(text) + 33 for column in texts for text in column if text is not None)
            entry_bytes += size // len(sample) - 33
        return max(self._keys_min, self._given_up.kept_bytes // entry_bytes)

    def _give_up(self, wanted: int) -> None:
        """Free clean places that were not touched since the hand last passed them."""
        n = len(self._keys)
        for _ in range(2):  # the first round takes the mark off, the second finds them unmarked
            idle = np.flatnonzero(self._used & ~self._touched & ~self._dirty)
            # Beginning where the hand stands.
            idle = np.roll(idle, -int(np.searchsorted(idle, self._hand)))
            victims = idle[:wanted]
            if len(victims):
                keys = self._keys[victims].tolist()
                self._given_up.add(keys)
                deque(map(self._places.pop, keys), maxlen=0)
                self._release(victims)
                self._hand = (int(victims[-1]) + 1) % n
            wanted -= len(victims)
            if wanted <= 0:
                return
            self._touched[:] = False

    def _grow(self, wanted: int, keys_max: int) -> None:
        old = len(self._keys)
        size = max(old + old // 2, old + wanted)
        if old < keys_max:
            size = max(min(size, keys_max), old + wanted)
        more = size - old
        self._columns = [
            np.concatenate([column, empty])
            for column, empty in zip(self._columns, zero(self._codec.slots, more), strict=True)
        ]
        none = np.zeros(more, np.bool_)
        self._dirty = np.concatenate([self._dirty, none])
        self._touched = np.concatenate([self._touched, none])
        self._used = np.concatenate([self._used, none])
        self._keys = np.concatenate([self._keys, np.full(more, None, object)])
        free = np.empty(size, np.int64)
        free[: self._free_count] = self._free[: self._free_count]
        free[self._free_count : self._free_count + more] = np.arange(size - 1, old - 1, -1)
        self._free = free
        self._free_count += more
