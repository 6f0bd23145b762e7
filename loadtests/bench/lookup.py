"""The lookup benchmarks; each returns its figures. See README.md for how each is measured.

The server runs on the first CPU that this process may use, the client on the second, one worker
unless said; keys are uniform over all rows.
"""

from __future__ import annotations

import json
import os
import platform
import random
import signal
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from loadtests.bench.figure import Figure, figure, missing
from loadtests.bench.latency import Latencies
from loadtests.bench.load import (
    CONNECTIONS,
    LATENCY_CONNECTIONS,
    Rate,
    asking,
    latencies_at,
    rate,
    wrk_missing,
)
from loadtests.bench.loaded import (
    LOOKUP_PATH,
    PYTHON,
    ROWS_PATH,
    Loaded,
    applied,
    check_row,
    checked,
    copied,
    event_of,
    files_out_of_cache,
    idle_writer,
    ingest,
    loaded,
    serving,
    settings,
)
from loadtests.bench.peers import PEERS, Peer, peer_missing, running
from loadtests.bench.process import (
    READY_S_MAX,
    Process,
    answers,
    cpu,
    started,
    status_and_body,
    until,
)
from loadtests.bench.repeat import REPEATS, Spread, interleaved, ratios, spread
from tests.ports import free_port

LATENCY_RATE = 2_000.0
COLD_RATE = 500.0
CHANGED_KEYS_PER_S = 100_000
KEYS_PER_LOOKUP = 100
_SMOKE_ROWS = 20_000


def hot_get(smoke: bool) -> list[Figure]:
    """Hot GET against the constant body of the same uvicorn; CPU and memory of the worker.

    Rates on a machine that others use say little; CPU seconds per request say more, so their ratio
    is reported beside.
    """
    name = "hot GET over constant ASGI body"
    if absent := wrk_missing():
        return [missing(name, "x", absent)]
    there, seconds = loaded(_rows(smoke)), _seconds(smoke, 5)
    port_b = free_port()
    with (
        idle_writer(there, cpu(1)),
        serving(there, cpu(0), watched=True) as (ours, port_a),
        started((*PYTHON, "loadtests.bench.constant", str(port_b)), cpu(0)) as constant,
    ):
        until(lambda: answers(port_b, "/"), constant, "the constant body", READY_S_MAX)
        checked(port_a, ROWS_PATH, there.rows)
        pairs = interleaved(
            _peak(ours, port_a, there.rows, seconds),
            _peak(constant, port_b, there.rows, seconds),
            _repeats(smoke),
        )
        detail = _detail(pairs, "keyfold", "constant") | _setting(there, seconds)
        cpu_s = spread([a.cpu_s_per_million for a, _ in pairs])
        saved = ratios([(b.cpu_s_per_million, a.cpu_s_per_million) for a, b in pairs])
        memory = spread([ours.rss_bytes_max / (1 << 20)])
    return [
        figure(name, _rate_ratios(pairs), "x", detail, ("at least", 0.7)),
        figure("CPU of the constant body over CPU of hot GET", saved, "x", detail),
        figure("CPU of the worker per 1 M hot GETs", cpu_s, "s", detail),
        figure("memory of the worker under hot GETs, at most", memory, "MiB", _setting(there, 0)),
    ]


def hot_latency(smoke: bool) -> list[Figure]:
    """Latencies of hot GET while nothing else happens, over 8 connections."""
    there, seconds = loaded(_rows(smoke)), _seconds(smoke, 10)
    with idle_writer(there, cpu(1)), serving(there, cpu(0)) as (_, port):
        checked(port, ROWS_PATH, there.rows)
        latencies_at(port, ROWS_PATH, there.rows, LATENCY_RATE, 1.0, seed=99)
        told = [
            latencies_at(port, ROWS_PATH, there.rows, LATENCY_RATE, seconds, seed)
            for seed in range(_repeats(smoke))
        ]
    detail = _latency_detail(told) | _setting(there, seconds)
    return [
        figure("p50 of hot GET, idle", spread([one.p50_ms for one in told]), "ms", detail,
               ("at most", 0.4)),
        figure("p99 of hot GET, idle", spread([one.p99_ms for one in told]), "ms", detail,
               ("at most", 1.5)),
    ]  # fmt: skip


def get_while_writing(smoke: bool) -> list[Figure]:
    """Latencies of hot GET while ingest commits 100,000 changed keys a second."""
    original, seconds = loaded(_rows(smoke)), _seconds(smoke, 10)
    per_second = CHANGED_KEYS_PER_S // (10 if smoke else 1)
    repeats = _repeats(smoke)
    # With two CPUs the client shares the server's, since the writer needs one of its own.
    client = cpu(3) if _cpus() > 3 else cpu(0)
    told: list[Latencies] = []
    committed: list[float] = []
    with copied(original) as there:
        writer = ingest(there, cpu(1))
        with writer as process, serving(there, cpu(0)) as (_, port):
            checked(port, ROWS_PATH, there.rows)
            feeder = (
                *PYTHON, "loadtests.bench.feed", str(there.directory), str(there.rows),
                "--rate", str(per_second), "--seconds", str((seconds + 3) * repeats + 10),
            )  # fmt: skip
            with started(feeder, cpu(2), environment={}):
                base = applied(there.directory)
                until(
                    lambda: applied(there.directory) > base, process, "the first commit",
                    READY_S_MAX,
                )  # fmt: skip
                for seed in range(repeats):
                    began, before = time.monotonic(), applied(there.directory)
                    with asking(
                        port, ROWS_PATH, there.rows, LATENCY_RATE, seconds, client, seed
                    ) as asked:
                        told.append(asked.result())
                    took = time.monotonic() - began
                    committed.append((applied(there.directory) - before) / took)
    reached = spread(committed)
    detail = _latency_detail(told) | _setting(original, seconds)
    detail |= {
        "changed_keys_per_second": [round(one) for one in committed],
        "client_cpu": client,
        "ingest_cpu": cpu(1),
        "feeder_cpu": cpu(2),
    }
    name = f"p99 of hot GET while {per_second:,} keys/s change"
    if reached.median < 0.95 * per_second:
        detail["not_reached"] = f"ingest committed {reached.median:.0f} keys/s only"
        return [figure(name, spread([one.p99_ms for one in told]), "ms", detail)]
    return [figure(name, spread([one.p99_ms for one in told]), "ms", detail, ("at most", 5.0))]


def peers(smoke: bool) -> list[Figure]:
    """Hot GET against what a user would write by hand over Redis and over PostgreSQL."""
    return [_against(peer, smoke) for peer in PEERS]


def _against(peer: Peer, smoke: bool) -> Figure:
    name = f"hot GET over {peer.title}"
    if absent := wrk_missing() or peer_missing(peer):
        return missing(name, "x", absent)
    there, seconds = loaded(_rows(smoke)), _seconds(smoke, 5)
    with (
        running(peer, there.rows) as (theirs, port_b, facts),
        idle_writer(there, cpu(1)),
        serving(there, cpu(0)) as (ours, port_a),
    ):
        checked(port_a, ROWS_PATH, there.rows)
        checked(port_b, ROWS_PATH, there.rows)
        pairs = interleaved(
            _peak(ours, port_a, there.rows, seconds),
            _peak(theirs, port_b, there.rows, seconds),
            _repeats(smoke),
        )
        detail = _detail(pairs, "keyfold", peer.name) | _setting(there, seconds) | facts
    return figure(name, _rate_ratios(pairs), "x", detail, ("at least", peer.bar))


def many_keys(smoke: bool) -> list[Figure]:
    """Keys per second of POST lookups of 100 keys, over single GETs."""
    name = "keys/s of lookups of 100 keys over single GETs"
    if absent := wrk_missing():
        return [missing(name, "x", absent)]
    there, seconds = loaded(_rows(smoke)), _seconds(smoke, 5)
    with idle_writer(there, cpu(1)), serving(there, cpu(0)) as (server, port):
        checked(port, ROWS_PATH, there.rows)
        _check_lookup(port, there.rows)

        def batched() -> Rate:
            return rate(
                server, port, LOOKUP_PATH, there.rows, seconds, keys_per_request=KEYS_PER_LOOKUP
            )

        pairs = interleaved(batched, _peak(server, port, there.rows, seconds), _repeats(smoke))
    keys = [(KEYS_PER_LOOKUP * a.per_second, b.per_second) for a, b in pairs]
    detail = _detail(pairs, "lookups", "gets") | _setting(there, seconds)
    return [figure(name, ratios(keys), "x", detail, ("at least", 10.0))]


def cold_get(smoke: bool) -> list[Figure]:
    """Latencies of GET whose rows are not in memory: 10 M rows, page cache and worker fresh."""
    there, seconds = loaded(_SMOKE_ROWS if smoke else 10_000_000), _seconds(smoke, 5)
    told: list[Latencies] = []
    read_mb: list[float] = []
    for seed in range(_repeats(smoke)):
        files_out_of_cache(there.directory / "state")
        with serving(there, cpu(0)) as (server, port):
            before = _disk_bytes(server)
            files_out_of_cache(there.directory / "state")
            told.append(latencies_at(port, ROWS_PATH, there.rows, COLD_RATE, seconds, seed))
            read_mb.append((_disk_bytes(server) - before) / 1e6)
            checked(port, ROWS_PATH, there.rows)
    detail = _latency_detail(told) | _setting(there, seconds)
    detail |= {"rate": COLD_RATE, "read_from_disk_mb": read_mb}
    return [
        figure("p50 of cold GET", spread([one.p50_ms for one in told]), "ms", detail),
        figure("p99 of cold GET", spread([one.p99_ms for one in told]), "ms", detail),
    ]


def killed_worker(smoke: bool) -> list[Figure]:
    """Time from kill -9 of the only serving worker to the first row answered after it."""
    original = loaded(_rows(smoke))
    port = free_port()
    # A worker that was healthy for this long is started again at once, so each kill is a first one.
    healthy_s = 2.0
    env = settings(original.directory, port=port, restart_backoff_ms_max=int(healthy_s * 1000))
    took: list[float] = []
    with started((*PYTHON, "keyfold.cli", "serve"), cpu(0), environment=env) as process:
        for turn in range(_repeats(smoke)):
            until(lambda: answers(port, "/v1/views"), process, "serving", READY_S_MAX)
            time.sleep(healthy_s + 0.2)
            checked(port, ROWS_PATH, original.rows, keys=50)
            worker = _worker_pid(process, turn)
            os.kill(worker, signal.SIGKILL)
            began = time.monotonic()
            until(
                lambda: answers(port, f"{ROWS_PATH}user-00000001"), process, "the next worker",
                READY_S_MAX,
            )  # fmt: skip
            took.append(time.monotonic() - began)
        checked(port, ROWS_PATH, original.rows, keys=50)
    detail = {"took_s": took, "healthy_s": healthy_s} | _setting(original, 0)
    name = "killed serving worker: first answer after"
    return [figure(name, spread(took), "s", detail, ("at most", 1.0))]


ALL: tuple[Callable[[bool], list[Figure]], ...] = (
    hot_get,
    hot_latency,
    get_while_writing,
    peers,
    many_keys,
    cold_get,
    killed_worker,
)


def _rows(smoke: bool) -> int:
    return _SMOKE_ROWS if smoke else 1_000_000


def _seconds(smoke: bool, seconds: float) -> float:
    return 1.0 if smoke else seconds


def _repeats(smoke: bool) -> int:
    return 2 if smoke else REPEATS


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _peak(server: Process, port: int, rows: int, seconds: float) -> Callable[[], Rate]:
    return lambda: rate(server, port, ROWS_PATH, rows, seconds)


def _rate_ratios(pairs: Sequence[tuple[Rate, Rate]]) -> Spread:
    return ratios([(a.per_second, b.per_second) for a, b in pairs])


def _detail(pairs: Sequence[tuple[Rate, Rate]], a: str, b: str) -> dict[str, object]:
    detail: dict[str, object] = {"connections": CONNECTIONS}
    for at, name in enumerate((a, b)):
        mine = [pair[at] for pair in pairs]
        detail[f"{name}_requests_per_second"] = [round(one.per_second) for one in mine]
        detail[f"{name}_cpu_s_per_million"] = [round(one.cpu_s_per_million, 2) for one in mine]
    return detail


def _latency_detail(told: Sequence[Latencies]) -> dict[str, object]:
    return {
        "runs": [one.as_dict() for one in told],
        "rate": LATENCY_RATE,
        "connections": LATENCY_CONNECTIONS,
        "latency_from": "when the request was due",
    }


def _setting(there: Loaded, seconds: float) -> dict[str, object]:
    return {
        "rows": there.rows,
        "seconds": seconds,
        "workers": 1,
        "server_cpu": cpu(0),
        "client_cpu": cpu(1),
        "cpus": _cpus(),
        "python": platform.python_version(),
        "uvicorn": version("uvicorn"),
        "uvloop": version("uvloop"),
        "httptools": version("httptools"),
        "rocksdict": version("rocksdict"),
    }


def _check_lookup(port: int, rows: int) -> None:
    draw = random.Random(7)
    users = [draw.randrange(rows) for _ in range(KEYS_PER_LOOKUP)]
    body = json.dumps({"keys": [f"user-{user:08d}" for user in users]}).encode()
    status, raw = status_and_body(port, LOOKUP_PATH, body)
    if status != 200:
        raise RuntimeError(f"the lookup was answered with {status}: {raw[:300]!r}")
    for user, row in zip(users, json.loads(raw)["rows"], strict=True):
        check_row(row, f"user-{user:08d}", event_of(user, rows))


def _disk_bytes(server: Process) -> int:
    for line in Path(f"/proc/{server.pid}/io").read_text().splitlines():
        if line.startswith("read_bytes:"):
            return int(line.split()[1])
    return 0


def _worker_pid(supervisor: Process, turn: int) -> int:
    """Return the process id of the worker as the log last named it."""
    lines = supervisor.log.read_text(errors="replace").splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    pids = [one["pid"] for one in told if one["message"] == "serving-0 started"]
    if len(pids) != turn + 1:
        raise RuntimeError(f"the worker was started {len(pids)} times before kill {turn}")
    return int(pids[-1])
