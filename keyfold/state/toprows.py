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
    """Reads rows, given what reads groups."""

    def __init__(self, plan: ViewPlan, prefix: bytes, groups: Reads) -> None:
        self._rows = TopRows(plan)
        self._groups = groups
        self._begin = len(prefix)

    def get(self, key: bytes) -> bytes | None:
        """Return the partials of a row, or None."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the partials of each row in order, None where there is none."""
        groups = [self._group(key) for key in keys]
        stored = self._groups.get_many([self._rows.first(group) for group in groups])
        found: list[bytes | None] = []
        for key, group, value in zip(keys, groups, stored, strict=True):
            number = self._rows.number(key, len(group))
            row = None
            if value is not None and number is not None:
                row = self._rows.partial(value, number)
            found.append(row)
        return found

    def scan(self, start: bytes, end: bytes) -> Iterator[Pair]:
        """Yield (key, partials) with start <= key < end in key order, of one moment's state."""
        group = self._rows.group(start, self._begin)
        for first, value in self._groups.scan(start if group is None else group, end):
            group = self._group(first)
            for number, partials in enumerate(self._rows.partials(value), 1):
                key = self._rows.key(group, number)
                if start <= key < end:
                    yield key, partials

    def _group(self, key: bytes) -> bytes:
        group = self._rows.group(key, self._begin)
        assert group is not None, "a whole key has its number"
        return group
