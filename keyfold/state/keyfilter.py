"""Which keys may lie in the store: a Bloom filter that spares the writer reading for new keys.

``may_hold`` never says no to a key that was added; it says yes to others now and then. One 64-bit
word of the filter holds all bits of a key (a *blocked* filter: Putze, Sanders and Singler,
"Cache-, Hash- and Space-Efficient Bloom Filters", 2007), so a question is one access to memory.
With 16 bits a key, about one in a hundred absent keys is taken for one that may be there; with
more keys than that the answer is yes more often, and never wrong.

Hashes are Python's own of bytes: SipHash with a seed of this process, so nobody who sends events
can choose keys that collide.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

_BITS = 4
_WORD_BYTES = 8
_FILTER_SHARE = 8  # of the memory, the part that the filter takes


class KeyFilter:
    """A set of keys that is exact in its no. Not thread-safe."""

    def __init__(self, size_bytes: int) -> None:
        """Make an empty filter.

        Args:
            size_bytes: Its size, rounded down to a power of two; two bytes a key are plenty.
        """
        words = 1 << (max(1, size_bytes // _WORD_BYTES).bit_length() - 1)
        self._words = np.zeros(words, np.uint64)
        self._mask = np.uint64(words - 1)

    def add(self, keys: Sequence[bytes]) -> None:
        """Put keys in."""
        places, bits = self._of(keys)
        np.bitwise_or.at(self._words, places, bits)

    def may_hold(self, keys: Sequence[bytes]) -> np.ndarray:
        """Return bool[n]: False where a key was certainly never added."""
        places, bits = self._of(keys)
        held: np.ndarray = (self._words[places] & bits) == bits
        return held

    def _of(self, keys: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """The word of each key, and its bits in that word."""
        hashes = np.fromiter(map(hash, keys), np.int64, len(keys)).view(np.uint64)
        bits = np.zeros(len(keys), np.uint64)
        for i in range(_BITS):
            bits |= np.uint64(1) << ((hashes >> np.uint64(6 * i)) & np.uint64(63))
        places = (hashes >> np.uint64(6 * _BITS)) & self._mask
        return places.view(np.int64), bits


class GivenUp:
    """Which keys may lie in the store and not in a bounded memory. Not thread-safe.

    Attributes:
        kept_bytes: What the filter leaves of the memory for the keys that are kept.
    """

    def __init__(self, bytes_max: int, *, store_empty: bool) -> None:
        """Begin with none.

        Args:
            bytes_max: The memory, of which the filter takes its share once there is one.
            store_empty: The store has no such key, so what will be there is told here.
        """
        self._filter_bytes = bytes_max // _FILTER_SHARE
        self.kept_bytes = bytes_max - self._filter_bytes
        self._all_known = store_empty
        self._filter: KeyFilter | None = None

    def clear(self) -> None:
        """Know nothing any more: any key may lie in the store."""
        self._all_known, self._filter = False, None

    def add(self, keys: Collection[bytes]) -> None:
        """Let go of keys."""
        if self._all_known and keys:
            if self._filter is None:
                self._filter = KeyFilter(self._filter_bytes)
            self._filter.add(list(keys))

    def may_hold(self, keys: Sequence[bytes]) -> np.ndarray:
        """Return bool[n]: False where a key that is not in memory is not in the store either."""
        if not self._all_known:
            return np.ones(len(keys), np.bool_)
        if self._filter is None:
            return np.zeros(len(keys), np.bool_)
        return self._filter.may_hold(keys)
