"""A lane: from a source's messages to its views, each with offsets and a ledger of its own."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ingest.lane import RETRY_MS, Lane
from ingest.source.ahead import AheadSource
from ingest.source.events import EventsSource
from ingest.source.message import MessageBatch
from ingest.source.protocol import SourceProgress
from keyfold.eventlog.format import source_directory
from keyfold.eventlog.options import EventsOptions
from keyfold.eventlog.writer import EventLogWriter
from keyfold.sql.bind import locked_connection
from keyfold.sql.compile import compile_sql
from keyfold.state import deadletter
from keyfold.state.layout import COMMIT_KEY
from keyfold.state.memory import MemoryStore
from keyfold.state.record import CommitRecord, record_decoder
from keyfold.state.writer import StateWriter
from keyfold.view.row import CompiledView
from keyfold.view.rowkey import prefix_end

SOURCE = """
CREATE SOURCE orders (
  id BIGINT, u VARCHAR, n INTEGER, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (connector = 'events'{});
"""
BY_USER = "CREATE MATERIALIZED VIEW by_user AS SELECT u, COUNT(*) AS c FROM orders GROUP BY u;"
BY_ID = "CREATE MATERIALIZED VIEW by_id AS SELECT id, COUNT(*) AS c FROM orders GROUP BY id;"
SUMS = "CREATE MATERIALIZED VIEW sums AS SELECT u, SUM(n) AS s FROM orders GROUP BY u;"
ODD = (
    "CREATE MATERIALIZED VIEW odd AS SELECT u, COUNT(*) AS c FROM orders WHERE id % 2 = 1"
    " GROUP BY u;"
)
MINUTES = """
CREATE MATERIALIZED VIEW minutes WITH (retention = '1 minute') AS
SELECT window_start, COUNT(*) AS c FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE)
GROUP BY window_start;
"""
NOW_MS = 1_772_366_400_000  # 2026-03-01T12:00:00Z
STEPS_MAX = 200


class Process:
    """A writer process in small: one source, real event log, real state; it can die at any step."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = MemoryStore()
        self.connection = locked_connection()
        self.now_ms = NOW_MS
        self.ran_ms = 0
        self.lane: Lane | None = None

    def push(self, events: Sequence[dict[str, Any] | bytes], partition: int = 0) -> None:
        path = source_directory(self.directory, "orders") / str(partition)
        writer = EventLogWriter(path, 4_096)
        lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]
        writer.append(lines, self.now_ms)
        writer.close()

    def start(self, *views: str, options: str = "", **how: Any) -> Lane:
        if self.lane is not None:
            self.lane.close()
        catalog = compile_sql(SOURCE.format(options) + "".join(views))
        self.state = StateWriter(self.store, catalog, **how)
        self.lane = Lane(
            catalog.sources[0],
            self.state,
            self.connection,
            self.directory,
            lambda: self.ran_ms,
            lambda: self.now_ms,
        )
        return self.lane

    def read(self, messages_max: int = 1_000, steps: int = STEPS_MAX) -> int:
        """Step until the source is read to its end; return how many messages that were."""
        assert self.lane is not None
        read = 0
        for _ in range(steps):
            read += self.lane.step(messages_max, 20, self.now_ms)
            records = self.state.record.views.values()
            reached = [
                self.lane._progress.caught_up(one.offsets) for one in records if not one.error
            ]
            if self.lane._progress.end_offsets and all(reached):
                break
        return read

    def commit(self) -> CommitRecord:
        assert self.lane is not None
        self.lane.before_commit(self.now_ms)
        self.state.commit(self.now_ms)
        self.lane.after_commit()
        return self.record()

    def run(self, messages_max: int = 1_000) -> CommitRecord:
        self.read(messages_max)
        return self.commit()

    def record(self) -> CommitRecord:
        raw = self.store.get(COMMIT_KEY)
        assert raw is not None
        return record_decoder.decode(raw)

    def rows(self, view: str) -> dict[Any, Any]:
        one = self.state.views[view]
        scan = self.store.scan(one.prefix, prefix_end(one.prefix))
        pairs = [(key[len(one.prefix) :], value) for key, value in scan]
        table = CompiledView(one.plan).arrow_table(pairs)
        return dict(tuple(row.values()) for row in table.to_pylist())

    def letters(self) -> list[deadletter.DeadLetter]:
        return [one for _, one in deadletter.read(self.store, 0, 1 << 40)]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path)
    yield made
    if made.lane is not None:
        made.lane.close()


def event(id: int, u: str = "a", second: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": id, "u": u, "ts": f"2026-03-01T11:{second // 60:02}:{second % 60:02}Z", **more}


def events(first: int, after: int, **more: Any) -> list[dict[str, Any]]:
    return [event(i, "ab"[i % 2], **more) for i in range(first, after)]


# --- offsets of views ------------------------------------------------------------------------


def test_a_new_view_is_filled_from_the_log_while_the_others_pass_over_it(
    process: Process,
) -> None:
    process.push(events(0, 30))
    process.push(events(30, 40), partition=1)
    process.start(BY_USER)
    process.run()
    process.push(events(40, 50))
    process.start(BY_USER, BY_ID, ODD)
    assert process.read(7) == 50
    record = process.commit()
    assert process.rows("by_user") == {"a": 25, "b": 25}
    assert process.rows("by_id") == dict.fromkeys(range(50), 1)
    assert process.rows("odd") == {"b": 25}
    for view in ("by_user", "by_id", "odd"):
        assert record.views[view].offsets == {0: 40, 1: 10}
        assert {p: ledger.taken for p, ledger in record.views[view].ledger.items()} == {
            0: 40,
            1: 10,
        }
    assert record.views["odd"].total().filtered == 25
    told = record.sources["orders"].partitions
    assert {p: one.taken for p, one in told.items()} == {0: 40, 1: 10}


def test_a_backfill_that_is_killed_goes_on_where_its_last_commit_was(process: Process) -> None:
    process.push(events(0, 30))
    process.push(events(30, 40), partition=1)
    process.start(BY_USER)
    process.run()
    for stop_after in (0, 1, 2, 3):
        lane = process.start(BY_USER, BY_ID)
        process.read(5, steps=2)
        if stop_after:
            process.commit()
        lane.step(5, 20, process.now_ms)  # and never committed
    process.start(BY_USER, BY_ID)
    record = process.run(5)
    assert process.rows("by_id") == dict.fromkeys(range(40), 1)
    assert process.rows("by_user") == {"a": 20, "b": 20}
    assert record.views["by_id"].total().taken == record.views["by_user"].total().taken == 40


def test_a_rebuilt_view_counts_again_from_nothing(process: Process) -> None:
    process.push([*events(0, 10), b"{"])
    process.start(BY_USER, BY_ID)
    process.run()
    process.start(BY_USER, BY_ID, rebuild=["by_user"])
    record = process.run(4)
    assert process.rows("by_user") == {"a": 5, "b": 5}
    assert process.rows("by_id") == dict.fromkeys(range(10), 1)
    for view in ("by_user", "by_id"):
        assert record.views[view].total().as_dict() == {
            "in": 11,
            "applied": 10,
            "filtered": 0,
            "late": 0,
            "dead_lettered": 1,
        }
    assert record.sources["orders"].partitions[0].dead_lettered == 1
    assert len(process.letters()) == 1


def test_a_new_view_is_ready_once_it_has_caught_up_itself(process: Process) -> None:
    process.push(events(0, 20))
    process.start(BY_USER)
    assert process.run().views["by_user"].ready
    lane = process.start(BY_USER, BY_ID)
    process.read(6, steps=2)
    record = process.commit()
    assert (record.views["by_user"].ready, record.views["by_id"].ready) == (True, False)
    process.read(6)
    assert lane.needs_ready()
    assert process.commit().views["by_id"].ready
    assert not lane.needs_ready()


def test_latest_means_from_now_on_for_a_view_that_is_new_too(process: Process) -> None:
    latest = ", scan.startup.mode = 'latest'"
    process.push(events(0, 10))
    process.start(BY_USER, options=latest)
    assert process.read() == 0
    process.push(events(10, 14))
    process.run()
    assert process.rows("by_user") == {"a": 2, "b": 2}
    process.start(BY_USER, BY_ID, options=latest)
    process.push(events(14, 16))
    process.run()
    assert process.rows("by_id") == {14: 1, 15: 1}
    assert process.rows("by_user") == {"a": 3, "b": 3}


def test_a_log_whose_beginning_is_gone_can_still_fill_a_new_view(process: Process) -> None:
    """Killed while it had read of one partition only: the other starts where its log starts."""
    process.push(events(0, 5))
    for first in range(0, 400, 100):  # several segments
        process.push(events(first, first + 100, pad="x" * 20), partition=1)
    process.start(BY_USER)
    process.run()
    first_segment = sorted((source_directory(process.directory, "orders") / "1").glob("0*"))[:2]
    for path in first_segment:
        path.unlink()
    process.start(BY_USER, BY_ID)
    process.state.record.views["by_id"].offsets = {0: 2}
    record = process.run()
    assert process.lane is not None
    assert process.lane.error == ""
    assert record.views["by_id"].offsets == {0: 5, 1: 400}
    assert set(process.rows("by_id")) >= {2, 3, 4, 399}


# --- faults ----------------------------------------------------------------------------------


def test_a_source_that_stops_says_so_and_comes_back(process: Process, tmp_path: Path) -> None:
    process.push(events(0, 4))
    lane = process.start(BY_USER)
    record = process.run()
    log_id = record.sources["orders"].identity["log_id"]
    assert log_id
    lane.close()
    log = source_directory(tmp_path, "orders")
    shutil.move(log, tmp_path / "elsewhere")
    lane = process.start(BY_USER)
    for _ in range(20):
        lane.step(10, 20, process.now_ms)
        if lane.error:
            break
    assert "which the state was built from, is gone" in lane.error
    status = lane.status(process.now_ms)
    assert (status.state, status.error) == ("stopped", lane.error)
    assert status.as_of_ms == record.sources["orders"].as_of_ms
    shutil.move(tmp_path / "elsewhere", log)
    process.push(events(4, 6))
    assert lane.step(10, 20, process.now_ms) == 0  # it waits before it tries again
    process.now_ms -= 3_600_000  # the clock may be set back meanwhile
    process.ran_ms += RETRY_MS
    record = process.run()
    assert lane.error == ""
    assert process.rows("by_user") == {"a": 3, "b": 3}
    assert record.sources["orders"].identity == {"log_id": log_id}
    assert lane.status(process.now_ms).state == "live"


def test_a_lane_forgets_the_time_of_a_clock_that_was_ahead(process: Process) -> None:
    process.now_ms += 3_600_000
    process.push(events(0, 4))
    lane = process.start(BY_USER)
    assert process.run().sources["orders"].as_of_ms == process.now_ms
    process.now_ms -= 3_600_000
    process.read()
    assert lane.status(process.now_ms).as_of_ms == process.now_ms
    lane = process.start(BY_USER)  # its record is from before the clock was set back
    assert process.record().sources["orders"].as_of_ms > process.now_ms
    lane.step(1_000, 0, process.now_ms)
    assert lane.status(process.now_ms).as_of_ms in (0, process.now_ms)  # not open yet, or caught up
    process.push(events(4, 8))
    assert process.run().sources["orders"].as_of_ms == process.now_ms


class SilentSource(EventsSource):
    """Does not know where it ends until it is told."""

    told = False

    def progress(self) -> SourceProgress:
        return dataclasses.replace(super().progress(), known=self.told)


def test_a_source_whose_end_nobody_knows_was_not_read_to_its_end(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SilentSource(source_directory(process.directory, "orders"), EventsOptions())
    monkeypatch.setattr("ingest.lane.connect_ahead", lambda plan, directory: AheadSource(source))
    process.push(events(0, 4))
    process.start(BY_USER)
    assert process.read(steps=20) == 4
    record = process.commit()
    assert not record.views["by_user"].ready
    assert record.sources["orders"].as_of_ms == 0
    source.told = True
    record = process.run()
    assert record.views["by_user"].ready
    told_ms = record.sources["orders"].as_of_ms
    assert told_ms == process.now_ms
    source.told = False
    process.now_ms += 60_000
    process.read(steps=2)
    assert process.commit().sources["orders"].as_of_ms == told_ms


def test_another_log_in_the_same_place_is_refused(process: Process, tmp_path: Path) -> None:
    process.push(events(0, 4))
    process.start(BY_USER)
    process.run()
    shutil.rmtree(source_directory(tmp_path, "orders"))
    process.push(events(0, 9))
    lane = process.start(BY_USER)
    for _ in range(20):
        lane.step(10, 20, process.now_ms)
    assert "is not the event log that the state was built from" in lane.error
    assert process.rows("by_user") == {"a": 2, "b": 2}
    process.start(BY_USER, rebuild=["orders"])
    process.run()
    assert process.rows("by_user") == {"a": 5, "b": 4}


def test_a_log_that_cannot_be_read_stops_its_source_and_nothing_else(
    process: Process, tmp_path: Path
) -> None:
    process.push(events(0, 4))
    process.start(BY_USER)
    process.run()
    for path in (source_directory(tmp_path, "orders") / "0").iterdir():
        if path.is_file() and path.suffix:
            path.unlink()
            path.mkdir()  # the operating system refuses to open it, whoever asks
    lane = process.start(BY_USER)
    for _ in range(20):
        lane.step(10, 20, process.now_ms)
    assert lane.error
    assert lane.status(process.now_ms).state == "stopped"


def test_a_view_that_fails_stops_alone_and_tries_again_in_its_next_life(
    process: Process,
) -> None:
    most = 2**63 - 1
    huge = (
        "CREATE MATERIALIZED VIEW huge AS SELECT u, "
        f"SUM(n::HUGEINT * {most} * {most}) AS s FROM orders GROUP BY u;"
    )
    process.push([event(0, n=1), event(1, n=1)])
    process.start(BY_USER, huge)
    assert process.run().views["huge"].ready
    process.push([event(2, n=1)])
    process.read()
    process.push([event(3, n=-1)])
    record = process.run()
    assert "128 bits" in record.views["huge"].error
    assert record.views["huge"].offsets == {0: 2}
    assert record.views["huge"].total().taken == 2
    assert process.rows("by_user") == {"a": 4}
    process.start(BY_USER, huge)
    # Rows are missing until it has caught up again: nobody may take them for fresh.
    assert not process.record().views["huge"].ready
    record = process.run()  # the same events in one batch: their sum fits
    assert record.views["huge"].error == ""
    assert record.views["huge"].ready
    assert record.views["huge"].total().taken == record.views["by_user"].total().taken == 4
    assert process.rows("by_user") == {"a": 4}


# --- dead letters ----------------------------------------------------------------------------


def test_a_field_that_only_a_new_view_reads_is_buried_when_it_is_found(
    process: Process,
) -> None:
    """Nothing vanishes: what the ledger of the new view counts as dead can be looked at."""
    process.push([event(0, n=1), event(1, n="one"), event(2, n=2)])
    process.start(BY_USER)
    process.run()
    assert process.letters() == []
    for _ in range(2):  # and once, however often it is started
        process.start(BY_USER, SUMS)
        record = process.run()
        assert process.rows("sums") == {"a": 3}
        assert record.views["sums"].total().dead_lettered == 1
        assert record.views["by_user"].total().dead_lettered == 0
        assert [(one.offset, one.field) for one in process.letters()] == [(1, "n")]


def test_a_message_is_buried_once_for_all_views(process: Process) -> None:
    process.push([event(0), b"{", b'{"id":1}', event(3, n="x"), event(4, u="b")], partition=2)
    process.start(BY_USER, BY_ID, SUMS)
    record = process.run(2)
    assert [(one.partition, one.offset, one.view) for one in process.letters()] == [
        (2, 1, ""),
        (2, 2, ""),
        (2, 3, ""),
    ]
    assert record.sources["orders"].partitions[2].dead_lettered == 3
    assert record.views["by_user"].total().dead_lettered == 2
    assert record.views["sums"].total().dead_lettered == 3
    assert process.letters()[1].value == b'{"id":1}'
    assert process.letters()[1].timestamp_ms == NOW_MS


def test_no_message_becomes_a_dead_letter_before_it_was_taken_in(process: Process) -> None:
    lane = process.start(BY_USER)
    process.now_ms += 5
    process.push([b"no json"])
    while not lane.step(10, 20, NOW_MS):  # the turn began before the message came
        pass
    process.commit()
    (letter,) = process.letters()
    assert (letter.timestamp_ms, letter.time_ms) == (NOW_MS + 5, NOW_MS + 5)


# --- catching up -----------------------------------------------------------------------------


def test_a_source_is_live_once_it_was_read_to_its_end_and_a_short_lag_leaves_it_so(
    process: Process,
) -> None:
    process.push(events(0, 4))
    lane = process.start(BY_USER)
    assert lane.status(NOW_MS).state == "catching_up"
    process.read()
    assert (lane.moved, lane.behind, lane.status(NOW_MS).state) == (True, False, "catching_up")
    process.commit()
    assert lane.status(NOW_MS).state == "live"
    process.push(events(4, 6))
    process.read()
    status = lane.status(NOW_MS)
    assert (status.state, status.partitions[0].offset, status.partitions[0].end_offset) == (
        "live",
        4,
        6,
    )
    lane = process.start(BY_USER)  # dies and is opened again
    process.read()
    assert (lane.moved, lane.status(NOW_MS).state) == (True, "catching_up")


def test_a_batch_that_its_bytes_ended_is_not_the_last_one(process: Process) -> None:
    large = [event(i) | {"pad": "x" * (2 << 20)} for i in range(40)]
    process.push(large)
    lane = process.start(BY_USER)
    read = [lane.step(50_000, 20, NOW_MS)]
    while not read[-1]:
        read.append(lane.step(50_000, 20, NOW_MS))
    assert (0 < read[-1] < 40, lane.behind) == (True, True)
    assert lane.status(NOW_MS).state == "catching_up"
    first = read[-1]
    rest = [0]
    while not rest[-1]:  # it is being read ahead
        assert lane.behind
        rest.append(lane.step(50_000, 20, NOW_MS))
    assert (first + rest[-1], lane.behind) == (40, False)


def test_a_source_that_stopped_is_not_waited_for_with_commits(process: Process) -> None:
    process.push([event(i) for i in range(100)])
    lane = process.start(BY_USER)
    while not lane.behind:
        lane.step(10, 20, NOW_MS)
    shutil.rmtree(source_directory(process.directory, "orders"))
    while not lane.error:
        lane.step(10, 20, NOW_MS)
    assert not lane.behind


# --- times -----------------------------------------------------------------------------------


def micros(second: int) -> int:
    return (NOW_MS - 3_600_000 + second * 1_000) * 1_000


def test_an_event_from_the_future_is_applied_and_moves_no_time(process: Process) -> None:
    future = {"id": 9, "u": "z", "ts": "2026-03-01T13:00:01Z"}  # an hour and a second ahead
    within = {"id": 9, "u": "y", "ts": "2026-03-01T12:59:59Z"}
    process.push([event(0, second=10), future])
    process.start(BY_USER, MINUTES)
    record = process.run()
    source = record.sources["orders"]
    assert process.rows("by_user") == {"a": 1, "z": 1}
    assert len(process.rows("minutes")) == 2
    assert (source.watermark_us, source.stream_time_us) == (micros(9), micros(9))
    assert source.partitions[0].event_time_us == micros(10)
    process.push([within])
    source = process.run().sources["orders"]
    assert source.stream_time_us == micros(2 * 3600 - 2)


@pytest.mark.parametrize("infinite", ["infinity", "-infinity"])
def test_a_time_without_end_moves_no_time(process: Process, infinite: str) -> None:
    process.start(BY_USER)
    assert process.lane is not None
    lines = [json.dumps(one).encode() for one in ({"u": "z", "ts": infinite}, event(0, second=10))]
    process.lane.apply(
        MessageBatch(
            values=pa.array(lines, pa.binary()),
            partitions=np.zeros(2, np.int32),
            offsets=np.arange(2, dtype=np.int64),
            timestamps_ms=np.full(2, -1, np.int64),  # a log that does not say when
            next_offsets={0: 2},
        ),
        0,
    )
    source = process.state.record.sources["orders"]
    assert source.stream_time_us == source.watermark_us == micros(9)


def test_a_dead_letter_whose_time_can_be_read_moves_event_time(process: Process) -> None:
    process.push([event(1, second=10), {**event(2, second=70), "n": "x"}, b"no JSON"])
    process.start(SUMS)
    record = process.run()
    assert record.views["sums"].total().dead_lettered == 2
    assert record.sources["orders"].partitions[0].event_time_us == micros(70)


def test_the_watermark_waits_for_the_slowest_partition_that_has_events(process: Process) -> None:
    process.push([event(0, second=100)])
    process.push([event(1, second=50)], partition=1)
    process.start(BY_USER)
    source = process.run().sources["orders"]
    assert (source.watermark_us, source.stream_time_us) == (micros(49), micros(99))
    process.push([event(2, second=20)], partition=1)
    source = process.run().sources["orders"]
    assert (source.watermark_us, source.stream_time_us) == (micros(49), micros(99))
    process.push([event(3, second=10)], partition=2)
    source = process.run().sources["orders"]
    assert (source.watermark_us, source.stream_time_us) == (micros(9), micros(99))


def test_the_time_of_a_view_that_stopped_stands_still_with_its_offsets(process: Process) -> None:
    process.push([event(0, second=10)])
    process.start(BY_USER, MINUTES)
    process.run()
    process.push([event(1, second=3000)])
    process.read()
    process.state.fail_view("minutes", "a reason")
    record = process.commit()
    assert record.views["minutes"].offsets == {0: 1}
    assert record.views["minutes"].stream_time_us == micros(9)
    assert record.views["by_user"].stream_time_us == micros(2999)
    process.start(BY_USER, MINUTES)  # tried again
    record = process.run()
    assert record.views["minutes"].stream_time_us == micros(2999)
    assert record.views["minutes"].total().late == 0


def test_a_view_that_is_built_behind_its_source_finds_late_what_was_late_in_the_log(
    process: Process,
) -> None:
    process.push([event(i, second=i * 60) for i in range(10)])
    process.push([event(10, second=0)])
    process.start(BY_USER)
    process.run()
    process.start(BY_USER, MINUTES)
    process.read(messages_max=1)
    record = process.commit()
    assert record.views["minutes"].stream_time_us == micros(539)
    assert (record.views["minutes"].total().applied, record.views["minutes"].total().late) == (
        10,
        1,
    )


def test_late_events_are_booked_as_late_in_the_views_that_expire(process: Process) -> None:
    process.push([event(0, second=300)])
    process.start(BY_USER, MINUTES)
    process.run()
    process.push([event(1, second=0), event(2, second=240)])
    record = process.run()
    assert record.views["minutes"].total().as_dict() == {
        "in": 3,
        "applied": 2,
        "filtered": 0,
        "late": 1,
        "dead_lettered": 0,
    }
    assert record.views["by_user"].total().late == 0


# --- freshness -------------------------------------------------------------------------------


def test_what_came_after_the_last_look_is_not_claimed_to_be_in(process: Process) -> None:
    """A batch takes its time; what is pushed meanwhile is not in its commit (law 5)."""
    process.push(events(0, 4))
    lane = process.start(BY_USER)
    process.read()
    looked_ms = process.now_ms
    process.now_ms += 700
    process.push(events(4, 5))
    record = process.commit()
    assert record.sources["orders"].as_of_ms == looked_ms
    process.now_ms += 300
    assert lane.status(process.now_ms).as_of_ms == looked_ms
    assert lane.status(process.now_ms).partitions[0].end_offset == 4
    process.read()
    assert process.commit().sources["orders"].as_of_ms == process.now_ms


def test_an_idle_source_stays_fresh_by_being_looked_at(process: Process) -> None:
    process.push(events(0, 4))
    lane = process.start(BY_USER)
    process.run()
    for _ in range(3):
        process.now_ms += 1_000
        lane.step(10, 1, process.now_ms)
        assert lane.status(process.now_ms).as_of_ms == process.now_ms
        assert lane.status(process.now_ms).state == "live"


NESTED = """
CREATE SOURCE orders (
  id BIGINT, u VARCHAR, n INTEGER, items STRUCT<sku INT>[], ts TIMESTAMPTZ, WATERMARK FOR ts AS ts
) WITH (connector = 'events');
"""
CASTS = "CREATE MATERIALIZED VIEW casts AS SELECT CAST(u AS INT) AS k, COUNT(*) AS c FROM orders"
SKUS = "CREATE MATERIALIZED VIEW skus AS SELECT items[1].sku AS sku, COUNT(*) AS c FROM orders"


def test_the_letters_of_a_view_are_those_that_its_ledger_counts(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.SOURCE", NESTED)
    good = event(1, "7", n=1, items=[{"sku": 1}])
    process.push(
        [
            good,
            b"no JSON",
            {**good, "ts": "no time"},
            {**good, "ts": None},
            {**good, "id": "x"},
            {**good, "n": "x", "items": "x"},
            {**good, "items": [{"sku": "x"}]},
            {**good, "u": "no number"},
        ]
    )
    process.start(BY_USER, BY_ID, f"{CASTS} GROUP BY k;", f"{SKUS} GROUP BY sku;")
    record = process.run()
    offsets = {}
    for name, view in record.views.items():
        plan = process.state.catalog.view(name)
        counted = deadletter.counted_in(plan, process.state.catalog, view)
        offsets[name] = {letter.offset for letter in process.letters() if counted(letter)}
        assert len(offsets[name]) == view.total().dead_lettered, name
    assert offsets == {
        "by_user": {1, 2, 3},
        "by_id": {1, 2, 3, 4},
        "casts": {1, 2, 3, 7},
        "skus": {1, 2, 3, 5, 6},
    }
