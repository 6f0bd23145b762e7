"""The state as the writer process sees it: open, merge, commit. One writer per directory.

Law 2 in one place: ``commit`` writes the changed partials, the offsets, the ledger and the dead
letters in one atomic step. What was merged and not committed is gone after a crash, and so are the
offsets that went with it, so the source is read again from where the state stands.

1. ``open``: check the format, compare the catalog with the stored one, write the record once more.
2. ``merge``, ``advance``, ``bury``: change the working copy in memory.
3. ``commit``: everything that changed, in one write.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from keyfold.state import deadletter
from keyfold.state.adopt import Adoption, Wish, adopt
from keyfold.state.deadletter import DeadLetter
from keyfold.state.layout import (
    CATALOG_KEY,
    COMMIT_KEY,
    FORMAT,
    FORMAT_KEY,
    dead_letter_key,
    members_span,
    view_prefix,
)
from keyfold.state.protocol import Pair, Store
from keyfold.state.reader import check_format
from keyfold.state.record import (
    Begin,
    CommitRecord,
    PartitionRecord,
    SourceRecord,
    ViewRecord,
    catalog_decoder,
    record_decoder,
    record_encoder,
)
from keyfold.state.viewstate import open_view
from keyfold.view.distinct import Members
from keyfold.view.plan import Catalog
from keyfold.view.rowkey import prefix_end


@dataclass(slots=True)
class _Rows:
    """Rows to write, as columns: a pair that was made for each would cost as much as its write."""

    keys: list[bytes] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Pair]:
        return zip(self.keys, self.values, strict=True)

    def extend(self, keys: list[bytes], values: list[bytes]) -> None:
        """Put rows behind those that are there."""
        self.keys += keys
        self.values += values


@dataclass(slots=True)
class _Pending:
    """What the next commit writes beside the partials."""

    puts: list[Pair] = field(default_factory=list)
    deletes: list[bytes] = field(default_factory=list)
    ranges: list[Pair] = field(default_factory=list)


class StateWriter:
    """The state of all views of one catalog, and their progress.

    Attributes:
        catalog: What is kept: that of the file, and what is stored of sources that wait.
        record: The working copy of the commit record; durable only after ``commit``.
        gone: What was dropped when it was opened: ``view a``, ``source b``.
        views: By name.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        *,
        rebuild: Collection[str] = (),
        rebuild_request: str = "",
        drop: Collection[str] = (),
        starts: Mapping[str, SourceRecord] | None = None,
        aside: Mapping[str, str] | None = None,
        wrong: Mapping[str, str] | None = None,
        hot_bytes_max: int = 512 << 20,
        dead_letters_max: int = 100_000,
        now_ms: int = 0,
    ) -> None:
        """Open the state for a catalog; a new directory is initialised.

        Args:
            store: The primary store.
            catalog: The compiled SQL.
            rebuild: As in ``Wish``, and so are the next five.
            rebuild_request: A name for this wish to rebuild.
            drop: What the file no longer has, and whose rows go.
            starts: Where to begin with sources whose columns were just detected, by name.
            aside: Views that the file has and the catalog has not, with their source.
            wrong: Those of them that do not fit the columns of their source, with their statement.
            hot_bytes_max: Memory for hot partials, seen values and newest sessions over all views.
            dead_letters_max: Dead letters kept.
            now_ms: The clock, for the first commit.

        Raises:
            StateError: The state has another format.
            ViewChangedError: A view or source differs from the stored one and is not in
                ``rebuild``, or the catalog has it not and it is not in ``drop``.
            SettingsError: ``rebuild`` names something that the catalog does not have, or ``drop``
                something that it has.
        """
        self._store = store
        self._dead_letters_max = dead_letters_max
        self._letters: deque[DeadLetter] = deque(maxlen=dead_letters_max)
        self._letters_bytes = 0
        self._pending = _Pending()
        raw_format = store.get(FORMAT_KEY)
        if raw_format is not None:
            check_format(raw_format)
        raw_catalog, raw_record = store.get(CATALOG_KEY), store.get(COMMIT_KEY)
        stored = catalog_decoder.decode(raw_catalog) if raw_catalog else None
        self.record = record_decoder.decode(raw_record) if raw_record else CommitRecord()
        wish = Wish(rebuild, rebuild_request, drop, starts or {}, aside or {}, wrong or {})
        self._waiting = {one.name: one.fingerprint for one in catalog.sources if one.waiting}
        self._adopt(adopt(stored, catalog, self.record, wish))
        catalog = self.catalog
        self.record.give_views_times(catalog.views)
        for name, start in wish.starts.items():
            if not self.record.sources[name].partitions:
                self.record.sources[name] = start
        views = max(1, len(catalog.views))
        self.views = {
            plan.name: open_view(
                plan, view_prefix(self._stored.view_ids[plan.name]), store, hot_bytes_max // views
            )
            for plan in catalog.views
        }
        self._reclaim_order = deque(self.views)
        self._pending.puts.append((FORMAT_KEY, str(FORMAT).encode()))
        self.commit(now_ms)

    def merge(
        self,
        view: str,
        keys: Sequence[bytes],
        delta: Sequence[np.ndarray],
        members: Sequence[Members] = (),
    ) -> None:
        """Merge a delta into a view; see ``HotPartials.merge``.

        Args:
            view: Its name.
            keys: n different row keys, with the view's prefix.
            delta: One array of n values per slot.
            members: The members in the delta of each of the view's sets.
        """
        state = self.views[view]
        if state.sessions is not None:
            state.sessions.merge(keys, delta, members)
            return
        if state.counting is not None:
            keys, delta = state.counting.count(keys, delta, members)
        state.hot.merge(keys, delta)

    def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter with the next commit, as one of the present build."""
        ids = self._stored.view_ids if letter.view else self._stored.source_ids
        build = ids.get(letter.view or letter.source, 0)
        letter = msgspec.structs.replace(letter, build=build)
        # More than may be kept need not even wait for the commit: it could be a whole batch.
        self._letters.append(letter)
        self._letters_bytes += len(letter.value or b"")
        self.record.dead_letter_next += 1

    def begin(self, source: str, start: SourceRecord) -> bool:
        """Keep where a source begins that waits for its columns; True where that is new."""
        if source not in self._waiting or source in self.record.begins:
            return False
        self.record.begins[source] = Begin(self._waiting[source], start)
        return True

    def fail_view(self, view: str, error: str) -> None:
        """Stop a view where its last commit left it; the others go on (law 7)."""
        raw = self._store.get(COMMIT_KEY)
        committed = record_decoder.decode(raw) if raw else CommitRecord()
        self.views[view].clear()
        record = committed.views.get(view) or ViewRecord.of(self.views[view].plan)
        record.stop(error)
        self.record.views[view] = record
        # What it buried since then comes again when it is tried again.
        kept = [letter for letter in self._letters if letter.view != view]
        self.record.dead_letter_next -= len(self._letters) - len(kept)
        self._letters_bytes = sum(len(letter.value or b"") for letter in kept)
        self._letters = deque(kept, maxlen=self._dead_letters_max)

    @property
    def dirty_count(self) -> int:
        """Rows that the next commit will write of the view with the most, and dead letters."""
        most = max((view.dirty_count for view in self.views.values()), default=0)
        return most + len(self._letters)

    @property
    def letters_bytes(self) -> int:
        """Bytes of the messages that were buried since the last commit."""
        return self._letters_bytes

    @property
    def deletes_waiting(self) -> bool:
        """Whether expired rows were found that the next commit deletes."""
        return bool(self._pending.deletes)

    @property
    def reclaiming(self) -> bool:
        """Whether a view was looked through for expired rows in part."""
        return any(view.reclaimer and view.reclaimer.under_way for view in self.views.values())

    def reclaim(self, keys_max: int, enough: Callable[[], bool] = lambda: False) -> int:
        """Look for rows that had expired at the last commit; the next commit deletes them.

        A row that changed since then is left for a later pass. It would go, and what the next
        commit writes for it would stay: members of its sets that no row leads to any more.

        Args:
            keys_max: Rows to look at, in each view.
            enough: Says when to stop though there is more.

        Returns:
            How many were found.
        """
        found = 0
        # Where the time runs out, the next view is the first one of the next time.
        for name in list(self._reclaim_order):
            view = self.views[name]
            self._reclaim_order.rotate(-1)
            if view.reclaimer is not None:
                keys = view.hot.unchanged(view.reclaimer.step(self._store, keys_max, enough))
                view.hot.forget(keys)
                self._pending.deletes.extend(keys)
                found += len(keys)
            if enough():
                break
        return found

    def commit(self, now_ms: int) -> int:
        """Write everything that changed in one atomic step, and return the commit's sequence."""
        record = self.record
        record.sequence += 1
        record.time_ms = now_ms
        for name, view in self.views.items():
            for source_name in view.plan.sources:
                source, told = record.sources.get(source_name), record.views[name].part(source_name)
                if source is not None and told.level_with(source):
                    told.as_of_ms = source.as_of_ms
            record.views[name].gather()
        puts, members = _Rows(), _Rows()
        pending, self._pending = self._pending, _Pending()
        for view in self.views.values():
            puts.extend(*view.hot.take_dirty())
            if view.values is not None:
                members.extend(*view.values.take_new())
            if view.sessions is not None:
                pending.deletes.extend(view.sessions.take_gone())
        pending.puts.extend(self._kept_dead_letters())
        ranges = pending.ranges + self._oldest_dead_letters()
        deleted = set(pending.deletes)
        if deleted:
            # A partition may have brought a row back that was found expired: the row wins now,
            # stays hidden by its window, and is found again.
            deleted.difference_update(puts.keys)
            ranges += self._members_of(deleted, members.keys)
            for view in self.views.values():
                if view.sessions is not None:
                    view.sessions.forget(deleted)
        puts.extend(members.keys, members.values)
        for key, value in pending.puts:
            puts.extend([key], [value])
        self._store.write(puts, list(deleted), ranges, (COMMIT_KEY, record_encoder.encode(record)))
        sources = {source.name: source for source in self.catalog.sources}
        for view in self.views.values():
            if view.reclaimer is not None:
                view.reclaimer.committed(record.reclaim_time_us(view.plan, sources))
        return record.sequence

    def close(self) -> None:
        """Release the store. What was not committed is dropped."""
        self._store.close()

    def _members_of(self, row_keys: Collection[bytes], written: Sequence[bytes]) -> list[Pair]:
        """The ranges of the members that go with rows, each once.

        Where a member is written under a row that goes, another row of its tile came back, and
        takes them along when it goes.
        """
        views = {view.prefix: view.values for view in self.views.values() if view.values}
        width = len(view_prefix(0))
        spans = {
            values.gone_with(key): None
            for key in row_keys
            if (values := views.get(key[:width])) is not None
        }
        written = sorted(written)
        return [(start, end) for start, end in spans if not _between(written, start, end)]

    def _kept_dead_letters(self) -> list[Pair]:
        """The new dead letters that are not among the oldest already, as rows."""
        letters, self._letters = self._letters, deque(maxlen=self._dead_letters_max)
        self._letters_bytes = 0
        first = self.record.dead_letter_next - len(letters)
        return [
            (dead_letter_key(first + i), deadletter.encode(letter))
            for i, letter in enumerate(letters)
        ]

    def _oldest_dead_letters(self) -> list[Pair]:
        record = self.record
        first = record.dead_letter_next - self._dead_letters_max
        if first <= record.dead_letter_first:
            return []
        # Kept in slack of a tenth, so that not every commit deletes a range.
        if first - record.dead_letter_first < self._dead_letters_max // 10:
            return []
        span = (dead_letter_key(record.dead_letter_first), dead_letter_key(first))
        record.dead_letter_first = first
        return [span]

    def _adopt(self, adoption: Adoption) -> None:
        """Take over what is kept from now on; the next commit writes what changed."""
        self._stored = adoption.stored
        self.catalog = adoption.stored.catalog
        self.gone = adoption.gone
        for view_id in adoption.dropped:
            prefix = view_prefix(view_id)
            self._pending.ranges += [(prefix, prefix_end(prefix)), members_span(prefix)]
        if adoption.changed:
            self._pending.puts.append((CATALOG_KEY, msgspec.json.encode(adoption.stored)))


def advance_times(
    source: SourceRecord,
    event_times_us: Mapping[int, int],
    delay_us: int,
    idle_timeout_us: int | None = None,
) -> None:
    """Move event time, watermark and stream time on after a batch.

    All three are functions of the offsets alone, however the stream was cut (law 1). So a partition
    whose first event comes late takes the watermark back to it; one without events does not count,
    nor one that is idle: its last message is older than the newest one by more than a timeout, both
    by their own timestamps.

    Args:
        source: The source's record.
        event_times_us: Partition → greatest event time of the batch, µs.
        delay_us: The watermark's delay, µs.
        idle_timeout_us: See above; None: no partition is idle.
    """
    for partition, time_us in event_times_us.items():
        told = source.partitions[partition]
        told.event_time_us = _latest(told.event_time_us, time_us)
    seen = {p: _event_time(t) for p, t in source.partitions.items() if t.event_time_us is not None}
    if not seen:
        return
    source.stream_time_us = max(seen.values()) - delay_us
    idle = source.idle(idle_timeout_us)
    awake = [time_us for partition, time_us in seen.items() if partition not in idle]
    source.watermark_us = min(awake or seen.values()) - delay_us


def _between(keys: Sequence[bytes], start: bytes, end: bytes) -> bool:
    """Whether some of the keys, in order, lie in a range."""
    at = bisect_left(keys, start)
    return at < len(keys) and keys[at] < end


def _latest(known_us: int | None, time_us: int) -> int:
    return time_us if known_us is None else max(known_us, time_us)


def _event_time(told: PartitionRecord) -> int:
    assert told.event_time_us is not None
    return told.event_time_us
