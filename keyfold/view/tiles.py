"""Tiles: different values in windows that share events (HOP and CUMULATE).

Windows are put together from panes (keyfold/view/pane.py), and different values of two panes do not
add up: both may have the same. So a value counts in one pane of a *tile* alone, a tile being the
panes of one window size on the grid of sizes. In the store a set is that of a tile, and says of
each value the first and the last pane of the tile that have it.

A window of CUMULATE is the front of one tile: a value counts in the first pane that has it, and the
sum over the panes of a window is the number of different values in it.

A window of HOP is the end of one tile, from its pane ``j`` on, and the front of the next one, up
to before the same place ``j`` (or one whole tile, ``j = 0``). Of a value, let ``l`` be the place of
the last pane in the first tile, ``f`` that of the first pane in the next one. The window has it
where ``l >= j`` or ``f < j``. Three numbers per pane give how many there are, each summed up over
panes:

- ``own``: the values whose last pane in the tile is this one; over the panes from ``j`` on.
- ``next``: the values whose first pane in the tile is this one, but for those that the tile before
  has as well, with ``l > f``; over the panes of the next tile.
- ``before``: the values whose last pane in the tile is this one, and that the next tile has as
  well, with ``f < l``; over the panes of the first tile before ``j``.

A value with ``f < l`` in both is counted by ``own`` while ``j <= l``, and by ``before`` after that;
any other one by ``own`` while ``j <= l``, and by ``next`` once ``j > f``, which is never both.

All of these are partials with an inverse (law 3): when a value comes to one more pane, what it
counted before is taken out. So the state is that of the set of (value, pane), in whatever order
events come (law 1), and a reader never looks at a set. The price is that panes before a window are
read as well, and are kept until the last window of their tile has expired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from keyfold.view.aggregate import Aggregate, slot_spans
from keyfold.view.distinct import Members, counted
from keyfold.view.family.law import zero
from keyfold.view.family.registry import FAMILIES
from keyfold.view.pane import Folding, Panes
from keyfold.view.partial import PartialCodec
from keyfold.view.plan import ViewPlan

BEFORE, OWN, NEXT = range(3)
"""What a pane is to a window: before it in its first tile, in that tile, or in the next one."""
_ROLES = {"before": BEFORE, "next": NEXT}
_LEAST_US, _MOST_US = -(1 << 63), (1 << 63) - 1

Span = tuple[int, int]
"""The places in a tile of the first and the last pane that have a value."""


def tiled(aggregates: Sequence[Aggregate]) -> list[Aggregate]:
    """Return what a view with windows of HOP keeps beside its aggregates."""
    return [
        msgspec.structs.replace(one, tile=tile)
        for one in aggregates
        if one.distinct
        for tile in ("before", "next")
    ]


def role_of(aggregate: Aggregate) -> int:
    """Return over which panes a partial is summed up."""
    return _ROLES[aggregate.tile] if isinstance(aggregate.tile, str) else OWN


class Tiles:
    """Which tiles the panes of a view are in.

    Attributes:
        panes: Which panes the windows are made of.
        hops: Whether windows are made of two tiles.
    """

    def __init__(self, plan: ViewPlan) -> None:
        window = plan.window
        assert window is not None
        self.panes = Panes(plan)
        self.hops = window.kind == "hop"
        self._size, self._step = window.size_us, window.pane_us
        # The bound of the first pane of tile 0.
        self._first = window.offset_us + (0 if self.hops else self._step)

    def place(self, key: bytes, begin: int) -> tuple[int | None, int]:
        """Return (tile, place in it) of a pane; no tile where its bound is NULL.

        Args:
            key: Of a row, with a view's prefix.
            begin: Length of the prefix.
        """
        at = self.panes.place(key, begin)
        assert at is not None, "a whole key has its window"
        bound = self.panes.bound(key, at)
        if bound is None:
            return None, 0
        tile, beyond = divmod(bound - self._first, self._size)
        return tile, beyond // self._step

    def first_pane(self, bound: int) -> int:
        """Return the bound of the first pane in the tile of a pane."""
        return max(bound - (bound - self._first) % self._size, _LEAST_US)

    def role(self, window: int, pane: int) -> int:
        """Return what a pane is to a window, both by their bounds."""
        if pane < window:
            return BEFORE
        return NEXT if pane >= window - (window - self._first) % self._size + self._size else OWN

    def key(self, key: bytes, begin: int, tile: int, place: int = 0) -> bytes:
        """Return the key of a pane; of place 0, also that of the tile's sets.

        Args:
            key: Of any pane beside it, of CUMULATE in the same tile, with a view's prefix.
            begin: Length of the prefix.
            tile: Its tile.
            place: Its place in the tile.
        """
        at = self.panes.place(key, begin)
        assert at is not None, "a whole key has its window"
        bound = self._first + tile * self._size + place * self._step
        return self.panes.moved(key, begin, at, max(bound, _LEAST_US))

    def sets_key(self, key: bytes, begin: int) -> bytes:
        """Return the key that the sets of a pane's tile lie under."""
        tile, _ = self.place(key, begin)
        return key if tile is None else self.key(key, begin, tile)

    def beside(self, tile: int, by: int) -> int | None:
        """Return the tile before (-1) or after (1), or None where no time is in it."""
        start = self._first + (tile + by) * self._size
        end = start + self._size - self._step
        return tile + by if end >= _LEAST_US and start <= _MOST_US else None

    def shares(
        self, before: Span | None, own: Span | None, after: Span | None
    ) -> Counter[tuple[int, int, int]]:
        """Return what a value counts in panes, as far as it depends on where one tile has it.

        Args:
            before: Where the tile before has the value.
            own: Where the tile has it.
            after: Where the tile after has it.

        Returns:
            (the tile: -1, 0 or 1; place in it; role) → 1.
        """
        found: Counter[tuple[int, int, int]] = Counter()
        if not self.hops:
            if own is not None:
                found[0, own[0], OWN] = 1
            return found
        if own is not None:
            found[0, own[1], OWN] = 1
            if before is not None and own[0] < before[1]:
                found[-1, before[1], BEFORE] = 1
            else:
                found[0, own[0], NEXT] = 1
        if after is not None:
            if own is not None and after[0] < own[1]:
                found[0, own[1], BEFORE] = 1
            else:
                found[1, after[0], NEXT] = 1
        return found


@dataclass(slots=True)
class Changes:
    """What members of one set count in rows, or no longer do: m changes.

    Attributes:
        rows: The place of each row in a delta.
        roles: Which of the numbers changes.
        signs: 1 or -1.
        members: The place of the member in ``Members``.
    """

    rows: list[int] = field(default_factory=list)
    roles: list[int] = field(default_factory=list)
    signs: list[int] = field(default_factory=list)
    members: list[int] = field(default_factory=list)

    def add(self, row: int, role: int, sign: int, member: int) -> None:
        """Put one behind those that are there."""
        self.rows.append(row)
        self.roles.append(role)
        self.signs.append(sign)
        self.members.append(member)


class TileReading:
    """Makes windows of HOP of the stored partials of a view."""

    def __init__(self, plan: ViewPlan) -> None:
        self._stored = PartialCodec(plan.slots)
        self._folding = Folding(plan.shown)
        self._zeros = zero(plan.shown.slots, 1)
        self._width = len(self._zeros)
        # Of each number of different values: its slots, and those of what stands for it by role.
        self._numbers: list[dict[int, slice]] = []
        spans = dict(zip(plan.aggregates, slot_spans(plan.aggregates), strict=True))
        for one in plan.shown.aggregates:
            if one.distinct:
                others = {_ROLES[other.tile]: spans[other] for other in tiled([one])}  # type: ignore[index]
                self._numbers.append({OWN: spans[one]} | others)

    def fold(
        self, groups: Sequence[Sequence[bytes]], roles: Sequence[Sequence[int]]
    ) -> list[bytes]:
        """Return the partial of each window.

        Args:
            groups: Of each window one stored partial or more.
            roles: What the pane of each is to the window.
        """
        if not groups:
            return []
        sizes = np.array([len(group) for group in groups], np.int64)
        role = np.array([one for group in roles for one in group], np.int64)
        stored = self._stored.decode([one for group in groups for one in group])
        columns = stored[: self._width]
        before = role == BEFORE
        if before.any():
            for column, empty in zip(columns, self._zeros, strict=True):
                column[before] = empty[0]
        for number in self._numbers:
            for other in (BEFORE, NEXT):
                chosen = role == other
                pairs = zip(columns[number[OWN]], stored[number[other]], strict=True)
                for column, values in pairs if chosen.any() else ():
                    column[chosen] = values[chosen]
        return self._folding.merged(columns, sizes)


class TileFold:
    """Adds what members count to the partials of a view's rows."""

    def __init__(self, aggregates: Sequence[Aggregate]) -> None:
        self._folds = [
            (number, role_of(one), slots, one.family) for number, one, slots in counted(aggregates)
        ]

    def apply(
        self,
        delta: Sequence[np.ndarray],
        found: Sequence[Members],
        changes: Sequence[Changes],
        n: int,
    ) -> list[np.ndarray]:
        """Return a delta with the partials of members.

        Args:
            delta: The slots of n rows; those of different values are zero.
            found: The members in the batch, set by set.
            changes: What they count, set by set.
            n: How many rows.

        Raises:
            OverflowError: A sum does not fit its slot.
        """
        filled = list(delta)
        for number, role, slots, family in self._folds:
            one, law = changes[number], FAMILIES[family]
            assert law.fold is not None
            assert law.undo is not None
            rows = np.array(one.rows, np.int64)
            order = np.argsort(rows, kind="stable")
            rows, members = rows[order], np.array(one.members, np.int64)[order]
            here = np.array(one.roles, np.int64)[order] == role
            more = np.array(one.signs, np.int64)[order] > 0
            values = found[number].values
            counted, gone = (
                law.fold(rows[chosen], values[members[chosen]], n)
                for chosen in (here & more, here & ~more)
            )
            filled[slots] = law.merge(counted, law.undo(gone))
        return filled
