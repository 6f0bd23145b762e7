"""The event log: what was acknowledged or seen is on the disk, once, and stays at its offset."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfold.errors import RequestError, SettingsError, SourceError, StateError
from keyfold.eventlog.format import (
    INDEX_ENTRY,
    INDEX_HEADER,
    create_directory,
    data_path,
    encode_entry,
    encode_header,
    ensure_log_id,
    index_path,
    partition_directories,
    read_log_id,
    source_directory,
)
from keyfold.eventlog.lines import (
    LineBlock,
    array_of_lines,
    block_of,
    json_array_lines,
    split_lines,
    split_ndjson,
)
from keyfold.eventlog.options import EventsOptions, events_options
from keyfold.eventlog.reader import EventLogReader
from keyfold.eventlog.writer import AppendResult, EventLogWriter

SEGMENT_BYTES = 1 << 20


@pytest.fixture
def partition(tmp_path: Path) -> Path:
    return source_directory(tmp_path, "orders") / "0"


def written(partition: Path, *pushes: list[bytes], segment_bytes: int = SEGMENT_BYTES) -> None:
    writer = EventLogWriter(partition, segment_bytes)
    for number, push in enumerate(pushes):
        writer.append(push, 1000 + number)
    writer.close()


def records(partition: Path, offset: int = 0, messages_max: int = 3) -> list[bytes]:
    """All records from ``offset`` on, checking that offsets run on without a gap."""
    reader = EventLogReader(partition)
    reader.open(offset)
    found: list[bytes] = []
    while (batch := reader.read(messages_max)) is not None:
        lines, first_offset, timestamps_ms = batch
        assert first_offset == offset + len(found)
        assert 0 < len(lines) == len(timestamps_ms) <= messages_max
        found += lines.to_pylist()
    assert reader.end_offset() == offset + len(found)
    reader.close()
    return found


def numbered(start: int, stop: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(start, stop)]


# Appending and reading


def test_offsets_are_record_numbers_and_run_on_from_push_to_push(partition: Path) -> None:
    writer = EventLogWriter(partition, SEGMENT_BYTES)
    assert writer.append(numbered(0, 3), 1) == AppendResult(0, 0, 2)
    assert writer.append(split_ndjson(b"a\nb"), 2) == AppendResult(0, 3, 4)
    assert writer.append([], 3) == AppendResult(0, 5, 4)
    assert writer.end_offset == 5
    writer.close()
    assert records(partition) == [*numbered(0, 3), b"a", b"b"]


def test_several_pushes_are_written_with_one_pair_of_syncs(partition: Path) -> None:
    synced: list[int] = []
    writer = EventLogWriter(partition, SEGMENT_BYTES, sync=synced.append)
    results = writer.append_many([block_of(numbered(0, 2)), LineBlock(b"", 0), block_of([b"x"])], 7)
    assert results == [AppendResult(0, 0, 1), AppendResult(0, 2, 1), AppendResult(0, 2, 2)]
    assert len(synced) == 2
    writer.close()
    assert records(partition) == [*numbered(0, 2), b"x"]


def test_a_record_is_visible_only_after_its_data_is_synced(partition: Path) -> None:
    seen: list[tuple[int, int, int]] = []

    def sync(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        reader = EventLogReader(partition)
        reader.open(0)
        seen.append((size, reader.end_offset(), len(reader.read(10) or ())))
        reader.close()

    writer = EventLogWriter(partition, SEGMENT_BYTES, sync)
    writer.append([b"abc"], 1)
    # First the data (4 bytes) while nothing is to be seen, then the index with the record.
    assert seen == [(4, 0, 0), (INDEX_HEADER.size + INDEX_ENTRY.size, 1, 3)]
    writer.close()


def test_every_record_has_the_append_time_of_its_push(partition: Path) -> None:
    written(partition, numbered(0, 3), numbered(3, 4), numbered(4, 6))
    reader = EventLogReader(partition)
    reader.open(1)
    timestamps_ms = []
    while batch := reader.read(100):
        assert batch[2].dtype == np.int64
        timestamps_ms += batch[2].tolist()
    assert timestamps_ms == [1000, 1000, 1001, 1002, 1002]
    reader.close()


def test_an_empty_record_is_a_record(partition: Path) -> None:
    written(partition, [b"", b"a", b""])
    assert records(partition) == [b"", b"a", b""]


@pytest.mark.parametrize("segment_bytes", [1, 30, 64, SEGMENT_BYTES])
@pytest.mark.parametrize("read_bytes", [1, 10, 4096])
def test_reading_resumes_at_every_offset_across_segments(
    partition: Path, segment_bytes: int, read_bytes: int
) -> None:
    pushes = [numbered(0, 1), numbered(1, 8), numbered(8, 10), numbered(10, 25)]
    written(partition, *pushes, segment_bytes=segment_bytes)
    for offset in range(26):
        assert records(partition, offset) == numbered(offset, 25)
        reader = EventLogReader(partition, read_bytes)
        reader.open(offset)
        found = []
        while batch := reader.read(4):
            found += batch[0].to_pylist()
        assert found == numbered(offset, 25)
        reader.close()


def test_segments_are_named_by_their_first_offset(partition: Path) -> None:
    written(partition, numbered(0, 3), numbered(3, 5), segment_bytes=20)
    assert sorted(path.name for path in partition.iterdir()) == [
        "00000000000000000000.index",
        "00000000000000000000.ndjson",
        "00000000000000000003.index",
        "00000000000000000003.ndjson",
        "lock",
    ]
    assert data_path(partition, 3).read_bytes() == b'{"n":3}\n{"n":4}\n'


def test_a_reader_follows_a_growing_log_through_its_segments(partition: Path) -> None:
    reader = EventLogReader(partition)
    reader.open(0)
    assert not reader.ready()
    assert reader.read(10) is None
    writer = EventLogWriter(partition, 40)
    for number in range(20):
        writer.append(numbered(number, number + 1), number)
        assert reader.ready()
        batch = reader.read(10)
        assert batch is not None
        assert (batch[0].to_pylist(), batch[1]) == (numbered(number, number + 1), number)
        assert reader.read(10) is None
        assert not reader.ready()
        assert (reader.start_offset(), reader.end_offset()) == (0, number + 1)
    reader.close()
    reader.close()
    writer.close()


# The writer's place


def test_a_second_writer_is_refused(partition: Path) -> None:
    first = EventLogWriter(partition, SEGMENT_BYTES)
    with pytest.raises(StateError, match="another writer holds"):
        EventLogWriter(partition, SEGMENT_BYTES)
    first.close()
    EventLogWriter(partition, SEGMENT_BYTES).close()


def test_a_closed_writer_refuses_to_append(partition: Path) -> None:
    writer = EventLogWriter(partition, SEGMENT_BYTES)
    writer.close()
    writer.close()
    with pytest.raises(StateError, match="closed"):
        writer.append([b"a"], 1)


# Crashes


def crashed(origin: Path, copy: Path, data_bytes: int, index_bytes: int) -> Path:
    """A copy of the partition as a crash might have left it."""
    shutil.copytree(origin.parent, copy)
    os.truncate(data_path(copy / "0", 0), data_bytes)
    os.truncate(index_path(copy / "0", 0), index_bytes)
    return copy / "0"


def crash_points(origin: Path, data_before: int, index_before: int) -> Iterator[tuple[int, int]]:
    """Every size of the two files while the last append was written, in order."""
    data_after = data_path(origin, 0).stat().st_size
    index_after = index_path(origin, 0).stat().st_size
    yield from ((data_bytes, index_before) for data_bytes in range(data_before, data_after))
    yield from ((data_after, index_bytes) for index_bytes in range(index_before, index_after + 1))


def test_a_crash_at_any_byte_of_an_append_costs_nothing_acknowledged(
    partition: Path, tmp_path: Path
) -> None:
    written(partition, numbered(0, 4))
    sizes = data_path(partition, 0).stat().st_size, index_path(partition, 0).stat().st_size
    written(partition, numbered(4, 9))
    for number, point in enumerate(crash_points(partition, *sizes)):
        copy = crashed(partition, tmp_path / f"crash-{number}", *point)
        before = records(copy)
        assert before == numbered(0, 9 if point[1] == sizes[1] + INDEX_ENTRY.size else 4)
        writer = EventLogWriter(copy, SEGMENT_BYTES)
        kept = (point[0] - sizes[0]) // len(b'{"n":4}\n')
        assert writer.end_offset == 4 + kept
        writer.append([b"next"], 5)
        writer.close()
        assert records(copy) == [*numbered(0, 4 + kept), b"next"]


@pytest.mark.parametrize("zeros", [1, 7, 4096])
def test_zeros_that_a_power_failure_left_are_not_records(
    partition: Path, zeros: int, caplog: pytest.LogCaptureFixture
) -> None:
    written(partition, numbered(0, 2))
    with data_path(partition, 0).open("ab") as data, index_path(partition, 0).open("ab") as index:
        data.write(b"kept\npar" + b"\0" * zeros + b"tial\nlater\n")
        index.write(b"\0" * INDEX_ENTRY.size)
    assert records(partition) == numbered(0, 2)
    written(partition, [b"next"])
    assert records(partition) == [*numbered(0, 2), b"kept", b"next"]
    cut = [(one.levelname, vars(one)["file"], vars(one)["bytes"]) for one in caplog.records]
    assert cut == [
        ("WARNING", str(index_path(partition, 0)), INDEX_ENTRY.size),
        ("WARNING", str(data_path(partition, 0)), len(b"partial\nlater\n") + zeros),
    ]


def test_a_segment_that_was_half_made_or_half_removed_is_swept_away(partition: Path) -> None:
    written(partition, numbered(0, 3), numbered(3, 6), segment_bytes=1)
    index_path(partition, 0).unlink()
    data_path(partition, 6).touch()
    index_path(partition, 6).with_suffix(".index.new").write_bytes(b"KEY")
    written(partition, numbered(6, 7))
    assert records(partition, 3) == numbered(3, 7)
    assert not data_path(partition, 0).exists()
    assert not list(partition.glob("*.new"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: os.truncate(data_path(p, 6), 3), "were acknowledged"),
        (lambda p: index_path(p, 6).write_bytes(b"x" * 16), "is not an event log index"),
        (lambda p: index_path(p, 6).write_bytes(b"KEYFLDIX" + b"\x09" * 8), "version 2313"),
        (lambda p: index_path(p, 6).unlink(), "has no index"),
        (lambda p: data_path(p, 3).unlink(), "is missing"),
        (lambda p: (data_path(p, 3).unlink(), index_path(p, 3).unlink()), "has a gap"),
        (lambda p: os.truncate(index_path(p, 3), 20), "is damaged"),
    ],
)
def test_damage_that_no_crash_explains_is_refused(partition: Path, damage, words) -> None:
    written(partition, numbered(0, 3), numbered(3, 6), numbered(6, 9), segment_bytes=1)
    damage(partition)
    with pytest.raises(StateError, match=words):
        EventLogWriter(partition, SEGMENT_BYTES)


def test_a_damaged_entry_before_the_last_is_refused_by_both_ends(partition: Path) -> None:
    written(partition, *(numbered(n, n + 1) for n in range(4)))
    with index_path(partition, 0).open("r+b") as index:
        index.seek(INDEX_HEADER.size + INDEX_ENTRY.size)
        index.write(b"\xff" * 8)
    with pytest.raises(StateError, match="damaged at entry 1 of 4"):
        EventLogWriter(partition, SEGMENT_BYTES)
    with pytest.raises(SourceError, match="index entry after offset 0 does not fit"):
        records(partition)


def test_a_reader_refuses_data_that_is_not_as_the_index_says(partition: Path) -> None:
    written(partition, [b"aa", b"bb"])
    data_path(partition, 0).write_bytes(b"a\na\nb\n")
    with pytest.raises(SourceError, match="not as the index says"):
        records(partition)
    data_path(partition, 0).write_bytes(b"aaaaaa")
    with pytest.raises(SourceError, match="has no end"):
        records(partition)
    data_path(partition, 0).write_bytes(b"aa\n")
    with pytest.raises(SourceError, match="the data ends"):
        records(partition)


def failing_sync(number: int):
    """A sync that fails at its call of this number, as a disk with a fault would."""
    calls = iter(range(1000))

    def sync(descriptor: int) -> None:
        if next(calls) == number:
            raise OSError(errno.EIO, "input/output error")
        os.fsync(descriptor)

    return sync


@pytest.mark.parametrize(("failing", "kept"), [(2, False), (3, True)])
def test_after_a_failed_sync_the_writer_stops_until_it_is_opened_again(
    partition: Path, failing: int, kept: bool
) -> None:
    writer = EventLogWriter(partition, SEGMENT_BYTES, failing_sync(failing))
    writer.append([b"a"], 1)
    with pytest.raises(StateError, match="cannot be written"):
        writer.append([b"b"], 2)
    with pytest.raises(StateError, match="sync failed"):
        writer.append([b"c"], 3)
    writer.close()
    written(partition, [b"d"])
    # A reader may have seen the entry whose sync failed, so its record has to stay.
    assert records(partition) == ([b"a", b"b", b"d"] if kept else [b"a", b"d"])


@pytest.mark.parametrize(("push", "file_bytes_max"), [(b"x" * 300, 200), (b"x", 60)])
def test_a_full_disk_refuses_the_push_and_leaves_no_trace_of_it(
    partition: Path, push: bytes, file_bytes_max: int
) -> None:
    writer = EventLogWriter(partition, SEGMENT_BYTES)
    writer.append([b"a"], 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The data file breaks off in the first case, the index (now 56 bytes) in the second.
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, limits[1]))
    try:
        with pytest.raises(StateError, match="cannot be written: File too large"):
            writer.append([push], 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert data_path(partition, 0).read_bytes() == b"a\n"
    assert writer.append([b"b"], 3) == AppendResult(0, 1, 1)
    writer.close()
    assert records(partition) == [b"a", b"b"]


def test_a_record_with_a_newline_or_a_nul_is_our_bug() -> None:
    for line in (b"a\nb", b"a\0b"):
        with pytest.raises(ValueError, match="must contain no newline"):
            block_of([line])


# Retention


def segment_starts(partition: Path) -> list[int]:
    return sorted(int(path.stem) for path in partition.glob("*.index"))


@pytest.mark.parametrize(
    ("bytes_max", "age_ms_max", "applied", "left"),
    [
        (10**9, 10**9, 5, [0, 1, 2, 3, 4]),
        (0, 10**9, 0, [0, 1, 2, 3, 4]),
        (0, 10**9, 2, [2, 3, 4]),
        (0, 10**9, 99, [4]),
        (16, 10**9, 5, [3, 4]),
        (10**9, 1, 5, [3, 4]),
        (10**9, 0, 1, [1, 2, 3, 4]),
    ],
)
def test_retention_removes_old_segments_but_never_what_is_not_applied(
    partition: Path, bytes_max: int, age_ms_max: int, applied: int, left: list[int]
) -> None:
    written(partition, *(numbered(n, n + 1) for n in range(5)), segment_bytes=1)
    writer = EventLogWriter(partition, 1)
    removed = writer.retain(bytes_max, age_ms_max, applied, now_ms=1004)
    assert removed == 5 - len(left)
    assert segment_starts(partition) == left
    assert sorted(int(path.stem) for path in partition.glob("*.ndjson")) == left
    writer.append(numbered(5, 6), 1005)
    writer.close()
    assert records(partition, left[0]) == numbered(left[0], 6)


def test_a_reader_is_told_when_its_record_is_removed(partition: Path) -> None:
    written(partition, *(numbered(n, n + 1) for n in range(5)), segment_bytes=1)
    slow = EventLogReader(partition)
    slow.open(0)
    assert slow.read(1) is not None
    writer = EventLogWriter(partition, 1)
    writer.retain(0, 0, 3, now_ms=0)
    assert slow.start_offset() == 3
    with pytest.raises(SourceError, match="starts at offset 3, but 1 is next to read"):
        slow.read(1)
    with pytest.raises(SourceError, match="starts at offset 3, but 2 is next to read"):
        slow.open(2)
    slow.close()
    writer.close()


def test_a_reader_past_the_end_is_refused(partition: Path) -> None:
    reader = EventLogReader(partition)
    with pytest.raises(SourceError, match="ends at offset 0, but 1 is next"):
        reader.open(1)
    written(partition, numbered(0, 3))
    with pytest.raises(SourceError, match="ends at offset 3, but 4 is next"):
        reader.open(4)
    reader.close()


def test_a_log_that_is_replaced_while_it_is_read_is_noticed(partition: Path) -> None:
    written(partition, numbered(0, 3))
    reader = EventLogReader(partition)
    reader.open(3)
    shutil.rmtree(partition)
    assert reader.ready()
    with pytest.raises(SourceError, match="removed or replaced"):
        reader.read(1)
    written(partition, numbered(0, 5))
    reader.open(3)
    shutil.rmtree(partition)
    written(partition, numbered(0, 9))
    assert reader.read(2) is not None
    with pytest.raises(SourceError, match="removed or replaced"):
        reader.read(1)
    reader.close()


# Formats


def test_the_index_has_these_bytes() -> None:
    assert encode_header().hex() == "4b4559464c4449580100280000000000"
    assert encode_entry(52_100, 134, 1_700_000_000_000, 402, 2).hex() == (
        "84cb000000000000"  # first offset
        "8600000000000000"  # byte start
        "0068e5cf8b010000"  # append time
        "9201000000000000"  # byte end
        "02000000"  # count
        "ad82a5e7"  # CRC-32
    )


def test_an_append_writes_these_files(partition: Path) -> None:
    written(partition, [b"a", b"bc"], [b"d"])
    assert data_path(partition, 0).read_bytes() == b"a\nbc\nd\n"
    assert index_path(partition, 0).read_bytes() == (
        encode_header() + encode_entry(0, 0, 1000, 5, 2) + encode_entry(2, 5, 1001, 7, 1)
    )


@pytest.mark.parametrize(
    ("source", "name"),
    [("orders", "orders"), ("a/../b", "a%2F..%2Fb"), ("..", "%2E."), (".x", "%2Ex")],
)
def test_a_source_name_stays_in_its_directory(tmp_path: Path, source: str, name: str) -> None:
    assert source_directory(tmp_path, source) == tmp_path / "events" / name


def test_only_plain_numbers_are_partitions(tmp_path: Path) -> None:
    for name in ("0", "10", "2", "007", "x", "-1"):
        create_directory(tmp_path / name)
    (tmp_path / "5").touch()
    assert partition_directories(tmp_path) == {n: tmp_path / str(n) for n in (0, 2, 10)}
    assert partition_directories(tmp_path / "none") == {}


def test_a_log_keeps_the_id_that_was_drawn_first(tmp_path: Path) -> None:
    assert read_log_id(tmp_path / "a") is None
    drawn = ensure_log_id(tmp_path / "a")
    assert len(drawn) == 32
    assert ensure_log_id(tmp_path / "a") == read_log_id(tmp_path / "a") == drawn
    assert ensure_log_id(tmp_path / "b") != drawn
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["log_id"]


# Splitting

fragments = st.lists(st.sampled_from([b"a", b"{}", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\n\n"]))


@given(fragments.map(b"".join))
@settings(max_examples=500, deadline=None)
def test_splitting_takes_exactly_the_lines_that_hold_something(body: bytes) -> None:
    lines = [line.removesuffix(b"\r") for line in body.split(b"\n")]
    expected = [line for line in lines if line.strip()]
    block = split_ndjson(body)
    assert block == block_of(expected)
    assert array_of_lines(np.frombuffer(block.data, np.uint8))[0].to_pylist() == expected


@given(fragments.map(b"".join))
@settings(deadline=None)
def test_an_array_of_lines_leaves_the_line_that_is_not_complete(content: bytes) -> None:
    lines, consumed = array_of_lines(np.frombuffer(content, np.uint8))
    assert b"".join(line + b"\n" for line in lines.to_pylist()) == content[:consumed]
    assert b"\n" not in content[consumed:]


@pytest.mark.parametrize("body", [b"ok\n12345\n", b" ok\n12345", b"ok\n12345\r\n"])
def test_a_line_beyond_the_limit_is_refused(body: bytes) -> None:
    assert split_lines(body, 5).count == 2
    with pytest.raises(RequestError, match="event 2 of the body has 5 bytes, more than 4"):
        split_lines(body, 4)


def test_a_body_with_a_nul_is_refused() -> None:
    with pytest.raises(RequestError, match=r"NUL byte \(byte 2\)"):
        split_ndjson(b"ab\0")


def test_an_array_becomes_one_line_per_element_with_its_own_bytes() -> None:
    block = json_array_lines(b'[{"a":\n 1.10},\r\n"x\\ny", null,[1,\n2]]')
    assert block.data == b'{"a":  1.10}\n"x\\ny"\nnull\n[1, 2]\n'
    assert block.count == 4
    assert json_array_lines(b" [ ] ") == LineBlock(b"", 0)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[1,,2]", r"byte 3"),
        (b"[1", r"ends too early \(byte 2\)"),
        (b"", r"ends too early \(byte 0\)"),
        (b'[{"a" 1}]', r"expected ':' \(byte 6\)"),
        (b'{"a": 1}', "not an array"),
    ],
)
def test_a_malformed_array_is_refused_with_its_place(body: bytes, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        json_array_lines(body)


def test_an_element_beyond_the_limit_is_refused() -> None:
    with pytest.raises(RequestError, match="event 2 of the body has 3 bytes, more than 2"):
        json_array_lines(b"[1,222]", 2)


# Options


def test_options_have_defaults_and_take_whole_numbers() -> None:
    assert events_options("s", {"connector": "events"}) == EventsOptions()
    given_options = {"segment.bytes": "1_000_000", "retention.ms": "0", "retention.bytes": "5"}
    assert events_options("s", {**given_options, "scan.startup.mode": "latest"}) == EventsOptions(
        segment_bytes=1_000_000, retention_bytes=5, retention_ms=0, startup_mode="latest"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"segment.byte": "1"}, r"unknown option segment.byte .*did you mean segment.bytes"),
        ({"zzz": "1"}, "known: connector, "),
        ({"segment.bytes": "100"}, "at least 4096"),
        ({"retention.ms": "7 days"}, "retention.ms = '7 days'"),
        ({"retention.ms": "-1"}, "whole number"),
        ({"scan.startup.mode": "newest"}, "earliest, latest"),
    ],
)
def test_a_wrong_option_is_refused_with_what_to_do(options: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        events_options("orders", options)
