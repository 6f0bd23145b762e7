"""Columns that nobody declared: detected once, and then as fixed as declared ones."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.detect import (
    SAMPLE_MESSAGES_MAX,
    Detected,
    Detections,
    detect,
    placeholder,
)
from ingest.lane import Lane
from keyfold.errors import SqlError
from keyfold.eventlog.format import source_directory
from keyfold.eventlog.reader import EventLogReader
from keyfold.eventlog.writer import EventLogWriter
from keyfold.sql.bind import locked_connection
from keyfold.sql.compile import compile_sql, known_schemas, unbound_sources
from keyfold.sql.parse import UnboundSource
from keyfold.state.counter import SourceStatus
from keyfold.state.memory import MemoryStore
from keyfold.state.writer import StateWriter
from keyfold.view.plan import Column

SOURCE = "CREATE SOURCE orders WITH (connector = 'events'{});"
VIEW = "CREATE MATERIALIZED VIEW v AS SELECT u, COUNT(*) AS n FROM orders GROUP BY u;"
COLUMNS = (Column("u", "VARCHAR"), Column("n", "BIGINT"))


def push(directory: Path, *events: object) -> None:
    writer = EventLogWriter(source_directory(directory, "orders") / "0", 1 << 20)
    lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]
    writer.append(lines, 1)
    writer.close()


def detected(found: Detected | None) -> Detected:
    assert found is not None
    return found


def in_a_thread(directory: Path, source: UnboundSource) -> Future[Detected | None]:
    return ThreadPoolExecutor(1).submit(detect, source, directory, threading.Event())


def until(look: Callable[[], bool]) -> None:
    """Return once a thread has come so far that ``look`` tells."""
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def until_waiting(caplog: pytest.LogCaptureFixture, message: str) -> None:
    """Return once it is logged."""
    until(lambda: any(message in record.getMessage() for record in caplog.records))


def test_columns_come_from_the_first_events_and_garbage_among_them_is_passed_over(
    tmp_path: Path,
) -> None:
    push(tmp_path, b"{", b"[1]", {"u": "a", "n": 1}, b"\xff", {"u": "b"})
    (source,) = unbound_sources(SOURCE.format(""))
    assert detected(detect(source, tmp_path, threading.Event())).columns == COLUMNS


def test_it_waits_through_any_amount_of_garbage_and_warns_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (source,) = unbound_sources(SOURCE.format(""))
    push(tmp_path, *[b"garbage"] * (3 * SAMPLE_MESSAGES_MAX))
    found = in_a_thread(tmp_path, source)
    until_waiting(caplog, "still waiting: none of 1000 sampled messages is a JSON object")
    push(tmp_path, {"u": "a", "n": 1})
    assert detected(found.result(30)).columns == COLUMNS
    assert sum("still waiting" in record.getMessage() for record in caplog.records) == 1


def test_who_asked_for_columns_only_hears_that_a_whole_sample_has_none(tmp_path: Path) -> None:
    (source,) = unbound_sources(SOURCE.format(""))
    push(tmp_path, *[b"garbage"] * SAMPLE_MESSAGES_MAX)
    with pytest.raises(SqlError, match="none of 1000 sampled messages"):
        detect(source, tmp_path, threading.Event(), give_up=True)


@pytest.mark.parametrize("before", [0, 5])
def test_the_events_that_told_the_columns_of_a_source_from_the_latest_on_are_counted(
    tmp_path: Path, before: int
) -> None:
    statement = SOURCE.format(", scan.startup.mode = 'latest'")
    (source,) = unbound_sources(statement)
    if before:
        push(tmp_path, *[{"u": "old"}] * before)
    detections = Detections([source], tmp_path, threading.Event())
    detections.start()
    # Pushed again and again, as nothing tells when the source has looked where its end is.
    while not detections.news.wait(0.05):
        push(tmp_path, {"u": "a", "n": 1})
    one = detections.take()["orders"]
    detections.close()
    assert one.columns == COLUMNS
    start = one.start.partitions[0].offset
    assert start >= before
    catalog = compile_sql(statement + VIEW, schemas={"orders": one.columns})
    state = StateWriter(MemoryStore(), catalog, starts={"orders": one.start})
    lane = Lane(catalog.sources[0], state, locked_connection(), tmp_path)
    end = EventLogReader(source_directory(tmp_path, "orders") / "0").end_offset()
    for _ in range(200):
        lane.step(1_000, 20, 1)
    lane.close()
    assert state.record.views["v"].total().applied == end - start > 0
    assert state.record.views["v"].offsets == {0: end}


def test_sources_are_waited_for_side_by_side_and_each_is_told_of(tmp_path: Path) -> None:
    both = unbound_sources("CREATE SOURCE clicks WITH (connector = 'events');" + SOURCE.format(""))
    push(tmp_path, {"u": "a", "n": 1})
    stop = threading.Event()
    detections = Detections(both, tmp_path, stop)
    detections.start()
    assert detections.news.wait(30)
    assert {name: one.columns for name, one in detections.take().items()} == {"orders": COLUMNS}
    assert not detections.news.is_set()
    assert detections.statuses == {"clicks": SourceStatus(state="waiting")}
    stop.set()
    detections.close()
    assert detections.take() == {}


def test_a_source_that_cannot_be_read_is_told_of_until_it_can(tmp_path: Path) -> None:
    files = tmp_path / "files"
    (source,) = unbound_sources(
        f"CREATE SOURCE orders WITH (connector = 'file', path = '{files}/*.ndjson');"
    )
    stop = threading.Event()
    detections = Detections([source], tmp_path, stop)
    detections.start()
    until(lambda: detections.statuses["orders"].state == "stopped")
    assert "no file matches" in detections.statuses["orders"].error
    files.mkdir()
    (files / "a.ndjson").write_text('{"u": "a", "n": 1}\n')
    assert detections.news.wait(30)
    assert detections.take()["orders"].columns == COLUMNS
    stop.set()
    detections.close()


def test_a_stop_ends_the_waiting(tmp_path: Path) -> None:
    (source,) = unbound_sources(SOURCE.format(""))
    stop = threading.Event()
    stop.set()
    assert detect(source, tmp_path, stop) is None


def test_what_was_detected_stays_while_the_statement_stays() -> None:
    unbound = unbound_sources(SOURCE.format(""))
    assert known_schemas(unbound, None) == {}
    catalog = compile_sql(SOURCE.format("") + VIEW, schemas={"orders": COLUMNS})
    assert known_schemas(unbound, catalog) == {"orders": COLUMNS}
    free = unbound_sources(SOURCE.format(", retention.ms = '5'"))
    assert known_schemas(free, catalog) == {"orders": COLUMNS}
    other = unbound_sources(SOURCE.format(", timestamp.unit = 's'"))
    assert known_schemas(other, catalog) == {}


def test_a_plan_without_columns_is_one_that_waits() -> None:
    (source,) = unbound_sources(SOURCE.format("").replace("WITH", "INCLUDE offset AS o WITH"))
    assert placeholder(source).waiting
    assert not compile_sql(SOURCE.format(""), schemas={"orders": COLUMNS}).sources[0].waiting


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], "there is no event to infer from"),
        ([b"garbage", b"[1]"], "none of 2 sampled messages is a JSON object"),
    ],
)
def test_who_does_not_want_to_wait_is_told_at_the_end_that_nothing_tells_columns(
    tmp_path: Path, events: list[bytes], message: str
) -> None:
    (source,) = unbound_sources(SOURCE.format(""))
    push(tmp_path, *events)
    with pytest.raises(SqlError, match=message):
        detect(source, tmp_path, threading.Event(), give_up=True, wait=False)
    stop = threading.Event()
    waiting = ThreadPoolExecutor(1).submit(detect, source, tmp_path, stop, give_up=True)
    assert not waiting.done()
    push(tmp_path, {"u": "a", "n": 1})
    assert detected(waiting.result(30)).columns == COLUMNS
