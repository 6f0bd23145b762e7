"""Law 8: no SQL, no reflection, no validation framework between the socket and the row."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any
from urllib.parse import quote

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keyfold.settings import Settings
from keyfold.state.counter import CounterWriter, Status
from keyfold.state.layout import counter_path, state_directory
from keyfold.state.rocks import RocksStore
from serving.app import Front
from serving.worker import Worker
from tests.laws.stream import PIPELINE, Event, Stream, whole_events

PLANNERS = ("sqlglot", "duckdb", "pydantic", "fastapi", "starlette", "inspect", "typing", "re")
FRAMES_MAX = 120


def test_a_reader_process_has_no_planner_loaded() -> None:
    code = "import serving.__main__, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    modules = {name.split(".")[0] for name in loaded.stdout.decode().split()}
    assert "serving" in modules
    assert not modules & {"sqlglot", "duckdb", "pyiceberg", "confluent_kafka"}


def looked_up(directory: Path, paths: Sequence[str]) -> tuple[list[Any], Counter[str]]:
    """Ask a worker for paths; return (status, body) of each, and the modules whose frames ran.

    The first path is asked for once before, unwatched: what is built once is no part of a lookup.
    """
    worker = Worker(Settings(data_dir=directory), 0)
    front = Front(worker, list)
    sent: list[dict[str, Any]] = []
    frames: Counter[str] = Counter()

    def watch(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            frames[str(frame.f_globals.get("__name__", ""))] += 1

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("a lookup reads no body")

    def scope(path: str) -> dict[str, Any]:
        return {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
        }

    async def look_up() -> None:
        worker.state.start()
        await front(scope(paths[0]), receive, send)
        sent.clear()
        sys.setprofile(watch)
        try:
            for path in paths:
                await front(scope(path), receive, send)
        finally:
            sys.setprofile(None)
        await worker.close()

    asyncio.run(look_up())
    pairs = zip(sent[::2], sent[1::2], strict=True)
    return [(start["status"], body["body"]) for start, body in pairs], frames


def written(directory: Path, log: Sequence[Event], sql: str = PIPELINE) -> Stream:
    """Fill a data directory, and publish what is there."""
    stream = Stream(lambda: RocksStore(state_directory(directory)), log, sql)
    stream.finish()
    counter = CounterWriter(counter_path(directory))
    counter.publish(stream.state.record.sequence, time.time_ns() // 1_000_000, Status())
    counter.close()
    return stream


def test_a_lookup_runs_no_frame_of_a_planner_or_framework(tmp_path: Path) -> None:
    log = [Event(0, id=i, user_id=f"u{i}", amount=Decimal(i), second=i) for i in range(9)]
    stream = written(tmp_path, log)
    ((status, body),), frames = looked_up(tmp_path, ["/v1/views/spend/rows/u4"])
    stream.store.close()
    assert status == 200
    assert msgspec.json.decode(body)["row"]["user_id"] == "u4"
    called = {name.split(".")[0] for name in frames}
    assert "serving" in called
    assert not called & set(PLANNERS), called
    assert sum(frames.values()) < FRAMES_MAX, frames


KEYED = """
CREATE MATERIALIZED VIEW keyed AS
SELECT user_id, id, id > 0 AS positive, amount, ts, ts::DATE AS day, weight, COUNT(*) AS n
FROM orders GROUP BY user_id, id, positive, amount, ts, day, weight;
"""


def segment(value: object) -> str:
    """A key value of a row as it stands in a path."""
    match value:
        case None:
            return "%00"
        case bool():
            return str(value).lower()
    return quote(str(value), safe="")


@settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(log=st.lists(whole_events, min_size=1, max_size=20))
def test_a_key_of_any_type_is_found_without_a_planner(log: Sequence[Event]) -> None:
    with TemporaryDirectory() as name:
        stream = written(Path(name), log, PIPELINE + KEYED)
        compiled, stored = stream.stored("keyed")
        rows = [compiled.json_row(key, value) for key, value in stored]
        shown = [json.loads(row or "", parse_float=str) for row in rows]
        paths = [
            "/v1/views/keyed/rows/" + "/".join(segment(row[key.name]) for key in compiled.plan.keys)
            for row in shown
        ]
        answers, frames = looked_up(Path(name), paths)
        stream.store.close()
    for row, (status, body) in zip(rows, answers, strict=True):
        assert status == 200
        assert f'"row":{row},'.encode() in body
    called = {name.split(".")[0] for name in frames}
    assert not called & set(PLANNERS), called
