"""Reading a view whose groups have several rows (keyfold/view/toprows.py), as if each were stored.

A scan begins with the group that its first key is in, since that lies under the key of its first
row, and leaves out what stands before that key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keyfold.state.protocol import Pair, Reads
from keyfold.view.plan import ViewPlan
from keyfold.view.toprows import TopRows


class TopRowReads:
    """Reads rows.

    Attributes:
        groups: What reads the groups.
    """

    def __init__(self, plan: ViewPlan, prefix: bytes, groups: Reads) -> None:
        self.groups = groups
        self._rows = TopRows(plan)
        self._begin = len(prefix)

    def get(self, key: bytes) -> bytes | None:
        """Return the partials of a row, or None."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the partials of each row in order, None where there is none."""
        return self.taken(keys, self.groups.get_many(self.stored_keys(keys)))

    def stored_keys(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return the keys that the groups of rows are stored under."""
        return [self._rows.first(self._group(key)) for key in keys]

    def taken(self, keys: Sequence[bytes], groups: Sequence[bytes | None]) -> list[bytes | None]:
        """Return the partials of each row, given what is stored of its group."""
        found: list[bytes | None] = []
        for key, stored in zip(keys, groups, strict=True):
            number = self._rows.number(key, len(self._group(key)))
            row = None
            if stored is not None and number is not None:
                row = self._rows.partial(stored, number)
            found.append(row)
        return found

    def scan(self, start: bytes, end: bytes) -> Iterator[Pair]:
        """Yield (key, partials) with start <= key < end in key order, of one moment's state."""
        group = self._rows.group(start, self._begin)
        for first, value in self.groups.scan(start if group is None else group, end):
            group = self._group(first)
            for number, partials in enumerate(self._rows.partials(value), 1):
                key = self._rows.key(group, number)
                if start <= key < end:
                    yield key, partials

    def _group(self, key: bytes) -> bytes:
        group = self._rows.group(key, self._begin)
        assert group is not None, "a whole key has its number"
        return group
