"""The retention benchmark: 10 M rows expire at once, and lookups go on beside the reclaiming.

The view has one row per user and hour. All users have one in the first hour, and every hundredth
also one ten hours later. Then one event comes that is a day ahead: by it the first hour has
expired and the later one has not, so the expired rows and the living lie among each other. The
writer reclaims; meanwhile rows that live are looked up at a fixed rate, and some that expired, of
which none may be answered any more.
"""

from __future__ import annotations

import os
import random
import stat
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from keyfold.errors import StateError
from keyfold.eventlog.format import source_directory
from keyfold.eventlog.writer import EventLogWriter
from keyfold.state.layout import CATALOG_KEY, replica_directory, state_directory, view_prefix
from keyfold.state.record import catalog_decoder
from keyfold.state.rocks import RocksReplica
from keyfold.view.rowkey import encode_key, prefix_end
from loadtests.bench.events import BASE_MS, SOURCE, VIEW, Stream
from loadtests.bench.figure import Figure, figure
from loadtests.bench.latency import Latencies
from loadtests.bench.load import Asking, asking
from loadtests.bench.loaded import (
    ROWS_PATH,
    Loaded,
    applied,
    copied,
    idle_writer,
    made,
    serving,
)
from loadtests.bench.process import READY_S_MAX, Process, cpu, status_and_body, until
from loadtests.bench.repeat import spread
from loadtests.bench.topics import fill_log

ROWS = 10_000_000
STRIDE = 100
"""Of so many users one has a row that lives."""
SQL = f"""CREATE SOURCE {SOURCE} (
  user_id VARCHAR, amount BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts
) WITH (connector = 'events', timestamp.unit = 'ms', max_future_skew = '36500 days');
CREATE MATERIALIZED VIEW {VIEW} WITH (retention = '20 hours') AS
SELECT user_id, window_start, COUNT(*) AS orders, SUM(amount) AS total
FROM TUMBLE({SOURCE}, ts, INTERVAL '1' HOUR) GROUP BY user_id, window_start;
"""
EXPIRED, LIVING = "2026-01-01T00:00:00Z", "2026-01-01T10:00:00Z"
"""Starts of the windows, as a path has them; ``BASE_MS`` is the first."""
HOUR_MS = 3_600_000
AHEAD_MS = BASE_MS + 24 * HOUR_MS
LATENCY_RATE = 1_000.0
_SEGMENT_BYTES = 64 << 20
_SAMPLE = 2_000
_LOOK_S = 0.25
_ROWS_PER_S_LEAST = 20_000
_DISK_S_MAX = 120.0
_DISK_SHARE = 0.2
"""The space counts as free once the state takes no more than this share of what it took: the last
deletions lie in up to a dozen files of their own, until others are compacted with them."""


def retention(smoke: bool) -> list[Figure]:
    """What lookups feel while 10 M rows are reclaimed, and how long that takes."""
    rows = 20_000 if smoke else ROWS
    original = expiring(rows)
    client = cpu(2) if len(os.sched_getaffinity(0)) > 2 else cpu(0)
    with (
        copied(original) as there,
        idle_writer(there, cpu(1)) as writer,
        serving(there, cpu(0)) as (_, port),
        _Looking.at(there, rows, port) as looking,
    ):
        _ask(port, rows, 1.0 if smoke else 5.0, client)
        before = _ask(port, rows, 1.0 if smoke else 20.0, client)
        cpu_s = writer.usage().cpu_s
        disk_s_max = 1.0 if smoke else _DISK_S_MAX  # what is small need not be compacted
        during, reclaimed = _reclaiming(there, port, client, writer, looking, disk_s_max)
        cpu_s = writer.usage().cpu_s - cpu_s
    detail: dict[str, object] = {
        "rows": rows,
        "living_rows": rows // STRIDE,
        "rate": LATENCY_RATE,
        "before": before.as_dict(),
        "during": during.as_dict(),
        "writer_cpu_s": round(cpu_s, 1),
        "server_cpu": cpu(0),
        "client_cpu": client,
        "writer_cpu": cpu(1),
    } | reclaimed.as_dict()
    name = f"hot GET while {rows:,} rows are reclaimed"
    return [
        figure(
            f"{name}: p99 over p99 before", spread([during.p99_ms / before.p99_ms]), "x", detail
        ),
        figure(f"{name}: p99.9", spread([during.p999_ms]), "ms", detail),
        figure(f"{name}: slowest of {during.requests:,}", spread([during.max_ms]), "ms", detail),
        figure(f"{rows:,} expired rows: gone after", spread([reclaimed.rows_s]), "s", detail),
        figure(f"{rows:,} expired rows: space free after", spread([reclaimed.disk_s]), "s", detail),
    ]


def expiring(rows: int) -> Loaded:
    """Return a data directory whose view has so many rows to expire, and a hundredth to live."""

    def fill(directory: Path) -> None:
        fill_log(directory, SOURCE, Stream(rows, rows, "new"))
        append(directory, 0, living_events(rows))

    total = rows + rows // STRIDE
    return made(f"retention-{rows}", SQL, total, fill, f"{Stream(rows, rows, 'new')}{STRIDE}")


def living_events(rows: int) -> list[bytes]:
    """Return the events of the rows that live."""
    at_ms = BASE_MS + 10 * HOUR_MS
    return [_event(user, at_ms) for user in range(0, rows, STRIDE)]


def _event(user: int, at_ms: int) -> bytes:
    return b'{"user_id":"user-%08d","amount":%d,"ts":%d}' % (user, user, at_ms)


def append(directory: Path, partition: int, events: Sequence[bytes]) -> None:
    """Append events to a partition of the source's log."""
    writer = EventLogWriter(source_directory(directory, SOURCE) / str(partition), _SEGMENT_BYTES)
    try:
        for start in range(0, len(events), 50_000):
            writer.append(list(events[start : start + 50_000]), int(time.time() * 1_000))
    finally:
        writer.close()


def _ask(port: int, rows: int, seconds: float, client: Sequence[int]) -> Latencies:
    with _asking(port, rows, seconds, client) as one:
        return one.result()


def _asking(
    port: int, rows: int, seconds: float, client: Sequence[int]
) -> AbstractContextManager[Asking]:
    return asking(
        port, ROWS_PATH, rows // STRIDE, LATENCY_RATE, seconds, client, stride=STRIDE,
        suffix=f"/{LIVING}",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reclaimed:
    """How it went.

    Attributes:
        hidden_s: From the event that is ahead to the first answer without an expired row.
        rows_s: To the moment when none of the expired rows was in the store.
        disk_s: To the moment when the state took ``_DISK_SHARE`` of its space; NaN: it never did.
        disk_mb: The size of the state by second, the last one at the end.
    """

    hidden_s: float
    rows_s: float
    disk_s: float
    disk_mb: list[tuple[float, int]] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        return {"hidden_s": round(self.hidden_s, 2), "disk_mb_by_second": self.disk_mb}


def _reclaiming(
    there: Loaded,
    port: int,
    client: Sequence[int],
    writer: Process,
    looking: _Looking,
    disk_s_max: float,
) -> tuple[Latencies, _Reclaimed]:
    """Let the rows expire, and look until they and their space are gone."""
    rows = looking.rows
    seconds_max = READY_S_MAX + rows / _ROWS_PER_S_LEAST
    disk_before = disk_bytes(there.directory)
    sizes = [(0.0, disk_before >> 20)]
    began = time.monotonic()
    with _asking(port, rows, seconds_max + disk_s_max, client) as asked:
        append(there.directory, 1, [_event(rows, AHEAD_MS)])
        until(lambda: applied(there.directory) > there.rows, writer, "the event", READY_S_MAX)
        until(looking.hidden, writer, "the first hidden row", READY_S_MAX)
        hidden_s = time.monotonic() - began

        def gone() -> bool:
            looking.check()
            sizes.append((round(time.monotonic() - began, 1), disk_bytes(there.directory) >> 20))
            time.sleep(_LOOK_S)
            return looking.left() == 0

        until(gone, writer, "the reclaiming", seconds_max)
        rows_s = time.monotonic() - began
        disk_s = float("nan")
        while time.monotonic() - began < rows_s + disk_s_max:
            size = disk_bytes(there.directory)
            sizes.append((round(time.monotonic() - began, 1), size >> 20))
            if size <= disk_before * _DISK_SHARE:
                disk_s = time.monotonic() - began
                break
            time.sleep(_LOOK_S)
        asked.end()
        told = asked.result()
    looking.check_whole()
    return told, _Reclaimed(
        hidden_s, rows_s, disk_s, [*sizes[:: max(1, len(sizes) // 100)], sizes[-1]]
    )


def disk_bytes(directory: Path) -> int:
    """Return what the state takes on disk: a file with two names once, one that goes not at all."""
    sizes: dict[int, int] = {}
    for path in state_directory(directory).rglob("*"):
        try:
            told = path.stat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(told.st_mode):
            sizes[told.st_ino] = told.st_size
    return sum(sizes.values())


class _Looking:
    """Looks into the store, and at what is answered of expired rows.

    Attributes:
        rows: How many expire.
    """

    def __init__(self, replica: RocksReplica, rows: int, port: int) -> None:
        self._replica, self.rows, self._port = replica, rows, port
        stored = catalog_decoder.decode(replica.get(CATALOG_KEY) or b"")
        self._prefix = view_prefix(stored.view_ids[VIEW])
        types = stored.catalog.view(VIEW).key_types
        self._draw = random.Random(7)
        users = [f"user-{self._draw.randrange(rows):08d}" for _ in range(_SAMPLE)]
        self._keys = [self._prefix + encode_key(types, (user, BASE_MS * 1_000)) for user in users]

    @staticmethod
    @contextmanager
    def at(there: Loaded, rows: int, port: int) -> Iterator[_Looking]:
        """Open a replica of its own until the block ends."""
        own = replica_directory(there.directory, f"{os.getpid()}-{uuid.uuid4().hex}")
        replica = RocksReplica(state_directory(there.directory), own)
        try:
            looking = _Looking(replica, rows, port)
            if looking.left() != _SAMPLE:
                raise RuntimeError("rows are missing before they expired")
            yield looking
        finally:
            replica.close()

    def left(self) -> int:
        """Return how many of some expired rows are in the store."""
        try:
            self._replica.refresh()
        except StateError:  # between a flush and its mark: another time
            return _SAMPLE
        return sum(value is not None for value in self._replica.get_many(self._keys))

    def hidden(self) -> bool:
        """Say whether an expired row is no longer answered."""
        return self._status(0) == 404

    def check(self) -> None:
        """Look some expired rows up.

        Raises:
            RuntimeError: One is answered.
        """
        for _ in range(5):
            user = self._draw.randrange(self.rows)
            if (status := self._status(user)) != 404:
                raise RuntimeError(f"the expired row of user {user} is answered with {status}")

    def check_whole(self) -> None:
        """Count what is left in the store.

        Raises:
            RuntimeError: It is not the rows that live, and that of the event that was ahead.
        """
        self._replica.refresh()
        left = sum(1 for _ in self._replica.keys(self._prefix, prefix_end(self._prefix)))
        if left != self.rows // STRIDE + 1:
            raise RuntimeError(f"{left} rows are left of {self.rows // STRIDE + 1} that live")

    def _status(self, user: int) -> int:
        return status_and_body(self._port, f"{ROWS_PATH}user-{user:08d}/{EXPIRED}")[0]
