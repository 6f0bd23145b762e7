"""What a serving worker counts, cheap enough for the hot path, and how it is scraped.

Counting is one dictionary entry and one list element; prometheus_client is loaded by the first
scrape. Several workers share one port, so a scrape reaches any of them: each worker writes its
counts to a file of its own once a second, and a scrape adds those of the others to its own. The
file is continued after a restart, so that the sums never go back by more than that second.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

import msgspec

from keyfold import metrics as names
from keyfold.metrics import Metric
from keyfold.state.counter import Status
from keyfold.state.layout import lake_directory
from serving.replica import LiveState

BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)
SAVE_INTERVAL_S = 1.0
HOT_ROUTE = "/v1/views/{view}/rows/{key}"
Add = Callable[[Metric, tuple[str, ...], float], None]


class Histogram(msgspec.Struct):
    """Lookup times of one view.

    Attributes:
        counts: Per bucket of ``BUCKETS_S``, and beyond the last; not cumulative.
        total_s: The sum.
    """

    counts: list[int]
    total_s: float = 0.0


class Counts(msgspec.Struct):
    """All counts of one worker.

    Attributes:
        lookups: By view.
        requests: By route, then status.
        pushed: Events by source.
    """

    lookups: dict[str, Histogram] = {}
    requests: dict[str, dict[int, int]] = {}
    pushed: dict[str, int] = {}


class ServingMetrics:
    """Counts of this worker, in memory and in its file."""

    def __init__(self, directory: Path, worker: int) -> None:
        self._directory = directory
        self._path = directory / f"worker-{worker}.json"
        self.counts = _read(self._path)

    def observe_lookup(self, view: str, seconds: float) -> None:
        """Count an answered row lookup."""
        histogram = self.counts.lookups.get(view)
        if histogram is None:
            histogram = self.counts.lookups[view] = Histogram([0] * (len(BUCKETS_S) + 1))
        histogram.counts[bisect_left(BUCKETS_S, seconds)] += 1
        histogram.total_s += seconds

    def count_request(self, route: str, status: int) -> None:
        """Count any other answer; answered row lookups are counted by their histogram."""
        by_status = self.counts.requests.setdefault(route, {})
        by_status[status] = by_status.get(status, 0) + 1

    def count_pushed(self, source: str, events: int) -> None:
        """Count events that are durable."""
        self.counts.pushed[source] = self.counts.pushed.get(source, 0) + events

    def save(self) -> None:
        """Write the counts to the worker's file, whole or not at all."""
        self._directory.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_suffix(".new")
        aside.write_bytes(msgspec.json.encode(self.counts))
        os.replace(aside, self._path)

    def all_counts(self) -> Counts:
        """Return the sums over all workers."""
        total = Counts({}, {}, {})
        _add(total, self.counts)
        if self._directory.is_dir():
            for path in sorted(self._directory.glob("worker-*.json")):
                if path != self._path:
                    _add(total, _read(path))
        return total


def exposition(
    metrics: ServingMetrics, state: LiveState, now_ms: int, stale_after_ms: int
) -> bytes:
    """Return all metrics in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415  # see above

    class Scrape:
        def collect(self) -> list[object]:
            return _families(metrics, state, now_ms, stale_after_ms)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Scrape())
    return bytes(generate_latest(registry))


def _families(
    metrics: ServingMetrics, state: LiveState, now_ms: int, stale_after_ms: int
) -> list[object]:
    samples: dict[str, list[tuple[tuple[str, ...], float]]] = {}

    def add(metric: Metric, labels: tuple[str, ...], value: float) -> None:
        samples.setdefault(metric.name, []).append((labels, value))

    counts = metrics.all_counts()
    lookups = 0
    for histogram in counts.lookups.values():
        lookups += sum(histogram.counts)
    if lookups:
        counts.requests.setdefault(HOT_ROUTE, {})[200] = lookups
    for route, by_status in counts.requests.items():
        for status, count in by_status.items():
            add(names.REQUESTS, (route, str(status)), count)
    for source, events in counts.pushed.items():
        add(names.PUSHED_EVENTS, (source,), events)
    told = _add_state(add, state, now_ms, stale_after_ms)
    for sample in told.metrics:
        metric = _BY_NAME.get(sample.name)
        if metric is not None and len(sample.labels) == len(metric.labels):
            add(metric, sample.labels, sample.value)
    for view, table in _lake(state.data_directory).views.items():
        add(names.SNAPSHOTS, (view,), table.snapshots)
        add(names.SNAPSHOT_SECONDS, (view,), table.seconds)
        add(names.LAKE_UP, (view,), float(not table.error))
    families = [_family(metric, samples[metric.name]) for metric in names.METRICS
                if metric.name in samples]  # fmt: skip
    families.append(_lookup_family(counts))
    return families


def _add_state(add: Add, state: LiveState, now_ms: int, stale_after_ms: int) -> Status:
    """Add what commit record and status say."""
    reader = state.reader
    if reader is None:
        return Status()
    record = reader.record
    _, _, status = reader.status()
    add(names.REPLICA_COMMIT, (), record.sequence)
    for source in reader.catalog.catalog.sources:
        told = record.sources.get(source.name)
        live = status.sources.get(source.name)
        taken = sum(one.taken for one in told.partitions.values()) if told else 0
        add(names.SOURCE_MESSAGES, (source.name,), taken)
        if live is not None:
            lag = sum(max(0, p.end_offset - p.offset) for p in live.partitions.values())
            add(names.SOURCE_LAG, (source.name,), lag + live.left_off_lag)
        add(names.SOURCE_UP, (source.name,), float(live is not None and live.state != "stopped"))
    for name, view in reader.views.items():
        fresh = reader.freshness(view.plan, now_ms, stale_after_ms)
        add(names.STALENESS_SECONDS, (name,), fresh.staleness_ms / 1000)
        mine = record.views.get(name)
        add(names.VIEW_UP, (name,), float(mine is not None and not mine.error))
        if mine is not None:
            for outcome, count in mine.total().as_dict().items():
                if outcome != "in":
                    add(names.VIEW_LEDGER, (name, outcome), count)
    for name, one in status.missing.items():
        if one.error and name not in reader.views:
            add(names.VIEW_UP, (name,), 0.0)
    return status


class _TableStatus(msgspec.Struct):
    snapshots: int = 0
    seconds: float = 0.0
    error: str = ""


class _LakeStatus(msgspec.Struct):
    """What is of interest here in the file that the lake process writes (lake/status.py)."""

    views: dict[str, _TableStatus] = {}


def _lake(data_directory: Path) -> _LakeStatus:
    try:
        raw = (lake_directory(data_directory) / "status.json").read_bytes()
        return msgspec.json.decode(raw, type=_LakeStatus)
    except (OSError, msgspec.DecodeError):
        return _LakeStatus()  # no lake process, or not yet


_BY_NAME = {metric.name: metric for metric in names.METRICS}


def _family(metric: Metric, samples: list[tuple[tuple[str, ...], float]]) -> object:
    from prometheus_client.core import (  # noqa: PLC0415
        CounterMetricFamily,
        GaugeMetricFamily,
    )

    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in dict(samples).items():
        family.add_metric(labels, value)
    return family


def _lookup_family(counts: Counts) -> object:
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415

    metric = names.LOOKUP_SECONDS
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for view, histogram in counts.lookups.items():
        buckets: list[tuple[str, float]] = []
        reached = 0
        for bound, count in zip((*BUCKETS_S, float("inf")), histogram.counts, strict=True):
            reached += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), reached))
        family.add_metric((view,), buckets, histogram.total_s)
    return family


def _read(path: Path) -> Counts:
    try:
        counts = msgspec.json.decode(path.read_bytes(), type=Counts)
    except (FileNotFoundError, msgspec.MsgspecError):
        return Counts({}, {}, {})  # counts are no truth; a broken file costs them, not the worker
    width = len(BUCKETS_S) + 1
    counts.lookups = {k: v for k, v in counts.lookups.items() if len(v.counts) == width}
    return counts


def _add(total: Counts, one: Counts) -> None:
    for view, histogram in one.lookups.items():
        mine = total.lookups.setdefault(view, Histogram([0] * (len(BUCKETS_S) + 1)))
        mine.counts = [a + b for a, b in zip(mine.counts, histogram.counts, strict=True)]
        mine.total_s += histogram.total_s
    for route, by_status in one.requests.items():
        into = total.requests.setdefault(route, {})
        for status, count in by_status.items():
            into[status] = into.get(status, 0) + count
    for source, events in one.pushed.items():
        total.pushed[source] = total.pushed.get(source, 0) + events
