"""A real state in RocksDB for the tests of serving, as the ingest process would keep it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keyfold.sql.compile import compile_sql
from keyfold.state.counter import CounterWriter, PartitionStatus, SourceStatus, Status
from keyfold.state.deadletter import DeadLetter
from keyfold.state.layout import counter_path, state_directory
from keyfold.state.record import PartitionRecord, book
from keyfold.state.rocks import RocksStore
from keyfold.state.writer import StateWriter
from keyfold.view.moment import timestamp_micros
from tests.delta import Rows, delta_of

ORDERS = """
CREATE SOURCE orders (
  user_id VARCHAR, region VARCHAR, item BIGINT, amount DECIMAL(18,2), ts TIMESTAMPTZ,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (connector = 'events') FORMAT PLAIN ENCODE JSON;
CREATE SOURCE flights (carrier VARCHAR)
WITH (connector = 'kafka', topic = 'f', properties.bootstrap.server = 'localhost:1')
FORMAT PLAIN ENCODE JSON;
CREATE MATERIALIZED VIEW spend AS
SELECT user_id, COUNT(*) AS orders, SUM(amount) AS total, MAX(ts) AS last_seen
FROM orders GROUP BY user_id;
CREATE MATERIALIZED VIEW by_region AS
SELECT region, item, COUNT(*) AS orders FROM orders GROUP BY region, item;
CREATE MATERIALIZED VIEW often AS
SELECT user_id, COUNT(*) AS orders FROM orders GROUP BY user_id HAVING COUNT(*) > 1;
CREATE MATERIALIZED VIEW per_minute WITH (retention = '1 hour') AS
SELECT user_id, window_start, COUNT(*) AS orders
FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE) GROUP BY user_id, window_start;
CREATE MATERIALIZED VIEW hops WITH (retention = '1 hour') AS
SELECT region, window_start, user_id, COUNT(*) AS orders
FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE)
GROUP BY region, window_start, user_id HAVING COUNT(*) > 1;
CREATE MATERIALIZED VIEW latest AS
SELECT region, rn, item, ts FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY region ORDER BY ts DESC) AS rn FROM orders
) WHERE rn <= 3;
CREATE MATERIALIZED VIEW carriers AS SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier;
"""
CHANGED = ORDERS.replace("HAVING COUNT(*) > 1", "HAVING COUNT(*) > 5")
SPEND_FAMILIES = [one.family for one in compile_sql(ORDERS).view("spend").aggregates]
TS = "2026-01-01T12:00:00Z"
TS_US = timestamp_micros(TS)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class State:
    """One data directory with its writer; all views are ready unless told otherwise."""

    def __init__(
        self,
        directory: Path,
        sql: str = ORDERS,
        *,
        ready: bool = True,
        rebuild: Sequence[str] = (),
        **store: Any,
    ) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.store = RocksStore(state_directory(directory), **store)
        self.writer = StateWriter(self.store, compile_sql(sql), rebuild=rebuild)
        self.record = self.writer.record
        self.counter = CounterWriter(counter_path(directory))
        self.status = Status(pid=1, started_ms=1)
        for source in self.writer.catalog.sources:
            self.status.sources[source.name] = SourceStatus(state="live")
        for view in self.record.views.values():
            view.ready = ready
        self.commit()

    def put(self, view: str, rows: Rows) -> None:
        """Merge rows: physical key values → physical slot values; one message each."""
        state = self.writer.views[view]
        self.writer.merge(view, *delta_of(state.plan, state.prefix, rows))
        self.move(view, len(rows))

    def move(self, view: str, messages: int) -> None:
        """Move a view and its source on by some messages of partition 0."""
        offsets = self.record.views[view].offsets
        offsets[0] = offsets.get(0, 0) + messages
        book(self.record.views[view], 0, applied=messages)
        state_source = self.writer.views[view].plan.source
        source = self.record.sources[state_source]
        at = source.partitions.setdefault(0, PartitionRecord(0))
        at.taken = max(at.taken, offsets[0])
        # The views here are moved one by one; none of them is to count as behind its source.
        at.offset = min(
            self.record.views[other.plan.name].offsets.get(0, offsets[0])
            for other in self.writer.views.values()
            if other.plan.source == state_source
        )

    def bury(self, count: int, **facts: Any) -> None:
        """Add dead letters."""
        for offset in range(count):
            defaults: dict[str, Any] = {"source": "orders", "value": b"{oops", "reason": "no JSON"}
            letter = {**defaults, "partition": 0, "offset": offset, "timestamp_ms": 5, **facts}
            self.writer.bury(DeadLetter(**letter))

    def commit(self) -> int:
        """Commit what was put, and publish it."""
        moment = now_ms()
        for name, source in self.record.sources.items():
            source.as_of_ms = moment
            live = self.status.sources[name]
            live.as_of_ms = moment
            live.partitions = {
                number: PartitionStatus(one.offset, one.offset)
                for number, one in source.partitions.items()
            }
        sequence = self.writer.commit(moment)
        self.publish(sequence)
        return sequence

    def publish(self, sequence: int | None = None) -> None:
        """Show the commit and the status."""
        self.counter.publish(sequence or self.record.sequence, now_ms(), self.status)

    def close(self) -> None:
        self.writer.close()
        self.counter.close()


def spend(orders: int = 2, cents: int = 350, last_us: int = TS_US) -> tuple[Any, ...]:
    """Slots of a row of view ``spend``, in the order of its plan's aggregates."""
    slots = {"count": (orders,), "sum_int": (orders, cents), "max": (True, last_us)}
    return tuple(slot for family in SPEND_FAMILIES for slot in slots[family])
