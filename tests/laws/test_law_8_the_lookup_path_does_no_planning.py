"""Law 8: no SQL, no reflection, no validation framework between the socket and the row."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from keyfold.settings import Settings
from keyfold.state.counter import CounterWriter, Status
from keyfold.state.layout import counter_path, state_directory
from keyfold.state.rocks import RocksStore
from serving.app import Front
from serving.worker import Worker
from tests.laws.stream import Event, Stream

PLANNERS = ("sqlglot", "duckdb", "pydantic", "fastapi", "starlette", "inspect", "typing", "re")
FRAMES_MAX = 120


def test_a_reader_process_has_no_planner_loaded() -> None:
    code = "import serving.__main__, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    modules = {name.split(".")[0] for name in loaded.stdout.decode().split()}
    assert "serving" in modules
    assert not modules & {"sqlglot", "duckdb", "pyiceberg", "confluent_kafka"}


def test_a_lookup_runs_no_frame_of_a_planner_or_framework(tmp_path: Path) -> None:
    log = [Event(0, id=i, user_id=f"u{i}", amount=Decimal(i), second=i) for i in range(9)]
    stream = Stream(lambda: RocksStore(state_directory(tmp_path)), log)
    stream.finish()
    counter = CounterWriter(counter_path(tmp_path))
    counter.publish(stream.state.record.sequence, time.time_ns() // 1_000_000, Status())
    worker = Worker(Settings(data_dir=tmp_path), 0)
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

    def scope(user: str) -> dict[str, Any]:
        path = f"/v1/views/spend/rows/{user}"
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
        await front(scope("u3"), receive, send)
        sent.clear()
        sys.setprofile(watch)
        try:
            await front(scope("u4"), receive, send)
        finally:
            sys.setprofile(None)
        await worker.close()

    asyncio.run(look_up())
    counter.close()
    stream.store.close()
    assert sent[0]["status"] == 200
    assert msgspec.json.decode(sent[1]["body"])["row"]["user_id"] == "u4"
    called = {name.split(".")[0] for name in frames}
    assert "serving" in called
    assert not called & set(PLANNERS), called
    assert sum(frames.values()) < FRAMES_MAX, frames
