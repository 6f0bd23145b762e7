"""Different values as the writer keeps them: what a batch's members count in the rows of a view.

Which values a batch has says DuckDB; which of them count, and where, depends on what is there
already. There are three ways, by the windows of the view: a set per row (``RowValues``), a set per
tile of rows (``TileValues``, keyfold/view/tiles.py), and sets that move with sessions
(keyfold/state/sessionvalues.py).

A row that has expired goes with its members, and they are not taken out of memory here: nothing is
counted in such a row again that anybody could see.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from keyfold.state.layout import MEMBERS, members_span
from keyfold.state.protocol import Pair
from keyfold.state.seen import Fetch, SeenValues
from keyfold.state.spans import SeenSpans
from keyfold.view.distinct import DistinctFold, Members
from keyfold.view.family.law import zero
from keyfold.view.plan import ViewPlan
from keyfold.view.tiles import Changes, Span, TileFold, Tiles

_SETS_AT = len(MEMBERS)


class DifferentValues(Protocol):
    """The members of one view's sets. Not thread-safe."""

    @property
    def new_count(self) -> int:
        """How many members the next commit writes."""

    def clear(self) -> None:
        """Forget everything: the members in the store are what is left."""

    def take_new(self) -> tuple[list[bytes], list[bytes]]:
        """Return the members to write, in key order, and their values; they count as written."""

    def gone_with(self, row_key: bytes) -> Pair:
        """Return the range of the members that are deleted with a row."""


class Counting(DifferentValues, Protocol):
    """Those of rows that stay where they are."""

    def count(
        self, keys: Sequence[bytes], delta: Sequence[np.ndarray], found: Sequence[Members]
    ) -> tuple[Sequence[bytes], Sequence[np.ndarray]]:
        """Return a delta with what its members count, perhaps of more rows.

        Args:
            keys: n different row keys, with the view's prefix.
            delta: One array of n values per slot.
            found: The members in the delta of each of the view's sets.

        Raises:
            OverflowError: A sum does not fit its slot; ``clear`` is due then.
        """


class RowValues:
    """A set per row: each member is new once."""

    def __init__(self, plan: ViewPlan, seen: SeenValues) -> None:
        self._seen = seen
        self._fold = DistinctFold(plan.aggregates)

    @property
    def new_count(self) -> int:
        """How many members the next commit writes."""
        return self._seen.new_count

    def clear(self) -> None:
        """Forget everything."""
        self._seen.clear()

    def count(
        self, keys: Sequence[bytes], delta: Sequence[np.ndarray], found: Sequence[Members]
    ) -> tuple[Sequence[bytes], Sequence[np.ndarray]]:
        """Return the same rows, with what is new."""
        new = [self._seen.add(one.keys) for one in found]
        return keys, self._fold.apply(delta, found, new, len(keys))

    def take_new(self) -> tuple[list[bytes], list[bytes]]:
        """Return the new members."""
        new = self._seen.take_new()
        return new, [b""] * len(new)

    def gone_with(self, row_key: bytes) -> Pair:
        """Return the range of the sets of a row."""
        return members_span(row_key)


class TileValues:
    """A set per tile: a member counts in the panes that ``Tiles.shares`` says."""

    def __init__(self, plan: ViewPlan, prefix: bytes, spans: SeenSpans) -> None:
        self._slots = plan.slots
        self._begin = len(prefix)
        self._spans = spans
        self._tiles = Tiles(plan)
        self._fold = TileFold(plan.aggregates)

    @property
    def new_count(self) -> int:
        """How many members the next commit writes."""
        return self._spans.changed_count

    def clear(self) -> None:
        """Forget everything."""
        self._spans.clear()

    def count(
        self, keys: Sequence[bytes], delta: Sequence[np.ndarray], found: Sequence[Members]
    ) -> tuple[Sequence[bytes], Sequence[np.ndarray]]:
        """Return the rows with what counts in them now, and other panes where it no longer does."""
        rows = {key: row for row, key in enumerate(keys)}
        changes = [self._changes(keys, rows, one) for one in found]
        more = len(rows) - len(keys)
        if more:
            delta = [
                np.concatenate([column, empty])
                for column, empty in zip(delta, zero(self._slots, more), strict=True)
            ]
        return list(rows), self._fold.apply(delta, found, changes, len(rows))

    def take_new(self) -> tuple[list[bytes], list[bytes]]:
        """Return the members that are in other panes than they were."""
        return self._spans.take_changed()

    def gone_with(self, row_key: bytes) -> Pair:
        """Return the range of the sets of a row's tile, which expires as a whole."""
        return members_span(self._tiles.sets_key(row_key, self._begin))

    def _changes(self, keys: Sequence[bytes], rows: dict[bytes, int], found: Members) -> Changes:
        """Say what the members of one set count in other ways than they did."""
        spans, tiles, hops = self._spans, self._tiles, self._tiles.hops
        places = [tiles.place(key, self._begin) for key in keys]
        of_rows = found.rows.tolist()
        moved = []
        for at, key in enumerate(found.keys):
            span, (_, place) = spans.get(key), places[of_rows[at]]
            if span is None or place < span[0] or (hops and place > span[1]):
                moved.append(at)
        heads = {
            row: self._beside(keys[row], places[row][0]) if hops else (None, None)
            for row in {of_rows[at] for at in moved}
        }
        beside = {at: self._neighbours(keys, of_rows[at], found.keys[at], heads) for at in moved}
        wanted = [found.keys[at] for at in moved]
        wanted += [key for both in beside.values() for key in both if key is not None]
        spans.load(wanted)
        changes = Changes()
        for at in moved:
            row, key, (before, after) = of_rows[at], found.keys[at], beside[at]
            old, (tile, place) = spans.get(key), places[row]
            new = (place, place) if old is None else (min(old[0], place), max(old[1], place))
            if new == old:
                continue
            spans.put(key, new)
            around = (_span(spans, before), _span(spans, after))
            counted = tiles.shares(around[0], new, around[1])
            counted.subtract(tiles.shares(around[0], old, around[1]))
            for (by, at_place, role), sign in counted.items():
                if sign:
                    pane = keys[row]
                    if tile is not None:
                        pane = tiles.key(pane, self._begin, tile + by, at_place)
                    changes.add(rows.setdefault(pane, len(rows)), role, sign, at)
        return changes

    def _beside(self, key: bytes, tile: int | None) -> tuple[bytes | None, bytes | None]:
        """The keys that the sets of the tiles before and after lie under."""
        if tile is None:
            return None, None
        both = (self._tiles.beside(tile, -1), self._tiles.beside(tile, 1))
        before, after = (
            None if one is None else MEMBERS + self._tiles.key(key, self._begin, one)
            for one in both
        )
        return before, after

    def _neighbours(
        self,
        keys: Sequence[bytes],
        row: int,
        member: bytes,
        heads: dict[int, tuple[bytes | None, bytes | None]],
    ) -> tuple[bytes | None, bytes | None]:
        """The same member in the tiles before and after."""
        rest = member[_SETS_AT + len(keys[row]) :]
        before, after = heads[row]
        return before and before + rest, after and after + rest


def _span(spans: SeenSpans, key: bytes | None) -> Span | None:
    return spans.get(key) if key is not None else None


def counting(
    plan: ViewPlan, prefix: bytes, fetch: Fetch, bytes_max: int, *, store_empty: bool
) -> Counting:
    """Return what counts the different values of a view.

    Args:
        plan: The view, which has some, and whose windows are no sessions.
        prefix: What stands before its row keys.
        fetch: Reads stored values by full key.
        bytes_max: Memory to keep to.
        store_empty: The store has no row of the view.
    """
    if plan.tiled:
        return TileValues(plan, prefix, SeenSpans(fetch, bytes_max, store_empty=store_empty))
    return RowValues(plan, SeenValues(fetch, bytes_max, store_empty=store_empty))
