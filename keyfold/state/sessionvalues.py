"""Different values of sessions: members that move to the session that takes theirs over.

A set is that of a row, as in windows that do not grow (keyfold/state/different.py). Where sessions
become one (keyfold/state/sessions.py), their sets become one set: the members of a row that goes
are read, of memory or of the store, and are members of the row that stays, new where it has them
not; those under the old row go with it, in the same commit. What the old row counted of them is
not added up. So a takeover costs as much as the sets that are taken over have members.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from keyfold.state.layout import MEMBERS, members_span
from keyfold.state.protocol import Pair, Reader
from keyfold.state.seen import SeenValues
from keyfold.view.columns import i128_of
from keyfold.view.distinct import SET_NUMBER_BYTES, DistinctFold, Members, value_sets
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import value_decoder
from keyfold.view.types import Physical, column_type

_ROW_AT = len(MEMBERS)
_SUMMED = (Physical.BOOL, Physical.I64, Physical.I128)


class SessionValues:
    """The members of the sets of one view's sessions. Not thread-safe."""

    def __init__(self, plan: ViewPlan, store: Reader, seen: SeenValues) -> None:
        self._store = store
        self._seen = seen
        self._fold = DistinctFold(plan.aggregates)
        self._physicals = [
            column_type(one.operands[0].type).physical for one in value_sets(plan.aggregates)
        ]
        # Row → what follows its key in the members that are new since the last commit.
        self._fresh: dict[bytes, list[bytes]] = {}

    @property
    def new_count(self) -> int:
        """How many members the next commit writes."""
        return self._seen.new_count

    def clear(self) -> None:
        """Forget everything."""
        self._seen.clear()
        self._fresh.clear()

    def take_new(self) -> tuple[list[bytes], list[bytes]]:
        """Return the new members, in key order."""
        self._fresh.clear()
        new = self._seen.take_new()
        return new, [b""] * len(new)

    def gone_with(self, row_key: bytes) -> Pair:
        """Return the range of the sets of a row."""
        return members_span(row_key)

    def follow(
        self,
        keys: Sequence[bytes],
        targets: Sequence[bytes],
        columns: Sequence[np.ndarray],
        found: Sequence[Members],
        taken: Sequence[bytes],
        made: Collection[bytes],
    ) -> list[np.ndarray]:
        """Return partials with what is new in the rows that they go into.

        Args:
            keys: The n rows of a batch.
            targets: The rows that these go into, and then those that ``taken`` go into.
            columns: One array of n + len(taken) values per slot, likewise.
            found: The members in the batch of each of the view's sets.
            taken: Rows that were there and that others take over, and that do so in the end.
            made: Rows that were not there before the batch.

        Raises:
            OverflowError: A sum does not fit its slot; ``clear`` is due then.
        """
        moved = [self._taken_out(row) for row in taken]
        joined, new, unknown = [], [], set(made)
        for number, one in enumerate(found):
            rows = one.rows.tolist()
            tails = [
                key[_ROW_AT + len(keys[row]) :] for row, key in zip(rows, one.keys, strict=True)
            ]
            came = list(self._came(number, len(keys), moved))
            values = one.values
            if came:
                rows += [row for row, _ in came]
                tails += [tail for _, tail in came]
                moved_values = self._values(number, [tail for _, tail in came], values.dtype)
                values = np.concatenate([values, moved_values])
            # Several sessions that become one may have a value each.
            first: dict[bytes, int] = {}
            for at, (row, tail) in enumerate(zip(rows, tails, strict=True)):
                first.setdefault(MEMBERS + targets[row] + tail, at)
            places = np.array(list(first.values()), np.int64)
            members = Members(np.array(rows, np.int64)[places], list(first), values[places])
            joined.append(members)
            # A row of that key may have been there once, and have expired.
            into = [targets[rows[at]] for at in first.values()]
            self._seen.forget(
                [key for key, row in zip(members.keys, into, strict=True) if row in unknown]
            )
            known = self._seen.add(members.keys)
            new.append(known)
            for at in np.flatnonzero(known).tolist():
                self._fresh.setdefault(into[at], []).append(
                    members.keys[at][_ROW_AT + len(into[at]) :]
                )
        return self._fold.apply(columns, joined, new, len(targets))

    def _taken_out(self, row: bytes) -> list[bytes]:
        """Return what follows the key of a row in its members, and forget these."""
        fresh = self._fresh.pop(row, [])
        head = MEMBERS + row
        stored = [key for key, _ in self._store.scan(*members_span(row))]
        self._seen.forget([head + tail for tail in fresh] + stored)
        return fresh + [key[len(head) :] for key in stored]

    def _came(
        self, number: int, begin: int, moved: Sequence[Sequence[bytes]]
    ) -> Iterator[tuple[int, bytes]]:
        """Yield (place of its row, tail) of the members of one set that move."""
        head = number.to_bytes(SET_NUMBER_BYTES, "big")
        for at, tails in enumerate(moved, begin):
            yield from ((at, tail) for tail in tails if tail.startswith(head))

    def _values(self, number: int, tails: Sequence[bytes], dtype: np.dtype) -> np.ndarray:
        """Return the physical values of members; of what is never summed up, zeros."""
        physical = self._physicals[number]
        if physical not in _SUMMED:
            return np.zeros(len(tails), dtype)
        decode = value_decoder(physical)
        values = [decode(tail, SET_NUMBER_BYTES + 1)[0] for tail in tails]
        if physical is Physical.I128:
            values = [i128_of(value) for value in values]
        return np.array(values, dtype)
