"""Kill -9 of every role at random moments of one run; what is answered meanwhile is true.

The views ``parts`` and ``slots`` are functions of the offsets alone: of the first ``n`` messages of
a partition, ``parts`` counts n, and ``slots`` counts for each slot the offsets below n that are
congruent to it. So every answer, and every snapshot, can be held against the offsets that it states
of itself: a row that is ahead of them, or torn from the other rows, shows at once.
"""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow as pa
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from keyfold.eventlog.format import partition_directories, source_directory
from keyfold.eventlog.reader import EventLogReader
from tests.pipeline.kit import (
    Run,
    assert_books_balance,
    assert_lake_is_batch,
    assert_view_is_batch,
    exact,
    lake_table,
    pipeline,
    until,
)

INGEST_KILLS = 20
OTHER_KILLS = 4
WORKERS = 2
SLOTS = 300
OUTAGE_S_MAX = 10.0
"""Longest time without an answer; a worker is back in about two seconds on a quiet machine."""

PIPELINE = f"""
CREATE SOURCE events (id BIGINT, user_id VARCHAR, amount DECIMAL(18,2), price DOUBLE)
INCLUDE partition AS p INCLUDE offset AS o
WITH (connector = 'events', segment.bytes = '500000');
CREATE MATERIALIZED VIEW parts AS
SELECT p, COUNT(*) AS n, MAX(o) AS last, SUM(o) AS total FROM events GROUP BY p;
CREATE MATERIALIZED VIEW slots AS
SELECT p, o % {SLOTS} AS slot, COUNT(*) AS n, MAX(o) AS last FROM events GROUP BY p, slot;
CREATE MATERIALIZED VIEW users AS
SELECT user_id, COUNT(*) AS n, SUM(amount) AS total, AVG(price) AS mean, MIN(id) AS first_id
FROM events WHERE amount > 10 GROUP BY user_id;
"""
USERS = """
SELECT user_id, COUNT(*) AS n, SUM(amount) AS total, AVG(price) AS mean, MIN(id) AS first_id
FROM events WHERE amount > 10 GROUP BY user_id"""
SETTINGS: dict[str, object] = {
    "commit_interval_ms": 5,
    "commit_interval_backlog_ms": 20,
    "batch_messages_max": 2_000,
    "bulk_keys_min": 250,
    "wal_bytes_max": 1 << 16,
    "restart_backoff_ms_min": 10,
    "restart_backoff_ms_max": 100,
    "lake_interval_s": 0.5,
    "lake_snapshots_keep": 1_000,
}


@dataclass
class Witness:
    """What the threads beside the run saw.

    Attributes:
        stop: Set when they are to end.
        faults: What must not be.
        lookups: Answers that were checked.
        outage_s: The longest time without an answer.
        snapshots: Snapshots that were read while the run went on.
        acknowledged: (partition, offset) → id of every event that was taken in for sure.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    faults: list[str] = field(default_factory=list)
    lookups: int = 0
    outage_s: float = 0.0
    snapshots: int = 0
    acknowledged: dict[tuple[int, int], int] = field(default_factory=dict)


def test_no_kill_shows_in_any_answer_or_snapshot_nor_in_the_end_state(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    witness = Witness()
    with pipeline(tmp_path, PIPELINE, workers=WORKERS, **SETTINGS) as run:
        until(run.ready, what="ready views")
        beside = [
            (push_events, (run.url, witness, random.Random(seed + 1))),
            (look_up, (run.url, witness)),
            (read_snapshots, (tmp_path, witness)),
        ]
        with threads(witness, beside):
            kill_roles(run, draw)
        assert not witness.faults, witness.faults[:3]
        until(lambda: "0" in sequence_and_offsets(run)[1], what="events")
        log = read_log(tmp_path)
        until(lambda: run.caught_up("events", len(log)), what="catching up")
        print(f"{len(log)} events, {witness.lookups} lookups, {witness.snapshots} snapshots")
        print(f"longest outage {witness.outage_s:.1f} s")
        check_end_state(run, log, witness)
        assert run.stop() == 0
    assert witness.lookups > 500
    assert witness.outage_s < OUTAGE_S_MAX
    check_lake(tmp_path, log)


def kill_roles(run: Run, draw: random.Random) -> None:
    """Kill ingest many times, workers and the lake between, each at a random moment."""
    roles = ["serving-0", "serving-1"] * (OTHER_KILLS // 2) + ["lake"] * OTHER_KILLS
    draw.shuffle(roles)
    others = dict(zip(draw.sample(range(INGEST_KILLS), len(roles)), roles, strict=True))
    pause = threading.Event()
    for number in range(INGEST_KILLS):
        if number % 2:  # one half of them somewhere in starting, the other half while it works
            before, _ = sequence_and_offsets(run)
            until(lambda n=before: sequence_and_offsets(run)[0] > n + 1, what="a commit")
        pause.wait(draw.uniform(0.0, 0.5))
        died = run.kill("ingest")
        if number in others:
            pause.wait(draw.uniform(0.0, 0.2))
            run.kill(others[number])
        until(lambda died=died: run.pid("ingest") != died, what="the restart of ingest")


def sequence_and_offsets(run: Run) -> tuple[int, dict[str, int]]:
    """Return the commit that a worker stands at; (0, nothing) while none answers."""
    try:
        answer = httpx.get(f"{run.url}/v1/views/parts/rows?offsets=1", timeout=30.0)
    except httpx.TransportError:
        return 0, {}
    commit = answer.json().get("commit") or {"sequence": 0, "offsets": {}}
    return commit["sequence"], commit["offsets"]


@contextmanager
def threads(witness: Witness, work: list[tuple[Any, tuple[Any, ...]]]) -> Iterator[None]:
    """Run functions beside the block, and end them with it; what they raise is a fault."""

    def guarded(function: Any, arguments: tuple[Any, ...]) -> None:
        try:
            function(*arguments)
        except Exception as problem:
            witness.faults.append(f"{function.__name__}: {type(problem).__name__}: {problem}")

    running = [threading.Thread(target=guarded, args=one) for one in work]
    for one in running:
        one.start()
    try:
        yield
    finally:
        witness.stop.set()
        for one in running:
            one.join()


# --- what goes on beside the kills -----------------------------------------------------------


def push_events(url: str, witness: Witness, draw: random.Random) -> None:
    """Push blocks of all sizes; remember which events were acknowledged, and as what."""
    numbers = itertools.count()
    with httpx.Client(timeout=30.0) as client:
        while not witness.stop.wait(0.1):
            ids = [next(numbers) for _ in range(draw.choice((1, 3, 40, 400, 900)))]
            lines = [event_line(number) for number in ids]
            try:
                answer = client.post(f"{url}/v1/sources/events/events", content=b"\n".join(lines))
            except httpx.TransportError:
                continue  # nobody knows whether these came in: the log will tell
            if answer.status_code == 503:
                continue  # the worker has just come back, and has not opened the state yet
            assert answer.status_code == 200, answer.text
            told = answer.json()
            first = told["first_offset"]
            assert told["last_offset"] == first + len(ids) - 1
            for place, number in enumerate(ids):
                witness.acknowledged[told["partition"], first + place] = number


def event_line(number: int) -> bytes:
    """One event; every 997th has an amount that is none."""
    amount = '"much"' if number % 997 == 996 else f"{number % 100}.{number % 89:02d}"
    return (
        f'{{"id": {number}, "user_id": "u{number * 7919 % 3001}", "amount": {amount}, '
        f'"price": {number / 3}}}'
    ).encode()


def look_up(url: str, witness: Witness) -> None:
    """Look rows up, one after the other, and check each answer against the offsets it states."""
    questions = itertools.cycle(
        [
            ("GET", "/v1/views/parts/rows/0?offsets=1", None),
            ("GET", "/v1/views/parts/rows/1?offsets=1", None),
            ("GET", "/v1/views/parts/rows/0?offsets=1", None),
            ("GET", f"/v1/views/slots/rows?offsets=1&limit={WORKERS * SLOTS}", None),
            ("POST", "/v1/views/slots/lookup?offsets=1", all_slots()),
        ]
    )
    answered_s = time.monotonic()
    while not witness.stop.is_set():
        # One connection is one worker, and within it time never goes back.
        sequence, seen = 0, dict[str, int]()
        with httpx.Client(timeout=30.0, base_url=url) as client:
            for method, path, body in questions:
                if witness.stop.is_set():
                    return
                try:
                    answer = client.request(method, path, json=body)
                except httpx.TransportError:
                    break
                if answer.status_code == 503:
                    break
                witness.outage_s = max(witness.outage_s, time.monotonic() - answered_s)
                answered_s = time.monotonic()
                if answer.status_code == 404:
                    assert answer.json()["code"] == "no_such_key", answer.text
                    assert path.partition("?")[0].rpartition("/")[2] not in seen, answer.text
                    continue
                assert answer.status_code == 200, answer.text
                told = exact(answer.content)
                now, offsets = told["commit"]["sequence"], told["commit"]["offsets"]
                assert now >= sequence, f"commit {now} after {sequence}"
                for partition, offset in seen.items():
                    assert offsets[partition] >= offset, f"{offsets} after {seen}"
                sequence, seen = now, offsets
                check_answer(told, offsets)
                witness.lookups += 1


def all_slots() -> dict[str, Any]:
    return {"keys": [[p, slot] for p in range(WORKERS) for slot in range(SLOTS)]}


def check_answer(told: Mapping[str, Any], offsets: Mapping[str, int]) -> None:
    """Check that the rows of an answer are those of the offsets that it states."""
    if "row" in told:
        row = told["row"]
        end = offsets[str(row["p"])]
        wanted = {"p": row["p"], "n": end, "last": end - 1, "total": end * (end - 1) // 2}
        assert row == wanted, f"{row} at {offsets}"
        return
    found = {(row["p"], row["slot"]): (row["n"], row["last"]) for row in told["rows"] if row}
    assert found == slots_at({int(p): offset for p, offset in offsets.items()}), f"at {offsets}"


def slots_at(offsets: Mapping[int, int]) -> dict[tuple[int, int], tuple[int, int]]:
    """Return what ``slots`` holds at these offsets: (p, slot) → (n, last)."""
    return {
        (p, slot): ((end - slot - 1) // SLOTS + 1, (end - slot - 1) // SLOTS * SLOTS + slot)
        for p, end in offsets.items()
        for slot in range(min(SLOTS, end))
    }


def read_snapshots(directory: Path, witness: Witness) -> None:
    """Read the tables as an analyst would, while they are being written."""
    last: dict[int, int] = {}
    while not witness.stop.wait(0.7):
        try:
            table = lake_table(directory, "slots")
        except NoSuchTableError:
            continue
        snapshot = table.current_snapshot()
        if snapshot is None:
            continue
        offsets = check_snapshot(table, snapshot.snapshot_id)
        assert all(offsets[p] >= offset for p, offset in last.items()), f"{offsets} after {last}"
        last = offsets
        witness.snapshots += 1


def check_snapshot(table: Table, snapshot_id: int) -> dict[int, int]:
    """Check that a snapshot is the state at the offsets in its summary; return those."""
    snapshot = table.snapshot_by_id(snapshot_id)
    assert snapshot is not None
    assert snapshot.summary is not None
    offsets = {int(p): o for p, o in json.loads(snapshot.summary["keyfold.offsets"]).items()}
    rows = table.scan(snapshot_id=snapshot_id).to_arrow().to_pylist()
    found = {(row["p"], row["slot"]): (row["n"], row["last"]) for row in rows}
    assert len(rows) == len(found)
    assert found == slots_at(offsets), f"snapshot at {offsets}"
    return offsets


# --- the end ---------------------------------------------------------------------------------


def read_log(directory: Path) -> dict[tuple[int, int], bytes]:
    """Return every record of the event log by partition and offset."""
    log: dict[tuple[int, int], bytes] = {}
    for partition, path in partition_directories(
        source_directory(directory / "data", "events")
    ).items():
        reader = EventLogReader(path)
        reader.open(0)
        while (records := reader.read(100_000)) is not None:
            lines, first, _ = records
            for place, line in enumerate(lines.to_pylist()):
                log[partition, first + place] = line
        reader.close()
    return log


def check_end_state(run: Run, log: Mapping[tuple[int, int], bytes], witness: Witness) -> None:
    """Check views, ledgers and dead letters against the log, and the log against the answers."""
    for place, number in witness.acknowledged.items():
        assert json.loads(log[place])["id"] == number
    users, keys = users_of(log), ["user_id"]
    assert_view_is_batch(run, "users", users, keys)
    ends = ends_of(log)
    _, offsets = sequence_and_offsets(run)
    assert {int(p): offset for p, offset in offsets.items()} == ends
    rows = run.rows("slots")
    assert {(r["p"], r["slot"]): (r["n"], r["last"]) for r in rows} == slots_at(ends)
    misfits = sorted(place for place, line in log.items() if b'"much"' in line)
    for view in ("parts", "slots", "users"):
        assert_books_balance(run.ledger(view), len(log))
    assert run.ledger("parts")["applied"] == len(log)
    assert run.ledger("users")["dead_lettered"] == len(misfits)
    told = run.get("/sources/events")["ledger"]
    assert told == {"in": len(log), "dead_lettered": len(misfits)}
    letters = run.get("/dead-letters", limit=10_000)["dead_letters"]
    assert sorted((one["partition"], one["offset"]) for one in letters) == misfits


def check_lake(directory: Path, log: Mapping[tuple[int, int], bytes]) -> None:
    """Check every snapshot that is there, and the last one against the end state."""
    table = lake_table(directory, "slots")
    told = [check_snapshot(table, one.snapshot_id) for one in table.snapshots()]
    assert told[-1] == ends_of(log)
    assert len(told) > OTHER_KILLS
    assert_lake_is_batch(directory, "users", users_of(log), ["user_id"])


def ends_of(log: Mapping[tuple[int, int], bytes]) -> dict[int, int]:
    ends: dict[int, int] = {}
    for partition, offset in log:
        ends[partition] = max(ends.get(partition, 0), offset + 1)
    return ends


def users_of(log: Mapping[tuple[int, int], bytes]) -> pa.Table:
    """Return DuckDB's answer to the query of ``users`` over the log."""
    good = [json.loads(line, parse_float=str) for line in log.values() if b'"much"' not in line]
    events = pa.table(
        {
            "id": pa.array([one["id"] for one in good], pa.int64()),
            "user_id": [one["user_id"] for one in good],
            "amount": pa.array([Decimal(one["amount"]) for one in good], pa.decimal128(18, 2)),
            "price": [float(one["price"]) for one in good],
        }
    )
    with duckdb.connect() as connection:
        connection.register("events", events)
        return connection.sql(USERS).to_arrow_table()
