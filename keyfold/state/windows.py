"""Reading a view whose windows are kept as panes (keyfold/view/pane.py), as if they were rows.

Keys go in and come out as if every window had its row; see keyfold/state/reads.py.

A scan goes through one iterator of the store, so all of it is of one moment. The rows of a *group*
(the key columns before the window) lie pane by pane. Small panes are kept while a window needs
them, each read once; of large ones, pieces are read and merged by key. Memory is bounded by
``PANE_ROWS`` per pane of a window.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice, repeat

from keyfold.state.protocol import Pair, Reader
from keyfold.view.pane import Folding, Panes
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import NULL, encode_value, prefix_end
from keyfold.view.tiles import BEFORE, OWN, TileReading, Tiles
from keyfold.view.types import Physical

PANE_ROWS = 256
"""Rows of a pane that are held; of a larger pane, so many at a time."""
_FOLD_MIN, _FOLD_MAX = 64, 2_048
"""Partials that are merged in one go: few at first, since a page may want one row only, and never
so many that other requests would notice."""
_TURN_PANES = 512
"""Panes that are looked for before other requests get their turn: about a millisecond."""
_TAG_MAX = NULL[0]
_AFTER_TAGS = bytes([_TAG_MAX + 1])
_Scan = Callable[[bytes], Iterator[Pair]]
_Part = tuple[bytes, int]
"""A stored partial, and what its pane is to the window."""


class PanedReads:
    """Reads windows, given what reads panes."""

    def __init__(self, plan: ViewPlan, prefix: bytes, store: Reader) -> None:
        self._panes = Panes(plan)
        tiles = Tiles(plan) if plan.tiled else None
        # Where windows are made of two tiles, panes before a window have a say in it.
        self._tiles = tiles if tiles is not None and tiles.hops else None
        self._plain = Folding(plan).fold
        self._reading = TileReading(plan).fold if self._tiles is not None else None
        self._store = store
        self._begin = len(prefix)
        self._end = prefix_end(prefix)

    def get(self, key: bytes) -> bytes | None:
        """Return the partials of a row, or None."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the partials of each row in order, None where there is none."""
        stored = [self._stored_keys(key) for key in keys]
        found = iter(self._store.get_many([one for group in stored for one, _ in group]))
        return self._folded(
            [
                [
                    (value, role)
                    for (_, role), value in zip(group, islice(found, len(group)), strict=True)
                    if value is not None
                ]
                for group in stored
            ]
        )

    def _folded(self, groups: Sequence[list[_Part]]) -> list[bytes | None]:
        """Merge the partials of each row; None where it has none."""
        there = [any(role != BEFORE for _, role in group) for group in groups]
        merged = iter(self._fold([one for one, known in zip(groups, there, strict=True) if known]))
        return [next(merged) if known else None for known in there]

    def _fold(self, groups: Sequence[Sequence[_Part]]) -> list[bytes]:
        """Merge the partials of each row, of which it has one or more."""
        values = [[value for value, _ in group] for group in groups]
        if self._reading is None:
            return self._plain(values)
        return self._reading(values, [[role for _, role in group] for group in groups])

    def in_turns(self, keys: Sequence[bytes]) -> Iterator[list[bytes | None]]:
        """Yield what ``get_many`` returns, in lists that each take about a millisecond to make."""
        scan = self._store.moment(self._end)
        groups: list[list[_Part]] = []
        looked = 0
        for key in keys:
            stored = self._stored_keys(key)
            groups.append(_among(scan, stored))
            looked += len(stored) + 1
            if looked >= _TURN_PANES:
                yield self._folded(groups)
                groups, looked = [], 0
        yield self._folded(groups)

    def scan(self, start: bytes, end: bytes) -> Iterator[Pair]:
        """Yield (key, partials) with start <= key < end in key order, of one moment's state."""
        scan = self._store.moment(self._end)
        keys: list[bytes] = []
        groups: list[list[_Part]] = []
        most, held = _FOLD_MIN, 0
        for key, partials in self._windows(scan, start, end):
            if key >= end:
                break
            keys.append(key)
            groups.append(partials)
            held += len(partials)
            if held >= most:
                yield from zip(keys, self._fold(groups), strict=True)
                keys, groups, held, most = [], [], 0, min(2 * most, _FOLD_MAX)
        yield from zip(keys, self._fold(groups), strict=True)

    def _stored_keys(self, key: bytes) -> list[tuple[bytes, int]]:
        """The keys and roles of the panes of one row, in order; none where it is no window."""
        panes = self._panes
        at = panes.place(key, self._begin)
        assert at is not None, "a whole key has its window"
        bound = panes.bound(key, at)
        if bound is None:
            return [(key, OWN)]
        if not panes.is_window(bound) or panes.moved(key, self._begin, at, bound) != key:
            return []
        of, role = panes.of(bound), _roles(self._tiles, bound)
        if self._tiles is not None:
            first = panes.first_from(self._tiles.first_pane(bound))
            of = [*range(first, bound, panes.step), *of]
        return [(panes.moved(key, self._begin, at, pane), role(pane)) for pane in of]

    def _windows(
        self, scan: _Scan, start: bytes, end: bytes
    ) -> Iterator[tuple[bytes, list[_Part]]]:
        """Yield (row key, its partials in the order of their panes) of all rows from a key on.

        Rows from ``end`` on may follow, but no window that begins there is put together.
        """
        while start < end and (group := self._next_group(scan, start)) is not None:
            yield from _Group(self._panes, self._tiles, scan, group, self._begin).rows(start, end)
            start = max(start, group + _AFTER_TAGS)

    def _next_group(self, scan: _Scan, start: bytes) -> bytes | None:
        """The first group that may have rows at or after a key."""
        at = self._panes.place(start, self._begin)
        if at is not None:
            return start[:at]  # a window of it may begin before its first pane
        pair = next(scan(start), None)
        if pair is None:
            return None
        at = self._panes.place(pair[0], self._begin)
        assert at is not None, "a whole key has its window"
        return pair[0][:at]


def _roles(tiles: Tiles | None, window: int) -> Callable[[int], int]:
    """Return what says of a pane what it is to a window."""
    if tiles is None:
        return lambda _: OWN
    return partial(tiles.role, window)


def _among(scan: _Scan, keys: Sequence[tuple[bytes, int]]) -> list[_Part]:
    """Return the values, with their roles, of those of some keys, in order, that are there."""
    found: list[_Part] = []
    pairs: Iterator[Pair] | None = None
    pair: Pair | None = None
    for key, role in keys:
        if pairs is None or (pair is not None and pair[0] < key):
            pairs = scan(key)
            pair = next(pairs, None)
        if pair is not None and pair[0] == key:
            found.append((pair[1], role))
            pair = next(pairs, None)
    return found


class _Group:
    """The rows of one group of a scan, window by window."""

    def __init__(
        self, panes: Panes, tiles: Tiles | None, scan: _Scan, group: bytes, begin: int
    ) -> None:
        self._panes = panes
        self._tiles = tiles
        self._scan = scan
        self._group = group
        self._at = len(group)
        self._begin = begin
        # Pane → its rows by their common key, None where they are too many to be held.
        self._held: dict[int, list[Pair] | None] = {}
        self._next: int | None = None

    def rows(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, list[_Part]]]:
        """Yield (row key, its partials in the order of their panes) from a key on.

        No window that begins at or after ``end`` is put together.
        """
        panes, at = self._panes, self._at
        window = None
        if start.startswith(self._group) and panes.place(start, self._begin) == at:
            from_bound = panes.bound(start, at)
            if from_bound is None:
                yield from self._without_window(start)
                return
            window = panes.first_from(from_bound)
        window = self._begin_at(window)
        while window is not None and self._key(window) < end:
            self._hold(panes.last_pane(window))
            yield from self._window(window, start)
            window = self._next_from(window + panes.step)
        yield from self._without_window(start)

    def _begin_at(self, window: int | None) -> int | None:
        """The first window that has rows, of all or from one on; its first pane is the next one."""
        if window is None:
            self._look(self._group)
            return self._next_from(None)
        if self._tiles is not None:
            # Panes before a window may be many, and make none without one of its own.
            self._look(self._key(window))
            if self._next is None:
                return None
            window = max(window, self._panes.first_window(self._next))
        self._look(self._key(self._first_pane(window)))
        return self._next_from(window)

    def _next_from(self, window: int | None) -> int | None:
        """The first window that has rows, of all or from one on; lets go of panes before it."""
        if window is not None:
            self._let_go(window)
            # The panes of a tile are held to its end, also where all that is left lies before.
            if self._held and (self._tiles is None or next(reversed(self._held)) >= window):
                return window
        if self._next is None:
            return None
        first = self._panes.first_window(self._next)
        window = first if window is None else max(window, first)
        self._let_go(window)
        return window

    def _let_go(self, window: int) -> None:
        """Forget the panes that have no say in a window, nor in any after it."""
        first_pane = self._first_pane(window)
        for pane in [pane for pane in self._held if pane < first_pane]:
            del self._held[pane]

    def _first_pane(self, window: int) -> int:
        """The first pane that has a say in a window."""
        return (self._tiles or self._panes).first_pane(window)

    def _key(self, bound: int) -> bytes:
        return self._group + encode_value(Physical.I64, bound)

    def _look(self, key: bytes) -> None:
        """Find the next pane of the group at or after a key."""
        found = next(self._scan(key), None)
        inside = found is not None and self._inside(found[0])
        self._next = self._panes.bound(found[0], self._at) if found and inside else None

    def _inside(self, key: bytes) -> bool:
        # No tag follows where a text goes on after what looks like its end.
        return key.startswith(self._group) and key[self._at] <= _TAG_MAX

    def _hold(self, last_pane: int) -> None:
        """Read the panes up to one: whole where they are small."""
        while self._next is not None and self._next <= last_pane:
            pane, head = self._next, self._key(self._next)
            rows: list[Pair] = []
            self._next = None
            for pair in self._scan(head):
                if not pair[0].startswith(head):
                    if not self._inside(pair[0]):
                        break
                    following = self._panes.bound(pair[0], self._at)
                    if following is None or following > last_pane:
                        self._next = following
                        break
                    self._held[pane] = rows
                    pane, head, rows = following, self._key(following), []
                rows.append((self._common(pair[0]), pair[1]))
                if len(rows) > PANE_ROWS:
                    self._look(head + _AFTER_TAGS)
                    break
            self._held[pane] = rows if len(rows) <= PANE_ROWS else None

    def _window(self, window: int, start: bytes) -> Iterator[tuple[bytes, list[_Part]]]:
        """Yield the rows of a window: those of its panes, by the key that they have in common."""
        whole = None not in self._held.values()
        for key, parts in self._whole(window) if whole else self._in_pieces(window, start):
            if self._tiles is not None and all(role == BEFORE for _, role in parts):
                continue
            moved = self._panes.moved(key, self._begin, self._at, window)
            if moved >= start:
                yield moved, parts

    def _whole(self, window: int) -> Iterator[tuple[bytes, list[_Part]]]:
        merged: dict[bytes, list[_Part]] = {}
        role_of = _roles(self._tiles, window)
        for pane, rows in self._held.items():
            role = role_of(pane)
            for key, value in rows or ():
                merged.setdefault(key, []).append((value, role))
        return ((key, merged[key]) for key in sorted(merged))

    def _in_pieces(self, window: int, start: bytes) -> Iterator[tuple[bytes, list[_Part]]]:
        role_of = _roles(self._tiles, window)
        streams = [
            zip(rows or self._pieces(pane, window, start), repeat(role_of(pane)))
            for pane, rows in self._held.items()
        ]
        # Of equal keys, heapq.merge takes the earlier stream first.
        for key, parts in groupby(heapq.merge(*streams, key=_key_of), _key_of):
            yield key, [(value, role) for (_, value), role in parts]

    def _pieces(self, pane: int, window: int, start: bytes) -> Iterator[Pair]:
        """Yield the rows of a large pane, piece by piece: other panes are read in between."""
        head = self._key(pane)
        key = head
        if start.startswith(self._key(window)):
            key = max(head, self._panes.moved(start, self._begin, self._at, pane))
        while piece := [
            pair for pair in islice(self._scan(key), PANE_ROWS) if pair[0].startswith(head)
        ]:
            yield from ((self._common(key), value) for key, value in piece)
            key = piece[-1][0] + b"\0"

    def _common(self, key: bytes) -> bytes:
        """The key that a row has in all panes: that of window 0."""
        return self._panes.moved(key, self._begin, self._at, 0)

    def _without_window(self, start: bytes) -> Iterator[tuple[bytes, list[_Part]]]:
        """Yield the rows whose time is NULL; they stand behind all windows."""
        head = self._group + NULL
        for key, value in self._scan(max(head, start)):
            if not key.startswith(head):
                return
            yield key, [(value, OWN)]


def _key_of(one: tuple[Pair, int]) -> bytes:
    return one[0][0]
