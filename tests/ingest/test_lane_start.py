"""Where a lane starts: what its views need of the log, and times that no clock should claim."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from ingest.clock import clock_ms
from ingest.lane import PARTITIONS_MAX, Lane
from ingest.pipeline import PARTITIONS_PUBLISHED_MAX
from ingest.source.connect import starts_at_beginning
from ingest.source.message import MessageBatch
from keyfold.eventlog.format import source_directory
from keyfold.eventlog.writer import EventLogWriter
from keyfold.sql.bind import locked_connection
from keyfold.sql.compile import compile_sql
from keyfold.state.counter import CounterReader, CounterWriter, PartitionStatus, Status
from keyfold.state.memory import MemoryStore
from keyfold.state.record import ViewRecord
from keyfold.state.writer import StateWriter
from tests.kafka_broker import KafkaBroker

SOURCE = """
CREATE SOURCE orders (
  id BIGINT, u VARCHAR, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (connector = 'events');
"""
FILES = """
CREATE SOURCE orders (id BIGINT, u VARCHAR) WITH (
  connector = 'file', path = '{}/*.ndjson', watch = 'true'
);
"""
KAFKA = """
CREATE SOURCE orders (id BIGINT, u VARCHAR) WITH (
  connector = 'kafka', topic = 't', properties.bootstrap.server = 'localhost:1'{}
) FORMAT PLAIN ENCODE JSON;
"""
BY_USER = "CREATE MATERIALIZED VIEW by_user AS SELECT u, COUNT(*) AS c FROM orders GROUP BY u;"
BY_ID = "CREATE MATERIALIZED VIEW by_id AS SELECT id, COUNT(*) AS c FROM orders GROUP BY id;"
NOW_MS = 1_772_366_400_000  # 2026-03-01T12:00:00Z
TIME = "2026-03-01T11:00:00Z"
STEPS = 20


class Process:
    """A writer process in small, over a real event log in segments of a few records."""

    def __init__(self, directory: Path, source: str = SOURCE) -> None:
        self.directory = directory
        self.source = source.format(directory)
        self.store = MemoryStore()
        self.connection = locked_connection()
        self.lane: Lane | None = None

    @property
    def log(self) -> Path:
        return source_directory(self.directory, "orders")

    def push(self, count: int, partition: int = 0) -> None:
        """Append events, each in a segment of its own, as a segment holds no two of them."""
        writer = EventLogWriter(self.log / str(partition), 64)
        for number in range(count):
            line = json.dumps({"id": number, "u": "a", "ts": TIME, "pad": "x" * 40}).encode()
            writer.append([line], NOW_MS)
        writer.close()

    def trim(self, before: int, partition: int = 0) -> None:
        """Let retention take the segments that hold offsets below ``before`` only."""
        for path in (self.log / str(partition)).glob("0*"):
            if int(path.name.split(".")[0]) < before:
                path.unlink()

    def start(self, *views: str, rebuild: Collection[str] = ()) -> Lane:
        self.close()
        catalog = compile_sql(self.source + "".join(views))
        self.state = StateWriter(self.store, catalog, rebuild=rebuild)
        self.lane = Lane(catalog.sources[0], self.state, self.connection, self.directory)
        return self.lane

    def run(self, steps: int = STEPS) -> dict[str, ViewRecord]:
        assert self.lane is not None
        for _ in range(steps):
            self.lane.step(1_000, 20, NOW_MS)
        self.lane.before_commit(NOW_MS)
        self.state.commit(NOW_MS)
        self.lane.after_commit()
        return self.state.record.views

    def close(self) -> None:
        if self.lane is not None:
            self.lane.close()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path)
    yield made
    made.close()


# --- times that no clock should claim ----------------------------------------------------------


def test_a_message_that_claims_a_moment_beyond_all_microseconds_is_not_from_the_future(
    process: Process,
) -> None:
    lane = process.start(BY_USER)
    lines = [b'{"id": 1, "u": "a", "ts": "2026-03-01T11:00:00Z"}'] * 3
    taken_ms = np.array([2**63 - 1, 2**62, 9_223_372_036_854_776], np.int64)
    lane.apply(
        MessageBatch(
            values=pa.array(lines, pa.binary()),
            partitions=np.arange(3, dtype=np.int32),
            offsets=np.zeros(3, np.int64),
            timestamps_ms=taken_ms,
            next_offsets={0: 1, 1: 1, 2: 1},
        ),
        NOW_MS,
    )
    told = process.state.record.sources["orders"].partitions
    assert [told[p].event_time_us for p in range(3)] == [1_772_362_800_000_000] * 3


# --- what the options say ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "as_the_source"),
    [
        ("", True),
        (", scan.startup.mode = 'earliest'", True),
        (", scan.startup.mode = 'timestamp', scan.startup.timestamp.millis = '5'", True),
        (", scan.startup.timestamp.millis = '5'", True),
        (", scan.startup.mode = 'latest'", False),
        (", scan.startup.mode = 'Latest'", False),
    ],
)
def test_only_latest_means_from_now_on_for_a_view_that_is_new(
    options: str, as_the_source: bool
) -> None:
    plan = compile_sql(KAFKA.format(options) + BY_USER).sources[0]
    assert starts_at_beginning(plan) is as_the_source


# --- what the views need of the log --------------------------------------------------------------


def test_a_log_that_starts_after_all_views_stops_the_source(process: Process) -> None:
    process.push(20)
    process.start(BY_USER, BY_ID)
    process.run()
    process.push(40)
    process.trim(before=40)
    lane = process.start(BY_USER, BY_ID)
    views = process.run()
    assert "starts at offset 40, but 20 is next to read" in lane.error
    assert {(name, one.error) for name, one in views.items()} == {("by_user", ""), ("by_id", "")}
    assert [one.offsets for one in views.values()] == [{0: 20}, {0: 20}]


def test_a_log_that_starts_after_a_view_stops_that_view_when_another_is_added(
    process: Process,
) -> None:
    process.push(20)
    process.start(BY_USER)
    assert process.run()["by_user"].offsets == {0: 20}
    process.push(40)
    process.trim(before=40)
    lane = process.start(BY_USER, BY_ID)
    views = process.run()
    assert lane.error == ""
    assert views["by_user"].error == (
        "partition 0 does not have offset 20, the next to read; it begins at 40 (hint: messages "
        "were deleted before the view had them: build it again with --rebuild by_user)"
    )
    assert views["by_user"].offsets == {0: 20}
    assert (views["by_id"].offsets, views["by_id"].total().applied) == ({0: 60}, 20)


def test_a_view_that_stopped_before_the_log_begins_does_not_stop_the_others(
    process: Process,
) -> None:
    process.push(20)
    process.start(BY_USER, BY_ID)
    process.run()
    process.state.fail_view("by_id", "a sum does not fit")
    process.push(20)
    assert process.run()["by_user"].offsets == {0: 40}
    process.push(20)
    process.trim(before=40)
    lane = process.start(BY_USER, BY_ID)
    views = process.run()
    assert lane.error == ""
    assert (views["by_user"].error, views["by_user"].offsets) == ("", {0: 60})
    assert views["by_user"].total().applied == 60
    assert "does not have offset 20" in views["by_id"].error
    assert views["by_id"].total().applied == 20
    # The next life tries again, and finds the same; built again, the view has what is there.
    lane = process.start(BY_USER, BY_ID)
    for _ in range(STEPS):
        assert lane.step(1_000, 20, NOW_MS) == 0
    assert lane.moved  # so that there is a commit, which tells it
    assert "does not have offset 20" in process.run()["by_id"].error
    process.start(BY_USER, BY_ID, rebuild=["by_id"])
    views = process.run()
    assert {(one.error, one.offsets[0]) for one in views.values()} == {("", 60)}
    assert views["by_id"].total().applied == 20


def test_a_file_that_is_gone_stops_the_view_that_did_not_read_it_to_its_end(
    tmp_path: Path,
) -> None:
    process = Process(tmp_path, FILES)
    (tmp_path / "a.ndjson").write_bytes(b'{"id": 1, "u": "a"}\n' * 3)
    process.start(BY_USER, BY_ID)
    process.run()
    process.state.fail_view("by_id", "a sum does not fit")
    process.state.record.views["by_id"].offsets = {0: 2}
    process.run()
    (tmp_path / "a.ndjson").unlink()
    (tmp_path / "b.ndjson").write_bytes(b'{"id": 1, "u": "a"}\n' * 4)
    lane = process.start(BY_USER, BY_ID)
    views = process.run()
    assert lane.error == ""
    assert (views["by_user"].error, views["by_user"].offsets) == ("", {0: 3, 1: 4})
    assert "partition 0 does not have offset 2" in views["by_id"].error
    process.close()


def test_a_new_view_begins_behind_files_that_are_gone(tmp_path: Path) -> None:
    process = Process(tmp_path, FILES)
    (tmp_path / "a.ndjson").write_bytes(b'{"id": 1, "u": "a"}\n' * 3)
    process.start(BY_USER)
    process.run()
    (tmp_path / "a.ndjson").unlink()
    for _ in range(2):  # also when nothing else is there to read
        lane = process.start(BY_USER, BY_ID)
        views = process.run()
        assert lane.error == ""
        assert {(one.error, one.ready, one.offsets[0]) for one in views.values()} == {("", True, 3)}
    (tmp_path / "b.ndjson").write_bytes(b'{"id": 1, "u": "a"}\n' * 4)
    lane = process.start(BY_USER, BY_ID)
    views = process.run()
    assert lane.error == ""
    assert views["by_user"].total().applied == 7
    assert views["by_id"].total().applied == 4
    process.close()


def test_a_source_that_stopped_says_how_far_it_is_behind(process: Process) -> None:
    process.push(20)
    process.push(5, partition=1)
    process.start(BY_USER)
    process.run()
    process.push(40)
    process.trim(before=40)
    lane = process.start(BY_USER)
    process.run()
    told = lane.status(NOW_MS)
    assert told.state == "stopped"
    assert told.partitions[0] == PartitionStatus(20, 60)
    assert told.partitions[1].offset == told.partitions[1].end_offset == 5


def test_a_source_that_stops_while_it_is_read_says_how_far_it_is_behind(process: Process) -> None:
    process.push(20)
    lane = process.start(BY_USER)
    process.run()
    process.push(40)
    process.trim(before=50)
    process.run()
    assert lane.error
    assert lane.status(NOW_MS).partitions == {0: PartitionStatus(20, 60)}


def test_a_log_that_ends_before_a_view_stops_when_another_view_is_added(
    process: Process,
) -> None:
    process.push(20)
    process.start(BY_USER)
    process.run()
    for path in (process.log / "0").glob("0*"):
        if int(path.name.split(".")[0]) >= 10:
            path.unlink()  # a disk that was restored from an old copy
    lane = process.start(BY_USER, BY_ID)
    views = process.run()
    assert "partition 0 does not have offset 20, the next to read; there is 0 up to 10" in (
        lane.error
    )
    assert views["by_user"].offsets == {0: 20}


def test_a_log_that_lost_a_partition_stops_when_another_view_is_added(process: Process) -> None:
    process.push(5)
    process.push(5, partition=1)
    process.start(BY_USER)
    process.run()
    process.trim(before=100, partition=1)
    lane = process.start(BY_USER, BY_ID)
    process.run()
    assert "partition 1 does not have offset 5" in lane.error


def test_a_log_whose_beginning_is_gone_fills_a_new_view_when_the_others_miss_nothing(
    process: Process,
) -> None:
    process.push(20)
    process.start(BY_USER)
    process.run()
    process.push(20)
    process.trim(before=20)
    lane = process.start(BY_USER, BY_ID)
    views = process.run()
    assert lane.error == ""
    assert views["by_user"].total().applied == 40
    assert views["by_id"].total().applied == 20


# --- very many partitions ------------------------------------------------------------------------


def test_of_very_many_partitions_the_status_shows_the_worst_and_counts_the_others(
    process: Process,
) -> None:
    lane = process.start(BY_USER)
    count = 30_000
    ends = {p: 2**60 + p % 7 for p in range(count)}
    lane.apply(
        MessageBatch(
            values=pa.array([], pa.binary()),
            partitions=np.empty(0, np.int32),
            offsets=np.empty(0, np.int64),
            timestamps_ms=np.empty(0, np.int64),
            next_offsets=dict.fromkeys(range(count), 2**60),
        ),
        NOW_MS,
    )
    lane.after_commit()
    lane._progress.sample(NOW_MS, ends)
    status = lane.status(NOW_MS)
    lag = sum(one.end_offset - one.offset for one in status.partitions.values())
    assert len(status.partitions) == PARTITIONS_MAX
    assert {one.end_offset for one in status.partitions.values()} == {2**60 + 6}
    assert status.left_off == count - PARTITIONS_MAX
    assert lag + status.left_off_lag == sum(ends.values()) - count * 2**60
    assert status.state == "catching_up"
    each_max = PARTITIONS_PUBLISHED_MAX // 20
    each = lane.status(NOW_MS, each_max)
    assert len(each.partitions) == each_max
    writer = CounterWriter(process.directory / "counter")
    reader = CounterReader(process.directory / "counter")
    for sources in ({"s": status}, {f"s{i}": each for i in range(20)}):
        writer.publish(1, NOW_MS, Status(sources=sources))
        assert reader.read()[2].sources == sources
    reader.close()
    writer.close()


# --- a broker that is gone -----------------------------------------------------------------------


@pytest.mark.kafka
def test_staleness_grows_while_the_broker_is_gone_and_ends_with_the_outage(
    kafka_server: KafkaBroker, tmp_path: Path
) -> None:
    client = {"bootstrap.servers": kafka_server.bootstrap, "log_level": 0}
    topic = f"outage-{time.time_ns()}"
    admin = AdminClient(client)
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result()
    producer = Producer(client)
    producer.produce(topic, b'{"id": 1, "u": "a"}', partition=0)
    assert producer.flush(30) == 0
    sql = (
        KAFKA.format("").replace("localhost:1", kafka_server.bootstrap).replace("'t'", f"'{topic}'")
    )
    catalog = compile_sql(sql + BY_USER)
    state = StateWriter(MemoryStore(), catalog)
    lane = Lane(catalog.sources[0], state, locked_connection(), tmp_path)

    def until_staleness(least_ms: int, most_ms: int, offset: int) -> None:
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s:
            lane.step(1_000, 20, clock_ms())
            lane.before_commit(clock_ms())
            state.commit(clock_ms())
            lane.after_commit()
            status = lane.status(clock_ms())
            partition = status.partitions.get(0)
            stale_ms = clock_ms() - status.as_of_ms
            if partition and partition.offset == offset and least_ms <= stale_ms <= most_ms:
                return
        raise AssertionError(f"staleness is {stale_ms} ms, with {status}")

    try:
        until_staleness(0, 300, offset=1)
        kafka_server.stop()
        try:
            until_staleness(3_000, 60_000, offset=1)
        finally:
            kafka_server.start()
        producer.produce(topic, b'{"id": 2, "u": "a"}', partition=0)
        assert producer.flush(30) == 0
        until_staleness(0, 300, offset=2)
    finally:
        lane.close()
