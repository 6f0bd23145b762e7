"""A group's rows: one stored partial, and as many rows as readers see.

The first n rows of a group lie together (keyfold/view/family/rows.py), under the key of the first.
Each is a row for readers, under its number, and has a partial like that of a view which keeps one
row per key. So what turns rows into JSON and Arrow knows nothing of groups.
"""

from __future__ import annotations

import json
from typing import Any

from keyfold.view.partial import PartialCodec
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import NULL, column_finder, encode_value, value_decoder
from keyfold.view.types import Physical

_ZERO: dict[Physical, Any] = {
    Physical.BOOL: False,
    Physical.I64: 0,
    Physical.I128: 0,
    Physical.U128: 0,
    Physical.F64: 0.0,
    Physical.TEXT: None,
    Physical.JSON: None,
    Physical.BYTES: None,
}
_FIRST = encode_value(Physical.I64, 1)


class TopRows:
    """The keys and partials of a view whose groups have several rows."""

    def __init__(self, plan: ViewPlan) -> None:
        assert plan.top is not None
        self._stored = PartialCodec(plan.slots)
        self._shown = PartialCodec(plan.shown.slots)
        self._zeros = [_ZERO[slot.physical] for slot in self._shown.slots]
        self._bytes = [
            i for i, slot in enumerate(self._shown.slots) if slot.physical is Physical.BYTES
        ]
        self._find = column_finder(plan.key_types, len(plan.keys) - 1)
        self._decode = value_decoder(Physical.I64)

    def group(self, key: bytes, begin: int) -> bytes | None:
        """Return what stands before the number in a key, None where it does not reach that far.

        Args:
            key: Or the first columns of one, with a view's prefix.
            begin: Length of the prefix.
        """
        try:
            at = self._find(key, begin)
        except (IndexError, ValueError):
            return None
        return key[:at] if at <= len(key) else None

    def first(self, group: bytes) -> bytes:
        """Return the key that a group is stored under."""
        return group + _FIRST

    def key(self, group: bytes, number: int) -> bytes:
        """Return the key of a row."""
        return group + encode_value(Physical.I64, number)

    def number(self, key: bytes, at: int) -> int | None:
        """Return the number in a whole key, None for NULL."""
        if key.startswith(NULL, at):
            return None
        number: int = self._decode(key, at + 1)[0]
        return number

    def partials(self, stored: bytes) -> list[bytes]:
        """Return the partials of a group's rows, in order."""
        return [self._partial(line) for line in self._lines(stored)]

    def partial(self, stored: bytes, number: int) -> bytes | None:
        """Return the partial of one row of a group, None where it has not so many."""
        lines = self._lines(stored)
        return self._partial(lines[number - 1]) if 1 <= number <= len(lines) else None

    def _lines(self, stored: bytes) -> list[str]:
        text: str = self._stored.decode_one(stored)[0]
        return text.split("\n")

    def _partial(self, line: str) -> bytes:
        head, _, tail = line.partition("\t")
        ranks, partition, offset = json.loads(head)
        values = json.loads(tail)
        slots: list[Any] = [True]
        for rank in ranks:
            slots += [rank is not None, rank]
        slots += [partition, offset]
        for value in values:
            slots += [value is not None, value]
        for i in self._bytes:  # which JSON has not: they stand there in hexadecimal
            slots[i] = None if slots[i] is None else bytes.fromhex(slots[i])
        known = zip(slots, self._zeros, strict=True)
        return self._shown.encode_one([zero if slot is None else slot for slot, zero in known])
