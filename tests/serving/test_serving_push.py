"""Pushing events: forms of the body, durability, group commit, what may be removed."""

from __future__ import annotations

import gzip
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pytest

from keyfold.eventlog.format import source_directory
from keyfold.eventlog.lines import LineBlock
from keyfold.eventlog.options import EventsOptions
from keyfold.eventlog.reader import EventLogReader
from keyfold.eventlog.writer import AppendResult
from keyfold.state.record import CommitRecord, PartitionRecord
from keyfold.view.plan import Catalog
from serving import push as push_module
from serving.push import PushLogs, SourceLog, applied_offset
from tests.serving.conftest import Server, problem, until
from tests.serving.state import State

PATH = "/v1/sources/orders/events"


def logged(data_dir: Path, partition: int = 0) -> list[bytes]:
    """Everything that a reader of the log sees."""
    reader = EventLogReader(source_directory(data_dir, "orders") / str(partition))
    lines: list[bytes] = []
    try:
        reader.open(0)
        while (batch := reader.read(10_000)) is not None:
            lines += batch[0].to_pylist()
    finally:
        reader.close()
    return lines


@pytest.fixture
def server(state: State, serve: Callable[..., Server]) -> Server:
    return serve(state.directory).up().at(state.record.sequence)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for tests that leave nothing in the log."""
    state = State(tmp_path_factory.mktemp("push") / "data")
    server = Server(state.directory)
    yield server.up().at(state.record.sequence)
    server.close()
    state.close()


def test_forms_of_a_body(server: Server, state: State) -> None:
    events = [b'{"user_id":"a","n":1}', b'{"user_id":"b"}', b"not json"]
    lines = b"\n".join(events)
    pretty = b'\n [ {"user_id":"a","n":1},\n {"user_id":"b"} , 5 ] '
    bodies: list[tuple[bytes, dict[str, str]]] = [
        (lines, {"content-type": "application/x-ndjson"}),
        (lines + b"\n", {}),
        (lines.replace(b"\n", b"\r\n\r\n"), {"content-type": "application/json"}),
        (gzip.compress(lines[:30]) + gzip.compress(lines[30:]), {"content-encoding": "gzip"}),
        (pa.compress(lines, "zstd", asbytes=True), {"content-encoding": "zstd"}),
        (pretty, {"content-type": "application/json"}),
    ]
    offset = 0
    for body, headers in bodies:
        answer = server.client.post(PATH, content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {
            "accepted": 3, "partition": 0, "first_offset": offset, "last_offset": offset + 2,
        }  # fmt: skip
        offset += 3
    assert logged(state.directory) == events * 5 + [*events[:2], b"5"]


def test_one_object_over_several_lines_is_one_event(server: Server, state: State) -> None:
    pretty = json.dumps({"user_id": "a b", "n": [1]}, indent=2).encode()
    for headers in ({}, {"content-type": "application/json"}):
        assert server.client.post(PATH, content=pretty, headers=headers).json()["accepted"] == 1
    said = {"content-type": "application/x-ndjson"}
    assert server.client.post(PATH, content=pretty, headers=said).json()["accepted"] == 6
    events = logged(state.directory)
    assert [json.loads(event) for event in events[:2]] == [{"user_id": "a b", "n": [1]}] * 2
    assert events[2:] == pretty.split(b"\n")


def test_an_array_may_be_sent_as_lines_of_arrays(server: Server, state: State) -> None:
    answer = server.client.post(
        PATH, content=b"[1]\n[2]\n", headers={"content-type": "application/x-ndjson; x=y"}
    )
    assert answer.json()["accepted"] == 2
    assert logged(state.directory) == [b"[1]", b"[2]"]


def test_a_push_of_nothing(shared: Server) -> None:
    for body in (b"", b"\n\n", b"[]"):
        assert shared.client.post(PATH, content=body).json()["accepted"] == 0


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/sources/nope/events", b"{}", 404, "no_such_source"),
        ("/v1/sources/flights/events", b"{}", 409, "not_an_events_source"),
        (PATH, b"[1, 2", 400, "bad_request"),
        (PATH, b"[1] 2", 400, "bad_request"),
        (PATH, b'{"a": "\0"}', 400, "bad_request"),
        (PATH, b'{"a": "' + b"x" * (1 << 20) + b'"}', 400, "bad_request"),
    ],
)
def test_refusals(shared: Server, path: str, body: bytes, status: int, code: str) -> None:
    problem(shared.client.post(path, content=body), status, code)


def test_each_worker_writes_its_own_partition(
    state: State, serve: Callable[..., Server], server: Server
) -> None:
    other = serve(state.directory, worker=3).up().at(state.record.sequence)
    assert other.client.post(PATH, content=b"{}").json()["partition"] == 3
    assert server.client.post(PATH, content=b"{}").json()["partition"] == 0
    assert logged(state.directory, 3) == [b"{}"]


def test_a_log_that_another_process_holds_is_a_503(
    state: State, serve: Callable[..., Server], server: Server
) -> None:
    server.client.post(PATH, content=b"{}")
    twin = serve(state.directory, worker=0).up().at(state.record.sequence)
    problem(twin.client.post(PATH, content=b"{}"), 503, "bad_state")
    server.stop()
    assert twin.client.post(PATH, content=b"{}").json()["first_offset"] == 1


def test_pushes_count_in_the_metrics(server: Server) -> None:
    server.client.post(PATH, content=b"{}\n{}")
    assert 'keyfold_pushed_events_total{source="orders"} 2.0' in server.get("/metrics").text


def test_nothing_acknowledged_is_lost_when_the_worker_is_killed(
    state: State, server: Server
) -> None:
    acknowledged: list[tuple[int, int, bytes]] = []
    lock = threading.Lock()
    enough = threading.Event()

    def client(number: int) -> None:
        with httpx.Client(base_url=server.url, timeout=10) as http:
            for turn in range(10_000):
                lines = [b'{"c":%d,"t":%d,"i":%d}' % (number, turn, i) for i in range(1 + turn % 7)]
                try:
                    answer = http.post(PATH, content=b"\n".join(lines)).json()
                except (httpx.TransportError, json.JSONDecodeError):
                    return
                with lock:
                    first = answer["first_offset"]
                    acknowledged.extend((first + i, number, x) for i, x in enumerate(lines))
                    if len(acknowledged) > 1_500:
                        enough.set()

    with ThreadPoolExecutor(6) as pool:
        clients = [pool.submit(client, number) for number in range(6)]
        assert enough.wait(60)
        server.stop(signal.SIGKILL)
        server.listener.close()
        for one in clients:
            one.result()
    lines = logged(state.directory)
    assert len(acknowledged) > 1_500
    assert all(lines[offset] == line for offset, _, line in acknowledged)


def test_a_killed_worker_is_followed_by_one_that_goes_on(state: State, server: Server) -> None:
    server.client.post(PATH, content=b"1\n2\n")
    server.stop(signal.SIGKILL)
    server.client.close()
    server.client = httpx.Client(base_url=server.url, timeout=30)
    server.start()
    server.up().at(state.record.sequence)
    assert server.client.post(PATH, content=b"3").json()["first_offset"] == 2
    assert logged(state.directory) == [b"1", b"2", b"3"]


def test_a_stopping_worker_answers_what_it_took(state: State, server: Server) -> None:
    connection = server.raw(
        b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n{" % PATH.encode()
    )
    until(lambda: server.get("/healthz").status_code == 200, "the request is being read")
    server.client.close()
    server.process.send_signal(signal.SIGTERM)
    connection.sendall(b"}\n\n")
    answer = b""
    while part := connection.recv(65_536):
        answer += part
    connection.close()
    assert b'"accepted":1' in answer
    assert server.process.wait(30) == 0
    assert logged(state.directory) == [b"{}"]


class Outcomes:
    """Collects what became of pushes, by thread-safe append."""

    def __init__(self) -> None:
        self.results: list[Any] = []

    def __call__(self, outcome: Any) -> None:
        self.results.append(outcome)


def test_one_pair_of_syncs_serves_all_that_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, syncs = threading.Event(), []
    entered = threading.Event()

    def slow_sync(descriptor: int) -> None:
        syncs.append(descriptor)
        entered.set()
        assert gate.wait(30)
        os.fsync(descriptor)

    writer = push_module.EventLogWriter
    monkeypatch.setattr(
        push_module, "EventLogWriter", lambda path, size: writer(path, size, slow_sync)
    )
    log = SourceLog(tmp_path / "orders", 0, EventsOptions())
    done = Outcomes()
    log.submit(LineBlock(b"0\n", 1), done)
    assert entered.wait(30)
    for number in range(1, 50):
        log.submit(LineBlock(b"%d\n" % number, 1), done)
    assert done.results == []  # nothing is acknowledged before it is durable
    gate.set()
    log.close()
    assert [result.first_offset for result in done.results] == list(range(50))
    assert len(syncs) == 4


def test_too_much_waiting_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, entered = threading.Event(), threading.Event()

    def slow_sync(descriptor: int) -> None:
        entered.set()
        assert gate.wait(30)

    writer = push_module.EventLogWriter
    monkeypatch.setattr(
        push_module, "EventLogWriter", lambda path, size: writer(path, size, slow_sync)
    )
    monkeypatch.setattr(push_module, "WAITING_MAX", 3)
    log = SourceLog(tmp_path / "orders", 0, EventsOptions())
    done = Outcomes()
    log.submit(LineBlock(b"x\n", 1), done)
    assert entered.wait(30)
    for _ in range(3):
        log.submit(LineBlock(b"x\n", 1), done)
    with pytest.raises(push_module.RefusedError) as refusal:
        log.submit(LineBlock(b"x\n", 1), done)
    assert refusal.value.code == "busy"
    gate.set()
    log.close()
    assert len(done.results) == 4
    assert all(isinstance(result, AppendResult) for result in done.results)


def test_segments_stay_until_every_view_has_applied_them(state: State) -> None:
    catalog, record = state.writer.catalog, state.record
    assert applied_offset(catalog, record, "orders", 0) == 0
    record.sources["orders"].partitions[0] = PartitionRecord(100)
    views = [view for view in catalog.views if view.source == "orders"]
    for at, view in enumerate(views):
        assert applied_offset(catalog, record, "orders", 0) == 0
        record.views[view.name].offsets[0] = 90 - at
    assert applied_offset(catalog, record, "orders", 0) == 91 - len(views)
    assert applied_offset(catalog, record, "orders", 1) == 0


SMALL_SEGMENTS = EventsOptions(segment_bytes=4096, retention_bytes=0)


def with_small_segments(catalog: Catalog) -> Catalog:
    """The catalog, with an ``orders`` source that keeps as little as it can."""
    options = {"segment.bytes": "4096", "retention.bytes": "0"}
    orders = msgspec.structs.replace(catalog.source("orders"), options=options)
    return msgspec.structs.replace(catalog, sources=(orders,))


def fill(log: SourceLog, segments: int) -> None:
    """Push events one by one, so that each is a group and fills a segment."""
    done = Outcomes()
    for count in range(1, segments + 1):
        log.submit(LineBlock(b"x" * 3_000 + b"\n", 1), done)
        until(lambda wanted=count: len(done.results) == wanted, "the push is written")


def segments_left(state: State, partition: int) -> int:
    directory = source_directory(state.directory, "orders") / str(partition)
    return len(list(directory.glob("*.index")))


def applied_up_to(record: CommitRecord, partition: int, offset: int) -> None:
    record.sources["orders"].partitions[partition] = PartitionRecord(offset)
    for view in record.views.values():
        view.offsets[partition] = offset


def test_retention_removes_settled_segments_only(state: State) -> None:
    catalog, record = with_small_segments(state.writer.catalog), state.record
    pushes = PushLogs(state.directory, 0, 1)
    fill(pushes.log(catalog.source("orders")), 10)
    assert segments_left(state, 0) == 10
    applied_up_to(record, 0, 4)
    pushes.retain(catalog, record, now_s=1_000.0)
    applied_up_to(record, 0, 10)
    pushes.retain(catalog, record, now_s=1_000.0 + push_module.SETTLED_S)
    pushes.close()
    assert segments_left(state, 0) == 6


@pytest.mark.parametrize(
    ("worker", "workers", "left"),
    [(0, 1, (1, 1, 1)), (0, 2, (1, 5, 1)), (1, 2, (5, 1, 5)), (2, 3, (5, 5, 1))],
)
def test_retention_reaches_partitions_that_got_no_push_since_the_start(
    state: State, worker: int, workers: int, left: tuple[int, ...]
) -> None:
    catalog, record = with_small_segments(state.writer.catalog), state.record
    for partition in range(3):
        log = SourceLog(source_directory(state.directory, "orders"), partition, SMALL_SEGMENTS)
        fill(log, 5)
        log.close()
        applied_up_to(record, partition, 5)
    pushes = PushLogs(state.directory, worker, workers)
    pushes.retain(catalog, record, now_s=1_000.0)
    pushes.retain(catalog, record, now_s=1_000.0 + push_module.SETTLED_S)
    pushes.close()
    assert tuple(segments_left(state, partition) for partition in range(3)) == left


def test_concurrent_pushes_get_offsets_of_their_own(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda i: server.client.post(PATH, content=b"%d" % i).json(), range(64))
        )
    assert sorted(answer["first_offset"] for answer in answers) == list(range(64))
