"""The ``events`` source: reads the event log that the serving processes write.

Each serving worker appends to a partition of its own, so a partition is a directory, and a new one
may appear at any time. The log is local disk and has no one to wake us: when there is nothing, the
index files are looked at every millisecond (every two once it is quiet), the time of the directory
with every poll, and the directory itself when that changed, or every second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from ingest.source.message import BATCH_BYTES_MAX, MessageBatch
from ingest.source.protocol import OffsetGoneError, SourceProgress
from keyfold.errors import SourceError
from keyfold.eventlog.format import ensure_log_id, partition_directories, read_log_id
from keyfold.eventlog.options import EventsOptions
from keyfold.eventlog.reader import EventLogReader

DISCOVERY_INTERVAL_S: Final = 1.0
LOOK_INTERVAL_S: Final = 0.001
# Looking costs most of its time in waking up, which a source without traffic need not do so often.
QUIET_AFTER_S: Final = 1.0
QUIET_LOOK_INTERVAL_S: Final = 0.002


class EventsSource:
    """All partitions of one source's event log. Implements ``Source``.

    Args:
        directory: The source's directory, see ``keyfold.eventlog.format.source_directory``.
        options: The source's options; of these, only where to start matters for reading.
        monotonic_s: A clock in seconds that never goes back.
        sleep_s: Waits for so many seconds.
    """

    def __init__(
        self,
        directory: Path,
        options: EventsOptions,
        monotonic_s: Callable[[], float] = time.monotonic,
        sleep_s: Callable[[float], None] = time.sleep,
    ) -> None:
        self._directory = directory
        self._options = options
        self._monotonic_s = monotonic_s
        self._sleep_s = sleep_s
        self._log_id = ""
        self._readers: dict[int, EventLogReader] = {}
        self._opened: dict[int, int] = {}
        # Partitions that start elsewhere than at 0, until a batch has told so.
        self._starts: dict[int, int] = {}
        self._turn = 0
        self._discovery_at_s = 0.0
        self._changed_ns = 0
        self._quiet_at_s = 0.0

    def open(self, offsets: Mapping[int, int], identity: Mapping[str, str]) -> None:
        """Check that this is the log we knew, and go to the offsets.

        Raises:
            OffsetGoneError: The log begins after some of the offsets.
            SourceError: Another log, or one that ends before the offsets.
        """
        self.close()
        known_id, found_id = identity.get("log_id"), read_log_id(self._directory)
        if known_id and found_id != known_id:
            raise SourceError(
                f"{self._directory} is not the event log that the state was built from"
                if found_id
                else f"the event log {self._directory}, which the state was built from, is gone",
                hint="restore the event log, or rebuild the state from what is there now",
            )
        self._log_id = ensure_log_id(self._directory)
        try:
            for partition, offset in sorted(offsets.items()):
                self._add(partition, self._directory / str(partition), offset)
            latest = self._options.startup_mode == "latest" and not identity and not offsets
            self._discover(at_end=latest)
        except SourceError as problem:
            there = {p: EventLogReader(self._directory / str(p)).start_offset() for p in offsets}
            begins = {p: start for p, start in there.items() if offsets[p] < start}
            if not begins:
                raise
            raise OffsetGoneError(problem.message, hint=problem.hint, begins=begins) from problem

    def start_offsets(self) -> Mapping[int, int]:
        """Return where each reader was opened, see ``Source.start_offsets``."""
        return dict(self._opened)

    def poll(self, messages_max: int, timeout_ms: int) -> MessageBatch | None:
        """Return the next messages of all partitions in turn.

        Raises:
            SourceError: The next record was removed, or the log is damaged.
        """
        deadline_s = self._monotonic_s() + timeout_ms / 1000
        while True:
            if self._monotonic_s() >= self._discovery_at_s or self._directory_changed():
                self._discover(at_end=False)
            batch = self._take(messages_max)
            if batch is not None:
                self._quiet_at_s = self._monotonic_s() + QUIET_AFTER_S
                return batch
            until_s = min(deadline_s, self._discovery_at_s)
            while not any(reader.ready() for reader in self._readers.values()):
                now_s = self._monotonic_s()
                if now_s >= until_s:
                    break
                quiet = now_s >= self._quiet_at_s
                look_s = QUIET_LOOK_INTERVAL_S if quiet else LOOK_INTERVAL_S
                self._sleep_s(min(look_s, until_s - now_s))
            if self._monotonic_s() >= deadline_s:
                return self._take(messages_max)

    def progress(self) -> SourceProgress:
        """Say where each partition ends now; an event log is never complete."""
        return SourceProgress(
            {partition: reader.end_offset() for partition, reader in self._readers.items()}
        )

    def identity(self) -> Mapping[str, str]:
        """Return the id that was drawn when the log was made."""
        return {"log_id": self._log_id}

    def committed(self, offsets: Mapping[int, int]) -> None:
        """Ignore it: who removes old segments reads the offsets from the state."""

    def close(self) -> None:
        """Release the files. Safe to call twice."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        self._opened.clear()
        self._starts.clear()

    def _discover(self, at_end: bool) -> None:
        self._discovery_at_s = self._monotonic_s() + DISCOVERY_INTERVAL_S
        self._changed_ns = self._directory_time_ns()
        for partition, directory in partition_directories(self._directory).items():
            if partition not in self._readers:
                reader = EventLogReader(directory)
                start = reader.end_offset() if at_end else reader.start_offset()
                self._add(partition, directory, start)
                if start:
                    self._starts[partition] = start

    def _directory_changed(self) -> bool:
        """Say whether a partition was made since the last look; what it holds is not fresh else."""
        return self._directory_time_ns() != self._changed_ns

    def _directory_time_ns(self) -> int:
        try:
            return self._directory.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _add(self, partition: int, directory: Path, offset: int) -> None:
        # Before it is opened: where a log ends that lacks the offset is known all the same.
        reader = self._readers[partition] = EventLogReader(directory)
        reader.open(offset)
        self._opened[partition] = offset

    def _take(self, messages_max: int) -> MessageBatch | None:
        """Take what is there, beginning with another partition each time.

        Each partition first gets an equal share, so that one with a long backlog does not hold up
        the others (and with them the watermark); what they leave goes to those that have more.
        """
        pieces: list[tuple[int, pa.Array, int, np.ndarray]] = []
        partitions = list(self._readers)
        self._turn = (self._turn + 1) % max(1, len(partitions))
        waiting = partitions[self._turn :] + partitions[: self._turn]
        left, left_bytes = messages_max, BATCH_BYTES_MAX
        while waiting and left and left_bytes > 0:
            share = -(-left // len(waiting))
            still = []
            for partition in waiting:
                if not left or left_bytes <= 0:
                    break
                records = self._readers[partition].read(min(share, left))
                if records is not None:
                    pieces.append((partition, *records))
                    left -= len(records[0])
                    left_bytes -= records[0].nbytes
                    still.append(partition)
            waiting = still
        if not pieces and not self._starts:
            return None
        next_offsets, self._starts = self._starts, {}
        return _batch(pieces, next_offsets, cut_short=not left or left_bytes <= 0)


def _batch(
    pieces: list[tuple[int, pa.Array, int, np.ndarray]],
    next_offsets: dict[int, int],
    *,
    cut_short: bool,
) -> MessageBatch:
    """Join pieces (partition, values, first offset, timestamps) into one batch."""
    none = np.empty(0, np.int64)
    for partition, values, first_offset, _ in pieces:
        next_offsets[partition] = first_offset + len(values)
    values_of = [values for _, values, _, _ in pieces]
    return MessageBatch(
        values=values_of[0] if len(values_of) == 1 else pa.concat_arrays([_EMPTY, *values_of]),
        partitions=np.repeat(
            np.array([partition for partition, *_ in pieces], np.int32),
            [len(values) for values in values_of],
        ),
        offsets=np.concatenate(
            [none, *(np.arange(first, first + len(v)) for _, v, first, _ in pieces)]
        ),
        timestamps_ms=np.concatenate([none, *(times for *_, times in pieces)]),
        next_offsets=next_offsets,
        cut_short=cut_short,
    )


_EMPTY: Final = pa.array([], pa.binary())
