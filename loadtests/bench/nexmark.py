"""Nexmark's q12 and q17 against Flink SQL, over one topic of generated bids.

The queries are those of tests/nexmark, for Flink those of loadtests/peers/flink_sql. The topic
holds the bids alone, each as its whole event; both engines declare the fields that the query reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ingest.source.nexmark import RULES_VERSION
from ingest.source.nexmark_lines import NexmarkLines
from ingest.source.nexmark_rules import bid_numbers
from loadtests.bench.engines import Run, expected_file, kafka_source, keyfold, peer
from loadtests.bench.figure import Figure, figure, missing
from loadtests.bench.ingest import PARTITIONS, broker, costs, rates, rounds
from loadtests.bench.process import ROOT
from loadtests.bench.repeat import REPEATS, ratios
from loadtests.bench.topics import fill_topic
from tests.kafka_broker import kafka_unavailable

BAR = 4.0
EVENTS = 2_000_000
_SMOKE_EVENTS = 50_000
_CHUNK = 50_000
_FIELDS = {"q12": "bidder BIGINT", "q17": "auction BIGINT, price BIGINT"}
_DELAY = "INTERVAL '4' SECOND"


@dataclass(frozen=True, slots=True)
class Bids:
    """The first bids, and a query over them. Implements ``Workload``.

    Attributes:
        query: ``q12`` or ``q17``.
        events: How many bids.
        seed: Of the generator.
    """

    query: str
    events: int
    seed: int = 1

    @property
    def name(self) -> str:
        """See ``Workload.name``."""
        return f"nexmark-{self.query}-{self.events}-{self.seed}-{RULES_VERSION}"

    @property
    def source(self) -> str:
        """See ``Workload.source``."""
        return "nexmark"

    @property
    def view(self) -> str:
        """See ``Workload.view``."""
        return self.query

    @property
    def shape(self) -> Mapping[str, str]:
        """See ``Workload.shape``."""
        bid = f"STRUCT({_FIELDS[self.query]})"
        return {"event_type": "INTEGER", "bid": bid, "dateTime": "TIMESTAMP"}

    @property
    def batch(self) -> str:
        """See ``Workload.batch``."""
        return self._parts()[1].strip().removesuffix(";")

    def pipeline(self, source: str) -> str:
        """Return Keyfold's SQL file over a source."""
        columns = ", ".join(f'"{name}" {kind}' for name, kind in self.shape.items())
        watermark = f'WATERMARK FOR "dateTime" AS "dateTime" - {_DELAY}'
        return (
            f"CREATE SOURCE {self.source} ({columns}, {watermark}) WITH ({source}) "
            f"FORMAT PLAIN ENCODE JSON;\n{self._parts()[0]}"
        )

    def values(self) -> Iterator[pa.Array]:
        """See ``Workload.values``."""
        lines = NexmarkLines(self.seed)
        for start in range(0, self.events, _CHUNK):
            yield lines.lines(bid_numbers(np.arange(start, min(start + _CHUNK, self.events))))

    def _parts(self) -> tuple[str, str]:
        text = (ROOT / "tests" / "nexmark" / f"{self.query}.sql").read_text()
        view, _, batch = text.partition("\n-- batch\n")
        return view, batch


def nexmark_q12(smoke: bool) -> list[Figure]:
    """Bids per bidder in windows of ten seconds, by event time."""
    return _against_flink("q12", smoke)


def nexmark_q17(smoke: bool) -> list[Figure]:
    """Bids per auction and day: counts by price band, least, greatest, mean and sum."""
    return _against_flink("q17", smoke)


ALL: tuple[Callable[[bool], list[Figure]], ...] = (nexmark_q12, nexmark_q17)


def _against_flink(query: str, smoke: bool) -> list[Figure]:
    title = f"Nexmark {query}: Keyfold over Flink SQL"
    if absent := kafka_unavailable():
        return [missing(title, "x", absent)]
    bids = Bids(query, _SMOKE_EVENTS if smoke else EVENTS)
    cpus = sorted(os.sched_getaffinity(0))
    expected_file(bids)
    with broker() as bootstrap:
        topic = fill_topic(bootstrap, bids, PARTITIONS)
        sql = bids.pipeline(kafka_source(bootstrap, topic))
        over_topic = ["--bootstrap", bootstrap, "--topic", topic, "--job", f"nexmark_{query}"]
        engines: dict[str, Callable[[], Run]] = {
            "keyfold": lambda: keyfold(sql, bids, cpus),
            "flink": lambda: peer("flink", over_topic, bids, cpus),
        }
        runs, absent_ones = rounds(engines, 1 if smoke else REPEATS)
    if "flink" in absent_ones:
        return [missing(title, "x", absent_ones["flink"])]
    ours, theirs = runs["keyfold"], runs["flink"]
    pairs = [(a.events_per_second, b.events_per_second) for a, b in zip(ours, theirs, strict=True)]
    detail: dict[str, object] = {
        "events": bids.events,
        "partitions": PARTITIONS,
        "engine_cpus": cpus,
        "broker_cpu": [max(cpus)],
        "keyfold": {"events_per_second": rates(ours)} | costs(ours),
        "flink": {"events_per_second": rates(theirs)} | costs(theirs),
        "told": theirs[0].told,
    }
    return [figure(title, ratios(pairs), "x", detail, ("at least", BAR))]
