"""A stream in memory, cut and crashed at will, and DuckDB's answer to the same question.

The law tests drive the real way of an event (decode, evaluate, merge, commit) over a real store,
with batches and crashes where Hypothesis wants them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import duckdb
import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from ingest.lane import Lane
from ingest.source.message import MessageBatch
from keyfold.sql.bind import locked_connection
from keyfold.sql.compile import compile_sql
from keyfold.state.layout import COMMIT_KEY
from keyfold.state.protocol import Store
from keyfold.state.reader import ViewReader, live_rows
from keyfold.state.reads import row_reads
from keyfold.state.record import CommitRecord, record_decoder
from keyfold.state.writer import StateWriter
from keyfold.view.plan import Catalog, ViewPlan
from keyfold.view.row import CompiledView
from keyfold.view.rowkey import prefix_end

PIPELINE = """
CREATE SOURCE orders (
  id BIGINT, user_id VARCHAR, amount DECIMAL(18,2), weight DOUBLE, ts TIMESTAMPTZ,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (connector = 'events');
CREATE MATERIALIZED VIEW spend AS
SELECT user_id, COUNT(*) AS orders, COUNT(amount) AS paid, SUM(amount) AS total,
  AVG(amount) AS mean, MIN(id) AS first_id, MAX(ts) AS last_seen, SUM(weight) AS weight,
  SUM(id) FILTER (WHERE amount > 10) AS big, SUM(amount) / COUNT(*) AS share
FROM orders GROUP BY user_id;
CREATE MATERIALIZED VIEW busy AS
SELECT user_id, amount > 10 AS large, COUNT(*) AS n, MAX(user_id) AS name
FROM orders WHERE amount IS NOT NULL AND id % 3 <> 0 GROUP BY user_id, large HAVING COUNT(*) > 1;
CREATE MATERIALIZED VIEW per_minute WITH (retention = '5 minutes') AS
SELECT window_start, user_id, COUNT(*) AS orders, SUM(amount) AS total
FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE) GROUP BY window_start, user_id;
"""
BATCH = {
    "spend": """
SELECT user_id, COUNT(*) AS orders, COUNT(amount) AS paid, SUM(amount) AS total,
  AVG(amount) AS mean, MIN(id) AS first_id, MAX(ts) AS last_seen, SUM(weight) AS weight,
  SUM(id) FILTER (WHERE amount > 10) AS big, SUM(amount) / COUNT(*) AS share
FROM orders GROUP BY user_id""",
    "busy": """
SELECT user_id, amount > 10 AS large, COUNT(*) AS n, MAX(user_id) AS name
FROM orders WHERE amount IS NOT NULL AND id % 3 <> 0
GROUP BY user_id, large HAVING COUNT(*) > 1""",
    "per_minute": """
SELECT time_bucket(INTERVAL '1 minute', ts) AS window_start, user_id, COUNT(*) AS orders,
  SUM(amount) AS total
FROM orders
WHERE time_bucket(INTERVAL '1 minute', ts) + INTERVAL '6 minutes'
  > (SELECT MAX(ts) - INTERVAL '5 seconds' FROM orders)
GROUP BY 1, 2""",
}
"""The same views as one batch run; retention is one minute of window and five of grace."""


class Said(Protocol):
    """A message of a log; its own timestamp is -1 where it has none."""

    @property
    def partition(self) -> int: ...

    @property
    def timestamp_ms(self) -> int: ...

    def message(self) -> bytes: ...


@dataclass(frozen=True)
class Event:
    """An event, or a message that is none (``broken``)."""

    partition: int
    id: int | None = None
    user_id: str | None = None
    amount: Decimal | None = None
    weight: float | None = None
    second: int = 0
    broken: str = ""
    timestamp_ms: int = -1

    def message(self) -> bytes:
        if self.broken:
            return self.broken.encode()
        fields = [f'"ts":"2026-03-01T00:{self.second // 60:02}:{self.second % 60:02}Z"']
        for name, value in (("id", self.id), ("amount", self.amount), ("weight", self.weight)):
            if value is not None:
                fields.append(f'"{name}":{value}')
        if self.user_id is not None:
            fields.append(f'"user_id":"{self.user_id}"')
        return ("{" + ",".join(fields) + "}").encode()


BROKEN = ("", "[1]", "{", '{"id":1}', '{"ts":"soon"}', "nonsense", '{"ts":null,"id":2}')
MISFIT = '{"ts":"2026-03-01T00:00:01Z","id":"many","user_id":"a","amount":1}'

whole_events = st.builds(
    Event,
    partition=st.integers(0, 2),
    id=st.none() | st.integers(-(2**63), 2**63 - 1),
    user_id=st.none() | st.sampled_from(["a", "b", "", "ä€", "a b"]),
    amount=st.none() | st.decimals(-(10**15), 10**15, places=2),
    weight=st.none() | st.floats(-1e12, 1e12),
    second=st.integers(0, 1500),
)
broken_events = st.builds(Event, partition=st.integers(0, 2), broken=st.sampled_from(BROKEN))
events = st.lists(st.one_of(whole_events, whole_events, whole_events, broken_events), max_size=40)


@dataclass(frozen=True)
class Step:
    """What happens after a batch: a commit, a crash, or nothing yet."""

    size: int
    then: str


steps = st.lists(
    st.builds(Step, size=st.integers(1, 15), then=st.sampled_from(["commit", "crash", "go on"])),
    max_size=25,
)


@cache
def compiled(sql: str) -> Catalog:
    return compile_sql(sql, "law.sql")


@cache
def shared_connection() -> duckdb.DuckDBPyConnection:
    return locked_connection()


@cache
def batch_connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


class Stream:
    """A log of events by partition, and one state that follows it through crashes.

    Attributes:
        catalog: The compiled pipeline.
        log: Messages by partition.
    """

    def __init__(
        self, make_store: Callable[[], Store], log: Sequence[Event], sql: str = PIPELINE
    ) -> None:
        self._make_store = make_store
        self.catalog = compiled(sql)
        self.log: dict[int, list[Event]] = {0: [], 1: [], 2: []}
        for event in log:
            self.log[event.partition].append(event)
        self.start()

    def start(self, rebuild: Sequence[str] = ()) -> None:
        """Open the state, as a process does that starts."""
        self.store = self._make_store()
        self.state = StateWriter(self.store, self.catalog, rebuild=rebuild)
        self.lane = Lane(self.catalog.sources[0], self.state, shared_connection(), Path("nowhere"))

    def crash(self, rebuild: Sequence[str] = ()) -> None:
        """Lose everything that was not committed."""
        self.store.close()
        self.start(rebuild)

    def position(self, partition: int) -> int:
        """The least offset that a view needs next."""
        views = [view for view in self.state.record.views.values() if not view.error]
        return min(view.offsets.get(partition, 0) for view in views)

    def read(self, size: int) -> int:
        """Apply the next batch of at most ``size`` messages; return how many there were."""
        taken: list[tuple[int, int, Event]] = []
        ends = {}
        for partition, log in self.log.items():
            # Partitions advance at different speeds, so batches mix them unevenly.
            share = max(1, size * (partition + 1) // 6)
            start = self.position(partition)
            part = log[start : start + share]
            taken += [(partition, start + i, event) for i, event in enumerate(part)]
            ends[partition] = start + len(part)
        if taken:
            self.lane.apply(batch_of(taken, ends), 0)
        return len(taken)

    def run(self, plan: Sequence[Step]) -> None:
        """Follow a plan of batches, commits and crashes."""
        for step in plan:
            self.read(step.size)
            if step.then == "commit":
                self.commit()
            elif step.then == "crash":
                self.crash()

    def finish(self) -> None:
        """Read the rest and commit."""
        while self.read(7):
            pass
        self.commit()

    def commit(self) -> None:
        self.state.reclaim(5)
        self.lane.before_commit(0)
        self.state.commit(0)
        self.lane.after_commit()

    def record(self) -> CommitRecord:
        """The durable commit record."""
        return durable_record(self.store)

    def stored(self, name: str) -> tuple[CompiledView, list[tuple[bytes, bytes]]]:
        """A view's durable rows as a reader sees them."""
        prefix = self.state.views[name].prefix
        return stored_rows(self.catalog.view(name), prefix, self.store, self.record())

    def rows(self, name: str) -> list[dict[str, Any]]:
        compiled, stored = self.stored(name)
        rows: list[dict[str, Any]] = compiled.arrow_table(stored).to_pylist()
        return rows

    def batch_rows(self, name: str, query: str | None = None) -> list[dict[str, Any]]:
        """DuckDB's answer over the events before a view's durable offsets."""
        offsets = self.record().views[name].offsets
        seen = [
            event
            for partition, log in self.log.items()
            for event in log[: offsets.get(partition, 0)]
            if not event.broken
        ]
        return batch_answer(seen, query or BATCH[name])


def durable_record(store: Store) -> CommitRecord:
    """The record of the last commit of a store."""
    raw = store.get(COMMIT_KEY)
    assert raw is not None
    return record_decoder.decode(raw)


def stored_rows(
    view: ViewPlan, prefix: bytes, store: Store, record: CommitRecord
) -> tuple[CompiledView, list[tuple[bytes, bytes]]]:
    """The rows of a view as a reader sees them that stands at a commit record."""
    reader = ViewReader(view, CompiledView(view), prefix, prefix_end(prefix))
    hides = reader.compiled.hides(record.stream_time_us(view))
    scan = row_reads(view, prefix, store).scan(prefix, prefix_end(prefix))
    return reader.compiled, list(live_rows(reader, scan, hides))


def batch_of(taken: Sequence[tuple[int, int, Said]], ends: dict[int, int]) -> MessageBatch:
    return MessageBatch(
        values=pa.array([event.message() for _, _, event in taken], pa.binary()),
        partitions=np.array([partition for partition, _, _ in taken], np.int32),
        offsets=np.array([offset for _, offset, _ in taken], np.int64),
        timestamps_ms=np.array([event.timestamp_ms for _, _, event in taken], np.int64),
        next_offsets=ends,
    )


def batch_answer(seen: Sequence[Event], query: str) -> list[dict[str, Any]]:
    connection = batch_connection()
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE orders (id BIGINT, user_id VARCHAR, "
        "amount DECIMAL(18,2), weight DOUBLE, ts TIMESTAMPTZ)"
    )
    if seen:
        connection.executemany(
            "INSERT INTO orders VALUES "
            "(?, ?, ?, ?, TIMESTAMPTZ '2026-03-01 00:00:00+00' + to_seconds(?))",
            [(e.id, e.user_id, e.amount, e.weight, e.second) for e in seen],
        )
    rows: list[dict[str, Any]] = connection.sql(query).to_arrow_table().to_pylist()
    return rows


def assert_same_rows(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], keys: Sequence[str]
) -> None:
    """Compare rows by key: exact, but doubles within 1e-9 relative."""

    def by_key(rows: list[dict[str, Any]]) -> dict[Any, dict[str, Any]]:
        found = {tuple(row[key] for key in keys): row for row in rows}
        assert len(found) == len(rows), "a key stands twice"
        return found

    left, right = by_key(ours), by_key(theirs)
    assert left.keys() == right.keys()
    for key, row in left.items():
        other = right[key]
        assert row.keys() == other.keys()
        for name, value in row.items():
            if isinstance(value, float) and isinstance(other[name], float):
                scale = max(1.0, abs(value)) if name == "weight" else 0.0
                assert math.isclose(value, other[name], rel_tol=1e-9, abs_tol=1e-9 * scale), name
            else:
                assert value == other[name], (key, name)
