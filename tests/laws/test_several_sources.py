"""UNION ALL of two sources: for any interleaving, cut and crash, the answer of DuckDB's UNION ALL.

What is durable says of each source how far it was read; DuckDB is asked about these events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keyfold.errors import ViewChangedError
from keyfold.state import deadletter
from keyfold.state.counter import SourceStatus, Status
from keyfold.state.freshness import Freshness, freshness
from keyfold.state.memory import MemoryStore
from keyfold.state.protocol import Store
from tests.laws.stream import Event, assert_same_rows, batch_connection, events
from tests.laws.streams import Step, Streams
from tests.laws.windows import shared

_COLUMNS = "id BIGINT, user_id VARCHAR, amount DECIMAL(18,2), weight DOUBLE, ts TIMESTAMPTZ"
_SOURCES = "".join(
    f"CREATE SOURCE {name} ({_COLUMNS}, WATERMARK FOR ts AS ts - INTERVAL '{delay}' SECOND)"
    " WITH (connector = 'events');\n"
    for name, delay in (("orders", 5), ("refunds", 20))
)
_UNION = """SELECT 'order' AS kind, user_id, amount, id, ts FROM orders WHERE id % 3 <> 0
  UNION ALL SELECT 'refund', user_id, -amount * 2, NULL, ts FROM refunds"""
_ITEMS = (
    "COUNT(*) AS n, COUNT(id) AS ids, SUM(amount) AS total, AVG(amount) AS mean, MIN(id) AS low, "
    "MAX(ts) AS last"
)
_KINDS = f"SELECT kind, user_id, {_ITEMS} FROM u GROUP BY kind, user_id"
_USERS = (
    f"SELECT user_id, COUNT(DISTINCT kind) AS kinds, {_ITEMS} FROM u WHERE amount IS NOT NULL "
    "GROUP BY user_id HAVING COUNT(*) > 1"
)
_MINUTES = f"SELECT window_start, kind, {_ITEMS}"
_NUMBERED = (
    "SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts DESC, kind, amount, id) AS rn "
    "FROM u"
)  # rows that tie are the same
_LATEST = f"SELECT user_id, kind, amount, id, ts FROM ({_NUMBERED}) WHERE rn = 1"
_LAST_THREE = f"SELECT user_id, rn, kind, amount, id, ts FROM ({_NUMBERED}) WHERE rn <= 3"
_HOP, _HOPPED = shared("HOP", 60, 240)
_HOPS = "SELECT window_start, COUNT(DISTINCT user_id) AS users, SUM(DISTINCT amount) AS amounts"
_GAP = "INTERVAL '30' SECOND"
_VISITS = f"SELECT user_id, window_start, window_end, COUNT(DISTINCT kind) AS kinds, {_ITEMS}"
_BY_USER = "OVER (PARTITION BY user_id ORDER BY ts NULLS LAST)"
SQL = f"""{_SOURCES}CREATE VIEW u AS {_UNION};
CREATE MATERIALIZED VIEW kinds AS {_KINDS};
CREATE MATERIALIZED VIEW users AS {_USERS};
CREATE MATERIALIZED VIEW minutes WITH (retention = '5 minutes') AS
{_MINUTES} FROM TUMBLE(u, ts, INTERVAL '1' MINUTE) GROUP BY window_start, kind;
CREATE MATERIALIZED VIEW latest AS {_LATEST};
CREATE MATERIALIZED VIEW last_three AS {_LAST_THREE};
CREATE MATERIALIZED VIEW hops AS {_HOPS} FROM {_HOP.replace("orders", "u")} GROUP BY window_start;
CREATE MATERIALIZED VIEW visits AS {_VISITS} FROM SESSION(u PARTITION BY user_id, ts, {_GAP})
GROUP BY user_id, window_start, window_end;
CREATE MATERIALIZED VIEW alone AS SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id;
"""
BATCH = {
    "kinds": _KINDS,
    "users": _USERS,
    "minutes": f"""{_MINUTES}
FROM (SELECT *, time_bucket(INTERVAL '1 minute', ts) AS window_start FROM u)
WHERE window_start + INTERVAL '6 minutes' > greatest(
  (SELECT MAX(ts) - INTERVAL '5 s' FROM orders), (SELECT MAX(ts) - INTERVAL '20 s' FROM refunds))
GROUP BY window_start, kind""",
    "latest": _LATEST,
    "last_three": _LAST_THREE,
    "hops": f"{_HOPS} FROM {_HOPPED.replace('orders', 'u')} GROUP BY window_start",
    "visits": f"""{_VISITS} FROM (
  SELECT *, MIN(ts) OVER visit AS window_start, MAX(ts) OVER visit + {_GAP} AS window_end
  FROM (SELECT *, COUNT(*) FILTER (WHERE begins) {_BY_USER} AS nth
    FROM (SELECT *, coalesce(ts > lag(ts) {_BY_USER} + {_GAP}, true) AS begins FROM u))
  WINDOW visit AS (PARTITION BY user_id, nth))
GROUP BY user_id, window_start, window_end""",
    "alone": "SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id",
}
KEYS = {
    "kinds": ["kind", "user_id"],
    "users": ["user_id"],
    "minutes": ["window_start", "kind"],
    "latest": ["user_id"],
    "last_three": ["user_id", "rn"],
    "hops": ["window_start"],
    "visits": ["user_id", "window_start"],
    "alone": ["user_id"],
}


steps = st.lists(
    st.builds(
        Step,
        source=st.sampled_from(["orders", "refunds"]),
        size=st.integers(1, 12),
        then=st.sampled_from(["commit", "crash", "go on"]),
    ),
    max_size=25,
)


def make_streams(make_store: Callable[[], Store], logs: Mapping[str, Sequence[Event]]) -> Streams:
    return Streams(make_store, logs, SQL)


def batch_rows(streams: Streams, name: str) -> list[dict[str, Any]]:
    """DuckDB's answer over the events before a view's durable offsets in each source."""
    connection = batch_connection()
    told = streams.record().views[name]
    for source, log in streams.logs.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {source} ({_COLUMNS})")
        offsets = told.part(source).offsets
        seen = [
            (e.id, e.user_id, e.amount, e.weight, e.second)
            for partition, part in log.items()
            for e in part[: offsets.get(partition, 0)]
            if isinstance(e, Event) and not e.broken
        ]
        if seen:
            connection.executemany(
                f"INSERT INTO {source} VALUES "
                "(?, ?, ?, ?, TIMESTAMPTZ '2026-03-01 00:00:00+00' + to_seconds(?))",
                seen,
            )
    query = f"WITH u AS ({_UNION}) {BATCH[name]}"
    rows: list[dict[str, Any]] = connection.sql(query).to_arrow_table().to_pylist()
    return rows


def check(streams: Streams) -> None:
    """Compare all views with DuckDB."""
    for name, keys in KEYS.items():
        assert_same_rows(streams.rows(name), batch_rows(streams, name), keys)


@settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking these takes minutes
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(orders=events, refunds=events, plan=steps)
def test_any_interleaving_cut_and_crash_point_equal_one_batch_run(
    new_store: Callable[[], Callable[[], Store]],
    orders: Sequence[Event],
    refunds: Sequence[Event],
    plan: Sequence[Step],
) -> None:
    streams = make_streams(new_store(), {"orders": orders, "refunds": refunds})
    streams.run(plan)
    streams.commit()
    check(streams)
    streams.finish()
    check(streams)
    for name in ("kinds", "users", "minutes"):
        told = streams.record().views[name]
        for source, log in streams.logs.items():
            for partition, part in log.items():
                ledger = told.part(source).ledger
                taken = ledger[partition].taken if partition in ledger else 0
                assert taken == len(part), "nothing vanishes, by source and partition"
        assert told.total().taken == len(orders) + len(refunds)


LOGS: dict[str, Sequence[Event]] = {
    "orders": [Event(i % 3, id=i, user_id="ab"[i % 2], second=i * 9) for i in range(20)],
    "refunds": [Event(i % 2, id=i, user_id="bc"[i % 2], second=i * 15) for i in range(20)],
}


@pytest.fixture
def streams() -> Streams:
    store = MemoryStore()
    return make_streams(lambda: store, LOGS)


def label(streams: Streams, now_ms: int, **states: str) -> Freshness:
    """The label of an answer of ``kinds``; the writer last heard of its sources at 1 s."""
    record = streams.record()
    for source in record.sources.values():
        source.as_of_ms = 1_000
    live = {name: SourceStatus(state=state, as_of_ms=now_ms) for name, state in states.items()}
    for name, state in states.items():
        if state == "stopped":
            live[name].as_of_ms = 1_000
    view = streams.catalog.view("kinds")
    for part in record.views["kinds"].parts.values():
        part.ready = True
    record.views["kinds"].ready = True
    return freshness(view, record, Status(sources=live), record.sequence, now_ms, 5_000)


def test_a_source_that_stopped_leaves_the_events_of_the_other_and_no_fresh_answer(
    streams: Streams,
) -> None:
    streams.read("refunds", 6)
    streams.commit()
    streams.finish("orders")  # of refunds nothing comes any more
    check(streams)
    assert streams.record().views["kinds"].part("orders").ledger.keys() == {0, 1, 2}
    stopped = label(streams, 9_000, orders="live", refunds="stopped")
    assert (stopped.state, stopped.staleness_ms) == ("failed", 8_000)
    assert label(streams, 9_000, orders="live", refunds="live").staleness_ms == 0
    assert label(streams, 9_000, orders="live").staleness_ms == 8_000


def test_a_union_is_complete_where_all_of_its_sources_are(streams: Streams) -> None:
    streams.finish()
    assert label(streams, 2_000, orders="complete", refunds="live").state == "live"
    assert label(streams, 2_000, orders="complete", refunds="complete").state == "complete"


def test_the_watermark_is_the_least_of_those_that_have_events(streams: Streams) -> None:
    streams.finish("orders")
    sources = streams.record().sources
    assert label(streams, 2_000).watermark_us == sources["orders"].watermark_us
    streams.finish()
    sources = streams.record().sources
    marks = [source.watermark_us or 0 for source in sources.values()]
    assert label(streams, 2_000).watermark_us == min(marks)
    times = [source.stream_time_us or 0 for source in sources.values()]
    assert streams.record().views["kinds"].stream_time_us == max(times)


def test_a_view_that_fails_on_one_source_stops_in_both_and_goes_on_from_its_commit() -> None:
    logs = {**LOGS, "refunds": [Event(0, id=1, user_id="a", amount=1)] * 3}
    store = MemoryStore()
    streams = make_streams(lambda: store, logs)
    streams.read("orders", 6)
    streams.commit()
    before = streams.record().views["kinds"].part("orders").offsets
    streams.read("orders", 6)
    streams.state.fail_view("kinds", "a reason")
    streams.finish()
    told = streams.record().views["kinds"]
    assert {told.error, *(part.error for part in told.parts.values())} == {"a reason"}
    assert told.part("orders").offsets == before
    assert_same_rows(streams.rows("users"), batch_rows(streams, "users"), KEYS["users"])
    streams.crash()
    streams.finish()
    assert not streams.record().views["kinds"].error
    check(streams)


@pytest.mark.parametrize("rebuilt", ["kinds", "refunds"])
def test_a_union_is_built_again_of_all_its_sources(streams: Streams, rebuilt: str) -> None:
    streams.finish()
    streams.crash(rebuild=[rebuilt])
    assert streams.rows("kinds") == []
    assert streams.rows("alone") != []
    streams.finish()
    check(streams)


def test_a_changed_select_of_a_union_is_noticed(streams: Streams) -> None:
    streams.finish()
    streams.sql = SQL.replace("-amount * 2", "-amount")
    with pytest.raises(ViewChangedError, match="view kinds differs"):
        streams.crash()
    streams.crash(rebuild=[name for name in KEYS if name != "alone"])
    streams.finish()
    assert_same_rows(streams.rows("alone"), batch_rows(streams, "alone"), KEYS["alone"])


def test_the_order_of_the_sources_may_change(streams: Streams) -> None:
    streams.finish()
    first, second = (part.strip() for part in _UNION.split("UNION ALL"))
    named = second.replace("'refund'", "'refund' AS kind").replace(
        "-amount * 2", "-amount * 2 amount"
    )
    named = named.replace("NULL,", "NULL AS id,")
    streams.sql = SQL.replace(_UNION, f"{named} UNION ALL {first}")
    streams.crash()
    check(streams)


def test_dropped_sources_take_their_unions_along(streams: Streams) -> None:
    streams.finish()
    orders, rest = SQL.split("\n", 1)
    streams.sql = orders + SQL[SQL.index("CREATE MATERIALIZED VIEW alone") :]
    with pytest.raises(ViewChangedError, match="view kinds, view users, view minutes"):
        streams.crash()
    streams.crash(drop=["refunds"])
    assert streams.record().views.keys() == {"alone"}
    assert rest


def test_dead_letters_of_a_union_are_those_of_all_its_sources() -> None:
    logs = {name: [*log, Event(0, broken="{")] for name, log in LOGS.items()}
    store = MemoryStore()
    streams = make_streams(lambda: store, logs)
    streams.finish()
    record = streams.record()
    assert record.views["kinds"].total().dead_lettered == 2
    counted = deadletter.counted_in(
        streams.catalog.view("kinds"), streams.catalog, record.views["kinds"]
    )
    letters = [one for _, one in deadletter.read(store, 0, record.dead_letter_next)]
    assert sorted(one.source for one in letters if counted(one)) == ["orders", "refunds"]
