"""Lookups: one row, many keys, pages over a range of keys. No word of HTTP in here.

A ``ViewLookup`` is a view of an open state, compiled for questions. Its label (freshness and
commit) is of the same moment as the row, since both are read without an await between them; a page
takes its label when its iterator is made, and the iterator shows that moment to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from keyfold.errors import NotFoundError, RequestError
from keyfold.state.protocol import Pair
from keyfold.state.reader import StateReader, ViewReader
from keyfold.state.reads import row_reads, rows_in_turns
from keyfold.state.record import CommitRecord
from keyfold.view.row import Hides
from keyfold.view.rowkey import encode_value
from keyfold.view.types import ColumnType, parse_text
from serving.absent import absent_hint, not_ready, unordered, why_behind
from serving.cursor import cursor_of, key_after

T = TypeVar("T")

ROWS_PER_TURN = 100
"""Rows that are read before other requests get their turn: about half a millisecond."""
HIDDEN_ROWS_MAX = 10_000
"""Rows that are hidden by their window or by HAVING, of which one page looks at so many at most."""
NULL_TEXT = "\0"
"""Key text that stands for NULL in paths and queries: ``%00``."""

_AFTER_VALUE = b"\x03"
"""Sorts after every next key column (tags 01 and 02) and before the escape FF of a longer text."""
_NULL_TAG, _VALUE_TAG = b"\x02", b"\x01"
BOUNDS = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True, slots=True)
class Label:
    """What an answer says of itself.

    Attributes:
        freshness: A JSON object.
        commit: A JSON object: sequence, and the offsets that the view has applied.
    """

    freshness: str
    commit: str


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Rows with start <= stored key < end."""

    start: bytes
    end: bytes


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows of one moment, in key order.

    Attributes:
        rows: As the caller had them rendered.
        next_cursor: Where the next page starts; None at the end.
        label: Freshness and commit of that moment.
    """

    rows: list[T]
    next_cursor: str | None
    label: Label


class ViewLookup:
    """A view of an open state, ready for questions. Valid until the state's catalog changes."""

    def __init__(self, reader: StateReader, view: ViewReader, stale_after_ms: int) -> None:
        self.view = view
        self.plan = view.plan
        self.key_names = tuple(key.name for key in view.plan.keys)
        self._reader = reader
        self._key_types = view.compiled.key_types
        self._key_count = len(self._key_types)
        self._key_from_text = view.compiled.key_from_text
        self._reads = row_reads(view.plan, view.prefix, reader.replica)
        self._get = self._reads.get
        self._prefix = view.prefix
        self._json_row = view.compiled.json_row
        self._stale_after_ms = stale_after_ms
        self._record: CommitRecord | None = None
        self._hides: Hides | None = None
        self._label_ms = -1
        self._freshness = ""
        self._freshness_parts: tuple[object, str, str] = (None, "", "")
        # Once, for a miss is as hot as a hit.
        self._absent_hint = absent_hint(self.key_names, self._key_types)

    def row(self, texts: Sequence[str | None]) -> str:
        """Return the row under a whole key as a JSON object.

        Raises:
            RequestError: The key has another number of columns, or a value is not of its type.
            NotFoundError: There is no such row.
            NotReadyError: There is none yet, and the view has never caught up.
        """
        if len(texts) != self._key_count:
            if self._key_count or texts != [""]:
                raise self._wrong_count(len(texts))
            texts = []  # /rows/ names the one row of a view without a key
        if None in texts:
            key = encode_columns(self._key_types, texts)
        else:
            key = guarded(self._key_from_text, texts)
        value = self._get(self._prefix + key)
        if value is not None:
            if self._record is not self._reader.record:
                self._take_over_record()
            if self._hides is None or not self._hides(key, value):
                row = self._json_row(key, value)
                if row is not None:
                    return row
        raise self._absent()

    async def rows(
        self, keys: Sequence[Sequence[object]], now_ms: int
    ) -> tuple[list[str | None], Label]:
        """Return the rows under whole keys given as JSON values, in order, None where absent.

        Raises:
            RequestError: A key does not fit the view.
            NotReadyError: A row is absent, and the view has never caught up.
        """
        encode, render = self.view.compiled.keys_from_json, self._json_row
        encoded: list[bytes] = []
        async for part in _turns(keys):
            encoded += guarded(encode, part)
        if self._reader.views.get(self.plan.name) is not self.view:
            raise not_ready(f"view {self.plan.name} was replaced while it was read")
        turns = rows_in_turns(self._reads, [self._prefix + key for key in encoded])
        values = next(turns)  # label and rows are of the moment of this step
        label, hides, ready = self.label(now_ms), self.hides(), self.ready
        for more in turns:
            await asyncio.sleep(0)
            values += more
        rows: list[str | None] = []
        async for pairs in _turns(list(zip(encoded, values, strict=True))):
            rows += [
                None
                if value is None or (hides is not None and hides(key, value))
                else render(key, value)
                for key, value in pairs
            ]
            if not ready and None in rows:
                raise self._absent()
        return rows, label

    async def page(
        self,
        wanted: KeyRange,
        cursor: str | None,
        limit: int,
        now_ms: int,
        render: Callable[[bytes, bytes], T | None],
    ) -> Page[T]:
        """Return at most ``limit`` rows of a range, from the cursor on.

        Args:
            wanted: As ``key_range`` makes it.
            cursor: Of the page before, or None.
            limit: Rows at most; fewer come, with a cursor, where many are hidden.
            now_ms: The clock, ms since the epoch.
            render: (row key, value) → the row, or None when it is hidden.

        Raises:
            RequestError: The cursor is not of this view and range.
            NotReadyError: There is no row, and the view has never caught up.
        """
        start, plan = wanted.start, self.plan.fingerprint
        if cursor is not None:
            start = key_after(cursor, plan, wanted.start, wanted.end)
        cut = len(self._prefix)
        pairs = self._reads.scan(start, wanted.end)
        # The iterator is made by the first step: label and iterator are of one moment.
        pair = next(pairs, None)
        label, hides = self.label(now_ms), self.hides()
        if pair is None and cursor is None and not self.ready:
            raise self._absent()
        rows: list[T] = []
        seen, last = 0, b""
        while pair is not None and len(rows) < limit and seen < limit + HIDDEN_ROWS_MAX:
            last, value = pair
            key = last[cut:]
            if hides is None or not hides(key, value):
                row = render(key, value)
                if row is not None:
                    rows.append(row)
            seen += 1
            if seen % ROWS_PER_TURN == 0:
                await asyncio.sleep(0)
            pair = next(pairs, None)
        if pair is None:
            return Page(rows, None, label)
        return Page(rows, cursor_of(plan, wanted.start, wanted.end, last), label)

    def key_range(
        self, equals: Mapping[str, str | None], bounds: Mapping[tuple[str, str], str | None]
    ) -> KeyRange:
        """Return the range for equality on the first key columns and bounds on the next one.

        Args:
            equals: Column → text, None for NULL.
            bounds: (column, one of ``BOUNDS``) → text.

        Raises:
            RequestError: The key order does not allow the predicate, or a value is not of its type.
        """
        names = self.key_names
        count = len(equals)
        bounded = {column for column, _ in bounds}
        allowed = set(names[count : count + 1])
        if set(equals) != set(names[:count]) or not bounded <= allowed:
            raise self._bad_predicate()
        prefix = encode_columns(self._key_types, [equals[name] for name in names[:count]])
        start = self._prefix + prefix
        end = start + _AFTER_VALUE if prefix else self.view.end
        if not bounds:
            return KeyRange(start, end)
        # NULL is in no range: a lower bound leaves it out above, an upper one cannot reach it.
        base, low, high = start, start + _VALUE_TAG, start + _NULL_TAG
        kind = self._key_types[count : count + 1]
        if unordered(kind[0]):
            raise RequestError(
                f"key column {names[count]} is a {kind[0].name}, and its rows are in no order "
                "that a range could be taken of",
                hint="ask for it by equality, or group by what to take a range of",
            )
        for (_, bound), text in bounds.items():
            if text is None:
                raise RequestError("NULL is in no range", hint="ask for NULL by equality")
            edge = base + encode_columns(kind, [text])
            match bound:
                case "gte":
                    low = max(low, edge)
                case "gt":
                    low = max(low, edge + _AFTER_VALUE)
                case "lt":
                    high = min(high, edge)
                case _:
                    high = min(high, edge + _AFTER_VALUE)
        return KeyRange(low, max(low, high))

    def label(self, now_ms: int) -> Label:
        """Return freshness and commit of this moment."""
        return Label(self.freshness(now_ms), self.commit())

    def freshness(self, now_ms: int) -> str:
        """Return the freshness at ``now_ms`` as a JSON object.

        Kept for the millisecond and the commit; and what stands around the staleness is kept for as
        long as it stays the same.
        """
        if now_ms == self._label_ms and self._record is self._reader.record:
            return self._freshness
        if self._record is not self._reader.record:
            self._take_over_record()
        told = self._reader.freshness(self.plan, now_ms, self._stale_after_ms)
        if not told.as_of_ms:
            return told.json()
        facts = (told.as_of_ms, told.watermark_us, told.state)
        known, before, after = self._freshness_parts
        if known != facts:
            mark = f'"staleness_ms":{told.staleness_ms},'
            before, _, after = told.json().partition(mark)
            before, after = before + '"staleness_ms":', "," + after
            self._freshness_parts = (facts, before, after)
        self._freshness = f"{before}{told.staleness_ms}{after}"
        self._label_ms = now_ms
        return self._freshness

    def commit(self) -> str:
        """Return sequence and applied offsets of this moment as a JSON object."""
        record = self._reader.record
        told = record.views.get(self.plan.name)
        offsets = msgspec.json.encode(told.told_offsets()).decode() if told else "{}"
        return f'{{"sequence":{record.sequence},"offsets":{offsets}}}'

    def hides(self) -> Hides | None:
        """Return what says of a row whether it is hidden now; None: none is."""
        if self._record is not self._reader.record:
            self._take_over_record()
        return self._hides

    @property
    def ready(self) -> bool:
        """True once the view has caught up with its source."""
        told = self._reader.record.views.get(self.plan.name)
        return told is not None and told.ready

    def _take_over_record(self) -> None:
        self._record = self._reader.record
        self._hides = self._reader.hides(self.view)
        self._label_ms = -1

    def _absent(self) -> Exception:
        if self.ready:
            return NotFoundError(
                f"view {self.plan.name} has no such key", code="no_such_key", hint=self._absent_hint
            )
        return not_ready(f"view {self.plan.name} {why_behind(self._reader, self.plan)}")

    def _wrong_count(self, given: int) -> RequestError:
        names = ", ".join(self.key_names)
        hint = "it has one row: ask /rows/ with nothing behind it"
        if self.key_names:
            first = self.key_names[0]
            hint = f"the key is ({names}); for all rows of a prefix ask /rows?{first}=…"
        return RequestError(
            f"the key of view {self.plan.name} has "
            f"{self._key_count} value{'' if self._key_count == 1 else 's'}, {given} given",
            hint=hint,
        )

    def _bad_predicate(self) -> RequestError:
        names = ", ".join(self.key_names)
        return RequestError(
            f"these columns are no prefix of the key ({names})",
            hint="give equality on the first key columns in this order, and then gt, gte, lt, lte "
            "on the next one only",
        )


def encode_columns(types: Sequence[ColumnType], texts: Sequence[str | None]) -> bytes:
    """Encode the first ``len(texts)`` key columns from text, None for NULL.

    Raises:
        RequestError: A text is not of its column's type.
    """
    return b"".join(
        [
            encode_value(
                column.physical, None if text is None else guarded(parse_text, column, text)
            )
            for column, text in zip(types, texts, strict=False)
        ]
    )


def guarded(parse: Callable[..., T], *arguments: object) -> T:
    """Call a parser of key values; what no type can hold is the request's fault, however it fails.

    Raises:
        RequestError: The value is not of its type.
    """
    try:
        return parse(*arguments)
    except (ArithmeticError, RecursionError, UnicodeError):
        raise RequestError("a key value is out of the range of its type") from None


async def _turns(items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """Yield items in parts, between which other requests get their turn."""
    for start in range(0, len(items), ROWS_PER_TURN):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + ROWS_PER_TURN]


def visible_pairs(view: ViewReader) -> Callable[[bytes, bytes], Pair | None]:
    """Return the renderer that keeps rows as they are stored, for columns made of them later."""
    compiled = view.compiled
    if view.plan.having is None:
        return lambda key, value: (key, value)
    return lambda key, value: (key, value) if compiled.values(key, value) is not None else None
