"""The loop: it commits in time, however its lanes do, and tells the readers."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ingest.pipeline import HEARTBEAT_MS, LETTERS_BYTES_MAX, RECLAIM_BUSY_MS, Pipeline
from keyfold.eventlog.format import source_directory
from keyfold.eventlog.writer import EventLogWriter
from keyfold.settings import Settings
from keyfold.sql.compile import compile_sql
from keyfold.state import deadletter
from keyfold.state.counter import CounterReader, CounterWriter, Sample
from keyfold.state.layout import COMMIT_KEY, counter_path
from keyfold.state.memory import MemoryStore
from keyfold.state.record import record_decoder
from keyfold.state.writer import StateWriter
from keyfold.view.rowkey import prefix_end

SQL = """
CREATE SOURCE orders (u VARCHAR) WITH (connector = 'events');
CREATE SOURCE clicks (u VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW spend AS SELECT u, COUNT(*) AS n FROM orders GROUP BY u;
CREATE MATERIALIZED VIEW clicked AS SELECT u, COUNT(*) AS n FROM clicks GROUP BY u;
"""


class Loop:
    """A pipeline over a real event log, with clocks that are moved by hand."""

    def __init__(
        self,
        directory: Path,
        letters_bytes_max: int = LETTERS_BYTES_MAX,
        sql: str = SQL,
        **settings: Any,
    ) -> None:
        self.directory = directory
        self.now_ms = 1_000_000
        self.ran_ms = 0
        self.stop = threading.Event()
        self.stop_after: int | None = None
        self.store = MemoryStore()
        self.state = StateWriter(self.store, compile_sql(sql))
        self.counter = CounterWriter(counter_path(directory))
        self.reader = CounterReader(counter_path(directory))
        self.pipeline = Pipeline(
            self.state,
            self.counter,
            Settings(data_dir=directory, **settings),
            pid=7,
            clock=self.clock_ms,
            monotonic=lambda: self.ran_ms,
            letters_bytes_max=letters_bytes_max,
        )

    def clock_ms(self) -> int:
        if self.stop_after is not None and self.taken("spend") >= self.stop_after:
            self.stop.set()
        return self.now_ms

    def push(self, source: str, lines: list[bytes]) -> None:
        writer = EventLogWriter(source_directory(self.directory, source) / "0", 1 << 20)
        writer.append(lines, self.now_ms)
        writer.close()

    def turns(self, n: int, ms: int = 1) -> None:
        for _ in range(n):
            self.now_ms += ms
            self.ran_ms += ms
            self.pipeline.turn()

    def taken(self, view: str) -> int:
        return self.state.record.views[view].total().taken

    def until(self, view: str, taken: int) -> None:
        """Turn until so many messages are committed; opening takes a few turns."""
        for _ in range(500):
            self.turns(1)
            offset = self.reader.read()[2].sources
            name = self.state.views[view].plan.source
            partitions = offset[name].partitions if name in offset else {}
            if sum(one.offset for one in partitions.values()) >= taken:
                return
        raise AssertionError(f"{view} has {self.taken(view)} of {taken}")

    def close(self) -> None:
        for lane in self.pipeline.lanes:
            lane.close()
        self.reader.close()
        self.counter.close()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(tmp_path, commit_interval_ms=20)
    yield made
    made.close()


def lines(first: int, after: int) -> list[bytes]:
    return [json.dumps({"u": f"u{i % 5}"}).encode() for i in range(first, after)]


def test_what_was_read_is_committed_and_told(loop: Loop) -> None:
    loop.push("orders", lines(0, 10))
    loop.push("clicks", lines(0, 3))
    loop.until("spend", 10)
    loop.until("clicked", 3)
    sequence, heartbeat_ms, status = loop.reader.read()
    assert sequence == loop.state.record.sequence
    assert loop.now_ms - HEARTBEAT_MS <= heartbeat_ms <= loop.now_ms
    assert status.pid == 7
    assert {name: source.state for name, source in status.sources.items()} == {
        "orders": "live",
        "clicks": "live",
    }
    assert Sample("keyfold_hot_keys", 5.0, ("spend",)) in status.metrics


def test_nothing_is_committed_while_nothing_moves_and_the_heart_beats(loop: Loop) -> None:
    loop.push("orders", lines(0, 10))
    loop.until("spend", 10)
    loop.turns(50, ms=20)
    sequence, before_ms, _ = loop.reader.read()
    loop.turns(50, ms=20)
    assert loop.reader.read()[0] == sequence
    assert loop.reader.read()[1] > before_ms


def test_commits_keep_their_interval(loop: Loop) -> None:
    loop.push("orders", lines(0, 1))
    loop.until("spend", 1)
    loop.turns(10, ms=20)
    before = loop.reader.sequence()
    for i in range(40):
        loop.push("orders", lines(i, i + 1))
        loop.turns(1, ms=5)
    assert 8 <= loop.reader.sequence() - before <= 11


def test_a_clock_that_is_set_back_holds_up_nothing(loop: Loop) -> None:
    loop.push("orders", lines(0, 10))
    loop.until("spend", 10)
    loop.now_ms -= 3_600_000
    loop.push("orders", lines(0, 10))
    loop.turns(50, ms=20)
    sequence, heartbeat_ms, _ = loop.reader.read()
    raw = loop.store.get(COMMIT_KEY)
    assert raw is not None
    committed = record_decoder.decode(raw)
    assert committed.views["spend"].total().taken == 20
    assert committed.sequence == sequence
    assert committed.time_ms <= loop.now_ms
    assert loop.now_ms - HEARTBEAT_MS <= heartbeat_ms <= loop.now_ms


def test_many_dead_letters_force_a_commit_as_many_rows_do(tmp_path: Path) -> None:
    loop = Loop(
        tmp_path, commit_interval_backlog_ms=60_000, commit_interval_ms=60_000,
        commit_keys_max=1_000, batch_messages_max=400,
    )  # fmt: skip
    loop.push("orders", [b"garbage"] * 5_000)
    waiting = []
    for _ in range(300):
        loop.turns(1)
        waiting.append(loop.state.dirty_count)
        if loop.taken("spend") == 5_000:
            break
    assert loop.taken("spend") == 5_000
    assert max(waiting) < 1_400
    assert len(list(deadletter.read(loop.store, 0, 1 << 40))) >= 4_000
    loop.close()


def test_large_dead_letters_force_a_commit_before_there_are_many(tmp_path: Path) -> None:
    loop = Loop(
        tmp_path, letters_bytes_max=100_000, commit_interval_backlog_ms=60_000,
        commit_interval_ms=60_000, batch_messages_max=20,
    )  # fmt: skip
    loop.push("orders", [b"x" * 5_000] * 200)
    waiting = []
    for _ in range(300):
        loop.turns(1)
        waiting.append(loop.state.letters_bytes)
        if loop.taken("spend") == 200:
            break
    assert loop.taken("spend") == 200
    assert max(waiting) < 100_000 + 20 * 5_000
    loop.close()


def test_one_source_that_stops_does_not_hold_up_the_other(loop: Loop, tmp_path: Path) -> None:
    directory = source_directory(tmp_path, "clicks")
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.write_text("no directory")
    loop.push("orders", lines(0, 10))
    loop.until("spend", 10)
    loop.turns(20)
    _, _, status = loop.reader.read()
    assert status.sources["clicks"].state == "stopped"
    assert status.sources["clicks"].error
    assert status.sources["orders"].state == "live"


def test_a_stop_commits_what_was_read_and_says_that_it_was_clean(tmp_path: Path) -> None:
    loop = Loop(tmp_path, commit_interval_ms=60_000, commit_interval_backlog_ms=60_000)
    loop.push("orders", lines(0, 10))
    loop.stop_after = 10
    loop.pipeline.run(loop.stop)
    sequence, _, status = loop.reader.read()
    assert status.stopped
    assert sequence == loop.state.record.sequence
    again = StateWriter(loop.store, loop.state.catalog)
    assert again.record.views["spend"].total().taken == 10
    loop.close()


def test_expired_rows_go_in_few_commits_however_fast_the_loop_turns(tmp_path: Path) -> None:
    """A look of 2 ms each turn would be a commit each, which the readers wait for."""
    sql = """
    CREATE SOURCE orders (u VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts)
    WITH (connector = 'events', timestamp.unit = 's', max_future_skew = '36500 days');
    CREATE MATERIALIZED VIEW spend WITH (retention = '1 hour') AS
    SELECT u, window_start, COUNT(*) AS n FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE)
    GROUP BY u, window_start;
    """
    rows = 20_000
    loop = Loop(tmp_path, sql=sql, commit_interval_ms=20, poll_timeout_ms=1)
    loop.push("orders", [b'{"u":"%d","ts":1000000000}' % i for i in range(rows)])
    loop.until("spend", rows)
    loop.push("orders", [b'{"u":"a","ts":1100000000}'])
    loop.until("spend", rows + 1)
    prefix = loop.state.views["spend"].prefix

    def left() -> int:
        return sum(1 for _ in loop.store.keys(prefix, prefix_end(prefix)))

    committed_ms = []
    sequence = loop.reader.read()[0]
    for _ in range(1_000):
        loop.turns(1, ms=5)
        if loop.reader.read()[0] != sequence:
            sequence = loop.reader.read()[0]
            committed_ms.append(loop.ran_ms)
        if committed_ms and left() == 1:
            break
    assert left() == 1
    assert all(later - one >= RECLAIM_BUSY_MS for one, later in pairwise(committed_ms))
    loop.close()


def test_a_loop_that_fails_at_its_first_beat_leaves_nothing_that_outlives_the_interpreter(
    tmp_path: Path,
) -> None:
    state = StateWriter(MemoryStore(), compile_sql(SQL))
    counter = CounterWriter(counter_path(tmp_path))
    beats = iter([1_000_000])
    pipeline = Pipeline(
        state, counter, Settings(data_dir=tmp_path), pid=7, clock=lambda: next(beats)
    )
    with pytest.raises(StopIteration):
        pipeline.run(threading.Event())
    assert gc.get_freeze_count() == 0
    counter.close()
