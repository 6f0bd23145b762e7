"""The commit counter: what readers see of it is one publication, whole, or an error."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from keyfold.errors import StateError
from keyfold.state.counter import (
    SIZE,
    CounterReader,
    CounterWriter,
    PartitionStatus,
    Sample,
    SourceStatus,
    Status,
)

STATUS = Status(
    pid=7,
    started_ms=5,
    sources={"orders": SourceStatus("live", "", 9, 1.5, {0: PartitionStatus(3, 4)})},
    metrics=[Sample("commits", 2.0), Sample("hot", 3.0, ("spend",))],
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "commit-counter"


def test_the_file_has_its_documented_bytes(path: Path) -> None:
    writer = CounterWriter(path)
    writer.publish(3, 1_700_000_000_000, STATUS)
    raw = path.read_bytes()
    status = (
        b'{"pid":7,"started_ms":5,"stopped":false,"run":"",'
        b'"sources":{"orders":{"state":"live","error":"",'
        b'"as_of_ms":9,"events_per_second":1.5,"partitions":{"0":{"offset":3,"end_offset":4}},'
        b'"left_off":0,"left_off_lag":0}},"missing":{},'
        b'"metrics":[{"name":"commits","value":2.0,"labels":[]},'
        b'{"name":"hot","value":3.0,"labels":["spend"]}]}'
    )
    head = bytes.fromhex("4b4559464f4c4432 0200000000000000 0300000000000000 0068e5cf8b010000")
    assert raw[:32] == head
    assert raw[32:36] == struct.pack("<I", len(status))
    assert raw[36 : 36 + len(status)] == status
    assert len(raw) == SIZE
    writer.close()


def test_what_is_published_is_read(path: Path) -> None:
    writer = CounterWriter(path)
    reader = CounterReader(path)
    assert reader.read() == (0, 0, Status())
    turns = [reader.turn()]
    for sequence, status in [(1, STATUS), (2, Status(stopped=True)), (2, STATUS)]:
        writer.publish(sequence, sequence * 10, status)
        turns.append(reader.turn())
        assert reader.sequence() == sequence
        assert reader.read() == (sequence, sequence * 10, status)
    assert len(set(turns)) == len(turns)
    reader.close()
    writer.close()


def test_a_writer_that_died_while_publishing_is_told_from_one_that_lives(path: Path) -> None:
    writer = CounterWriter(path)
    writer.publish(1, 10, STATUS)
    reader = CounterReader(path)
    with path.open("r+b") as file:  # what a writer leaves that is killed in the middle
        file.seek(8)
        file.write(struct.pack("<Q", reader.turn() + 1))
    with pytest.raises(StateError, match="is being written") as refused:
        reader.read()
    assert refused.value.hint == "the ingest process died"
    again = CounterWriter(path)
    again.publish(2, 20, STATUS)
    assert reader.turn() % 2 == 0
    assert reader.read() == (2, 20, STATUS)
    for one in (reader, writer, again):
        one.close()


def test_a_new_writer_goes_on_in_the_same_file(path: Path) -> None:
    first = CounterWriter(path)
    first.publish(5, 10, STATUS)
    reader = CounterReader(path)
    turn = reader.turn()
    first.close()
    second = CounterWriter(path)
    assert reader.sequence() == 5
    second.publish(6, 20, Status())
    assert reader.turn() > turn
    assert reader.read() == (6, 20, Status())
    reader.close()
    second.close()


def test_a_reader_before_the_first_writer_says_what_to_start(path: Path) -> None:
    with pytest.raises(StateError, match="no commit counter") as refused:
        CounterReader(path)
    assert "--data-dir" in refused.value.hint


def test_a_file_that_is_cut_short_is_not_mapped(path: Path) -> None:
    CounterWriter(path).close()
    with path.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(StateError, match="not complete yet"):
        CounterReader(path)
    CounterWriter(path).close()
    CounterReader(path).close()


def test_another_file_is_no_counter(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"KEYFOLD9" + bytes(SIZE))
    with pytest.raises(StateError, match="no commit counter of this release"):
        CounterReader(path)


def test_a_file_of_an_earlier_version_is_begun_anew(path: Path) -> None:
    path.parent.mkdir()
    status = b'{"pid":7,"metrics":{"commits":2.0}}'
    head = b"KEYFOLD1" + struct.pack("<QQqI", 4, 3, 5, len(status))
    path.write_bytes((head + status).ljust(SIZE, b"\0"))
    with pytest.raises(StateError, match="no commit counter of this release"):
        CounterReader(path)
    writer = CounterWriter(path)
    reader = CounterReader(path)
    assert reader.read() == (0, 0, Status())
    writer.publish(4, 20, STATUS)
    assert reader.read() == (4, 20, STATUS)
    reader.close()
    writer.close()


def test_a_status_that_does_not_fit_is_refused_and_the_last_one_stands(path: Path) -> None:
    writer = CounterWriter(path)
    writer.publish(1, 10, STATUS)
    with pytest.raises(StateError, match=f"more than {SIZE - 36}"):
        writer.publish(2, 20, Status(metrics=[Sample("x" * SIZE, 1.0)]))
    reader = CounterReader(path)
    assert reader.read() == (1, 10, STATUS)
    reader.close()
    writer.close()


_PUBLISH = """
import sys
from pathlib import Path
from keyfold.state.counter import CounterWriter, Sample, Status
writer = CounterWriter(Path(sys.argv[1]))
print("started", flush=True)
n = 0
while n < 2_000_000:
    n += 1
    # A long status and a short one in turn, all of whose parts say the same number.
    samples = [Sample(f"m{i}", float(n)) for i in range(n % 50)]
    writer.publish(n, n, Status(pid=n, metrics=samples))
"""


def test_a_reader_in_another_process_never_sees_half_a_publication(path: Path) -> None:
    CounterWriter(path).close()
    process = subprocess.Popen(
        [sys.executable, "-c", _PUBLISH, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        reader = CounterReader(path)
        seen = set()
        for _ in range(1_000_000):
            try:
                sequence, heartbeat_ms, status = reader.read()
            except StateError:  # it was held up in the middle: said, and not half read
                continue
            if sequence:
                assert heartbeat_ms == status.pid == sequence
                assert all(sample.value == sequence for sample in status.metrics)
                assert len(status.metrics) == sequence % 50
            seen.add(sequence)
            if len(seen) == 500:
                break
        assert len(seen) == 500
        reader.close()
    finally:
        process.kill()
        process.communicate()


def test_statuses_of_later_releases_may_say_more() -> None:
    raw = msgspec.json.encode({"pid": 1, "later": {"a": 1}, "sources": {"o": {"new": 2}}})
    assert msgspec.json.decode(raw, type=Status) == Status(pid=1, sources={"o": SourceStatus()})
