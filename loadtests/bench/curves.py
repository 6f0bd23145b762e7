"""What the settings trade: the curves that docs/operating.md points to.

Each setting is tried at a few values, in an order that goes forth and back from round to round; all
others keep their defaults. Nothing here is held to a bar.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

import numpy as np

from loadtests.bench.engines import Run, keyfold, pipeline_sql
from loadtests.bench.events import Stream
from loadtests.bench.figure import Figure, figure, missing
from loadtests.bench.fresh import RATE, Live, live
from loadtests.bench.ingest import broker, filled_log
from loadtests.bench.repeat import REPEATS, spread
from tests.kafka_broker import kafka_unavailable

INTERVALS_MS = (5, 10, 20, 50, 100)
CATCH_UPS_MS = (1, 2, 5, 20)
BATCHES = (10_000, 50_000, 250_000, 1_000_000)
HOT_MIB = (32, 128, 512)
_EVENTS, _USERS = 3_000_000, 1_000_000


def commit_interval(smoke: bool) -> list[Figure]:
    """``commit_interval_ms``: freshness against the writer's CPU, at 50,000 events a second."""
    return _followed("commit_interval_ms", INTERVALS_MS, smoke)


def catch_up(smoke: bool) -> list[Figure]:
    """``catch_up_interval_ms``: freshness against the server's CPU."""
    return _followed("catch_up_interval_ms", CATCH_UPS_MS, smoke)


def batch_size(smoke: bool) -> list[Figure]:
    """``batch_messages_max``: rate against memory, with a backlog in the event log."""
    return _caught_up("batch_messages_max", BATCHES, Stream(_events(smoke), 50_000), smoke)


def cache_size(smoke: bool) -> list[Figure]:
    """``hot_bytes_max``: rate against memory, with more keys than fit the smallest."""
    values = [mib << 20 for mib in HOT_MIB]
    return _caught_up("hot_bytes_max", values, Stream(_events(smoke), _USERS), smoke)


ALL: tuple[Callable[[bool], list[Figure]], ...] = (
    commit_interval,
    catch_up,
    batch_size,
    cache_size,
)


def _followed(setting: str, values: Sequence[int], smoke: bool) -> list[Figure]:
    if absent := kafka_unavailable():
        return [missing(f"{setting}", "ms", absent)]
    seconds, repeats, rate = (2.0, 1, RATE // 10) if smoke else (6.0, REPEATS, RATE)
    values = values[:2] if smoke else values
    found: dict[int, list[Live]] = {value: [] for value in values}
    with broker(sorted(os.sched_getaffinity(0))) as bootstrap:
        live(bootstrap, f"{setting}-warm", rate, seconds)
        for turn in range(repeats):
            for value in values if turn % 2 == 0 else reversed(values):
                topic = f"{setting}-{value}-{turn}"
                found[value].append(live(bootstrap, topic, rate, seconds, **{setting: value}))
    figures = []
    for value, rounds in found.items():
        detail: dict[str, object] = {
            "events_per_second": rate,
            "p99_ms": [round(float(np.percentile(one.visible_ms, 99)), 1) for one in rounds],
            "ingest_cpu_s_per_s": [round(one.ingest_cpu_s, 3) for one in rounds],
            "serving_cpu_s_per_s": [round(one.serving_cpu_s, 3) for one in rounds],
        }
        p50 = spread([float(np.percentile(one.visible_ms, 50)) for one in rounds])
        writer = spread([100 * one.ingest_cpu_s for one in rounds])
        server = spread([100 * one.serving_cpu_s for one in rounds])
        figures += [
            figure(f"{setting} {value}: produced to visible, p50", p50, "ms", detail),
            figure(f"{setting} {value}: CPU of ingest", writer, "%", detail),
            figure(f"{setting} {value}: CPU of serving", server, "%", detail),
        ]
    return figures


def _caught_up(setting: str, values: Sequence[int], stream: Stream, smoke: bool) -> list[Figure]:
    data = filled_log(stream)
    cpus = sorted(os.sched_getaffinity(0))
    sql = pipeline_sql("connector = 'events'")
    found: dict[int, list[Run]] = {value: [] for value in values}
    for turn in range(1 if smoke else REPEATS):
        for value in values if turn % 2 == 0 else list(reversed(values)):
            found[value].append(keyfold(sql, stream, cpus, data, **{setting: value}))
            sys.stderr.write(f"{setting} {value}: {found[value][-1].events_per_second:,.0f}\n")
    figures = []
    for value, runs in found.items():
        detail: dict[str, object] = {
            "events": stream.events,
            "users": stream.users,
            "cpu_s_per_million": [round(one.cpu_s_per_million, 2) for one in runs],
        }
        rates = spread([one.events_per_second for one in runs])
        memory = spread([one.rss_bytes_max / (1 << 20) for one in runs])
        figures += [
            figure(f"{setting} {value}: rate", rates, "events/s", detail),
            figure(f"{setting} {value}: memory of ingest", memory, "MiB", detail),
        ]
    return figures


def _events(smoke: bool) -> int:
    return 20_000 if smoke else _EVENTS
