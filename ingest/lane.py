"""One source and the views that read it: a batch's way from messages to the working state.

``poll → decode → for each view: evaluate → merge → ledger → offsets``. Nothing is durable here; the
pipeline commits (ingest/pipeline.py).

Each view has its own offsets. Where they differ (a view is new, or being rebuilt), the source is
read from the least of them, and a view passes over what it has had.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from ingest.clock import clock_ms, monotonic_ms
from ingest.decode.json import Decoded, JsonDecoder
from ingest.decode.reject import Reject
from ingest.evaluate import Delta, Evaluator, Poison
from ingest.grouping import alike
from ingest.late import late_events
from ingest.opening import RETRY_MS, Opening, Start, first_line, left_behind, start_of
from ingest.progress import Progress
from ingest.source.connect import connect_ahead, starts_at_beginning
from ingest.source.message import MessageBatch
from ingest.source.protocol import OffsetGoneError
from ingest.sourcerecord import Times, count_messages, move_time_of_view, move_times, times_of
from ingest.unheard import begin, hear, unheard
from keyfold.state.counter import PartitionStatus, SourceStatus
from keyfold.state.deadletter import DeadLetter
from keyfold.state.record import PartitionRecord, SourceRecord, ViewRecord, book
from keyfold.state.writer import StateWriter
from keyfold.view.plan import SourcePlan, ViewPlan

__all__ = ["PARTITIONS_MAX", "RETRY_MS", "Lane"]

_log = logging.getLogger("keyfold.ingest")
PARTITIONS_MAX = 2_000
LATE = "it is late: its partition's time had passed it, and on_late = 'dead_letter'"
BACKLOG_GATHER_MS = 100
"""With a backlog a batch may be this long in coming: what one costs is then spread over more."""


class Lane:
    """The way from one source to its views. Not thread-safe.

    Attributes:
        plan: The source's plan.
        moved: True when something was read that is not committed yet.
        behind: True while there is much more to read than one batch; the next one is read ahead.
        took_ms: How long it took to decode and merge the last batch.
    """

    def __init__(
        self,
        plan: SourcePlan,
        state: StateWriter,
        connection: duckdb.DuckDBPyConnection,
        data_directory: Path,
        monotonic: Callable[[], int] = monotonic_ms,
        clock: Callable[[], int] = clock_ms,
    ) -> None:
        """Prepare a lane; ``open`` connects it.

        Raises:
            SettingsError: An option of the source is wrong.
        """
        self.plan = plan
        self.moved = False
        self.behind = False
        self.took_ms = 0.0
        self._state = state
        self._source = connect_ahead(plan, data_directory)
        parts = [part for view in state.catalog.views for part in view.parts]
        self._views = [view for view in parts if view.source == plan.name]
        begin(self._record, self._views, self._records())
        self._decoder = JsonDecoder(connection, plan, self._record.decoded)
        self._groupings = alike(connection, self._views)
        self._evaluators = {
            view.name: Evaluator(
                connection, view, state.views[view.name].prefix, self._groupings[view.name]
            )
            for view in self._views
        }
        self._kept: dict[bytes, tuple[pa.Table, np.ndarray]] = {}
        self._progress = Progress(self._record.as_of_ms)
        self._committed = self._offsets()
        self._sampled_ms = 0
        self._complete = self._was_caught_up = False
        self._trouble = ""
        self._opening = Opening(plan.name, self._source, monotonic)
        self._identity = self._record.identity
        self._clock = clock

    @property
    def _record(self) -> SourceRecord:
        return self._state.record.sources[self.plan.name]

    @property
    def error(self) -> str:
        """Why the source stopped, or empty."""
        return self._opening.error

    # --- polling -----------------------------------------------------------------------------

    def step(self, messages_max: int, timeout_ms: int, now_ms: int, gather_ms: float = 0.0) -> int:
        """Read and apply one batch; return the number of messages.

        A source that cannot go on is closed, says so, and is tried again later (law 7).

        Args:
            messages_max: Size of the batch.
            timeout_ms: How long to wait for it.
            now_ms: The wall clock.
            gather_ms: For how long more messages are better than some now.
        """
        self._progress.follow_clock(now_ms)
        self._sampled_ms = min(self._sampled_ms, now_ms)
        if not self._opening.done and not self._try_open(timeout_ms):
            return 0
        try:
            gather_ms = BACKLOG_GATHER_MS if self.behind else gather_ms
            batch = self._source.poll(messages_max, timeout_ms, gather_ms)
            if batch is not None:
                self._identity = dict(self._source.identity())
            progress = self._source.progress()
            if progress.known:
                self._sampled_ms = now_ms - progress.age_ms
                self._progress.sample(self._sampled_ms, progress.end_offsets)
            self._complete, self._trouble = progress.complete, progress.trouble
            self.behind = self._far_behind(batch, messages_max)
            if self.behind:
                self._source.read_ahead(messages_max, timeout_ms)
            began = time.perf_counter()
            decoded = self._decoder.decode(batch) if batch is not None and len(batch) else None
        except Exception as problem:  # whatever it is, it costs this source and no other (law 7)
            self._opening.stop(problem)
            self.behind = False  # or the commits of all other sources wait for its backlog
            return 0
        if batch is None:
            return 0
        self.apply(batch, now_ms, decoded)
        self.took_ms = (time.perf_counter() - began) * 1_000
        return len(batch)

    def _far_behind(self, batch: MessageBatch | None, messages_max: int) -> bool:
        """Say whether there is much more to read at once than what was read now."""
        if batch is None:
            return self._source.reading and self.behind
        if batch.cut_short or len(batch) >= messages_max // 2:
            return True
        return self._progress.lag({**self._offsets(), **batch.next_offsets}) >= messages_max // 4

    def close(self) -> None:
        """Let go of the source."""
        self._opening.close()

    def _try_open(self, timeout_ms: int) -> bool:
        try:
            if not self._opening.advance(self._start, timeout_ms):
                return False
        except OffsetGoneError as gone:
            behind = left_behind(gone.begins, self._records())
            for name, error in behind.items():
                self._stop_view(name, error)
            if not behind:
                self._opening.stop(gone)
            return False
        for record in self._records().values():
            if not record.error and not record.offsets:
                record.offsets = dict(self._opening.from_here)
        self._identity = self._record.identity = self._opening.identity
        self._was_caught_up = False
        return True

    def _start(self) -> Start:
        return start_of(
            self._offsets(),
            self._record.identity,
            self._records().values(),
            as_options_say=starts_at_beginning(self.plan),
        )

    # --- applying ----------------------------------------------------------------------------

    def apply(self, batch: MessageBatch, now_ms: int, decoded: Decoded | None = None) -> None:
        """Merge a batch into every view, and move offsets, times and ledgers on."""
        source = self._record
        self._progress.count(now_ms, len(batch))
        if len(batch):
            now_ms = self._clock()  # the batch may have come after the turn began
            decoded = decoded or self._decoder.decode(batch)
            firsts = _first_offsets(batch)
            told_of = {p: source.partitions[p].offset for p in firsts if p in source.partitions}
            fresh = self._fresh(batch, firsts, told_of)
            self._bury(batch, decoded.rejects, "", fresh, now_ms)
            for column, rejects in decoded.misfits.items():
                self._bury(batch, rejects, "", fresh, now_ms)
                if fresh is not None:
                    again = [one for one in rejects if not fresh[one.row]]
                    again = unheard(source, column, batch, again, self._readers(column))
                    self._bury(batch, again, "", None, now_ms)
            for column in list(source.unheard):
                hear(source, column, batch, self._readers(column))
            times = times_of(self.plan, batch, decoded)
            for view in self._views:
                self._apply_view(view, batch, firsts, decoded, times, now_ms)
            self._kept.clear()
            for grouping in self._groupings.values():
                grouping.forget()
            count_messages(source, batch, decoded, fresh)
            move_times(source, batch, times, self.plan)
        for partition, offset in batch.next_offsets.items():
            told = source.partitions.setdefault(partition, PartitionRecord(offset))
            told.offset = max(told.offset, offset)
            for record in self._records().values():
                if not record.error:
                    record.offsets[partition] = max(record.offsets.get(partition, 0), offset)
        source.identity = self._identity
        self.moved = True

    @staticmethod
    def _fresh(
        batch: MessageBatch, firsts: Mapping[int, int], offsets: Mapping[int, int]
    ) -> np.ndarray | None:
        """Which messages lie at or after ``offsets``: bool[n], or None when all do."""
        if all(offsets.get(partition, 0) <= first for partition, first in firsts.items()):
            return None
        floor = np.zeros(max(firsts) + 1, np.int64)
        for partition in firsts:
            floor[partition] = offsets.get(partition, 0)
        return np.asarray(batch.offsets >= floor[batch.partitions])

    def _readers(self, column: str) -> list[ViewRecord]:
        """The records of the views that read a column and have not stopped."""
        records = self._records()
        readers = [records[view.name] for view in self._views if column in view.columns_read]
        return [record for record in readers if not record.error]

    def _apply_view(
        self,
        view: ViewPlan,
        batch: MessageBatch,
        firsts: Mapping[int, int],
        decoded: Decoded,
        times: Times | None,
        now_ms: int,
    ) -> None:
        record = self._records()[view.name]
        if record.error:
            return
        fresh = self._fresh(batch, firsts, record.offsets)
        table, rows = decoded.table, decoded.rows
        dead = [reject.row for reject in decoded.rejects]
        misfits = {
            reject.row
            for name, rejects in decoded.misfits.items()
            if name in view.columns_read
            for reject in rejects
        }
        new = None if fresh is None else fresh[rows]
        late, latest = late_events(view, record, times, batch.partitions[rows], new)
        some_out = misfits or fresh is not None or late.any()
        keep = np.ones(len(rows), np.bool_) if some_out else None
        if keep is not None and misfits:
            dead += sorted(misfits.difference(dead))  # a reject may have misfits as well
            keep &= ~np.isin(rows, np.fromiter(misfits, np.int64))
        if keep is not None and fresh is not None:
            keep &= fresh[rows]
            dead = [row for row in dead if fresh[row]]
        late_table, late_rows = table.slice(0, 0), rows[:0]
        if keep is not None:
            late_table, late_rows = self._rest(decoded, keep & late)
            table, rows = self._rest(decoded, keep & ~late)
        try:
            letters = self._merge(view, record, table, rows)
            letters += self._leave_out(view, record, batch, late_table, late_rows)
        except Exception as problem:  # whatever it is, it costs this view and no other (law 7)
            foreseen = isinstance(problem, duckdb.Error | OverflowError | MemoryError)
            self._stop_view(view.name, first_line(problem), None if foreseen else problem)
            return
        self._bury(batch, letters, view.name, None, now_ms)
        for row in dead + [letter.row for letter in letters]:
            book(record, int(batch.partitions[row]), dead_lettered=1)
        if times is not None:
            move_time_of_view(record, times, fresh)
        if latest is not None:
            record.event_times_us = latest

    def _leave_out(
        self,
        view: ViewPlan,
        record: ViewRecord,
        batch: MessageBatch,
        table: pa.Table,
        rows: np.ndarray,
    ) -> list[Reject]:
        """Book late events, and return those that become dead letters."""
        if view.on_late == "dead_letter":
            return [Reject(row, LATE) for row in rows.tolist()]
        if not view.leaves_out:  # what WHERE leaves out is filtered, and not late
            return self._merge(view, record, table, rows, late=True)
        for row in rows.tolist():
            book(record, int(batch.partitions[row]), late=1)
        return []

    def _rest(self, decoded: Decoded, keep: np.ndarray) -> tuple[pa.Table, np.ndarray]:
        """Return what is kept of a batch; one table for all views that leave out the same."""
        mask = keep.tobytes()
        if mask not in self._kept:
            self._kept[mask] = decoded.table.filter(pa.array(keep)), decoded.rows[keep]
        return self._kept[mask]

    def _stop_view(self, view: str, error: str, bug: Exception | None = None) -> None:
        _log.error("view stopped: %s", error, exc_info=bug, extra={"view": view})
        self._state.fail_view(view, error)
        self.moved = True  # who reads hears of it with a commit

    def _merge(
        self,
        view: ViewPlan,
        record: ViewRecord,
        table: pa.Table,
        rows: np.ndarray,
        *,
        late: bool = False,
    ) -> list[Reject]:
        """Evaluate and merge events, and book what was applied, filtered and late.

        Args:
            view: The view.
            record: Its record.
            table: n events.
            rows: int[n], their places in the batch.
            late: Their rows had expired.

        Returns:
            Those that the view's SQL cannot be evaluated on.
        """
        poison: list[Reject] = []
        for part in self._evaluators[view.name].evaluate(table, late=late):
            match part:
                case Poison():
                    poison.append(Reject(int(rows[part.row]), part.reason))
                case Delta():
                    if part.keys:
                        self._state.merge(view.name, part.keys, part.slots, part.members)
                    for partition in {*part.applied, *part.filtered, *part.late}:
                        book(
                            record,
                            partition,
                            applied=part.applied.get(partition, 0),
                            filtered=part.filtered.get(partition, 0),
                            late=part.late.get(partition, 0),
                        )
        return poison

    def _bury(
        self,
        batch: MessageBatch,
        rejects: Collection[Reject],
        view: str,
        fresh: np.ndarray | None,
        now_ms: int,
    ) -> None:
        for reject in rejects:
            row = reject.row
            if fresh is not None and not fresh[row]:
                continue
            self._state.bury(
                DeadLetter(
                    source=self.plan.name,
                    partition=int(batch.partitions[row]),
                    offset=int(batch.offsets[row]),
                    timestamp_ms=int(batch.timestamps_ms[row]),
                    reason=reject.reason,
                    value=batch.values[row].as_py(),
                    view=view,
                    field=reject.field,
                    key=batch.keys[row].as_py() if batch.keys is not None else None,
                    headers=(batch.headers[row] or None) if batch.headers is not None else None,
                    time_ms=now_ms,
                )
            )

    # --- committing --------------------------------------------------------------------------

    def before_commit(self, now_ms: int) -> None:
        """Write into the record what the coming commit will have reached."""
        # What came after the last look at the source's end is not in the commit.
        as_of_ms = min(now_ms, self._sampled_ms)
        self._record.as_of_ms = self._progress.committed(as_of_ms, self._offsets())
        for record in self._nearly_ready():
            record.ready = True

    def after_commit(self) -> None:
        """Tell the source what is durable."""
        self.moved = False
        self._committed = self._offsets()
        if self._opening.done:
            self._source.committed(self._committed)

    def needs_ready(self) -> bool:
        """Say whether a commit would make a view ready though nothing else moved."""
        return bool(self._nearly_ready())

    def _nearly_ready(self) -> list[ViewRecord]:
        """Views that have caught up for the first time; one being built has offsets of its own."""
        return [
            record
            for record in self._records().values()
            if not record.ready and not record.error and self._progress.caught_up(record.offsets)
        ]

    def status(self, now_ms: int, partitions_max: int = PARTITIONS_MAX) -> SourceStatus:
        """Say where the source is, as of the last commit; of many partitions, only the worst."""
        offsets = self._committed
        if not self.moved and self._opening.done:
            self._progress.committed(min(now_ms, self._sampled_ms), offsets)
        caught_up = self._progress.caught_up(offsets)
        self._was_caught_up |= caught_up
        if self.error:
            state = "stopped"
        elif self._complete and caught_up:
            state = "complete"
        else:  # a source under load is a little behind at most moments: that is live as well
            live = caught_up or (self._was_caught_up and not self.behind)
            state = "live" if live else "catching_up"
        ends = {**self._progress.end_offsets, **self._opening.ends}
        lags = {p: max(0, ends.get(p, 0) - offsets.get(p, 0)) for p in {*offsets, *ends}}
        shown = sorted(lags)
        if len(shown) > (most := min(partitions_max, PARTITIONS_MAX)):
            shown = sorted(heapq.nsmallest(most, lags, key=lambda p: (-lags[p], p)))
        return SourceStatus(
            state=state,
            error=self.error or self._trouble,
            as_of_ms=self._progress.as_of_ms,
            events_per_second=self._progress.rate(now_ms),
            partitions={
                p: PartitionStatus(offsets.get(p, 0), offsets.get(p, 0) + lags[p]) for p in shown
            },
            left_off=len(lags) - len(shown),
            left_off_lag=sum(lags.values()) - sum(lags[p] for p in shown),
        )

    def _records(self) -> dict[str, ViewRecord]:
        views = self._state.record.views
        return {view.name: views[view.name].part(self.plan.name) for view in self._views}

    def _offsets(self) -> dict[int, int]:
        return {p: told.offset for p, told in self._record.partitions.items()}


def _first_offsets(batch: MessageBatch) -> dict[int, int]:
    """Partition → the offset of its first message in a batch."""
    partitions, rows = np.unique(batch.partitions, return_index=True)
    return dict(zip(partitions.tolist(), batch.offsets[rows].tolist(), strict=True))
