"""The ingest benchmarks; each returns its figures. See README.md for how each is measured.

The broker runs on the last CPU that this process may use; the engines may use all of them, and the
broker's with them, as they would on a machine of that size. In each round every engine runs once,
in the opposite order of the round before, and a ratio is of two runs of one round.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from loadtests.bench.engines import (
    MissingEngineError,
    Run,
    expected_file,
    kafka_source,
    keyfold,
    peer,
    pipeline_sql,
)
from loadtests.bench.events import Stream
from loadtests.bench.figure import Figure, figure, missing
from loadtests.bench.loaded import SOURCE
from loadtests.bench.process import ROOT
from loadtests.bench.repeat import REPEATS, ratios, spread
from loadtests.bench.topics import fill_file, fill_log, fill_topic
from tests.kafka_broker import kafka_broker, kafka_unavailable

PARTITIONS = 4
EVENTS = 3_000_000
USERS = 50_000
_SMOKE_EVENTS = 100_000
_WORK = ROOT / ".bench"
_BARS = {
    "consume": 0.5,
    "duckdb_batch": 0.25,
    "flink": 4.0,
    "pathway": 1.0,
    "bytewax": 4.0,
    "redis": 4.0,
    "postgres": 3.0,
    "kafka_streams": 3.0,
}
_TITLES = {
    "consume": "share of the limit: Keyfold over consume() and value() alone",
    "duckdb_batch": "share of the batch limit: Keyfold over DuckDB read_json GROUP BY",
    "flink": "Keyfold over Flink SQL",
    "pathway": "Keyfold over Pathway",
    "bytewax": "Keyfold over Bytewax",
    "redis": "Keyfold over a Redis pipeline",
    "postgres": "Keyfold over a PostgreSQL upsert",
    "kafka_streams": "Keyfold over Kafka Streams",
}
_LOG_OVER_BATCH = "the same from the event log: Keyfold over DuckDB read_json GROUP BY"


@contextlib.contextmanager
def broker(cpus: Collection[int] = ()) -> Iterator[str]:
    """Run a broker of our own on some CPUs; by default on the last one."""
    mine = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="bench-kafka-") as place:
        os.sched_setaffinity(0, cpus or {max(mine)})  # its threads inherit it
        try:
            started = kafka_broker(Path(place) / "kafka")
            bootstrap = started.__enter__()
        finally:
            os.sched_setaffinity(0, mine)
        try:
            yield bootstrap
        finally:
            started.__exit__(None, None, None)


def against_engines(smoke: bool) -> list[Figure]:
    """Keyfold and its peers on one topic: events per second, ratio by ratio."""
    if absent := kafka_unavailable():
        return [missing(title, "x", absent) for title in _TITLES.values()]
    stream = Stream(_SMOKE_EVENTS if smoke else EVENTS, 1_000 if smoke else USERS)
    cpus = sorted(os.sched_getaffinity(0))
    expected_file(stream)
    file = _WORK / f"{stream.name}.ndjson"
    if not file.exists():
        fill_file(file, stream)
    with broker() as bootstrap:
        topic = fill_topic(bootstrap, stream, PARTITIONS)
        over_topic = ["--bootstrap", bootstrap, "--topic", topic]
        sql = pipeline_sql(kafka_source(bootstrap, topic))
        engines: dict[str, Callable[[], Run]] = {"keyfold": lambda: keyfold(sql, stream, cpus)}
        engines["log"] = _log_run(stream)
        for name in _BARS:
            arguments = ["--file", str(file)] if name == "duckdb_batch" else over_topic
            engines[name] = _peer_run(name, arguments, stream, cpus)
        runs, absent_ones = rounds(engines, 1 if smoke else REPEATS)
    detail: dict[str, object] = {
        "events": stream.events,
        "users": stream.users,
        "partitions": PARTITIONS,
        "engine_cpus": cpus,
        "broker_cpu": [max(cpus)],
    }
    ours = runs["keyfold"]
    found = [_rate_figure("Keyfold, Kafka topic, 50,000 users", ours, detail)]
    for name, bar in _BARS.items():
        if name in absent_ones:
            found.append(missing(_TITLES[name], "x", absent_ones[name]))
            continue
        pairs = [
            (a.events_per_second, b.events_per_second)
            for a, b in zip(ours, runs[name], strict=True)
        ]
        more = detail | {"keyfold": rates(ours), name: rates(runs[name])} | costs(runs[name])
        more["told"] = runs[name][0].told
        found.append(figure(_TITLES[name], ratios(pairs), "x", more, ("at least", bar)))
        if name == "duckdb_batch":
            found.append(_log_over_batch(runs["log"], runs[name], bar, detail))
    return found


def _log_over_batch(
    ours: Sequence[Run], batch: Sequence[Run], bar: float, detail: Mapping[str, object]
) -> Figure:
    """The same events read from local files on both sides, so that no broker takes its share."""
    pairs = [(a.events_per_second, b.events_per_second) for a, b in zip(ours, batch, strict=True)]
    more = detail | {"keyfold_log": rates(ours), "duckdb_batch": rates(batch)} | costs(ours)
    return figure(_LOG_OVER_BATCH, ratios(pairs), "x", more, ("at least", bar))


def new_keys(smoke: bool) -> list[Figure]:
    """Every event a new key, against 50,000 keys, from the event log; memory at most."""
    n = _SMOKE_EVENTS if smoke else 10_000_000
    many = Stream(n, n, "new")
    few = Stream(min(n, EVENTS), 1_000 if smoke else USERS)
    engines = {"new": _log_run(many), "few": _log_run(few)}
    runs, _ = rounds(engines, 1 if smoke else REPEATS)
    pairs = [
        (a.events_per_second, b.events_per_second)
        for a, b in zip(runs["new"], runs["few"], strict=True)
    ]
    detail: dict[str, object] = {"new": rates(runs["new"]), "few": rates(runs["few"])}
    detail |= {"events": n} | costs(runs["new"])
    memory = spread([one.rss_bytes_max / (1 << 30) for one in runs["new"]])
    return [
        figure("every event a new key over 50,000 keys", ratios(pairs), "x", detail,
               ("at least", 0.25)),
        figure("memory of ingest, every event a new key", memory, "GiB", detail,
               ("at most", 1.5)),
    ]  # fmt: skip


def many_views(smoke: bool) -> list[Figure]:
    """20 views on one source against one view, from the event log."""
    stream = Stream(_SMOKE_EVENTS if smoke else 1_000_000, 1_000 if smoke else USERS)
    engines = {"one": _log_run(stream), "twenty": _log_run(stream, views=20)}
    runs, _ = rounds(engines, 1 if smoke else REPEATS)
    pairs = [
        (a.events_per_second, b.events_per_second)
        for a, b in zip(runs["twenty"], runs["one"], strict=True)
    ]
    detail: dict[str, object] = {"one": rates(runs["one"]), "twenty": rates(runs["twenty"])}
    detail |= {"events": stream.events} | costs(runs["twenty"])
    return [figure("20 views over one view", ratios(pairs), "x", detail, ("at least", 0.2))]


def scale(smoke: bool) -> list[Figure]:
    """Rates by keys and how they are drawn, from the event log; CPU and memory beside."""
    n = _SMOKE_EVENTS if smoke else EVENTS
    streams = [
        Stream(n, 10_000),
        Stream(n, 100_000),
        Stream(n, 1_000_000),
        Stream(n, 10_000_000),
        Stream(n, 1_000_000, "zipf"),
        Stream(n, 10_000_000, "zipf"),
    ]
    runs, _ = rounds({one.name: _log_run(one) for one in streams}, 1 if smoke else 3)
    return [
        _rate_figure(f"Keyfold, event log, {one.users:,} users, {one.keys}", runs[one.name], {})
        for one in streams
    ]


def partitions(smoke: bool) -> list[Figure]:
    """Rates by the number of partitions of the topic."""
    if absent := kafka_unavailable():
        return [missing("rate by partitions", "events/s", absent)]
    stream = Stream(_SMOKE_EVENTS if smoke else EVENTS, 1_000 if smoke else USERS)
    cpus = sorted(os.sched_getaffinity(0))
    with broker() as bootstrap:
        engines: dict[str, Callable[[], Run]] = {}
        for count in (1, 2, 4):
            sql = pipeline_sql(kafka_source(bootstrap, fill_topic(bootstrap, stream, count)))
            engines[str(count)] = _kafka_run(sql, stream, cpus)
        runs, _ = rounds(engines, 1 if smoke else 3)
    return [
        _rate_figure(f"Keyfold, Kafka topic, {count} partitions", one, {})
        for count, one in runs.items()
    ]


def rounds(
    engines: Mapping[str, Callable[[], Run]], repeats: int
) -> tuple[dict[str, list[Run]], dict[str, str]]:
    """Run every engine once a round, back and forth.

    Returns:
        (engine → its runs, one a round; engine → what it lacks)
    """
    runs: dict[str, list[Run]] = {name: [] for name in engines}
    absent: dict[str, str] = {}
    for turn in range(repeats):
        names = list(engines)
        for name in names if turn % 2 == 0 else reversed(names):
            if name in absent:
                continue
            try:
                runs[name].append(engines[name]())
                sys.stderr.write(f"{name}: {runs[name][-1].events_per_second:,.0f} events/s\n")
            except MissingEngineError as lacks:
                absent[name] = str(lacks)
            except RuntimeError as failed:
                if name not in _BARS:
                    raise  # ours
                absent[name] = f"it failed: {str(failed)[:200]}"
    return runs, absent


ALL: tuple[Callable[[bool], list[Figure]], ...] = (
    against_engines,
    new_keys,
    many_views,
    partitions,
    scale,
)


def _peer_run(
    name: str, arguments: Sequence[str], stream: Stream, cpus: Sequence[int]
) -> Callable[[], Run]:
    return lambda: peer(name, arguments, stream, cpus)


def _kafka_run(sql: str, stream: Stream, cpus: Sequence[int]) -> Callable[[], Run]:
    return lambda: keyfold(sql, stream, cpus)


def filled_log(stream: Stream) -> Path:
    """Return the data directory with the event log of a stream, filled once."""
    data = _WORK / f"log-{stream.name}"
    done = data / "filled"
    if not done.exists():
        fill_log(data, SOURCE, stream)
        done.touch()
    expected_file(stream)
    return data


def _log_run(stream: Stream, views: int = 1) -> Callable[[], Run]:
    """Return what runs Keyfold over an event log."""
    data = filled_log(stream)
    sql = pipeline_sql("connector = 'events'", views)
    return lambda: keyfold(sql, stream, sorted(os.sched_getaffinity(0)), data)


def rates(runs: Sequence[Run]) -> list[int]:
    """Return the rate of each run, for the detail of a figure."""
    return [round(one.events_per_second) for one in runs]


def costs(runs: Sequence[Run]) -> dict[str, object]:
    """Return CPU seconds and memory of each run, for the detail of a figure."""
    return {
        "cpu_s_per_million": [round(one.cpu_s_per_million, 2) for one in runs],
        "rss_mib_max": [one.rss_bytes_max >> 20 for one in runs],
    }


def _rate_figure(name: str, runs: Sequence[Run], detail: dict[str, object]) -> Figure:
    found = spread([one.events_per_second for one in runs])
    return figure(name, found, "events/s", detail | costs(runs))
