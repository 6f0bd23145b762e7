"""The names of all metrics, in one list. A test holds that each stands in docs/operating.md.

Labels: ``view``, ``source``, ``route``, ``role``. Units are the last word of a name, as Prometheus
has it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Metric(NamedTuple):
    """A metric.

    Attributes:
        name: As scraped.
        kind: ``counter``, ``gauge`` or ``histogram``.
        labels: Names of its labels.
        help: What it counts.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str


LOOKUP_SECONDS = Metric(
    "keyfold_lookup_duration_seconds", "histogram", ("view",), "Time to answer a row lookup."
)
REQUESTS = Metric(
    "keyfold_http_requests_total", "counter", ("route", "status"), "Requests answered."
)
STALENESS_SECONDS = Metric(
    "keyfold_view_staleness_seconds", "gauge", ("view",), "Age of what the view has seen."
)
REPLICA_COMMIT = Metric(
    "keyfold_replica_commit", "gauge", (), "Commit that this serving worker has applied."
)
PUSHED_EVENTS = Metric(
    "keyfold_pushed_events_total", "counter", ("source",), "Events accepted by push."
)
SOURCE_LAG = Metric(
    "keyfold_source_lag_messages", "gauge", ("source",), "Messages not yet applied."
)
SOURCE_MESSAGES = Metric(
    "keyfold_source_messages_total", "counter", ("source",), "Messages taken in."
)
SOURCE_UP = Metric("keyfold_source_up", "gauge", ("source",), "0 where a source stopped.")
VIEW_LEDGER = Metric(
    "keyfold_view_messages_total",
    "counter",
    ("view", "outcome"),
    "Messages by outcome: applied, filtered, late, dead_lettered.",
)
VIEW_UP = Metric("keyfold_view_up", "gauge", ("view",), "0 where a view stopped.")
COMMITS = Metric("keyfold_commits_total", "counter", (), "Commits of the state.")
COMMIT_SECONDS = Metric(
    "keyfold_commit_seconds_total", "counter", (), "Time spent committing the state."
)
BATCHES = Metric("keyfold_batches_total", "counter", (), "Batches evaluated.")
HOT_KEYS = Metric("keyfold_hot_keys", "gauge", ("view",), "Partials held in memory.")
SNAPSHOTS = Metric("keyfold_lake_snapshots_total", "counter", ("view",), "Iceberg snapshots made.")
SNAPSHOT_SECONDS = Metric(
    "keyfold_lake_snapshot_duration_seconds", "gauge", ("view",), "Time of the last snapshot."
)
LAKE_UP = Metric("keyfold_lake_up", "gauge", ("view",), "0 where a view's last snapshot failed.")

METRICS: tuple[Metric, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
