"""Following the writer: commits, torn reads, restarts, directories that come and go."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from keyfold.errors import NotReadyError
from keyfold.settings import Settings
from keyfold.state.layout import MARKED_KEY, replicas_directory
from serving.replica import LiveState, sweep_replicas
from tests.serving.conftest import Server, problem, until
from tests.serving.state import CHANGED, State, spend

KEYS = [f"k{i:04}" for i in range(2_000)]


def asked(method: str, path: str, http: httpx.Client, **options: Any) -> dict[str, Any]:
    """Ask until there is an answer: it may be 503 while the state is opened anew, never torn."""

    def answer() -> dict[str, Any] | None:
        told = http.request(method, path, **options)
        return None if told.status_code == 503 else told.json()

    body: dict[str, Any] = until(answer, "an answer", 5.0)
    return body


def test_without_state_the_answer_is_not_ready(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    server = serve(tmp_path / "none").up()
    for path in ("/v1/views/spend/rows/AA", "/v1/views", "/v1/views/spend/rows", "/v1/sources"):
        answer = server.get(path)
        problem(answer, 503, "not_caught_up")
        assert answer.headers["retry-after"] == "1"
    problem(server.client.post("/v1/sources/orders/events", content=b"{}"), 503, "not_caught_up")
    missing = server.get("/readyz")
    assert missing.status_code == 503
    assert missing.json()["missing"] == [f"state: there is no state in {tmp_path / 'none'} yet"]
    health = server.get("/healthz").json()["replica"]
    assert (health["open"], health["advancing"]) == (False, False)
    assert server.get("/metrics").status_code == 200
    assert not (tmp_path / "none").exists()
    state = State(tmp_path / "none")
    state.put("spend", {("AA",): spend()})
    state.commit()
    until(lambda: server.get("/v1/views/spend/rows/AA").status_code == 200, "the state is open")
    state.close()


def test_a_view_that_has_not_caught_up(tmp_path: Path, serve: Callable[..., Server]) -> None:
    state = State(tmp_path / "data", ready=False)
    server = serve(state.directory).up().at(state.record.sequence)
    problem(server.get("/v1/views/spend/rows/AA"), 503, "not_caught_up")
    assert len(server.get("/readyz").json()["missing"]) == len(state.record.views)
    state.record.views["spend"].error = "it broke"
    state.commit()
    until(lambda: "it broke" in server.get("/v1/views/spend/rows/AA").text, "the reason is told")
    state.close()


def test_a_worker_is_not_ready_before_the_writer_of_its_run_has_opened_the_state(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    state = State(tmp_path / "data")
    server = serve(state.directory, run="second").up().at(state.record.sequence)
    alone = serve(state.directory, worker=1).up().at(state.record.sequence)
    waits = ["state: ingest has not opened it with the SQL file of this run yet"]
    for run in ("", "first"):
        state.status.run = run
        state.publish()
        assert (server.get("/readyz").status_code, alone.get("/readyz").status_code) == (503, 200)
        assert server.get("/readyz").json()["missing"] == waits
    state.close()
    again = State(tmp_path / "data", sql=CHANGED, rebuild=["often"], ready=False)
    again.status.run = "second"
    last = again.commit()
    # From here on it is the catalog of this run, whose views say for themselves what is missing.
    until(lambda: server.get("/readyz").json()["missing"] != waits, "the catalog is taken over")
    assert server.get("/healthz").json()["replica"]["commit"] >= last
    assert "view often: " in server.get("/readyz").text
    again.close()


def test_a_writer_that_commits_without_pause_is_adopted_all_the_same(state: State) -> None:
    live = LiveState(Settings(data_dir=state.directory))
    live._open()
    state.status.run = "second"
    told = []
    for _ in range(2):
        state.commit()  # is not here yet when the question is asked
        told.append(live.adopted("second"))
        live._look(time.monotonic())
    assert told == [False, True]
    live.close()


def test_every_commit_is_seen(state: State, serve: Callable[..., Server]) -> None:
    server = serve(state.directory).up().at(state.record.sequence)
    for count in range(1, 60):
        state.put("by_region", {("eu", 1): (1,)})
        sequence = state.commit()

        def seen(at: int = sequence) -> dict[str, Any] | None:
            body: dict[str, Any] = server.get("/v1/views/by_region/rows/eu/1?offsets=1").json()
            return body if body.get("commit", {}).get("sequence") == at else None

        assert until(seen, "the commit")["row"]["orders"] == count


@pytest.mark.parametrize("bulk", [False, True], ids=["wal", "bulk"])
def test_no_answer_is_torn_or_stale(
    tmp_path: Path, serve: Callable[..., Server], bulk: bool
) -> None:
    """Every commit adds one to every row: a row's count is the commit it is of."""
    limits = {"bulk_keys_min": 1} if bulk else {"wal_bytes_max": 1 << 20}
    state = State(tmp_path / "data", **limits)
    base = state.record.sequence
    rows = {("eu", i): (1,) for i in range(len(KEYS))}
    state.put("by_region", rows)
    server = serve(state.directory, rows_limit_max=2_000).up().at(state.commit())
    stop = threading.Event()
    checked = itertools.count()
    failures: list[str] = []

    def check(body: dict[str, Any], counts: set[int]) -> int:
        sequence: int = body["commit"]["sequence"]
        if counts != {sequence - base} or body["commit"]["offsets"]["0"] != (
            (sequence - base) * len(KEYS)
        ):
            failures.append(f"{counts} at {body['commit']}, base {base}")
        next(checked)
        return sequence

    def read_rows(first: int) -> None:
        with httpx.Client(base_url=server.url, timeout=30) as http:
            last = 0
            for key in itertools.cycle(range(first, len(KEYS), 7)):
                if stop.is_set():
                    return
                body = asked("GET", f"/v1/views/by_region/rows/eu/{key}?offsets=1", http)
                now = check(body, {body["row"]["orders"]})
                if now < last:
                    failures.append(f"commit {now} after {last}")
                last = now

    def read_many() -> None:
        keys = [["eu", i] for i in range(0, len(KEYS), 3)]
        with httpx.Client(base_url=server.url, timeout=30) as http:
            while not stop.is_set():
                body = asked(
                    "POST", "/v1/views/by_region/lookup?offsets=1", http, json={"keys": keys}
                )
                check(body, {row["orders"] for row in body["rows"]})
                page = asked("GET", "/v1/views/by_region/rows?limit=2000&offsets=1", http)
                assert len(page["rows"]) == len(KEYS)
                check(page, {row["orders"] for row in page["rows"]})

    threads = [threading.Thread(target=read_rows, args=(i,)) for i in range(2)]
    threads.append(threading.Thread(target=read_many))
    for thread in threads:
        thread.start()
    end = time.monotonic() + 3
    while time.monotonic() < end and not failures:
        state.put("by_region", rows)
        state.commit()
    stop.set()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert next(checked) > 50
    # The stale trap: at rest, every single key is of the last commit.
    sequence = state.record.sequence
    server.at(sequence)
    for key in range(0, len(KEYS), 10):
        body = server.get(f"/v1/views/by_region/rows/eu/{key}?offsets=1").json()
        assert body["row"]["orders"] == body["commit"]["sequence"] - base == sequence - base
    state.close()


def test_commits_of_both_kinds_leave_no_stale_key(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    """Mixing the log and flushes made secondaries stale for ever (rocksdb #14444, #15051)."""
    state = State(tmp_path / "data", bulk_keys_min=50, wal_bytes_max=20_000)
    server = serve(state.directory).up().at(state.record.sequence)
    expected = dict.fromkeys(range(300), 0)
    for turn in range(120):
        width = 60 if turn % 3 == 0 else 1 + turn % 11
        chosen = [(turn * 37 + i * 11) % 300 for i in range(width)]
        state.put("by_region", {("eu", i): (1,) for i in set(chosen)})
        for i in set(chosen):
            expected[i] += 1
        state.commit()
    server.at(state.record.sequence)
    keys = [["eu", i] for i in expected]
    body = server.client.post("/v1/views/by_region/lookup", json={"keys": keys}).json()
    assert [row["orders"] if row else 0 for row in body["rows"]] == list(expected.values())
    singles = [
        server.get(f"/v1/views/by_region/rows/eu/{i}").json()["row"]["orders"]
        for i, count in expected.items()
        if count
    ]
    assert singles == [count for count in expected.values() if count]
    state.close()


def test_pages_over_many_rows_while_commits_happen(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    state = State(tmp_path / "data", bulk_keys_min=500)
    state.put("by_region", {("eu", i): (1,) for i in range(0, 20_000, 2)})
    server = serve(state.directory).up().at(state.commit())
    stop = threading.Event()

    def write() -> None:
        for odd in itertools.count(1, 2):
            if stop.is_set():
                return
            state.put("by_region", {("eu", odd % 20_000): (1,), ("us", odd): (1,)})
            state.put("by_region", {("eu", i): (1,) for i in range(0, 20_000, 31)})
            state.commit()

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[int] = []
    cursor = ""
    while cursor is not None:
        body = server.get(
            f"/v1/views/by_region/rows?region=eu&limit=700{cursor and '&cursor=' + cursor}"
        ).json()
        seen += [row["item"] for row in body["rows"]]
        cursor = body["next_cursor"]
    stop.set()
    writer.join(30)
    assert seen == sorted(set(seen))
    assert set(range(0, 20_000, 2)) <= set(seen)
    state.close()


def test_a_long_page_does_not_keep_others_waiting(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    state = State(tmp_path / "data")
    state.put("by_region", {("eu", i): (1,) for i in range(10_000)})
    server = serve(state.directory).up().at(state.commit())
    stop = threading.Event()

    def read_pages() -> None:
        with httpx.Client(base_url=server.url, timeout=30) as http:
            while not stop.is_set():
                assert (
                    len(http.get("/v1/views/by_region/rows?limit=10000").json()["rows"]) == 10_000
                )

    began = time.perf_counter()
    server.get("/v1/views/by_region/rows?limit=10000")
    page_s = time.perf_counter() - began
    reader = threading.Thread(target=read_pages)
    reader.start()
    times = []
    for _ in range(60):
        began = time.perf_counter()
        assert server.get("/v1/views/by_region/rows/eu/1").status_code == 200
        times.append(time.perf_counter() - began)
    stop.set()
    reader.join(30)
    assert sorted(times)[len(times) // 2] < max(0.05, page_s)
    state.close()


def test_a_rebuilt_directory_is_opened_again(tmp_path: Path, serve: Callable[..., Server]) -> None:
    old = State(tmp_path / "data")
    old.put("spend", {("AA",): spend(1)})
    for _ in range(5):
        old.commit()
    server = serve(old.directory).up().at(old.record.sequence)
    old.close()
    shutil.rmtree(old.directory)
    until(lambda: server.get("/v1/views").status_code == 503, "the old state is let go")
    new = State(tmp_path / "data")
    new.put("spend", {("AA",): spend(7)})
    new.commit()

    def fresh() -> bool:
        answer = server.get("/v1/views/spend/rows/AA")
        return answer.status_code == 200 and answer.json()["row"]["orders"] == 7

    until(fresh, "the new state is served")
    new.close()


def test_a_rebuilt_view_gets_its_new_plan(tmp_path: Path, serve: Callable[..., Server]) -> None:
    state = State(tmp_path / "data")
    state.put("often", {("AA",): (3,)})
    server = serve(state.directory).up().at(state.commit())
    assert server.get("/v1/views/often/rows/AA").status_code == 200
    state.close()
    again = State(tmp_path / "data", sql=CHANGED, rebuild=["often"])
    again.put("often", {("AA",): (4,)})
    server.at(again.commit())
    problem(server.get("/v1/views/often/rows/AA"), 404, "no_such_key")
    again.put("often", {("AA",): (4,)})
    server.at(again.commit())
    assert server.get("/v1/views/often/rows/AA").json()["row"]["orders"] == 8
    again.close()


def test_the_writer_may_come_and_go(tmp_path: Path, serve: Callable[..., Server]) -> None:
    state = State(tmp_path / "data", wal_bytes_max=1 << 16)
    server = serve(state.directory).up()
    for turn in range(1, 6):
        state.put("by_region", {("eu", i): (1,) for i in range(50)})
        server.at(state.commit())
        rows = server.get("/v1/views/by_region/rows?region=eu").json()["rows"]
        assert [row["orders"] for row in rows] == [turn] * 50
        state.close()
        assert server.get("/v1/views/by_region/rows/eu/1").json()["row"]["orders"] == turn
        state = State(tmp_path / "data", wal_bytes_max=1 << 16)
    state.close()


def test_a_killed_worker_answers_again_soon(state: State, serve: Callable[..., Server]) -> None:
    state.put("spend", {("AA",): spend()})
    server = serve(state.directory).up().at(state.commit())
    server.stop(signal.SIGKILL)
    server.client.close()
    server.client = httpx.Client(base_url=server.url, timeout=30)
    server.start()
    until(lambda: server.get("/v1/views/spend/rows/AA").status_code == 200, "the next worker")
    left = [int(name.partition("-")[0]) for name in os.listdir(replicas_directory(state.directory))]
    assert left == [server.process.pid]
    assert server.stop() == 0
    assert os.listdir(replicas_directory(state.directory)) == []


def test_only_what_dead_readers_left_is_swept(tmp_path: Path) -> None:
    for name in (str(os.getpid()), "999999999", "999999998-ab12", "notes"):
        (tmp_path / "replicas" / name).mkdir(parents=True)
    sweep_replicas(tmp_path)
    assert sorted(os.listdir(tmp_path / "replicas")) == sorted([str(os.getpid()), "notes"])


def test_a_replica_that_cannot_follow_is_opened_again(state: State) -> None:
    state.put("spend", {("AA",): spend()})
    state.commit()
    live = LiveState(Settings(data_dir=state.directory))
    live._open()
    reader = live.reader
    assert reader is not None
    reader.replica.close()  # every read fails from here on, as with a file that is gone
    state.commit()
    live._look(time.monotonic())
    assert live.reader is None
    live._open()
    assert live.current().record.sequence == state.record.sequence
    live.close()


def test_a_state_that_is_not_whole_neither_answers_nor_stops_the_loop(state: State) -> None:
    state.put("spend", {("AA",): spend()})
    state.commit()
    live = LiveState(Settings(data_dir=state.directory))
    live._open()
    marked = state.store.get(MARKED_KEY)
    state.store._db.put(MARKED_KEY, b"99")  # the log is ahead of the files
    state.commit()
    began = time.monotonic()
    with pytest.raises(NotReadyError, match="has a flush that its files do not have"):
        live.current()
    live._open()
    assert time.monotonic() - began < 0.5
    with pytest.raises(NotReadyError):
        live.current()
    assert os.listdir(replicas_directory(state.directory)) == []
    state.store._db.put(MARKED_KEY, marked or b"0")
    live._open()
    assert live.current().record.sequence == state.record.sequence
    live.close()
