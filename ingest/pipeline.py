"""The loop of the writer process: poll every lane in turn, commit on time, tell the readers.

Step 1: each lane reads a batch and merges it into the working state.
Step 2: a commit, when the interval has passed, or many keys have changed: everything that was
        merged, with the offsets it came from, in one atomic write (law 2).
Step 3: the commit counter is moved on, so readers take the commit over; sources hear of it.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingest.clock import clock_ms, monotonic_ms
from ingest.lane import Lane
from keyfold import metrics
from keyfold.settings import Settings
from keyfold.sql.bind import locked_connection
from keyfold.state.counter import CounterWriter, MissingView, Sample, SourceStatus, Status
from keyfold.state.record import SourceRecord
from keyfold.state.writer import StateWriter

_log = logging.getLogger("keyfold.ingest")
HEARTBEAT_MS = 50
RECLAIM_INTERVAL_MS = 1_000
# While a pass is under way and has nothing to delete.
RECLAIM_PAUSE_MS = 50
# A quarter of the time since the last look, within these bounds.
RECLAIM_MS_MIN, RECLAIM_MS_MAX = 2, 20
# Where there is much to delete, so that a look is as long as it may be: what it finds is a commit,
# and each commit holds the readers up for as long whether it deletes few rows or many.
RECLAIM_BUSY_MS = 4 * RECLAIM_MS_MAX
RECLAIM_KEYS_MAX = 50_000
LETTERS_BYTES_MAX = 64 << 20
# The status has a place of 1 MiB (keyfold/state/counter.py), at 80 bytes at most for a partition.
PARTITIONS_PUBLISHED_MAX = 8_000


@dataclass(frozen=True, slots=True)
class Missing:
    """What the SQL file has and a pipeline does not keep (yet).

    Attributes:
        sources: Sources that have no lane, with what is to be told of them; may change meanwhile.
        views: Views that are not in the catalog.
        begins: Where sources that have no lane begin, once that is known; more may come.
    """

    sources: Mapping[str, SourceStatus] = field(default_factory=dict)
    views: Mapping[str, MissingView] = field(default_factory=dict)
    begins: Mapping[str, SourceRecord] = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """What the process has done since it started; one pipeline goes on where another ended."""

    started_ms: int
    run: str = ""
    commits: int = 0
    commit_seconds: float = 0.0
    batches: int = 0


class Pipeline:
    """All sources and views of one data directory, until stopped."""

    def __init__(
        self,
        state: StateWriter,
        counter: CounterWriter,
        settings: Settings,
        *,
        pid: int,
        clock: Callable[[], int] = clock_ms,
        monotonic: Callable[[], int] = monotonic_ms,
        letters_bytes_max: int = LETTERS_BYTES_MAX,
        missing: Missing | None = None,
        tally: Tally | None = None,
    ) -> None:
        """Prepare a lane per source of the state's catalog, but for those that wait.

        ``clock`` is for what is stored and published, ``monotonic`` for every timer.

        Raises:
            SettingsError: An option of a source is wrong.
        """
        self._state = state
        self._counter = counter
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._letters_bytes_max = letters_bytes_max
        connection = locked_connection(threads=settings.ingest_threads)
        directory = Path(settings.data_dir)
        self._missing = missing or Missing()
        self._tally = tally or Tally(clock())
        self.lanes = [
            Lane(plan, state, connection, directory, monotonic, clock)
            for plan in state.catalog.sources
            if plan.name not in self._missing.sources
        ]
        self._status = Status(
            pid=pid,
            started_ms=self._tally.started_ms,
            run=self._tally.run,
            missing=dict(self._missing.views),
        )
        # On the monotonic clock, as all that is called ``at_ms``.
        self._committed_at_ms = self._heartbeat_at_ms = 0
        self._reclaim_at_ms = self._reclaimed_at_ms = 0
        self._commit_ms = 0  # how long the last commit took

    def run(self, stop: threading.Event, pause: threading.Event | None = None) -> None:
        """Run until ``stop`` is set, then commit what was read and close the sources.

        Args:
            stop: The process ends: the readers are told.
            pause: Ends this pipeline in the same way, for another one that goes on.
        """
        pause = pause or threading.Event()
        # The state's dictionaries live as long as the process; scanning them is wasted time.
        gc.freeze()
        gc.set_threshold(100_000, 50, 1_000)
        try:
            self._publish()
            while not (stop.is_set() or pause.is_set()):
                self.turn()
            self.commit()
        finally:
            gc.unfreeze()  # or DuckDB's connection outlives the interpreter, which complains
            for lane in self.lanes:
                lane.close()
        self._status.stopped = stop.is_set()
        self._publish()

    def turn(self) -> None:
        """Poll every lane once, and commit if it is time."""
        settings = self._settings
        timeout_ms = max(1, settings.poll_timeout_ms // max(1, len(self.lanes)))
        idle = True
        for lane in self.lanes:
            # A batch should be merged when the next commit is due, and have all that came by then.
            since_ms = self._monotonic() - self._committed_at_ms
            gather_ms = max(0.0, settings.commit_interval_ms - since_ms - lane.took_ms)
            read = lane.step(settings.batch_messages_max, timeout_ms, self._clock(), gather_ms)
            self._tally.batches += read > 0
            idle = idle and lane.error != ""
        at_ms = self._monotonic()
        if at_ms >= self._reclaim_at_ms:
            self._reclaim(at_ms)
        if self._begin() or self._must_commit(at_ms):
            self.commit()
        elif at_ms >= self._heartbeat_at_ms:
            self._publish()
        if idle:
            time.sleep(timeout_ms / 1_000)

    def commit(self) -> None:
        """Make everything that was merged durable and visible."""
        now_ms = self._clock()
        self._committed_at_ms = self._monotonic()
        started = time.perf_counter()
        for lane in self.lanes:
            lane.before_commit(now_ms)
        self._state.commit(now_ms)
        for lane in self.lanes:
            lane.after_commit()
        seconds = time.perf_counter() - started
        self._commit_ms = int(seconds * 1_000)
        self._tally.commit_seconds += seconds
        self._tally.commits += 1
        self._publish()

    def _reclaim(self, at_ms: int) -> None:
        """Look for expired rows for a while that is short beside the time since the last look."""
        since_ms, self._reclaimed_at_ms = at_ms - self._reclaimed_at_ms, at_ms
        budget_ms = min(max(since_ms // 4, RECLAIM_MS_MIN), RECLAIM_MS_MAX)
        until_s = time.perf_counter() + budget_ms / 1_000
        found = self._state.reclaim(RECLAIM_KEYS_MAX, lambda: time.perf_counter() >= until_s)
        if found:
            pause_ms = RECLAIM_BUSY_MS
        else:
            pause_ms = RECLAIM_PAUSE_MS if self._state.reclaiming else RECLAIM_INTERVAL_MS
        self._reclaim_at_ms = at_ms + pause_ms

    def _begin(self) -> bool:
        begins = dict(self._missing.begins)
        return sum(self._state.begin(name, start) for name, start in begins.items()) > 0

    def _must_commit(self, at_ms: int) -> bool:
        settings = self._settings
        state = self._state
        if (
            state.dirty_count >= settings.commit_keys_max
            or state.letters_bytes >= self._letters_bytes_max
        ):
            return True
        if not any(lane.moved or lane.needs_ready() for lane in self.lanes):
            return state.deletes_waiting
        behind = any(lane.behind for lane in self.lanes)
        wait_ms = settings.commit_interval_ms
        if behind:  # nobody waits for a commit, so they get no more than a fifth of the time
            wait_ms = max(settings.commit_interval_backlog_ms, 4 * self._commit_ms)
        return at_ms - self._committed_at_ms >= wait_ms

    def _publish(self) -> None:
        now_ms = self._clock()
        self._heartbeat_at_ms = self._monotonic() + HEARTBEAT_MS
        status = self._status
        each_max = PARTITIONS_PUBLISHED_MAX // max(1, len(self.lanes))
        status.sources = dict(self._missing.sources)
        status.sources |= {lane.plan.name: lane.status(now_ms, each_max) for lane in self.lanes}
        status.metrics = [
            Sample(metrics.COMMITS.name, self._tally.commits),
            Sample(metrics.COMMIT_SECONDS.name, self._tally.commit_seconds),
            Sample(metrics.BATCHES.name, self._tally.batches),
        ]
        for name, view in self._state.views.items():
            status.metrics.append(Sample(metrics.HOT_KEYS.name, len(view.hot), (name,)))
        self._counter.publish(self._state.record.sequence, now_ms, status)
