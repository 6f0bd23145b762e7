"""The store in memory: for tests of everything above it, and the reference for the contract."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Generator, Iterator, Sequence

from keyfold.state.protocol import Page, Pair, Pairs, in_pages


class MemoryStore:
    """An ordered map in memory; copies itself on scan, so a scan sees one moment's state."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        """Return the value, or None."""
        return self._values.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key in order, None where there is none."""
        return [self._values.get(key) for key in keys]

    def scan(self, start: bytes, end: bytes, *, backwards: bool = False) -> Iterator[Pair]:
        """Yield (key, value) with start <= key < end in key order."""
        keys = self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, end)]
        return iter([(key, self._values[key]) for key in (reversed(keys) if backwards else keys)])

    def pages(self, start: bytes, end: bytes, rows_max: int) -> Iterator[Page]:
        """Yield what ``scan`` yields in pages of at most ``rows_max`` rows, none of them empty."""
        return in_pages(self.scan(start, end), rows_max)

    def keys(self, start: bytes, end: bytes) -> Generator[bytes, bytes | None, None]:
        """Yield the keys of a scan; where a key is sent in, go on from that one."""
        keys = self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, end)]
        at = 0
        while at < len(keys):
            target = yield keys[at]
            at = at + 1 if target is None else bisect_left(keys, target)

    def moment(self, end: bytes) -> Callable[[bytes], Iterator[Pair]]:
        """Return how to scan from a key to ``end`` over one moment's state."""
        keys, values = self._keys[: bisect_left(self._keys, end)], dict(self._values)

        def scan(start: bytes) -> Iterator[Pair]:
            return (
                (keys[at], values[keys[at]]) for at in range(bisect_left(keys, start), len(keys))
            )

        return scan

    def approximate_sizes(self, spans: Sequence[Pair]) -> list[tuple[int, int]]:
        """Return how many (rows, bytes) each (start, end) range has."""
        pairs = [list(self.scan(*span)) for span in spans]
        return [(len(one), sum(len(key) + len(value) for key, value in one)) for one in pairs]

    def write(
        self,
        puts: Pairs,
        deletes: Sequence[bytes],
        ranges: Sequence[Pair],
        marker: Pair,
    ) -> None:
        """Apply everything at once."""
        for start, end in ranges:
            for key, _ in list(self.scan(start, end)):
                self._remove(key)
        for key in deletes:
            self._remove(key)
        for key, value in [*puts, marker]:
            if key not in self._values:
                insort(self._keys, key)
            self._values[key] = value

    def refresh(self) -> None:
        """Do nothing: the writer's memory is the reader's."""

    def close(self) -> None:
        """Do nothing: the contents stay, as they would on disk."""

    def _remove(self, key: bytes) -> None:
        if self._values.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]
