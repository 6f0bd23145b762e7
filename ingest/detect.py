"""Columns of sources that were declared without a column list: detected from their first events.

What was detected once is kept in the stored catalog, so a source never changes its columns because
its data did. The state itself can be opened before anything is known, with the sources that wait as
placeholders, so that the first events can be pushed at all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingest.source.connect import connect, starts_at_beginning
from ingest.source.message import BATCH_BYTES_MAX
from ingest.source.protocol import Source
from keyfold.errors import SourceError, SqlError
from keyfold.sql.compile import bind_source, statement_fingerprint
from keyfold.sql.infer import infer_columns
from keyfold.sql.parse import UnboundSource
from keyfold.state.record import PartitionRecord, SourceRecord
from keyfold.view.plan import Catalog, Column, SourcePlan, fingerprint

_log = logging.getLogger("keyfold.ingest")
SAMPLE_MESSAGES_MAX = 1_000
WAITING_S = 0.05
_POLL_MS = 100
_SETTLE_S = 1.0
_RETRY_S = 1.0


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


def known_schemas(
    sources: list[UnboundSource], stored: Catalog | None
) -> dict[str, tuple[Column, ...]]:
    """Return the columns that earlier lives detected, for sources that still say the same."""
    before = {source.name: source for source in stored.sources} if stored else {}
    return {
        source.name: before[source.name].columns
        for source in sources
        if source.columns is None
        and source.name in before
        and before[source.name].columns
        and before[source.name].fingerprint
        == fingerprint(statement_fingerprint(source), before[source.name].columns)
    }


def placeholder(source: UnboundSource) -> SourcePlan:
    """Return a plan of a source whose columns are not known yet."""
    return bind_source(source, {source.name: ()})


def detect(
    source: UnboundSource, data_directory: Path, stop: threading.Event, *, give_up: bool = False
) -> Detected | None:
    """Wait for the first events of a source and return its columns; None when stopped first.

    Args:
        source: A source without a column list.
        data_directory: Where the logs of ``events`` sources lie.
        stop: Ends the waiting.
        give_up: Raise when the source cannot be read, or no event of a whole sample is a JSON
            object, instead of trying again and going on with newer ones.

    Raises:
        SourceError: The source cannot be read, and ``give_up``.
        SqlError: No event of a whole sample is a JSON object, and ``give_up``.
        SettingsError: An option of the source is wrong.
    """
    plan = placeholder(source)
    door = connect(plan, data_directory)
    _log.info("waiting for events to detect the columns", extra={"source": source.name})
    sample = _Sample(door, keep_start=not starts_at_beginning(plan))
    look_at, warned = 0.0, False
    try:
        while not stop.is_set():
            try:
                sample.take()
            except SourceError as problem:
                if give_up:
                    raise
                _log.warning("cannot read the source yet: %s", problem)
                sample.begin_again()
                stop.wait(_RETRY_S)
                continue
            now = time.monotonic()
            look_at = look_at or (now + _SETTLE_S if sample.lines else 0.0)
            if not sample.full and not (sample.lines and now >= look_at):
                continue
            look_at = now + _SETTLE_S
            try:
                columns = infer_columns(sample.lines)
            except SqlError as problem:
                if sample.full and give_up:
                    raise
                # Garbage must keep neither this process from starting nor later events from us.
                if not warned:
                    _log.warning("still waiting: %s", problem, extra={"source": source.name})
                warned = True
                if sample.full:
                    sample.drop()
                continue
            names = ", ".join(f"{column.name} {column.type}" for column in columns)
            _log.info("detected columns: %s", names, extra={"source": source.name})
            return Detected(columns, sample.start())
    finally:
        door.close()
    return None


class _Sample:
    """The events that are looked at, and where reading them began.

    Attributes:
        lines: Bodies of messages, tombstones left out.
    """

    def __init__(self, door: Source, *, keep_start: bool) -> None:
        self.lines: list[bytes] = []
        self._door = door
        self._keep_start = keep_start
        self._bytes = 0
        self._open = False
        self._starts: dict[int, int] = {}
        self._identity: dict[str, str] = {}

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
        batch = self._door.poll(SAMPLE_MESSAGES_MAX - len(self.lines), _POLL_MS)
        if batch is None:
            return
        for partition, offset in batch.next_offsets.items():
            here = np.flatnonzero(batch.partitions == partition)
            first = int(batch.offsets[here[0]]) if len(here) else offset
            self._starts.setdefault(partition, first)
        self._identity = dict(self._door.identity())
        lines = [line for line in batch.values.to_pylist() if line]
        self.lines += lines
        self._bytes += sum(map(len, lines))

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


def detect_all(
    sources: list[UnboundSource],
    data_directory: Path,
    stop: threading.Event,
    waiting: Callable[[], None],
) -> dict[str, Detected] | None:
    """Detect several sources, each in a thread; None when stopped first.

    Args:
        sources: Sources without a column list.
        data_directory: See ``detect``.
        stop: See ``detect``.
        waiting: Called again and again while there is nothing to return yet.

    Raises:
        SettingsError: An option of a source is wrong.
    """
    found: dict[str, Future[Detected | None]] = {}
    for source in sources:
        found[source.name] = Future()
        threading.Thread(
            target=_resolve,
            args=(found[source.name], source, data_directory, stop),
            name=f"detect-{source.name}",
            daemon=True,
        ).start()
    left: Collection[Future[Detected | None]] = found.values()
    while left:
        waiting()
        done, left = wait(left, WAITING_S, FIRST_COMPLETED)
        for one in done:
            one.result()  # raises what its thread raised
    columns = {name: one.result() for name, one in found.items()}
    known = {name: one for name, one in columns.items() if one is not None}
    return known if len(known) == len(columns) else None


def _resolve(
    found: Future[Detected | None], source: UnboundSource, directory: Path, stop: threading.Event
) -> None:
    try:
        found.set_result(detect(source, directory, stop))
    except BaseException as problem:
        found.set_exception(problem)


def with_placeholders(
    sources: list[UnboundSource], schemas: Mapping[str, tuple[Column, ...]], stored: Catalog | None
) -> Catalog:
    """Return what can be served while columns are missing: what is stored, and all sources."""
    kept = {source.name: source for source in stored.sources} if stored else {}
    for source in sources:
        if source.name not in kept:
            known = source.columns is not None or source.name in schemas
            kept[source.name] = bind_source(source, schemas) if known else placeholder(source)
    return Catalog(tuple(kept.values()), stored.views if stored else ())
