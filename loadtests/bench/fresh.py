"""The freshness and restart benchmarks: produced to visible, and the first commit after a kill.

Produced to visible: while 50,000 events a second arrive in a Kafka topic, marked events of one user
are produced every 10 ms, and the user's row is looked up every millisecond. A probe is visible from
the first answer on whose count includes it; all are counted, also those that become visible
together. The moments are the producer's, before the event is handed to its client library.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from confluent_kafka.admin import AdminClient, NewTopic

from loadtests.bench.engines import kafka_source, pipeline_sql
from loadtests.bench.figure import Figure, figure, missing
from loadtests.bench.ingest import PARTITIONS, broker
from loadtests.bench.loaded import (
    PYTHON,
    ROWS_PATH,
    Loaded,
    applied,
    copied,
    ingest,
    loaded,
    serving,
)
from loadtests.bench.process import READY_S_MAX, ROOT, clean_environment, cpu, pin, started, until
from loadtests.bench.produce import PROBE
from loadtests.bench.repeat import REPEATS, spread
from tests.kafka_broker import kafka_unavailable

RATE = 50_000
_LOOK_S = 0.001
_ANSWERS_S_MAX = 30.0


def produced_to_visible(smoke: bool) -> list[Figure]:
    """How long an event takes from its producer to a lookup."""
    names = ("produced to visible in a lookup, p50", "produced to visible in a lookup, p99")
    if absent := kafka_unavailable():
        return [missing(name, "ms", absent) for name in names]
    seconds, repeats = (2.0, 1) if smoke else (10.0, REPEATS)
    per_second = RATE // (10 if smoke else 1)
    rounds: list[np.ndarray] = []
    cpus = sorted(os.sched_getaffinity(0))
    with broker(cpus) as bootstrap:
        # The first round is for the broker: its code is compiled as it runs.
        for turn in range(repeats + 1):
            round_ = live(bootstrap, f"fresh-{turn}", per_second, seconds)
            rounds += [round_.visible_ms] if turn else []
    detail: dict[str, object] = {
        "events_per_second": per_second,
        "probes": [len(one) for one in rounds],
        "p999_ms": [round(float(np.percentile(one, 99.9)), 1) for one in rounds],
        "max_ms": [round(float(one.max()), 1) for one in rounds],
        "ingest_serving_and_broker_cpus": cpus,
        "client_and_producer_cpu": cpu(0),
    }
    bounds = (25.0, 100.0)
    return [
        figure(name, spread([float(np.percentile(one, percent)) for one in rounds]), "ms", detail,
               ("at most", bound))
        for name, percent, bound in zip(names, (50, 99), bounds, strict=True)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Live:
    """What a stream that is followed gave and cost.

    Attributes:
        visible_ms: For each probe, how long it took to be visible.
        ingest_cpu_s: Of the writer and its reader, per second of the stream.
        serving_cpu_s: Of the serving worker, per second, lookups included.
    """

    visible_ms: np.ndarray
    ingest_cpu_s: float
    serving_cpu_s: float


def live(bootstrap: str, topic: str, per_second: int, seconds: float, **settings: object) -> Live:
    """Follow a new topic while events arrive in it, and watch the probes become visible."""
    new = NewTopic(topic, PARTITIONS, 1)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([new])[topic].result(30)
    cpus = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="bench-fresh-") as place:
        there = Loaded(Path(place) / "data", Path(place) / "pipeline.sql", 0)
        there.sql.write_text(pipeline_sql(kafka_source(bootstrap, topic)))
        with (
            ingest(there, cpus, **settings) as writer,
            serving(there, cpus, **settings) as (server, port),
        ):
            until(
                lambda: "source is open" in writer.log.read_text(), writer, "the source",
                READY_S_MAX,
            )  # fmt: skip
            began = time.monotonic()
            before = [one.usage().cpu_s for one in (writer, server)]
            with _producing(bootstrap, topic, per_second, seconds) as moments_of:
                moments, seen = _watch(port, seconds + _ANSWERS_S_MAX, moments_of)
                took = time.monotonic() - began
                after = [one.usage().cpu_s for one in (writer, server)]
                found = visible_ms(moments, seen)
    costs = [(b - a) / took for a, b in zip(before, after, strict=True)]
    return Live(found, *costs)


def killed_ingest(smoke: bool) -> list[Figure]:
    """Time from the start of the writer after a kill -9 to its first commit of new events."""
    original = loaded(20_000 if smoke else 10_000_000)
    took: list[float] = []
    with copied(original) as there:
        repeats = 2 if smoke else REPEATS
        feeder = (
            *PYTHON, "loadtests.bench.feed", str(there.directory), str(there.rows),
            "--rate", "2000", "--seconds", str(40 * repeats),
        )  # fmt: skip
        with started(feeder, cpu(0), environment={}):
            for _ in range(repeats):
                with ingest(there, cpu(1)) as process:
                    before = applied(there.directory)
                    until(lambda: applied(there.directory) > before, process, "a commit",  # noqa: B023
                          READY_S_MAX)  # fmt: skip
                    os.kill(process.pid, signal.SIGKILL)
                    process.popen.wait()
                before = applied(there.directory)
                began = time.monotonic()
                with ingest(there, cpu(1)) as process:
                    until(lambda: applied(there.directory) > before, process, "the first commit",  # noqa: B023
                          READY_S_MAX)  # fmt: skip
                    took.append(time.monotonic() - began)
                    os.kill(process.pid, signal.SIGKILL)
                    process.popen.wait()
    detail: dict[str, object] = {"rows": original.rows, "took_s": took, "ingest_cpu": cpu(1)}
    name = f"killed ingest with {original.rows:,} keys: first commit after"
    return [figure(name, spread(took), "s", detail, ("at most", 3.0))]


ALL: tuple[Callable[[bool], list[Figure]], ...] = (produced_to_visible, killed_ingest)


def visible_ms(moments: Sequence[float], seen: Sequence[tuple[float, int]]) -> np.ndarray:
    """Return for each probe how long after its moment it was visible, in ms.

    Args:
        moments: When each probe was produced, in seconds since the epoch.
        seen: (moment, how many probes were visible then), in order.

    Raises:
        RuntimeError: A probe never became visible, or more were than there are.
    """
    counts = np.array([count for _, count in seen])
    times = np.array([moment for moment, _ in seen])
    if not len(counts) or counts[-1] != len(moments):
        raise RuntimeError(f"{counts[-1:]} of {len(moments)} probes became visible")
    first = np.searchsorted(counts, np.arange(1, len(moments) + 1))
    found: np.ndarray = (times[first] - np.asarray(moments)) * 1_000
    return found


@contextmanager
def _producing(
    bootstrap: str, topic: str, per_second: int, seconds: float
) -> Iterator[Callable[[], list[float] | None]]:
    """Start the producer; give what returns its moments, None before it has ended."""
    argv = (
        *PYTHON, "loadtests.bench.produce", bootstrap, topic, str(PARTITIONS),
        "--rate", str(per_second), "--seconds", str(seconds),
    )  # fmt: skip
    popen = subprocess.Popen(  # noqa: S603 (our own module)
        argv, cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        text=True, preexec_fn=pin(cpu(0)),  # noqa: PLW1509
    )  # fmt: skip
    try:

        def moments() -> list[float] | None:
            if popen.poll() is None:
                return None
            told: list[float] = json.loads(popen.communicate()[0])
            return told

        yield moments
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.wait()


def _watch(
    port: int, seconds: float, moments_of: Callable[[], list[float] | None]
) -> tuple[list[float], list[tuple[float, int]]]:
    """Look the probes' row up every millisecond until all are visible, or for so long.

    Returns:
        The moments of the probes, and what was seen: (moment, how many were visible then).
    """
    seen: list[tuple[float, int]] = []
    moments: list[float] | None = None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    deadline = time.monotonic() + seconds
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpu(0))
    try:
        while time.monotonic() < deadline:
            connection.request("GET", f"{ROWS_PATH}{PROBE}")
            answer = connection.getresponse()
            body, moment = answer.read(), time.time()
            count = json.loads(body)["row"]["orders"] if answer.status == 200 else 0
            if count != (seen[-1][1] if seen else 0):
                seen.append((moment, count))
            elif moments is None:
                moments = moments_of()
            elif count >= len(moments):
                break
            time.sleep(_LOOK_S)
    finally:
        os.sched_setaffinity(0, mine)
        connection.close()
    return moments or [], seen
