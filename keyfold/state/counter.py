"""The commit counter: how readers in other processes learn of a commit without asking RocksDB.

A small memory-mapped file that the writer updates after every commit and while idle. Layout,
little-endian::

    0   8s   magic "KEYFOLD2"
    8   u64  turn: odd while the writer is writing (a sequence lock)
    16  u64  sequence of the last commit
    24  i64  heartbeat, ms since the epoch
    32  u32  length of the status
    36  …    ``Status``, JSON

A reader looks at the sequence on every request: a load from memory, no system call.

The last byte of the magic is the version of all this. The file is no durable state: a writer that
finds another version begins anew.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

import msgspec

from keyfold.errors import StateError

MAGIC = b"KEYFOLD2"
SIZE = 1 << 20
_TURN = struct.Struct("<Q")
_HEAD = struct.Struct("<QqI")
_TRIES_MAX = 1_000


class PartitionStatus(msgspec.Struct):
    """A partition now: ``offset`` applied and committed, ``end_offset`` of the source."""

    offset: int
    end_offset: int


class SourceStatus(msgspec.Struct):
    """A source now.

    Attributes:
        state: ``waiting`` (for its first events, which tell its columns), ``live``,
            ``catching_up``, ``complete`` or ``stopped``.
        error: Why it stopped or still waits, or empty.
        as_of_ms: All that was in the source at this time is in the last commit.
        events_per_second: Over the last seconds.
        partitions: By number; where there are very many, those with the greatest lag.
        left_off: How many partitions are not in ``partitions``.
        left_off_lag: Their messages between offset and end offset, together.
    """

    state: str = "catching_up"
    error: str = ""
    as_of_ms: int = 0
    events_per_second: float = 0.0
    partitions: dict[int, PartitionStatus] = {}
    left_off: int = 0
    left_off_lag: int = 0


class Sample(msgspec.Struct):
    """A figure of the ingest process.

    Attributes:
        name: Of a metric (keyfold/metrics.py).
        value: As it is now.
        labels: Values of the metric's labels, in their order.
    """

    name: str
    value: float
    labels: tuple[str, ...] = ()


class MissingView(msgspec.Struct):
    """A view of the SQL file that is not kept.

    Attributes:
        source: The source that it reads.
        error: Why it does not fit the columns of its source; empty while these are not known.
    """

    source: str
    error: str = ""


class Status(msgspec.Struct):
    """What the writer tells of itself beside the commits.

    Attributes:
        pid: Of the ingest process.
        started_ms: When it started.
        stopped: True once it ended cleanly.
        run: Name of the run that started it (keyfold/supervise.py); empty where none did.
        sources: By name.
        missing: Views that are not kept, by name.
        metrics: Figures of the ingest process for ``/metrics``.
    """

    pid: int = 0
    started_ms: int = 0
    stopped: bool = False
    run: str = ""
    sources: dict[str, SourceStatus] = {}
    missing: dict[str, MissingView] = {}
    metrics: list[Sample] = []


class CounterWriter:
    """The writer's side. One per data directory."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Readers keep the file mapped, so it is updated in place and never replaced.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.ftruncate(descriptor, SIZE)
            self._map = mmap.mmap(descriptor, SIZE)
        finally:
            os.close(descriptor)
        turn = _TURN.unpack_from(self._map, 8)[0]
        self._turn = turn + turn % 2  # a writer that died between the two leaves it odd
        if self._map[0:8] != MAGIC:
            _HEAD.pack_into(self._map, 16, 0, 0, 0)
            self._map[0:8] = MAGIC

    def publish(self, sequence: int, now_ms: int, status: Status) -> None:
        """Show a commit and the writer's status to the readers."""
        raw = msgspec.json.encode(status)
        if len(raw) > SIZE - 36:
            raise StateError(f"the status has {len(raw)} bytes, more than {SIZE - 36}")
        _TURN.pack_into(self._map, 8, self._turn + 1)
        _HEAD.pack_into(self._map, 16, sequence, now_ms, len(raw))
        self._map[36 : 36 + len(raw)] = raw
        self._turn += 2
        _TURN.pack_into(self._map, 8, self._turn)

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()


class CounterReader:
    """A reader's side."""

    def __init__(self, path: Path) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise StateError(
                f"there is no commit counter at {path} yet",
                hint="give the data directory of the pipeline with --data-dir, or start "
                "`keyfold run` first",
            ) from None
        try:
            if os.fstat(descriptor).st_size < SIZE:
                raise StateError(f"the commit counter at {path} is not complete yet")
            self._map = mmap.mmap(descriptor, SIZE, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        if self._map[0:8] != MAGIC:
            raise StateError(f"{path} is no commit counter of this release")

    def turn(self) -> int:
        """Return a number that changes with every publication."""
        return int(_TURN.unpack_from(self._map, 8)[0])

    def sequence(self) -> int:
        """Return the sequence of the last published commit."""
        return int(_TURN.unpack_from(self._map, 16)[0])

    def read(self) -> tuple[int, int, Status]:
        """Return (sequence, heartbeat in ms, status) of one publication.

        Raises:
            StateError: The writer died while it was publishing and has not come back.
        """
        for _ in range(_TRIES_MAX):
            before = self.turn()
            if before % 2 == 0:
                sequence, heartbeat_ms, length = _HEAD.unpack_from(self._map, 16)
                raw = self._map[36 : 36 + length]
                if self.turn() == before:
                    return sequence, heartbeat_ms, msgspec.json.decode(raw or b"{}", type=Status)
        raise StateError("the commit counter is being written", hint="the ingest process died")

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()
