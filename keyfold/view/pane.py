"""Panes: windows that share events are kept in parts, and put together when they are read.

HOP and CUMULATE put an event into several windows. The store has each event once: in the pane of
its step, under the key of one window that holds it (of HOP the last one, which starts with the
pane; of CUMULATE the first one, which ends with it). ``merge`` is associative (law 3), so a window
is the merge of its panes, and finalized after that.

A row key names its window in one column, ``ViewPlan.window_key``: the *bound*. Where the other
bound of a HOP window is a key column too, it is moved along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from keyfold.view.aggregate import slot_merges
from keyfold.view.partial import PartialCodec
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import NULL, column_finder, encode_value, value_decoder
from keyfold.view.types import Physical

BOUND_BYTES = 9
"""A bound in a key: the tag of a value, and 64 bits."""
_LEAST_US, _MOST_US = -(1 << 63), (1 << 63) - 1


class Panes:
    """Which panes the windows of a view are made of.

    Attributes:
        step: From one bound to the next, µs.
    """

    def __init__(self, plan: ViewPlan) -> None:
        window, at = plan.window, plan.window_key
        assert window is not None
        assert at is not None
        self._window = window
        self._hops = window.kind == "hop"
        self.step = window.pane_us
        self._reach = window.size_us - window.pane_us
        self._find = column_finder(plan.key_types, at)
        self._decode = value_decoder(Physical.I64)
        names = [key.sql for key in plan.keys]
        other = "window_end" if names[at] == "window_start" else "window_start"
        self._find_other = None
        if self._hops and other in names:
            self._find_other = column_finder(plan.key_types, names.index(other))
        self._to_other = window.size_us if other == "window_end" else -window.size_us

    def place(self, key: bytes, begin: int) -> int | None:
        """Return where the bound starts in a key, or in the first columns of one; None: nowhere.

        Args:
            key: With a view's prefix.
            begin: Length of the prefix.
        """
        at = _found(self._find, key, begin)
        if at is None or key[at : at + 1] == NULL or len(key) >= at + BOUND_BYTES:
            return at
        return None

    def bound(self, key: bytes, at: int) -> int | None:
        """Return the bound that starts at a place in a key, or None for NULL."""
        if key.startswith(NULL, at):
            return None
        bound: int = self._decode(key, at + 1)[0]
        return bound

    def moved(self, key: bytes, begin: int, at: int, bound: int) -> bytes:
        """Return a key, or the first columns of one, with another window.

        Args:
            key: With a view's prefix.
            begin: Length of the prefix.
            at: Where its bound starts.
            bound: Of the other window.
        """
        key = key[:at] + encode_value(Physical.I64, bound) + key[at + BOUND_BYTES :]
        if self._find_other is None:
            return key
        at = _found(self._find_other, key, begin) or len(key)
        if len(key) < at + BOUND_BYTES:
            return key[:at]
        # At the ends of what 64 bits hold, the other bound lies beyond.
        other = min(max(bound + self._to_other, _LEAST_US), _MOST_US)
        return key[:at] + encode_value(Physical.I64, other) + key[at + BOUND_BYTES :]

    def is_window(self, bound: int) -> bool:
        """Say whether there can be a window of that bound."""
        return self._window.floor_us(bound, self.step) == bound

    def first_from(self, bound: int) -> int:
        """Return the bound of the first window at or after a bound."""
        floor = self._window.floor_us(bound, self.step)
        return floor if floor == bound else floor + self.step

    def first_pane(self, bound: int) -> int:
        """Return the first pane of a window."""
        if self._hops:
            return bound
        return self._window.floor_us(bound - 1, self._window.size_us) + self.step

    def last_pane(self, bound: int) -> int:
        """Return the last pane of a window."""
        return min(bound + self._reach, _MOST_US) if self._hops else bound

    def first_window(self, pane: int) -> int:
        """Return the first window that holds a pane."""
        if not self._hops:
            return pane
        return max(pane - self._reach, self.first_from(_LEAST_US))

    def of(self, bound: int) -> list[int]:
        """Return the panes of a window, in order."""
        return list(range(self.first_pane(bound), self.last_pane(bound) + 1, self.step))


class Folding:
    """Merges the stored partials of a view."""

    def __init__(self, plan: ViewPlan) -> None:
        self._codec = PartialCodec(plan.slots)
        self._merges = slot_merges(plan.aggregates)

    def fold(self, groups: Sequence[Sequence[bytes]]) -> list[bytes]:
        """Return the merge of each group of partials.

        Neighbours are merged in pairs, then the pairs, and so on. So what comes of a group does not
        depend on the groups beside it: a row is the same bytes on every way to it (law 4).

        Args:
            groups: One partial or more in each.
        """
        sizes = np.array([len(group) for group in groups], np.int64)
        if not len(sizes) or sizes.max() == 1:
            return [group[0] for group in groups]
        return self.merged(self._codec.decode([one for group in groups for one in group]), sizes)

    def merged(self, columns: list[np.ndarray], sizes: np.ndarray) -> list[bytes]:
        """Return the merge of partials that are columns already.

        Args:
            columns: The slots of all partials, group by group.
            sizes: int[n], how many partials each group has, one or more.
        """
        while sizes.max() > 1:
            starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
            ranks = np.arange(len(starts)) - starts
            even = ranks % 2 == 0
            left = np.flatnonzero(even & (ranks + 1 < np.repeat(sizes, sizes)))
            for slots, merge in self._merges:
                state = columns[slots]
                merged = merge(
                    [column[left] for column in state], [column[left + 1] for column in state]
                )
                for column, values in zip(state, merged, strict=True):
                    column[left] = values
            columns = [column[even] for column in columns]
            sizes = (sizes + 1) // 2
        return self._codec.encode(columns)


def _found(find: Callable[[bytes, int], int], key: bytes, begin: int) -> int | None:
    """Where a column starts in what may be the first columns of a key only."""
    try:
        at = find(key, begin)
    except (IndexError, ValueError):
        return None
    return at if at < len(key) else None
