"""The ``nexmark`` source: events at their offsets, from any offset on, and their views."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.lane import Lane
from ingest.source.connect import connect
from ingest.source.message import MessageBatch
from ingest.source.nexmark import NexmarkSource
from ingest.source.nexmark_lines import NexmarkLines
from ingest.source.nexmark_rules import times_ms
from keyfold.connector.nexmark_options import NexmarkOptions, nexmark_options
from keyfold.errors import SettingsError, SourceError
from keyfold.sql.bind import locked_connection
from keyfold.sql.compile import compile_sql
from keyfold.sql.nexmark import COLUMNS
from keyfold.state.memory import MemoryStore
from keyfold.state.writer import StateWriter
from keyfold.view.row import CompiledView
from keyfold.view.rowkey import prefix_end

NOW_MS = 1_772_366_400_000


class Clock:
    """Time that passes only where something waits."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def source(
    offsets: Mapping[int, int] | None = None, clock: Clock | None = None, **options: int
) -> NexmarkSource:
    clock = clock or Clock()
    made = NexmarkSource(NexmarkOptions(**{"events": 1_000} | options), clock, clock.sleep)
    made.open(offsets or {}, {})
    return made


def drained(made: NexmarkSource, messages_max: int = 300) -> list[MessageBatch]:
    batches = []
    while (batch := made.poll(messages_max, 0)) is not None:
        batches.append(batch)
    return batches


def values(batches: list[MessageBatch]) -> list[bytes]:
    return pa.concat_arrays([batch.values for batch in batches]).to_pylist()


# --- offsets ---------------------------------------------------------------------------------


def test_offsets_are_the_numbers_of_events() -> None:
    batches = drained(source(events=1_000))
    assert [len(batch) for batch in batches] == [300, 300, 300, 100]
    assert [batch.cut_short for batch in batches] == [True, True, True, False]
    assert np.concatenate([batch.offsets for batch in batches]).tolist() == list(range(1_000))
    assert values(batches) == NexmarkLines(1).lines(np.arange(1_000)).to_pylist()
    taken = np.concatenate([batch.timestamps_ms for batch in batches])
    assert taken.tolist() == times_ms(np.arange(1_000)).tolist()


@pytest.mark.parametrize("start", [0, 1, 49, 50, 777, 999, 1_000])
def test_reading_from_any_offset_gives_the_same_events(start: int) -> None:
    whole = values(drained(source()))
    made = source({0: start})
    assert made.start_offsets() == {0: start}
    batches = drained(made, 7)
    assert (values(batches) if batches else []) == whole[start:]


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 7).flatmap(
        lambda partitions: st.lists(st.integers(0, 100), min_size=partitions, max_size=partitions)
    ),
    st.integers(5, 60),
)
def test_partitions_share_the_events_out_wherever_each_begins(
    starts: list[int], messages_max: int
) -> None:
    partitions, events = len(starts), 100 * len(starts) + 3
    made = source(dict(enumerate(starts)), events=events, partitions=partitions)
    batches = drained(made, messages_max)
    read = [
        (int(partition), int(offset))
        for batch in batches
        for partition, offset in zip(batch.partitions, batch.offsets, strict=True)
    ]
    ends = made.progress().end_offsets
    assert sum(ends.values()) == events
    assert sorted(read) == [(p, k) for p, begin in enumerate(starts) for k in range(begin, ends[p])]
    assert read == sorted(read, key=lambda at: at[1] * partitions + at[0])
    numbers = np.array([offset * partitions + partition for partition, offset in read])
    assert values(batches) == NexmarkLines(1).lines(numbers).to_pylist()
    assert all(0 < len(batch) <= messages_max for batch in batches)
    assert batches[-1].next_offsets == ends


# --- its end, its rate, its identity ---------------------------------------------------------


def test_a_source_is_complete_once_all_was_read_and_waits_no_longer_than_told() -> None:
    clock = Clock()
    made = source(events=10, clock=clock)
    assert made.progress().end_offsets == {0: 10}
    assert not made.progress().complete
    assert len(drained(made)[0]) == 10
    assert made.progress().complete
    began_s = clock.now_s
    assert made.poll(10, 250) is None
    assert clock.now_s == pytest.approx(began_s + 0.25)


def test_a_rate_lets_events_come_when_they_are_due() -> None:
    clock = Clock()
    made = source({0: 400}, clock, rate=1_000)
    assert made.progress().end_offsets == {0: 400}
    assert made.poll(10_000, 0) is None
    clock.sleep(0.125)
    assert made.progress().end_offsets == {0: 525}
    batch = made.poll(10_000, 0)
    assert batch is not None
    assert batch.next_offsets == {0: 525}
    assert not batch.cut_short
    waited = made.poll(10_000, 100)
    assert waited is not None
    assert 1 <= len(waited) <= 10  # it does not wait for the whole time that it may
    assert not made.progress().complete
    clock.sleep(60)
    assert made.progress().end_offsets == {0: 1_000}
    assert values(drained(made))[-1] == NexmarkLines(1).lines(np.array([999]))[0].as_py()
    assert made.progress().complete


@pytest.mark.parametrize(("key", "value"), [("seed", 2), ("partitions", 3)])
def test_offsets_of_other_events_are_refused(key: str, value: int) -> None:
    identity = source().identity()
    made = NexmarkSource(NexmarkOptions(**{"events": 1_000, key: value}))
    with pytest.raises(SourceError, match=f"have {key} 1, these have {key} {value}"):
        made.open({0: 5}, identity)


def test_more_events_go_on_and_fewer_are_refused() -> None:
    identity = source().identity()
    longer = NexmarkSource(NexmarkOptions(events=1_200))
    longer.open({0: 1_000}, identity)
    assert sum(map(len, drained(longer))) == 200
    shorter = NexmarkSource(NexmarkOptions(events=900))
    with pytest.raises(SourceError, match="offset 1000 of partition 0 is behind the last event"):
        shorter.open({0: 1_000}, identity)
    shorter.open({0: 900}, identity)
    assert shorter.progress().complete


# --- options ---------------------------------------------------------------------------------


def test_all_options_are_read() -> None:
    given = {"events": "1_000", "seed": "7", "partitions": "4", "rate": "50"}
    assert nexmark_options("n", given) == NexmarkOptions(1_000, 7, 4, 50)
    assert nexmark_options("n", {"events": "5"}) == NexmarkOptions(5, 1, 1, None)


@pytest.mark.parametrize(
    ("key", "value"),
    [("events", "0"), ("events", "many"), ("seed", "-1"), ("partitions", "0"),
     ("partitions", "1001"), ("rate", "0"), ("rate", "1.5")],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"source n has {key} = '{value}'"):
        nexmark_options("n", {"events": "5", key: value})


def test_an_unknown_option_and_no_number_of_events_are_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        nexmark_options("n", {"events": "5", "partition": "2"})
    assert caught.value.hint == "did you mean partitions?"
    with pytest.raises(SettingsError, match="does not say how many events"):
        nexmark_options("n", {})


def test_a_nexmark_source_reads_nothing_but_json() -> None:
    sql = "CREATE SOURCE n WITH (connector = 'nexmark', events = '5') FORMAT PLAIN ENCODE CSV;"
    with pytest.raises(SettingsError, match="a nexmark source cannot be ENCODE CSV"):
        connect(compile_sql(sql).sources[0], Path("nowhere"))


# --- views -----------------------------------------------------------------------------------

EVENTS = 3_000
SQL = f"""
CREATE SOURCE n INCLUDE offset AS o
WITH (connector = 'nexmark', events = '{EVENTS}', seed = '5', partitions = '3')
FORMAT PLAIN ENCODE JSON;
CREATE MATERIALIZED VIEW bids AS
SELECT bid.bidder AS bidder, COUNT(*) AS bids, MAX(bid.price) AS price, MAX("dateTime") AS at
FROM n WHERE event_type = 2 GROUP BY bid.bidder;
CREATE MATERIALIZED VIEW sellers AS
SELECT auction.seller AS seller, COUNT(*) AS auctions, MIN(auction.expires) AS expires,
  MAX(o) AS last_offset
FROM n WHERE event_type = 1 GROUP BY auction.seller;
"""
BATCH = {
    "bids": "SELECT bid.bidder AS bidder, COUNT(*) AS bids, MAX(bid.price) AS price, "
    'MAX("dateTime") AS at FROM n WHERE event_type = 2 GROUP BY ALL ORDER BY 1',
    "sellers": "SELECT auction.seller AS seller, COUNT(*) AS auctions, "
    "MIN(auction.expires) AS expires, MAX(o) AS last_offset FROM n WHERE event_type = 1 "
    "GROUP BY ALL ORDER BY 1",
}

COUNTED = {"bids": "bids", "sellers": "auctions"}


@pytest.fixture(scope="module")
def expected() -> dict[str, list[dict[str, Any]]]:
    """DuckDB's answers over the same events."""
    lines = NexmarkLines(5).lines(np.arange(EVENTS)).cast(pa.utf8())
    connection = duckdb.connect()
    connection.register("raw", pa.table({"o": np.arange(EVENTS) // 3, "v": lines}))
    shape = json.dumps(dict(COLUMNS))
    connection.execute(f"CREATE TABLE n AS SELECT o, unnest(from_json(v, '{shape}')) FROM raw")
    return {
        name: connection.sql(query).to_arrow_table().to_pylist() for name, query in BATCH.items()
    }


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 900), st.booleans(), st.booleans()), max_size=8))
def test_views_are_those_of_the_log_however_it_is_cut_and_wherever_it_crashes(
    expected: dict[str, list[dict[str, Any]]], plan: list[tuple[int, bool, bool]]
) -> None:
    """Laws 1, 2 and 6, with steps of (messages, whether it is committed, whether it crashes)."""
    catalog, store, connection = compile_sql(SQL), MemoryStore(), locked_connection()

    def start() -> tuple[StateWriter, Lane]:
        state = StateWriter(store, catalog)
        return state, Lane(catalog.sources[0], state, connection, Path("nowhere"))

    def commit() -> None:
        lane.before_commit(NOW_MS)
        state.commit(NOW_MS)
        lane.after_commit()

    state, lane = start()
    for size, committed, crashed in plan:
        lane.step(size, 20, NOW_MS)
        if committed:
            commit()
        if crashed:
            lane.close()
            state, lane = start()
    for _ in count():
        lane.step(500, 20, NOW_MS)
        commit()
        if lane.status(NOW_MS).state == "complete":
            break
    lane.close()
    for name, rows in expected.items():
        view = state.views[name]
        found = [
            (key[len(view.prefix) :], value)
            for key, value in store.scan(view.prefix, prefix_end(view.prefix))
        ]
        assert CompiledView(view.plan).arrow_table(found).to_pylist() == rows
        ledger = state.record.views[name].total()
        assert ledger.taken == EVENTS
        assert ledger.applied == sum(row[COUNTED[name]] for row in rows)
        assert ledger.applied + ledger.filtered == EVENTS
    assert state.record.sources["n"].identity["seed"] == "5"
