"""The events source: every record of every partition, once and in order, from where it was told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ingest.source.events import EventsSource
from ingest.source.message import BATCH_BYTES_MAX, MessageBatch
from ingest.source.protocol import Source
from keyfold.errors import SourceError
from keyfold.eventlog.format import ensure_log_id, source_directory
from keyfold.eventlog.options import EventsOptions
from keyfold.eventlog.writer import EventLogWriter

EARLIEST = EventsOptions()
LATEST = EventsOptions(startup_mode="latest")


class Clock:
    """Time that passes only by sleeping; a task may be due at a time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.due: list[tuple[float, Callable[[], object]]] = []

    def read_s(self) -> float:
        return self.now_s

    def sleep_s(self, seconds: float) -> None:
        self.now_s += seconds
        for at_s, task in [entry for entry in self.due if entry[0] <= self.now_s]:
            self.due.remove((at_s, task))
            task()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return source_directory(tmp_path, "orders")


def push(directory: Path, partition: int, start: int, stop: int) -> None:
    writer = EventLogWriter(directory / str(partition), 64)
    writer.append([f"{partition}:{number}".encode() for number in range(start, stop)], 1000 + start)
    writer.close()


def opened(
    directory: Path,
    offsets: dict[int, int] | None = None,
    options: EventsOptions = EARLIEST,
    clock: Clock | None = None,
) -> EventsSource:
    clock = clock or Clock()
    source = EventsSource(directory, options, clock.read_s, clock.sleep_s)
    source.open(offsets or {}, {"log_id": ensure_log_id(directory)} if offsets else {})
    return source


def drained(source: Source, messages_max: int = 4) -> tuple[dict[int, list[str]], dict[int, int]]:
    """Everything that is there, by partition, and the offsets to go on from."""
    found: dict[int, list[str]] = {}
    next_offsets: dict[int, int] = {}
    while (batch := source.poll(messages_max, 0)) is not None:
        assert len(batch) <= messages_max
        for partition, value in zip(batch.partitions, batch.values.to_pylist(), strict=True):
            found.setdefault(int(partition), []).append(value.decode())
        next_offsets |= batch.next_offsets
    return found, next_offsets


def texts(partition: int, start: int, stop: int) -> list[str]:
    return [f"{partition}:{number}" for number in range(start, stop)]


def polled(source: Source, messages_max: int = 100, timeout_ms: int = 0) -> MessageBatch:
    batch = source.poll(messages_max, timeout_ms)
    assert batch is not None
    return batch


def test_a_batch_holds_parallel_columns_of_all_partitions(directory: Path) -> None:
    push(directory, 0, 0, 2)
    push(directory, 3, 0, 1)
    source = opened(directory)
    batch = polled(source)
    order = np.argsort(batch.partitions, kind="stable")
    assert batch.partitions[order].tolist() == [0, 0, 3]
    assert batch.offsets[order].tolist() == [0, 1, 0]
    assert batch.timestamps_ms.tolist() == [1000, 1000, 1000]
    assert sorted(batch.values.to_pylist()) == [b"0:0", b"0:1", b"3:0"]
    assert batch.next_offsets == {0: 2, 3: 1}
    assert (batch.partitions.dtype, batch.offsets.dtype) == (np.int32, np.int64)
    assert source.poll(100, 0) is None
    source.close()
    source.close()


def test_a_batch_ends_where_it_has_bytes_enough_and_each_partition_has_its_turn(
    directory: Path,
) -> None:
    line, count = b"x" * (1 << 20), 40
    for partition in (0, 1, 2):
        writer = EventLogWriter(directory / str(partition), 1 << 30)
        for _ in range(count):
            writer.append([line], 1)
        writer.close()
    source = opened(directory)
    sizes, cut_short, next_offsets = [], [], {}
    while (batch := source.poll(50_000, 0)) is not None:
        cut_short.append(batch.cut_short)
        assert batch.values.nbytes < BATCH_BYTES_MAX + (8 << 20)
        assert {0, 1, 2} == set(batch.partitions.tolist()) or sizes
        sizes.append(len(batch))
        next_offsets |= batch.next_offsets
    assert sum(sizes) == 3 * count
    assert cut_short == [True, False]
    assert next_offsets == {0: count, 1: count, 2: count}


@pytest.mark.parametrize("messages_max", [1, 2, 5, 1000])
def test_reading_resumes_at_any_offsets(directory: Path, messages_max: int) -> None:
    for start, stop in ((0, 3), (3, 9), (9, 10)):
        push(directory, 0, start, stop)
        push(directory, 1, start, stop)
    for offset in range(11):
        source = opened(directory, {0: offset, 1: 10 - offset})
        found, next_offsets = drained(source, messages_max)
        assert found.get(0, []) == texts(0, offset, 10)
        assert found.get(1, []) == texts(1, 10 - offset, 10)
        assert {0: offset, 1: 10 - offset} | next_offsets == {0: 10, 1: 10}
        source.close()


def test_a_long_backlog_in_one_partition_does_not_hold_up_the_others(directory: Path) -> None:
    push(directory, 0, 0, 100)
    push(directory, 1, 0, 2)
    source = opened(directory)
    batch = polled(source, messages_max=10)
    assert np.bincount(batch.partitions).tolist() == [8, 2]
    source.close()


def test_a_poll_waits_for_the_first_record_and_no_longer(directory: Path) -> None:
    push(directory, 0, 0, 1)
    clock = Clock()
    source = opened(directory, {0: 1}, clock=clock)
    clock.due.append((0.005, lambda: push(directory, 0, 1, 2)))
    assert polled(source, timeout_ms=100).offsets.tolist() == [1]
    assert 0.005 <= clock.now_s <= 0.0071
    before_s = clock.now_s
    assert source.poll(10, 20) is None
    assert clock.now_s - before_s == pytest.approx(0.02)
    source.close()


def test_a_partition_that_appears_later_is_found_within_a_second(directory: Path) -> None:
    clock = Clock()
    source = opened(directory, clock=clock)
    clock.due.append((0.5, lambda: push(directory, 7, 0, 2)))
    batch = polled(source, timeout_ms=5000)
    assert batch.next_offsets == {7: 2}
    assert 0.5 <= clock.now_s <= 1.01
    assert source.progress().end_offsets == {7: 2}
    source.close()


def test_progress_says_where_each_partition_ends(directory: Path) -> None:
    push(directory, 0, 0, 5)
    source = opened(directory, {0: 2})
    push(directory, 0, 5, 6)
    assert source.progress().end_offsets == {0: 6}
    assert not source.progress().complete
    source.close()


def test_a_new_source_may_start_at_the_end_and_says_where(directory: Path) -> None:
    push(directory, 0, 0, 5)
    source = opened(directory, options=LATEST)
    batch = polled(source)
    assert (len(batch), batch.next_offsets) == (0, {0: 5})
    push(directory, 0, 5, 6)
    assert polled(source).offsets.tolist() == [5]
    source.close()


def test_a_known_source_reads_a_new_partition_from_its_beginning(directory: Path) -> None:
    push(directory, 0, 0, 5)
    push(directory, 1, 0, 5)
    source = opened(directory, {0: 5}, options=LATEST)
    assert drained(source)[0] == {1: texts(1, 0, 5)}
    source.close()


def test_a_partition_whose_front_was_removed_starts_where_it_starts(directory: Path) -> None:
    push(directory, 0, 0, 30)
    push(directory, 0, 30, 31)
    writer = EventLogWriter(directory / "0", 64)
    assert writer.retain(0, 0, 30, now_ms=0) == 1
    writer.close()
    source = opened(directory)
    assert drained(source) == ({0: ["0:30"]}, {0: 31})
    source.close()
    with pytest.raises(SourceError, match="starts at offset 30, but 29 is next to read"):
        opened(directory, {0: 29})


def test_the_identity_is_kept_from_life_to_life(directory: Path) -> None:
    source = opened(directory)
    identity = source.identity()
    push(directory, 0, 0, 1)
    source.close()
    source.open({0: 0}, identity)
    assert source.identity() == identity
    assert drained(source)[0] == {0: ["0:0"]}
    source.close()


def test_another_log_in_the_same_place_is_refused(directory: Path) -> None:
    push(directory, 0, 0, 5)
    identity = {"log_id": ensure_log_id(directory)}
    shutil.rmtree(directory)
    source = EventsSource(directory, EARLIEST)
    with pytest.raises(SourceError, match="is gone"):
        source.open({0: 3}, identity)
    push(directory, 0, 0, 5)
    with pytest.raises(SourceError, match="not the event log that the state was built from"):
        source.open({0: 3}, identity)


def test_a_partition_that_was_lost_is_refused(directory: Path) -> None:
    push(directory, 0, 0, 5)
    with pytest.raises(SourceError, match="1 ends at offset 0, but 3 is next to read"):
        opened(directory, {0: 5, 1: 3})


def test_an_event_log_is_a_source(directory: Path) -> None:
    source: Source = EventsSource(directory, EARLIEST)
    source.committed({0: 1})
    source.close()
