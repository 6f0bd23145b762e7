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

from collections.abc import Sequence

import numpy as np

_BITS = 4
_WORD_BYTES = 8


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
