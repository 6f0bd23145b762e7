"""One source and the views that read it: ``poll → decode → apply``, and what a commit tells.

A batch is applied by ingest/apply.py; nothing is durable here, the pipeline commits
(ingest/pipeline.py).
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from ingest.apply import Applier
from ingest.clock import clock_ms, monotonic_ms
from ingest.decode.json import Decoded, JsonDecoder
from ingest.opening import RETRY_MS, Opening, Start, left_behind, start_of
from ingest.progress import Progress
from ingest.source.connect import connect_ahead, starts_at_beginning
from ingest.source.message import MessageBatch
from ingest.source.protocol import OffsetGoneError
from keyfold.state.counter import PartitionStatus, SourceStatus
from keyfold.state.record import SourceRecord, ViewRecord
from keyfold.state.writer import StateWriter
from keyfold.view.plan import SourcePlan

__all__ = ["PARTITIONS_MAX", "RETRY_MS", "Lane"]

PARTITIONS_MAX = 2_000
BACKLOG_GATHER_MS = 100
"""With a backlog a batch may be this long in coming: what one costs is then spread over more."""


class Lane:
    """The way from one source to its views. Not thread-safe.

    Attributes:
        plan: The source's plan.
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
        self.behind = False
        self.took_ms = 0.0
        self._source = connect_ahead(plan, data_directory)
        self._applier = Applier(plan, state, connection)
        self._decoder = JsonDecoder(connection, plan, self._record.decoded)
        self._progress = Progress(self._record.as_of_ms)
        self._committed = self._applier.offsets()
        self._sampled_ms = 0
        self._complete = self._was_caught_up = False
        self._trouble = ""
        self._opening = Opening(plan.name, self._source, monotonic)
        self._identity = self._record.identity
        self._clock = clock

    @property
    def moved(self) -> bool:
        """Whether something was applied that is not committed yet."""
        return self._applier.moved

    @property
    def _record(self) -> SourceRecord:
        return self._applier.record

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
        reached = {**self._applier.offsets(), **batch.next_offsets}
        return self._progress.lag(reached) >= messages_max // 4

    def close(self) -> None:
        """Let go of the source."""
        self._opening.close()

    def _try_open(self, timeout_ms: int) -> bool:
        try:
            if not self._opening.advance(self._start, timeout_ms):
                return False
        except OffsetGoneError as gone:
            behind = left_behind(gone.begins, self._applier.records())
            for name, error in behind.items():
                self._applier.stop_view(name, error)
            if not behind:
                self._opening.stop(gone)
            return False
        for record in self._applier.records().values():
            if not record.error and not record.offsets:
                record.offsets = dict(self._opening.from_here)
        self._identity = self._record.identity = self._opening.identity
        self._was_caught_up = False
        return True

    def _start(self) -> Start:
        return start_of(
            self._applier.offsets(),
            self._record.identity,
            self._applier.records().values(),
            as_options_say=starts_at_beginning(self.plan),
        )

    # --- applying ----------------------------------------------------------------------------

    def apply(self, batch: MessageBatch, now_ms: int, decoded: Decoded | None = None) -> None:
        """Merge a batch into every view, and move offsets, times and ledgers on."""
        self._progress.count(now_ms, len(batch))
        if len(batch):
            now_ms = self._clock()  # the batch may have come after the turn began
            decoded = decoded or self._decoder.decode(batch)
        self._applier.apply(batch, decoded, self._identity, now_ms)

    # --- committing --------------------------------------------------------------------------

    def before_commit(self, now_ms: int) -> None:
        """Write into the record what the coming commit will have reached."""
        # What came after the last look at the source's end is not in the commit.
        as_of_ms = min(now_ms, self._sampled_ms)
        self._record.as_of_ms = self._progress.committed(as_of_ms, self._applier.offsets())
        for record in self._nearly_ready():
            record.ready = True

    def after_commit(self) -> None:
        """Tell the source what is durable."""
        self._applier.moved = False
        self._committed = self._applier.offsets()
        if self._opening.done:
            self._source.committed(self._committed)

    def needs_ready(self) -> bool:
        """Say whether a commit would make a view ready though nothing else moved."""
        return bool(self._nearly_ready())

    def _nearly_ready(self) -> list[ViewRecord]:
        """Views that have caught up for the first time; one being built has offsets of its own."""
        return [
            record
            for record in self._applier.records().values()
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
