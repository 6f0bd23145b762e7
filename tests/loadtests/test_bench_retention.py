import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest

from keyfold.eventlog.format import source_directory
from keyfold.sql.compile import compile_sql
from keyfold.state.layout import state_directory
from keyfold.view.types import timestamp_text
from loadtests.bench.client import ask_at_rate
from loadtests.bench.events import BASE_MS, SOURCE, VIEW, Stream
from loadtests.bench.retention import (
    AHEAD_MS,
    EXPIRED,
    HOUR_MS,
    LIVING,
    SQL,
    STRIDE,
    append,
    disk_bytes,
    living_events,
)


@pytest.fixture
def asked() -> Iterator[tuple[int, list[str]]]:
    """A server that says the path back, and what it was asked."""
    paths: list[str] = []

    class Echo(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            paths.append(self.path)
            body = self.path.encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1], paths
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_client_asks_for_every_nth_user_and_what_stands_behind(
    asked: tuple[int, list[str]],
) -> None:
    port, paths = asked
    told = ask_at_rate(port, "/rows/", 10, 200, 0.1, 2, 1, stride=100, suffix="/late")
    assert told.requests == len(paths) == 20
    assert set(paths) <= {f"/rows/user-{user:08d}/late" for user in range(0, 1000, 100)}


def test_a_client_that_is_ended_counts_what_it_asked(asked: tuple[int, list[str]]) -> None:
    port, paths = asked
    looks = count()
    told = ask_at_rate(port, "/", 10, 1_000, 60, 2, 1, enough=lambda: next(looks) >= 3)
    assert 1 <= told.requests == len(paths) < 100


def test_the_event_ahead_expires_the_first_hour_and_not_the_rows_that_live() -> None:
    view = compile_sql(SQL, "bench.sql").view(VIEW)
    horizon_us = view.expired_before(AHEAD_MS * 1_000)
    assert horizon_us is not None
    assert BASE_MS * 1_000 <= horizon_us < (BASE_MS + 10 * HOUR_MS) * 1_000
    assert timestamp_text(BASE_MS * 1_000, utc=True)[:19] == EXPIRED[:19]
    last = list(Stream(20_000, 20_000, "new").chunks())[-1][-1]
    assert BASE_MS <= json.loads(last.tobytes())["ts"] < BASE_MS + HOUR_MS
    for event in living_events(1_000):
        told = json.loads(event)
        assert timestamp_text(told["ts"] * 1_000, utc=True)[:19] == LIVING[:19]
        assert int(told["user_id"].removeprefix("user-")) % STRIDE == 0


def test_events_are_appended_and_the_size_of_a_state_is_that_of_its_files(tmp_path: Path) -> None:
    append(tmp_path, 1, living_events(1_000))
    assert any((source_directory(tmp_path, SOURCE) / "1").iterdir())
    deeper = state_directory(tmp_path) / "deleted"
    deeper.mkdir(parents=True)
    (deeper / "a").write_bytes(b"12")
    (state_directory(tmp_path) / "b").write_bytes(b"345")
    (deeper / "b").hardlink_to(state_directory(tmp_path) / "b")
    assert disk_bytes(tmp_path) == 5
