"""Push: events into the log of an ``events`` source, answered once they are durable.

One thread per source owns the log's writer. While it syncs, pushes gather; the next turn takes all
of them, so one pair of syncs serves everybody who waits (group commit). What may wait is bounded,
and beyond it a push is refused at once: the client knows best whether to try again.

Each worker process writes the partition of its own number, and lets old segments of it go. If a
worker dies, what it acknowledged is on disk, and its successor goes on in the same partition. The
partitions of workers that are no more (it ran with more of them) are looked after by worker 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from keyfold.errors import KeyfoldError, StateError
from keyfold.eventlog.format import partition_directories, source_directory
from keyfold.eventlog.lines import LineBlock, json_array_lines, one_value_line, split_ndjson
from keyfold.eventlog.options import EventsOptions, events_options
from keyfold.eventlog.writer import AppendResult, EventLogWriter
from keyfold.state.record import CommitRecord
from keyfold.view.plan import Catalog, SourcePlan
from serving.problem import RefusedError

WAITING_MAX = 4_096
"""Pushes that may wait for one source."""
WAITING_BYTES_MAX = 64 << 20
"""Bytes that may wait for one source."""
RETAIN_INTERVAL_S = 60.0
"""Time between two looks at old segments."""
SETTLED_S = 120.0
"""A commit that was seen this long ago is taken for durable, though the log of the state is not
synced: the kernel writes dirty pages after 30 s by default."""

_WHITESPACE = b" \t\r\n"
_logger = logging.getLogger("keyfold.serving")
Outcome = AppendResult | KeyfoldError


@dataclass(frozen=True, slots=True)
class _Push:
    block: LineBlock
    done: Callable[[Outcome], None]


class SourceLog:
    """The log of one source in this worker, and the thread that writes it.

    Args:
        directory: The source's directory.
        partition: The partition that this worker writes.
        options: Of the source.
    """

    def __init__(self, directory: Path, partition: int, options: EventsOptions) -> None:
        self._directory = directory
        self._partition = partition
        self._options = options
        self._writer: EventLogWriter | None = None
        self._waiting: deque[_Push] = deque()
        self._waiting_bytes = 0
        self._retain_up_to: dict[int, int] = {}
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"push-{directory.name}")
        self._thread.daemon = True
        self._thread.start()

    def submit(self, block: LineBlock, done: Callable[[Outcome], None]) -> None:
        """Queue a push; ``done`` is called from the writing thread.

        Raises:
            RefusedError: Too much is waiting.
        """
        with self._changed:
            full = len(self._waiting) >= WAITING_MAX or (
                self._waiting and self._waiting_bytes + len(block.data) > WAITING_BYTES_MAX
            )
            if full or self._closing:
                raise RefusedError(
                    "busy",
                    "too many pushes are waiting for the disk",
                    hint="push again in a second, or put more events into one push",
                )
            self._waiting.append(_Push(block, done))
            self._waiting_bytes += len(block.data)
            self._changed.notify()

    def retain(self, up_to: Mapping[int, int]) -> None:
        """Let old segments of partitions go, up to offsets that the state has durably applied.

        Args:
            up_to: Partition → offset, of partitions that no other process writes.
        """
        with self._changed:
            self._retain_up_to = dict(up_to)
            self._changed.notify()

    def close(self) -> None:
        """Write what waits, and release the partition."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._closing or self._retain_up_to):
                    self._changed.wait()
                taken, self._waiting = list(self._waiting), deque()
                self._waiting_bytes = 0
                retain_up_to, self._retain_up_to = self._retain_up_to, {}
                closing = self._closing
            if taken:
                self._append(taken)
            for partition, offset in retain_up_to.items():
                self._retain(partition, offset)
            if closing and not taken:
                self._drop_writer()
                return

    def _append(self, pushes: list[_Push]) -> None:
        now_ms = time.time_ns() // 1_000_000
        try:
            results = self._own_writer().append_many([push.block for push in pushes], now_ms)
        except Exception as error:
            _logger.exception("a push could not be written")
            # A writer that failed is opened again by the next push, which mends its files.
            self._drop_writer()
            refusal = error if isinstance(error, KeyfoldError) else StateError(str(error))
            for push in pushes:
                push.done(refusal)
            return
        for push, result in zip(pushes, results, strict=True):
            push.done(result)

    def _retain(self, partition: int, applied_offset: int) -> None:
        try:
            if partition == self._partition:
                self._remove_old(self._own_writer(), applied_offset)
                return
            with contextlib.closing(self._open_writer(partition)) as writer:
                self._remove_old(writer, applied_offset)
        except Exception:
            _logger.exception("old segments could not be removed", extra={"partition": partition})

    def _remove_old(self, writer: EventLogWriter, applied_offset: int) -> None:
        options, now_ms = self._options, time.time_ns() // 1_000_000
        removed = writer.retain(
            options.retention_bytes, options.retention_ms, applied_offset, now_ms
        )
        if removed:
            _logger.info(
                "old segments were removed",
                extra={
                    "source": self._directory.name,
                    "partition": writer.partition,
                    "segments": removed,
                },
            )

    def _own_writer(self) -> EventLogWriter:
        if self._writer is None:
            self._writer = self._open_writer(self._partition)
        return self._writer

    def _open_writer(self, partition: int) -> EventLogWriter:
        return EventLogWriter(self._directory / str(partition), self._options.segment_bytes)

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


class PushLogs:
    """The logs of all ``events`` sources, as far as this worker writes and looks after them.

    Args:
        data_directory: Where the logs lie.
        worker: The number of this worker, from 0.
        workers: How many there are.
    """

    def __init__(self, data_directory: Path, worker: int, workers: int) -> None:
        self._data_directory = data_directory
        self._worker = worker
        self._workers = workers
        self._logs: dict[str, SourceLog] = {}
        self._seen: deque[tuple[float, dict[str, dict[int, int]]]] = deque()

    async def push(self, source: SourcePlan, block: LineBlock) -> AppendResult:
        """Append events, and return once they are durable.

        Raises:
            RefusedError: The source is not of this kind, or too much is waiting.
            StateError: The log cannot be written.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[AppendResult] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            if future.done():
                return  # the client went away
            if isinstance(outcome, AppendResult):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

        def done(outcome: Outcome) -> None:
            try:
                loop.call_soon_threadsafe(settle, outcome)
            except RuntimeError:
                _logger.warning("a push was written after its client's connection was closed")

        self.log(source).submit(block, done)
        return await future

    def log(self, source: SourcePlan) -> SourceLog:
        """Return the log of a source, opened when it is first asked for.

        Raises:
            RefusedError: The source takes no pushes.
        """
        if source.connector != "events":
            raise RefusedError(
                "not_an_events_source",
                f"source {source.name} reads from {source.connector}",
                hint="push into a source WITH (connector = 'events')",
            )
        log = self._logs.get(source.name)
        if log is None:
            directory = source_directory(self._data_directory, source.name)
            options = events_options(source.name, source.connector_options)
            log = SourceLog(directory, self._worker, options)
            self._logs[source.name] = log
        return log

    def retain(self, catalog: Catalog, record: CommitRecord, now_s: float) -> None:
        """Let segments go that every view has applied, as of a commit that has settled.

        Args:
            catalog: The catalog of the commit.
            record: The commit that the replica stands at.
            now_s: A monotonic clock.
        """
        sources = [source for source in catalog.sources if source.connector == "events"]
        applied = {
            source.name: {
                partition: applied_offset(catalog, record, source.name, partition)
                for partition in self._looked_after(source.name)
            }
            for source in sources
        }
        self._seen.append((now_s, applied))
        while len(self._seen) > 1 and self._seen[1][0] <= now_s - SETTLED_S:
            self._seen.popleft()
        seen_s, settled = self._seen[0]
        if seen_s > now_s - SETTLED_S:
            return
        for source in sources:
            then, now = settled.get(source.name, {}), applied[source.name]
            up_to = {p: min(then.get(p, 0), offset) for p, offset in now.items()}
            if any(up_to.values()):
                self.log(source).retain(up_to)

    def _looked_after(self, source: str) -> list[int]:
        """Return the partitions of a source whose old segments this worker removes.

        Each has one such worker, and none is written by another one: so a push never meets a
        partition that is held to be trimmed.
        """
        there = partition_directories(source_directory(self._data_directory, source))
        return [p for p in there if p == self._worker or (not self._worker and p >= self._workers)]

    def close(self) -> None:
        """Write what waits, and release all partitions."""
        for log in self._logs.values():
            log.close()
        self._logs.clear()


def applied_offset(catalog: Catalog, record: CommitRecord, source: str, partition: int) -> int:
    """Return the offset before which the state needs no record of a partition any more.

    The least over the source and each of its views; a view that has not seen the partition yet
    needs all of it.
    """
    told = record.sources.get(source)
    if told is None or partition not in told.partitions:
        return 0
    least = told.partitions[partition].offset
    for plan in catalog.views:
        if source in plan.sources:
            view = record.views.get(plan.name)
            least = min(least, view.part(source).offsets.get(partition, 0) if view else 0)
    return least


def parse_body(body: bytes, content_type: str, events_max: int) -> LineBlock:
    """Split a pushed body into events.

    A JSON array where it starts with ``[``, and one event where it is one JSON object over several
    lines, unless the content type says NDJSON.

    Raises:
        RequestError: It cannot be split.
        RefusedError: There are too many events.
    """
    ndjson = content_type.partition(";")[0].strip().lower() in (
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
    )
    array = not ndjson and body.lstrip(_WHITESPACE).startswith(b"[")
    if array:
        block = json_array_lines(body)
    else:
        block = (None if ndjson else one_value_line(body)) or split_ndjson(body)
    if block.count > events_max:
        raise RefusedError(
            "too_large",
            f"the push has {block.count} events, more than {events_max}",
            hint="send it in parts, or raise push_events_max",
        )
    return block
