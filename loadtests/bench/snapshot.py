"""The snapshot benchmark: rows per second into Iceberg, and what lookups feel of it meanwhile.

While lookups are timed, this process itself does nothing: on two CPUs looks at memory would be made
on the server's, since the snapshot has the other one, and their 3 ms would be the p99.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from keyfold.state.layout import lake_directory
from loadtests.bench.figure import Figure, figure
from loadtests.bench.latency import Latencies
from loadtests.bench.load import asking
from loadtests.bench.loaded import (
    PYTHON,
    ROWS_PATH,
    VIEW,
    Loaded,
    checked,
    loaded,
    serving,
    settings,
)
from loadtests.bench.process import cpu, started, until
from loadtests.bench.repeat import REPEATS, interleaved, ratios, spread

ROWS = 10_000_000
LATENCY_RATE = 1_000.0
_SNAPSHOT_S_MAX = 300.0
_ROWS_PER_S_MAX = 2_000_000
"""Faster than any snapshot here, so that all requests fall into it."""


class _Table(msgspec.Struct):
    rows: int = 0
    seconds: float = 0.0


class _Status(msgspec.Struct):
    views: dict[str, _Table] = {}


@dataclass(frozen=True, slots=True)
class _During:
    rows_per_second: float
    told: Latencies
    overlap: float


def snapshot(smoke: bool) -> list[Figure]:
    """Snapshots of 10 M rows, each into a new table, and p99 of hot GET beside one and without."""
    there = loaded(20_000 if smoke else ROWS)
    seconds = 1.0 if smoke else max(5.0, there.rows / _ROWS_PER_S_MAX)
    # With two CPUs the client shares the server's, and the snapshot has the other one.
    client = cpu(2) if len(os.sched_getaffinity(0)) > 2 else cpu(0)
    with serving(there, cpu(0)) as (_, port):
        checked(port, ROWS_PATH, there.rows)

        def ask(seed: int) -> Latencies:
            with asking(port, ROWS_PATH, there.rows, LATENCY_RATE, seconds, client, seed) as asked:
                return asked.result()

        def during() -> _During:
            with _snapshot(there) as wait:
                began = time.monotonic()
                told = ask(1)
                asked_s = time.monotonic() - began
                table, took_s = wait()
            return _During(table.rows / table.seconds, told, min(1.0, took_s / asked_s))

        ask(99)
        pairs = interleaved(during, lambda: ask(2), 2 if smoke else REPEATS)
    detail: dict[str, object] = {
        "rows": there.rows,
        "rate": LATENCY_RATE,
        "during": [one.told.as_dict() for one, _ in pairs],
        "idle": [other.as_dict() for _, other in pairs],
        "share_of_the_requests_that_fell_into_the_snapshot": [
            round(one.overlap, 2) for one, _ in pairs
        ],
        "server_cpu": cpu(0),
        "client_cpu": client,
        "snapshot_cpu": cpu(1),
    }
    rates = spread([one.rows_per_second for one, _ in pairs])
    p99 = ratios([(one.told.p99_ms, other.p99_ms) for one, other in pairs])
    return [
        figure("Iceberg snapshot", rates, "rows/s", detail, ("at least", 1e6)),
        figure(
            "p99 of hot GET during a snapshot over p99 without", p99, "x", detail, ("at most", 2.0)
        ),
    ]


@contextlib.contextmanager
def _snapshot(there: Loaded) -> Iterator[Callable[[], tuple[_Table, float]]]:
    """Start the lake process with no table yet; give what waits for its snapshot."""
    lake = lake_directory(there.directory)
    shutil.rmtree(lake, ignore_errors=True)
    status = lake / "status.json"

    def table() -> _Table:
        try:
            told = msgspec.json.decode(status.read_bytes(), type=_Status)
        except (OSError, msgspec.DecodeError):
            return _Table()
        return told.views.get(VIEW, _Table())

    def over() -> bool:
        return table().rows == there.rows

    env = settings(there.directory, lake_interval_s=3_600)
    try:
        argv = (*PYTHON, "lake")
        with started(argv, cpu(1), environment=env) as process:
            # Importing and opening are no part of it.
            until(lambda: _begun(there) or over(), process, "the snapshot's start", _SNAPSHOT_S_MAX)
            began = time.time()

            def wait() -> tuple[_Table, float]:
                until(over, process, "the snapshot", _SNAPSHOT_S_MAX)
                return table(), status.stat().st_mtime - began

            yield wait
    finally:
        shutil.rmtree(lake, ignore_errors=True)


def _begun(there: Loaded) -> bool:
    """Say whether files of a table are being written."""
    return any(lake_directory(there.directory).glob("warehouse/**/*.parquet"))
