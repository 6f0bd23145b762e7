"""A source in another process gives what it gives here, and its end is an error and no loss."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.source import remote
from ingest.source.channel import Channel
from ingest.source.events import EventsSource
from ingest.source.kafka import KafkaSource, kafka_options
from ingest.source.message import MessageBatch
from ingest.source.protocol import OffsetGoneError
from ingest.source.reader import joined
from ingest.source.remote import RemoteSource
from keyfold.errors import SourceError
from keyfold.eventlog.options import EventsOptions
from keyfold.eventlog.writer import EventLogWriter
from tests.ingest.filled import filled_log, taken

EVENTS = 3_000
WAIT_MS = 20_000


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return filled_log(tmp_path, EVENTS)


@pytest.fixture
def source(directory: Path) -> Iterator[RemoteSource]:
    source = RemoteSource("orders", partial(EventsSource, directory), EventsOptions())
    yield source
    source.close()


def reader_of(parent: int) -> psutil.Process:
    (found,) = [
        one
        for one in psutil.Process(parent).children()
        if "ingest.source.reader" in " ".join(one.cmdline())
    ]
    return found


def test_every_message_comes_once_and_in_order(source: RemoteSource) -> None:
    source.open({}, {})
    assert source.start_offsets() == {0: 0, 1: 0}
    found: list[tuple[int, int, bytes]] = []
    at: dict[int, int] = {}
    while len(found) < 2 * EVENTS:
        batch = source.poll(170, WAIT_MS)
        found += taken(batch)
        assert batch is not None
        assert len(batch) <= 170
        at |= batch.next_offsets
        assert source.progress().end_offsets == {0: EVENTS, 1: EVENTS}
    assert at == {0: EVENTS, 1: EVENTS}
    assert source.identity().keys() == {"log_id"}
    for partition in range(2):
        expected = [(partition, i, b"%d:%d" % (partition, i)) for i in range(EVENTS)]
        assert [one for one in found if one[0] == partition] == expected


def test_a_poll_without_messages_ends_in_time_and_the_age_of_progress_grows(
    source: RemoteSource,
) -> None:
    source.open({0: EVENTS, 1: EVENTS}, {})
    began = time.monotonic()
    assert source.poll(10, 20) is None
    assert time.monotonic() - began < 5
    time.sleep(0.05)
    assert source.progress().age_ms >= 50


def test_more_is_waited_for_where_that_is_wished(source: RemoteSource) -> None:
    source.open({0: EVENTS - 5, 1: EVENTS}, {})
    began = time.monotonic()
    assert source.poll(1_000, 1, gather_ms=300) is None  # the answer is still to come
    assert source.reading
    assert len(taken(source.poll(1_000, WAIT_MS))) == 5
    assert time.monotonic() - began >= 0.3
    # A batch that is full has nothing to wait for.
    source.open({}, {})
    assert len(taken(source.poll(100, WAIT_MS, gather_ms=WAIT_MS))) == 100


def test_opened_again_it_starts_where_it_is_told(source: RemoteSource) -> None:
    source.open({}, {})
    source.poll(10, WAIT_MS)
    source.open({0: 2_990, 1: EVENTS}, source.identity())
    assert [offset for _, offset, _ in taken(source.poll(100, WAIT_MS))] == list(
        range(2_990, 3_000)
    )
    source.close()
    source.close()
    source.open({0: EVENTS, 1: 2_999}, {})
    assert taken(source.poll(100, WAIT_MS)) == [(1, 2_999, b"1:2999")]


def test_where_a_log_begins_that_lost_messages_comes_with_the_error(
    source: RemoteSource, directory: Path
) -> None:
    writer = EventLogWriter(directory / "2", 64)
    for _ in range(5):  # each in a segment of its own
        writer.append([b"x" * 60], 1_000)
    writer.close()
    for path in (directory / "2").glob("0*"):
        if int(path.name.split(".")[0]) < 3:
            path.unlink()
    with pytest.raises(OffsetGoneError, match="starts at offset 3, but 1 is next to read") as told:
        source.open({0: 5, 1: 5, 2: 1}, {})
    assert told.value.begins == {2: 3}


def test_an_error_comes_as_it_was_after_what_was_read_before_it(
    source: RemoteSource, directory: Path
) -> None:
    source.open({0: 10, 1: 10}, {})
    with pytest.raises(SourceError, match="not the event log"):
        source.open({0: 10, 1: 10}, {"log_id": "another"})
    source.open({0: 10, 1: 10}, {})
    shutil.rmtree(directory)
    with pytest.raises(SourceError):
        while source.poll(10_000, WAIT_MS) is not None:
            pass


def test_a_reader_that_is_killed_is_an_error_and_the_next_open_starts_another(
    source: RemoteSource,
) -> None:
    source.open({}, {})
    reader = reader_of(os.getpid())
    reader.kill()
    with pytest.raises(SourceError, match=r"process that reads it ended \(killed by signal 9\)"):
        while True:
            source.poll(10, WAIT_MS)
    source.committed({0: 1})  # a courtesy that has nobody to go to
    source.close()
    source.open({0: 2_999, 1: EVENTS}, {})
    assert len(taken(source.poll(100, WAIT_MS))) == 1


def test_a_reader_that_stands_still_holds_up_nobody_and_is_ended_after_a_while(
    source: RemoteSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.open({}, {})
    source.poll(10, WAIT_MS)
    reader = reader_of(os.getpid())
    reader.suspend()
    began = time.monotonic()
    for offset in range(20_000):  # far more than the socket holds
        source.committed(dict.fromkeys(range(8), offset))
    assert source.poll(10, 1) is None
    assert time.monotonic() - began < 5
    source.close()
    assert not reader.is_running()

    monkeypatch.setattr(remote, "ANSWER_S_MAX", 0.2)
    source.open({}, {})
    reader = reader_of(os.getpid())
    reader.suspend()
    with pytest.raises(SourceError, match="stood still and was ended"):
        while True:
            source.poll(10, 50)
    source.close()
    source.open({0: 2_999, 1: EVENTS}, {})
    assert len(taken(source.poll(100, WAIT_MS))) == 1


def test_the_source_hears_what_was_committed_last_with_a_poll_and_when_it_is_closed(
    tmp_path: Path,
) -> None:
    heard = tmp_path / "heard"
    source = RemoteSource("orders", _Noting, heard)
    source.open({}, {})
    source.committed({0: 1})
    source.committed({0: 2})
    for _ in range(2):
        while source.poll(10, 10) is not None or source.reading:
            pass
    assert heard.read_text() == "{0: 2}\n"
    source.committed({0: 3})
    source.close()
    assert heard.read_text() == "{0: 2}\n{0: 3}\n"


def test_the_reader_ends_with_the_one_that_started_it(directory: Path) -> None:
    code = (
        "import sys, time\n"
        "from functools import partial\n"
        "from pathlib import Path\n"
        "from ingest.source.events import EventsSource\n"
        "from ingest.source.remote import RemoteSource\n"
        "from keyfold.eventlog.options import EventsOptions\n"
        "make = partial(EventsSource, Path(sys.argv[1]))\n"
        "source = RemoteSource('orders', make, EventsOptions())\n"
        "source.open({}, {})\n"
        "print('open', flush=True)\n"
        "time.sleep(60)\n"
    )
    argv = (sys.executable, "-c", code, str(directory))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as popen:
        assert popen.stdout is not None
        try:
            assert popen.stdout.readline() == "open\n"
            reader = reader_of(popen.pid)
        finally:
            popen.send_signal(signal.SIGKILL)
    reader.wait(10)


def test_what_the_reader_logs_is_logged_here(caplog: pytest.LogCaptureFixture) -> None:
    options = {"topic": "t", "properties.bootstrap.servers": "127.0.0.1:1"}
    made = kafka_options("orders", options, frozenset())
    source = RemoteSource("orders", _talkative, made)
    with pytest.raises(SourceError, match="not today"):
        source.open({}, {})
    assert "about to fail with 1 source" in caplog.text
    source.close()


def test_a_bug_in_the_reader_comes_with_its_traceback(tmp_path: Path) -> None:
    source = RemoteSource("orders", _broken, None)
    with pytest.raises(RuntimeError, match="ZeroDivisionError: division by zero") as caught:
        source.open({}, {})
    assert "_Broken" in str(caught.value) or "in open" in str(caught.value)
    source.close()


class _Talkative(KafkaSource):
    def open(self, offsets: object, identity: object) -> None:
        logging.getLogger("keyfold.ingest").warning("about to fail with %d source", 1)
        raise SourceError("not today")


class _Noting(EventsSource):
    def __init__(self, heard: Path) -> None:
        super().__init__(heard.parent / "log", EventsOptions())
        self._heard = heard

    def committed(self, offsets: Mapping[int, int]) -> None:
        with self._heard.open("a") as file:
            file.write(f"{dict(offsets)}\n")


class _Broken(KafkaSource):
    def open(self, offsets: object, identity: object) -> None:
        1 / 0  # noqa: B018


def _talkative(options: object) -> KafkaSource:
    return _Talkative(options)  # type: ignore[arg-type]


def _broken(options: object) -> KafkaSource:
    return _Broken(
        kafka_options("x", {"topic": "t", "properties.bootstrap.servers": "x"}, frozenset())
    )


def batch_of(count: int, begin: int, *, keys: bool, headers: bool) -> MessageBatch:
    return MessageBatch(
        values=pa.array([b"%d" % i for i in range(begin, begin + count)], pa.binary()),
        partitions=np.zeros(count, np.int32),
        offsets=np.arange(begin, begin + count),
        timestamps_ms=np.full(count, 7),
        next_offsets={0: begin + count},
        keys=pa.array([b"k%d" % i for i in range(count)], pa.binary()) if keys else None,
        headers=[[("h", b"x")]] * count if headers else None,
        cut_short=count == 3,
    )


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.booleans()), min_size=1, max_size=6))
def test_batches_that_follow_each_other_are_one_batch(
    shapes: list[tuple[int, bool, bool]],
) -> None:
    parts, at = [], 0
    for count, keys, headers in shapes:
        parts.append(batch_of(count, at, keys=keys, headers=headers))
        at += count
    whole = joined(parts)
    assert whole.offsets.tolist() == list(range(at))
    assert whole.values.to_pylist() == [b"%d" % i for i in range(at)]
    assert whole.next_offsets == {0: at}
    assert whole.cut_short == (shapes[-1][0] == 3)
    keys = [k for part in parts for k in (part.keys or pa.nulls(len(part))).to_pylist()]
    assert (whole.keys.to_pylist() if whole.keys is not None else [None] * at) == keys
    headers = [h for part in parts for h in part.headers or [None] * len(part)]
    assert (whole.headers or [None] * at) == headers


def test_a_channel_carries_arrays_of_any_size_as_they_are() -> None:
    ends = [Channel(one) for one in socket.socketpair()]
    sent = [
        {"a": np.arange(3_000_000), "b": pa.array(["ü", None, ""])},
        pa.array([b"x" * 10] * 9).slice(3, 4),
        None,
        ("text", 5),
    ]
    thread = threading.Thread(target=lambda: [ends[0].send(one) for one in sent])
    thread.start()
    got = [ends[1].receive() for _ in sent]
    thread.join()
    assert got[0]["a"].tolist() == sent[0]["a"].tolist()  # type: ignore[index]
    assert got[0]["b"].equals(sent[0]["b"])  # type: ignore[index]
    assert got[1].equals(sent[1])
    assert got[2:] == sent[2:]
    ends[0].close()
    assert ends[1].waits(1_000)
    with pytest.raises(ConnectionError):
        ends[1].receive()
    with pytest.raises(ConnectionError):
        for _ in range(2):
            ends[1].send("x" * 100)
    ends[1].close()


def test_a_channel_gives_up_where_the_other_end_stands_still_within_a_message() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours, timeout_s=1)
    theirs.sendall(b"\1")
    assert channel.waits(1_000)
    with pytest.raises(BlockingIOError):
        channel.receive()
    with pytest.raises(BlockingIOError):
        channel.send(np.zeros(10_000_000))
    channel.close()
    theirs.close()
