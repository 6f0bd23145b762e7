"""A batch's way from decoded messages to the working state, for one source.

``for each view: evaluate → merge → ledger → offsets``. Nothing is durable here; the pipeline
commits (ingest/pipeline.py).

Each view has its own offsets. Where they differ (a view is new, or being rebuilt), the source is
read from the least of them, and a view passes over what it has had.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

import duckdb
import numpy as np
import pyarrow as pa

from ingest.decode.json import Decoded
from ingest.decode.reject import Reject
from ingest.evaluate import Delta, Evaluator, Poison
from ingest.grouping import alike
from ingest.late import late_events
from ingest.opening import first_line
from ingest.source.message import MessageBatch
from ingest.sourcerecord import Times, count_messages, move_time_of_view, move_times, times_of
from ingest.unheard import begin, hear, unheard
from keyfold.state.deadletter import DeadLetter
from keyfold.state.record import PartitionRecord, SourceRecord, ViewRecord, book
from keyfold.state.writer import StateWriter
from keyfold.view.plan import SourcePlan, ViewPlan

_log = logging.getLogger("keyfold.ingest")
LATE = "it is late: its partition's time had passed it, and on_late = 'dead_letter'"


class Applier:
    """Merges the batches of one source into its views. Not thread-safe.

    Attributes:
        moved: True when something was applied that is not committed yet.
    """

    def __init__(
        self, plan: SourcePlan, state: StateWriter, connection: duckdb.DuckDBPyConnection
    ) -> None:
        """Prepare the views of a source; their batches are evaluated over ``connection``."""
        self.moved = False
        self._plan = plan
        self._state = state
        parts = [part for view in state.catalog.views for part in view.parts]
        self._views = [view for view in parts if view.source == plan.name]
        begin(self.record, self._views, self.records())
        self._groupings = alike(connection, self._views)
        self._evaluators = {
            view.name: Evaluator(
                connection, view, state.views[view.name].prefix, self._groupings[view.name]
            )
            for view in self._views
        }
        self._kept: dict[bytes, tuple[pa.Table, np.ndarray]] = {}

    @property
    def record(self) -> SourceRecord:
        """The source's record."""
        return self._state.record.sources[self._plan.name]

    def records(self) -> dict[str, ViewRecord]:
        """Return view → its record of this source."""
        views = self._state.record.views
        return {view.name: views[view.name].part(self._plan.name) for view in self._views}

    def offsets(self) -> dict[int, int]:
        """Return partition → the offset up to which messages were applied."""
        return {p: told.offset for p, told in self.record.partitions.items()}

    def stop_view(self, view: str, error: str, bug: Exception | None = None) -> None:
        """Stop a view, and say why; the others go on (law 7)."""
        _log.error("view stopped: %s", error, exc_info=bug, extra={"view": view})
        self._state.fail_view(view, error)
        self.moved = True  # who reads hears of it with a commit

    def apply(
        self,
        batch: MessageBatch,
        decoded: Decoded | None,
        identity: Mapping[str, str],
        now_ms: int,
    ) -> None:
        """Merge a batch into every view, and move offsets, times and ledgers on.

        Args:
            batch: The messages.
            decoded: The same; None where there are none.
            identity: What the source called itself when they were read.
            now_ms: The wall clock.
        """
        source = self.record
        if decoded is not None:
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
            times = times_of(self._plan, batch, decoded)
            for view in self._views:
                self._apply_view(view, batch, firsts, decoded, times, now_ms)
            self._kept.clear()
            for grouping in self._groupings.values():
                grouping.forget()
            count_messages(source, batch, decoded, fresh)
            move_times(source, batch, times, self._plan)
        for partition, offset in batch.next_offsets.items():
            told = source.partitions.setdefault(partition, PartitionRecord(offset))
            told.offset = max(told.offset, offset)
            for record in self.records().values():
                if not record.error:
                    record.offsets[partition] = max(record.offsets.get(partition, 0), offset)
        source.identity = dict(identity)
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
        records = self.records()
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
        record = self.records()[view.name]
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
            self.stop_view(view.name, first_line(problem), None if foreseen else problem)
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
                    source=self._plan.name,
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


def _first_offsets(batch: MessageBatch) -> dict[int, int]:
    """Partition → the offset of its first message in a batch."""
    partitions, rows = np.unique(batch.partitions, return_index=True)
    return dict(zip(partitions.tolist(), batch.offsets[rows].tolist(), strict=True))
