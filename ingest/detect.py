"""Columns of sources that were declared without a column list: detected from their first events.

What was detected once is kept in the stored catalog, so a source never changes its columns because
its data did. Each source is waited for in a thread of its own, beside the pipeline that keeps the
views of the others (law 7); it joins them once its columns are known (ingest/__main__.py).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from ingest.opening import RETRY_MS, first_line
from ingest.source.connect import connect, starts_at_beginning
from ingest.source.file_columns import file_columns
from ingest.source.message import BATCH_BYTES_MAX
from ingest.source.protocol import Source
from keyfold.connector.file_options import file_options
from keyfold.errors import KeyfoldError, SourceError, SqlError
from keyfold.sql.compile import bind_source
from keyfold.sql.infer import infer_columns
from keyfold.sql.parse import UnboundSource
from keyfold.state.counter import SourceStatus
from keyfold.state.record import PartitionRecord, SourceRecord
from keyfold.view.plan import Column, SourcePlan

_log = logging.getLogger("keyfold.ingest")
SAMPLE_MESSAGES_MAX = 1_000
CLOSE_S_MAX = 5.0
_POLL_MS = 100
_SETTLE_S = 1.0
_RETRY_S = 1.0
Tell = Callable[[str, str], None]
"""Takes the state of a source, ``waiting`` or ``stopped``, and why, or nothing."""


@dataclass(frozen=True, slots=True)
class Detected:
    """What the first events of a source tell.

    Attributes:
        columns: The source's columns.
        start: Where the sample began, so that the views of a source that starts at its latest
            begin there and not behind it.
    """

    columns: tuple[Column, ...]
    start: SourceRecord


def placeholder(source: UnboundSource) -> SourcePlan:
    """Return a plan of a source whose columns are not known yet."""
    return bind_source(source, {source.name: ()})


def detect(
    source: UnboundSource,
    data_directory: Path,
    stop: threading.Event,
    *,
    give_up: bool = False,
    wait: bool = True,
    tell: Tell = lambda state, error: None,
    begin: SourceRecord | None = None,
    begun: Callable[[SourceRecord], None] = lambda start: None,
) -> Detected | None:
    """Wait for the first events of a source and return its columns; None when stopped first.

    Args:
        source: A source without a column list.
        data_directory: Where the logs of ``events`` sources lie.
        stop: Ends the waiting.
        give_up: Raise when the source cannot be read, a ``file`` source has no record, or no event
            of a whole sample is a JSON object, instead of trying again and going on with newer
            ones.
        wait: Not at the end of what is there, though: wait for more.
        tell: Called with what there is to say of the waiting, whenever that changes.
        begin: Where an earlier life began that came no further.
        begun: Called with where a source that starts at its latest begins, once that is known: by
            a later life, that is not the latest any more.

    Raises:
        SourceError: The source cannot be read, and ``give_up``.
        SqlError: No event of a whole sample, or without ``wait`` of all there are, is a JSON
            object, and ``give_up``.
        SettingsError: An option of the source is wrong.
    """
    plan = placeholder(source)
    door = connect(plan, data_directory)
    tell("waiting", "")
    if plan.connector == "file":
        return _detect_in_files(plan, stop, tell, give_up=give_up)
    _log.info("waiting for events to detect the columns", extra={"source": source.name})
    keep_start = not starts_at_beginning(plan)
    sample = _Sample(door, begin if keep_start else None, keep_start=keep_start)
    return _detect_in_events(
        source.name,
        sample,
        stop,
        tell,
        begun if keep_start else None,
        give_up=give_up,
        to_the_end=give_up and not wait,
    )


def _detect_in_events(
    source: str,
    sample: _Sample,
    stop: threading.Event,
    tell: Tell,
    begun: Callable[[SourceRecord], None] | None,
    *,
    give_up: bool,
    to_the_end: bool,
) -> Detected | None:
    """Find the columns in the first messages; see ``detect``."""
    look_at, warned, unreadable = 0.0, False, ""
    try:
        while not stop.is_set():
            try:
                sample.take()
            except SourceError as problem:
                if give_up:
                    raise
                if unreadable != (unreadable := first_line(problem)):
                    _log.warning(
                        "cannot read the source yet: %s", problem, extra={"source": source}
                    )
                    tell("stopped", unreadable)
                sample.begin_again()
                stop.wait(_RETRY_S)
                continue
            if unreadable:
                unreadable = ""
                tell("waiting", "")
            if begun is not None:
                begun(sample.start())
                begun = None
            ended = to_the_end and sample.at_end()
            now = time.monotonic()
            look_at = look_at or (now + _SETTLE_S if sample.lines else 0.0)
            if not (sample.full or ended or (sample.lines and now >= look_at)):
                continue
            look_at = now + _SETTLE_S
            try:
                columns = sample.columns()
            except SqlError as problem:
                if give_up and (sample.full or ended):
                    raise
                # Garbage must keep neither this process from starting nor later events from us.
                if not warned:
                    _log.warning("still waiting: %s", problem, extra={"source": source})
                warned = True
                tell("waiting", first_line(problem))
                if sample.full:
                    sample.drop()
                continue
            _say_detected(source, columns)
            return Detected(columns, sample.start())
    finally:
        sample.close()
    return None


def _detect_in_files(
    plan: SourcePlan, stop: threading.Event, tell: Tell, *, give_up: bool
) -> Detected | None:
    """Find the columns of a ``file`` source, which starts where any file source does."""
    options = file_options(plan.name, plan.connector_options, plan.encode or None)
    told = ""
    while not stop.is_set():
        try:
            columns = file_columns(options)
        except (SourceError, SqlError) as problem:
            if give_up:
                raise
            if str(problem) != told:
                told = str(problem)
                _log.warning("still waiting: %s", told, extra={"source": plan.name})
                tell("waiting" if isinstance(problem, SqlError) else "stopped", first_line(problem))
            stop.wait(_RETRY_S)
            continue
        _say_detected(plan.name, columns)
        return Detected(columns, SourceRecord())
    return None


def _say_detected(source: str, columns: Collection[Column]) -> None:
    names = ", ".join(f"{column.name} {column.type}" for column in columns)
    _log.info("detected columns: %s", names, extra={"source": source})


class _Sample:
    """The events that are looked at, and where reading them began.

    Attributes:
        lines: Bodies of messages, tombstones left out.
    """

    def __init__(self, door: Source, begin: SourceRecord | None, *, keep_start: bool) -> None:
        begin = begin or SourceRecord()
        self.lines: list[bytes] = []
        self._door = door
        self._keep_start = keep_start
        self._bytes = 0
        self._open = False
        self._positions: dict[int, int] = {}
        self._starts = {p: told.offset for p, told in begin.partitions.items()}
        self._identity = dict(begin.identity)

    @property
    def full(self) -> bool:
        """Whether no more events are wanted."""
        return len(self.lines) >= SAMPLE_MESSAGES_MAX or self._bytes >= BATCH_BYTES_MAX

    def take(self) -> None:
        """Read on for a moment.

        Raises:
            SourceError: The source cannot be read.
        """
        if not self._open:
            self._door.open(self._starts, self._identity)
            self._open = True
            self._positions = dict(self._door.start_offsets())
            if self._keep_start:
                self._starts = {**self._door.start_offsets(), **self._starts}
                self._identity = dict(self._door.identity())
        batch = self._door.poll(SAMPLE_MESSAGES_MAX - len(self.lines), _POLL_MS)
        if batch is None:
            return
        self._positions |= batch.next_offsets
        for partition, offset in batch.next_offsets.items():
            here = np.flatnonzero(batch.partitions == partition)
            first = int(batch.offsets[here[0]]) if len(here) else offset
            self._starts.setdefault(partition, first)
        self._identity = dict(self._door.identity())
        lines = [line for line in batch.values.to_pylist() if line]
        self.lines += lines
        self._bytes += sum(map(len, lines))

    def columns(self) -> tuple[Column, ...]:
        """Return the columns that the events tell.

        Raises:
            SqlError: There is no event, or none is a JSON object.
        """
        if not self.lines:
            raise SqlError("there is no event to infer from", hint="wait for one with --wait")
        return infer_columns(self.lines)

    def at_end(self) -> bool:
        """Say whether all was read that is there now."""
        ends = self._door.progress().end_offsets
        return all(self._positions.get(partition, 0) >= end for partition, end in ends.items())

    def close(self) -> None:
        """Let go of the source."""
        self._door.close()

    def drop(self) -> None:
        """Forget the events, so that newer ones can be taken."""
        self.lines, self._bytes = [], 0

    def begin_again(self) -> None:
        """Close the source; the next ``take`` opens it where the sample began."""
        self.drop()
        if not self._keep_start:
            self._starts, self._identity = {}, {}
        self._door.close()
        self._open = False

    def start(self) -> SourceRecord:
        """Return a record of the source that says: nothing was read, and this is where to begin."""
        partitions = {p: PartitionRecord(offset) for p, offset in self._starts.items()}
        return SourceRecord(partitions=partitions, identity=self._identity)


class Detections:
    """Sources whose columns are not known yet, each waited for in a thread of its own.

    Attributes:
        news: Set while there are columns that ``take`` has not returned yet.
        statuses: What there is to say of each source that waits, by name.
        begins: Where those of them begin that start at their latest, once that is known.
    """

    def __init__(
        self, sources: list[UnboundSource], data_directory: Path, stop: threading.Event
    ) -> None:
        self.news = threading.Event()
        self.statuses = {source.name: SourceStatus(state="waiting") for source in sources}
        self.begins: dict[str, SourceRecord] = {}
        self._sources = sources
        self._stop = stop
        self._found: SimpleQueue[tuple[str, Detected]] = SimpleQueue()
        self._data_directory = data_directory
        self._threads: list[threading.Thread] = []

    def start(self, begun: Mapping[str, SourceRecord] | None = None) -> None:
        """Begin to wait, once.

        Args:
            begun: What ``begins`` said in an earlier life.
        """
        for source in self._sources:
            begin = (begun or {}).get(source.name)
            name = f"detect-{source.name}"
            thread = threading.Thread(
                target=self._wait, args=(source, begin), name=name, daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def take(self) -> dict[str, Detected]:
        """Return what was detected since the last call, by source; those wait no longer."""
        self.news.clear()
        found: dict[str, Detected] = {}
        while not self._found.empty():
            name, one = self._found.get()
            found[name] = one
            del self.statuses[name]
            self.begins.pop(name, None)
        return found

    def refuse(self, source: str, error: str) -> None:
        """Say of a source that was taken why it cannot be kept."""
        self.statuses[source] = SourceStatus(state="stopped", error=error)

    def close(self) -> None:
        """Wait for the threads, which ``stop`` ends, so that they let go of their sources."""
        deadline_s = time.monotonic() + CLOSE_S_MAX
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline_s - time.monotonic()))

    def _wait(self, source: UnboundSource, begin: SourceRecord | None) -> None:
        tell, begun = partial(self._tell, source.name), partial(self._begun, source.name)
        told = ""
        while not self._stop.is_set():
            try:
                found = detect(
                    source,
                    self._data_directory,
                    self._stop,
                    tell=tell,
                    begin=self.begins.get(source.name, begin),
                    begun=begun,
                )
            except Exception as problem:  # whatever it is, it costs this source and no other
                if told != (told := first_line(problem)):
                    _log.error(
                        "source stopped: %s",
                        told,
                        exc_info=None if isinstance(problem, KeyfoldError) else problem,
                        extra={"source": source.name},
                    )
                tell("stopped", told)
                self._stop.wait(RETRY_MS / 1_000)
                continue
            if found is not None:
                self._found.put((source.name, found))
                self.news.set()
            return

    def _tell(self, source: str, state: str, error: str) -> None:
        self.statuses[source] = SourceStatus(state=state, error=error)

    def _begun(self, source: str, start: SourceRecord) -> None:
        self.begins[source] = start
