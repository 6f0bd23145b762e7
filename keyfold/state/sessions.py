"""Sessions as the writer keeps them: where those of a batch belong among those that are there.

A batch says which sessions its own events make. Each is looked at beside its neighbours in its
*group* (the key columns before window_start). What it touches and it are one session: the row of
the least start takes the partials of all, and the other rows go, in the same commit (law 2). The
sessions of a group never touch each other, so their ends are in the order of their starts, and the
neighbours are found by one seek back from the end of the new session.

What was not committed yet is kept beside the store until then. The newest session of a group is
remembered longer, in bounded memory: most events belong to it or come after it, and need no seek.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from keyfold.state.hot import HotPartials
from keyfold.state.keyfilter import KeyFilter
from keyfold.state.protocol import Reader
from keyfold.state.sessionvalues import SessionValues
from keyfold.view.distinct import Members
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import NULL, VALUE, value_decoder, value_encoder
from keyfold.view.session import end_reader, end_slots
from keyfold.view.types import Physical

START_BYTES = 9
"""window_start at the end of a key: the tag of a value, and 64 bits."""
_NEWEST_BYTES = 400  # of a group that is remembered, with a key of 50 bytes

Span = tuple[int, int]
"""(window_start, window_end) of a session, µs."""
_encode = value_encoder(Physical.I64)
_decode = value_decoder(Physical.I64)


class Sessions:
    """The sessions of one view. Not thread-safe."""

    def __init__(
        self,
        plan: ViewPlan,
        hot: HotPartials,
        store: Reader,
        bytes_max: int,
        *,
        store_empty: bool = False,
        values: SessionValues | None = None,
    ) -> None:
        """Prepare.

        Args:
            plan: The view.
            hot: Its hot partials; they are changed through here only.
            store: Where its rows are.
            bytes_max: Memory for the newest sessions and, half of it, the filter of groups.
            store_empty: The store has no row of the view, so what is there comes from here.
            values: Its different values; None without DISTINCT.
        """
        self._values = values
        self._has_slot, self._end_slot = end_slots(plan)
        self._end_of = end_reader(plan)
        self._hot = hot
        self._store = store
        self._groups_max = max(1, bytes_max // 2 // _NEWEST_BYTES)
        # The groups that the store may have; None where nobody knows.
        self._groups = KeyFilter(bytes_max // 2) if store_empty else None
        self._newest: dict[bytes, Span] = {}
        # Group → the sessions that were made or grew since the last commit, in order.
        self._changed: dict[bytes, list[Span]] = {}
        # Rows that others took over since then.
        self._gone: set[bytes] = set()

    def clear(self) -> None:
        """Forget everything: the store's rows are what is left."""
        self._groups = None
        self._newest.clear()
        self._changed.clear()
        self._gone.clear()

    def take_gone(self) -> list[bytes]:
        """Return the rows that go with the commit that is being made, and count it as done."""
        gone = list(self._gone)
        self._gone.clear()
        self._changed.clear()
        while len(self._newest) > self._groups_max:
            del self._newest[next(iter(self._newest))]
        return gone

    def forget(self, rows: Collection[bytes]) -> None:
        """Hear which rows, of any view, are deleted with the commit that is being made."""
        for key in rows:
            group = key[:-START_BYTES]
            newest = self._newest.get(group)
            if newest is not None and group + _encode(newest[0]) == key:
                del self._newest[group]

    def merge(
        self,
        keys: Sequence[bytes],
        delta: Sequence[np.ndarray],
        found: Sequence[Members] = (),
    ) -> None:
        """Merge the sessions of a batch into the state.

        Args:
            keys: n different row keys, with the view's prefix.
            delta: One array of n values per slot.
            found: The members in the delta of each of the view's sets.

        Raises:
            OverflowError: As ``HotPartials.merge`` says.
        """
        targets, over, made = self._place(keys, delta)
        taken = [key for key in over if key not in made]
        columns = list(delta)
        if over:
            targets = [_last(over, key) for key in targets]
        if taken:
            partials = self._hot.take_out(taken)
            targets += [_last(over, key) for key in taken]
            columns = [np.concatenate(both) for both in zip(columns, partials, strict=True)]
        if self._values is not None:
            columns = self._values.follow(keys, targets, columns, found, taken, made)
        if len(set(targets)) == len(targets):
            self._hot.merge(targets, columns)
            return
        for places in _rounds(targets):
            self._hot.merge([targets[i] for i in places], [column[places] for column in columns])

    def _place(
        self, keys: Sequence[bytes], delta: Sequence[np.ndarray]
    ) -> tuple[list[bytes], dict[bytes, bytes], set[bytes]]:
        """Say where sessions belong.

        Returns:
            For each the row that it goes into; a row → the one that takes it over, which may be
            taken over in turn; and the rows that were not there before the batch.
        """
        timed = delta[self._has_slot].tolist()
        ends = delta[self._end_slot].tolist()
        groups = [key[:-START_BYTES] for key in keys]
        stored = [True] * len(keys)
        if self._groups is not None:
            stored = self._groups.may_hold(groups).tolist()
            self._groups.add(groups)
        targets: list[bytes] = []
        over: dict[bytes, bytes] = {}
        made: set[bytes] = set()
        for key, group, has, end, in_store in zip(keys, groups, timed, ends, stored, strict=True):
            if not has:  # events without a time are one row
                targets.append(key)
                continue
            start: int = _decode(key, len(key) - START_BYTES + 1)[0]
            newest = self._newest.get(group)
            if newest is None and in_store:
                newest = self._newest_of(group)
            if newest is None or start > newest[1]:
                touched: list[Span] = []
            elif start >= newest[0]:
                touched = [newest]
            else:
                touched = self._touching(group, (start, end), in_store)
            first, last = start, end
            target = key
            if touched:
                first, last = min(start, touched[0][0]), max(end, touched[-1][1])
                target = group + _encode(first)
                absorbed = [group + _encode(one) for one, _ in touched if one != first]
                over |= dict.fromkeys(absorbed, target)
                self._gone.update(absorbed)
            targets.append(target)
            if not touched or touched[0][0] != first:
                made.add(target)
            self._keep(group, touched, (first, last))
            if newest is None or last >= newest[1]:
                self._newest[group] = (first, last)
        return targets, over, made

    def _touching(self, group: bytes, span: Span, in_store: bool) -> list[Span]:
        """Return the sessions that one touches which begins before the newest, in order."""
        start, end = span
        found = []
        changed = self._changed.get(group, [])
        for at in range(bisect_right(changed, end, key=_start) - 1, -1, -1):
            if changed[at][1] < start:
                break
            found.append(changed[at])
        if in_store:
            for one in self._stored(group, group + _encode(end) + b"\0"):
                if one[1] < start:
                    break
                found.append(one)
        return sorted(found)

    def _newest_of(self, group: bytes) -> Span | None:
        """Find the newest session of a group that is not remembered: it did not change since."""
        newest = next(self._stored(group, group + NULL), None)
        if newest is not None:
            self._newest[group] = newest
        return newest

    def _stored(self, group: bytes, before: bytes) -> Iterator[Span]:
        """Yield the sessions of a group that did not change since the last commit, from the end."""
        changed = self._changed.get(group, [])
        for key, value in self._store.scan(group + VALUE, before, backwards=True):
            start: int = _decode(key, len(key) - START_BYTES + 1)[0]
            at = bisect_left(changed, start, key=_start)
            if key in self._gone or (at < len(changed) and changed[at][0] == start):
                continue
            end = self._end_of(value)
            assert end is not None, "a session has an end"
            yield start, end

    def _keep(self, group: bytes, touched: Sequence[Span], span: Span) -> None:
        """Put a session in the place of those that it touches."""
        changed = self._changed.setdefault(group, [])
        for one in touched:
            at = bisect_left(changed, one)
            if at < len(changed) and changed[at] == one:
                del changed[at]
        if changed and span < changed[-1]:
            insort(changed, span)
        else:
            changed.append(span)


def _start(span: Span) -> int:
    return span[0]


def _last(over: Mapping[bytes, bytes], key: bytes) -> bytes:
    """Return the row that takes a row over in the end."""
    while key in over:
        key = over[key]
    return key


def _rounds(keys: Sequence[bytes]) -> list[np.ndarray]:
    """Divide places so that those of one round have different keys."""
    seen: dict[bytes, int] = {}
    rounds: list[list[int]] = []
    for at, key in enumerate(keys):
        nth = seen[key] = seen.get(key, -1) + 1
        if nth == len(rounds):
            rounds.append([])
        rounds[nth].append(at)
    return [np.array(places, np.int64) for places in rounds]
