"""The store: an ordered map from bytes to bytes with one atomic write. Two doors, one contract.

``Store`` is what the writer needs, ``Replica`` what a reader needs. tests/state/test_store.py runs
one contract over every implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from itertools import chain, islice
from typing import Protocol

Pair = tuple[bytes, bytes]
Page = tuple[list[bytes], list[bytes]]
"""The keys of some rows, and their values."""


def in_pages(pairs: Iterable[Pair], rows_max: int) -> Iterator[Page]:
    """Yield pairs as pages of at most ``rows_max`` rows, none of them empty.

    Each pair is let go at once, so that Python makes the next one where it lay.
    """
    flat = chain.from_iterable(pairs)
    while page := list(islice(flat, 2 * rows_max)):
        yield page[::2], page[1::2]


class Pairs(Sized, Iterable[Pair], Protocol):
    """How rows are written: a list of pairs, or what makes the pairs as they are asked for."""


class Reads(Protocol):
    """What the rows of a view are read by."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value, or None."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key in order, None where there is none."""

    def scan(self, start: bytes, end: bytes) -> Iterator[Pair]:
        """Yield (key, value) with start <= key < end in key order, of one moment's state."""


class Reader(Protocol):
    """Reading an ordered map. Not thread-safe."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value, or None."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key in order, None where there is none."""

    def scan(self, start: bytes, end: bytes, *, backwards: bool = False) -> Iterator[Pair]:
        """Yield (key, value) with start <= key < end in key order, of one moment's state."""

    def pages(self, start: bytes, end: bytes, rows_max: int) -> Iterator[Page]:
        """Yield what ``scan`` yields in pages of at most ``rows_max`` rows, none of them empty.

        For whoever reads all of it: faster by the row, and a scan of much leaves what others read
        in the store's cache. A replica must not be refreshed meanwhile.
        """

    def keys(self, start: bytes, end: bytes) -> Generator[bytes, bytes | None, None]:
        """Yield the keys of a scan; where a key is sent in, go on from that one.

        What is sent in must be greater than the last key that came.
        """

    def moment(self, end: bytes) -> Callable[[bytes], Iterator[Pair]]:
        """Return how to scan from a key to ``end``, again and again, over one moment's state.

        Of these scans only the last one that was begun may go on.
        """

    def approximate_sizes(self, spans: Sequence[Pair]) -> list[tuple[int, int]]:
        """Return about how many (rows, bytes) each (start, end) range has, without a scan.

        The spans should be all that there are: what several share is divided among them.
        """

    def close(self) -> None:
        """Release files and locks. Safe to call twice."""


class Store(Reader, Protocol):
    """The primary: the only one who writes."""

    def write(
        self,
        puts: Pairs,
        deletes: Sequence[bytes],
        ranges: Sequence[Pair],
        marker: Pair,
    ) -> None:
        """Apply everything in one atomic step, durable against the end of the process.

        Args:
            puts: Rows to write, each key at most once.
            deletes: Keys to delete, none of them among ``puts``.
            ranges: (start, end) ranges to delete, disjoint from ``puts``.
            marker: The commit record; written with the rest.
        """


class Replica(Reader, Protocol):
    """A reader in another process, or beside the writer in tests."""

    def refresh(self) -> None:
        """Move to the latest commit. Between calls the replica stands still."""
