"""From a real Kafka topic to REST and Iceberg, against DuckDB over the same events."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from confluent_kafka import KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from tests.pipeline.kit import (
    Run,
    assert_books_balance,
    assert_lake_is_batch,
    assert_view_is_batch,
    pipeline,
    until,
)

pytestmark = pytest.mark.kafka

MILLION = 1_000_000
PARTITIONS = 4
_PRODUCE_S = 60.0
_numbers = itertools.count()

# Times are UTC here, and compared by their µs.
EVENTS = f"""
CREATE TABLE events AS
WITH drawn AS (
  SELECT i AS id, hash(i) AS h, hash(i, 1) AS h1, hash(i, 2) AS h2, hash(i, 3) AS h3
  FROM range({MILLION}) AS r(i)
)
SELECT id::BIGINT AS id, 'user' || (h % 50000) AS user_id,
  ['eu-west', 'eu-east', 'us-west', 'us-east', 'ap', 'sa', 'af', 'Zürich'][1 + (h1 % 8)::INT]
    AS region,
  CASE WHEN h2 % 100 > 0 THEN ((h2 % 200000)::BIGINT - 50000)::DECIMAL(18,0) / 100 END
    ::DECIMAL(18,2) AS amount,
  ((h3 % 1000000)::BIGINT - 300000) / 7.0::DOUBLE AS price,
  (h1 % 12)::INT AS qty, h3 % 3 > 0 AS ok,
  make_timestamp(1700000000000000 + id::BIGINT * 3600) AS ts
FROM drawn
"""
JSON = """
SELECT printf('{"id":%d,"user_id":"%s","region":"%s","amount":%s,"price":%s,"qty":%d,"ok":%s,' ||
  '"ts":"%s"}',
  id, user_id, region, coalesce(amount::VARCHAR, 'null'), price::VARCHAR, qty, ok::VARCHAR,
  strftime(ts, '%Y-%m-%dT%H:%M:%S.%fZ')) AS line
FROM events ORDER BY id
"""
COLUMNS = """
  id BIGINT, user_id VARCHAR, region VARCHAR, amount DECIMAL(18,2), price DOUBLE, qty INT,
  ok BOOLEAN, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"""

VIEWS = {
    "by_user": (
        ["user_id"],
        """SELECT user_id, COUNT(*) AS events, COUNT(amount) AS paid, SUM(amount) AS total,
  AVG(amount) AS mean, SUM(price) AS price, AVG(price) AS mean_price, MIN(amount) AS least,
  MAX(ts) AS last_seen, SUM(qty) FILTER (WHERE ok) AS sold, SUM(amount) / COUNT(*) AS share
FROM events GROUP BY user_id""",
    ),
    "by_region_minute": (
        ["region", "window_start"],
        """SELECT region, window_start, COUNT(*) AS events, SUM(amount) AS total,
  MIN(ts) AS first_seen, MAX(price) AS dearest FROM minutes WHERE qty > 1
GROUP BY region, window_start""",
    ),
    "by_qty": (
        ["qty", "ok"],
        """SELECT qty, ok, COUNT(*) AS events, AVG(qty) AS mean, MIN(user_id) AS first_user
FROM events WHERE amount > 0 GROUP BY qty, ok HAVING COUNT(*) > 30000""",
    ),
    "by_coin": (
        ["coins", "slot"],
        """SELECT CAST(amount AS DECIMAL(12,0)) AS coins, id % 7 - 3 AS slot, COUNT(*) AS events,
  SUM(amount) AS total, AVG(amount) FILTER (WHERE NOT ok) AS mean
FROM events GROUP BY coins, slot""",
    ),
}
"""Key columns and query, in words that Keyfold and DuckDB share but for TUMBLE."""
MINUTES = """(SELECT *, time_bucket(INTERVAL '1 minute', ts) AS window_start FROM events)"""


def pipeline_sql(bootstrap: str, topic: str, views: Sequence[str] = tuple(VIEWS)) -> str:
    """Write the pipeline that keeps some of the views."""
    statements = [
        f"CREATE SOURCE events ({COLUMNS}) INCLUDE partition AS p WITH (connector = 'kafka', "
        f"topic = '{topic}', properties.bootstrap.server = '{bootstrap}', "
        "partitions.refresh.interval.ms = '200') FORMAT PLAIN ENCODE JSON"
    ]
    for name in views:
        query = VIEWS[name][1].replace("minutes", "TUMBLE(events, ts, INTERVAL '1' MINUTE)")
        statements.append(f"CREATE MATERIALIZED VIEW {name} AS {query}")
    return ";\n".join(statements) + ";\n"


def batch_of(connection: duckdb.DuckDBPyConnection, view: str) -> pa.Table:
    """Run a view's query once, over everything."""
    return connection.sql(VIEWS[view][1].replace("minutes", MINUTES)).to_arrow_table()


def events_table(rows: Sequence[dict[str, object]]) -> duckdb.DuckDBPyConnection:
    """Return a connection that has such events as a table."""
    connection = duckdb.connect()
    connection.sql(EVENTS.replace(str(MILLION), "0"))
    names = ", ".join(rows[0])
    values = ", ".join(["?"] * len(rows[0]))
    connection.executemany(
        f"INSERT INTO events ({names}) VALUES ({values})", [list(row.values()) for row in rows]
    )
    return connection


def event(number: int) -> dict[str, object]:
    return {
        "id": number,
        "user_id": f"u{number % 9}",
        "region": "eu",
        "amount": f"{number % 50 - 10}.{number % 100:02d}",
        "price": number / 8,
        "qty": number % 5,
        "ok": number % 2 == 0,
        "ts": f"2024-05-01T00:{number % 60:02d}:00Z",
    }


@pytest.fixture
def topic(kafka_bootstrap: str) -> Callable[[int], str]:
    def create(partitions: int) -> str:
        name = f"e2e-{time.time_ns()}-{next(_numbers)}"
        admin = AdminClient({"bootstrap.servers": kafka_bootstrap, "log_level": 0})
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result()
        until(lambda: partitions_of(admin, name) == partitions, what="the topic")
        return name

    return create


def partitions_of(admin: AdminClient, name: str) -> int:
    try:
        described = admin.describe_topics(TopicCollection([name]))[name].result()
    except KafkaException:
        return 0
    return len(described.partitions)


def producer_of(bootstrap: str, **config: object) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 0,
            "linger.ms": 20,
            "compression.type": "lz4",
            "batch.num.messages": 50_000,
            "batch.size": 1 << 20,
            "queue.buffering.max.messages": 2 * MILLION,
        }
        | config
    )


def send(producer: Producer, topic: str, partition: int, events: Sequence[object]) -> None:
    for one in events:
        value = one if isinstance(one, bytes | None) else json.dumps(one)
        producer.produce(topic, value, partition=partition)


def taken(run: Run) -> int:
    return int(run.get("/sources/events")["ledger"]["in"])


def test_a_million_events_are_what_duckdb_says_even_when_ingest_dies_on_the_way(
    kafka_bootstrap: str, topic: Callable[[int], str], tmp_path: Path
) -> None:
    connection = duckdb.connect()
    connection.sql(EVENTS)
    lines = connection.sql(JSON).to_arrow_table().column("line").to_pylist()
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    name = topic(PARTITIONS)
    producer = producer_of(kafka_bootstrap)
    late = MILLION - 100_000
    for number, line in enumerate(lines[:late]):
        producer.produce(name, line, partition=number % PARTITIONS)
    assert producer.flush(_PRODUCE_S) == 0
    settings = {"restart_backoff_ms_min": 20, "batch_messages_max": 20_000}
    with pipeline(tmp_path, pipeline_sql(kafka_bootstrap, name), **settings) as run:
        for _ in range(2):
            reached = taken_or_zero(run) + draw.randrange(1, 200_000)
            until(lambda reached=reached: taken_or_zero(run) >= min(reached, late), what="reading")
            died = run.kill("ingest")
            until(lambda died=died: run.pid("ingest") != died, what="the restart")
        for number, line in enumerate(lines[late:], late):
            producer.produce(name, line, partition=number % PARTITIONS)
        assert producer.flush(_PRODUCE_S) == 0
        until(lambda: run.caught_up("events", MILLION) and run.ready(), what="catching up")
        expected = {view: batch_of(connection, view) for view in VIEWS}
        for view, (keys, _) in VIEWS.items():
            assert_view_is_batch(run, view, expected[view], keys)
            assert_books_balance(run.ledger(view), MILLION)
        filtered = connection.sql("SELECT count(*) FROM events WHERE qty <= 1").fetchall()
        assert filtered == [(run.ledger("by_region_minute")["filtered"],)]
        assert run.get("/sources/events")["ledger"] == {"in": MILLION, "dead_lettered": 0}
        assert run.stop() == 0
    for view, (keys, _) in VIEWS.items():
        assert_lake_is_batch(tmp_path, view, expected[view], keys)


def taken_or_zero(run: Run) -> int:
    return taken(run) if run.ready_to_answer() else 0


def test_aborted_transactions_are_not_counted_and_committed_ones_are(
    kafka_bootstrap: str, topic: Callable[[int], str], tmp_path: Path
) -> None:
    name = topic(2)
    good: list[dict[str, object]] = []
    bad = 0
    for turn in range(6):
        producer = producer_of(kafka_bootstrap, **{"transactional.id": f"{name}-{turn}"})
        producer.init_transactions(30)
        producer.begin_transaction()
        events = [event(turn * 1_000 + i) for i in range(500)]
        send(producer, name, turn % 2, events)
        assert producer.flush(_PRODUCE_S) == 0
        if turn % 3 == 1:
            producer.abort_transaction(30)
            bad += len(events)
        else:
            producer.commit_transaction(30)
            good += events
    with pipeline(tmp_path, pipeline_sql(kafka_bootstrap, name), "--no-lake") as run:
        until(lambda: run.ready() and run.caught_up("events", len(good)), what="catching up")
        # An open transaction is not seen until it commits.
        producer = producer_of(kafka_bootstrap, **{"transactional.id": f"{name}-open"})
        producer.init_transactions(30)
        producer.begin_transaction()
        more = [event(90_000 + i) for i in range(300)]
        send(producer, name, 0, more)
        assert producer.flush(_PRODUCE_S) == 0
        assert taken(run) == len(good)
        producer.commit_transaction(30)
        good += more
        until(lambda: run.caught_up("events", len(good)), what="catching up")
        assert taken(run) == len(good)
        assert bad > 0
        connection = events_table(good)
        for view, (keys, _) in VIEWS.items():
            assert_view_is_batch(run, view, batch_of(connection, view), keys)
            assert_books_balance(run.ledger(view), len(good))


def test_events_of_partitions_that_appear_later_are_counted(
    kafka_bootstrap: str, topic: Callable[[int], str], tmp_path: Path
) -> None:
    name = topic(1)
    producer = producer_of(kafka_bootstrap)
    events = [event(i) for i in range(2_000)]
    send(producer, name, 0, events[:800])
    assert producer.flush(_PRODUCE_S) == 0
    with pipeline(tmp_path, pipeline_sql(kafka_bootstrap, name), "--no-lake") as run:
        until(lambda: run.ready() and run.caught_up("events", 800), what="catching up")
        admin = AdminClient({"bootstrap.servers": kafka_bootstrap, "log_level": 0})
        admin.create_partitions([NewPartitions(name, 3)])[name].result()
        until(lambda: partitions_of(admin, name) == 3, what="the growth")
        producer = producer_of(kafka_bootstrap)  # one that knows of them
        send(producer, name, 2, events[800:1_500])
        send(producer, name, 1, events[1_500:])
        assert producer.flush(_PRODUCE_S) == 0
        until(lambda: run.caught_up("events", len(events)), what="catching up")
        partitions = run.get("/sources/events")["partitions"]
        assert {one["partition"]: one["offset"] for one in partitions} == {0: 800, 1: 500, 2: 700}
        connection = events_table(events)
        for view, (keys, _) in VIEWS.items():
            assert_view_is_batch(run, view, batch_of(connection, view), keys)
            assert_books_balance(run.ledger(view), len(events))


def test_poison_messages_are_kept_as_dead_letters_and_the_rest_goes_on(
    kafka_bootstrap: str, topic: Callable[[int], str], tmp_path: Path
) -> None:
    name = topic(1)
    producer = producer_of(kafka_bootstrap)
    misfit = event(7) | {"qty": "many"}
    timeless = {key: value for key, value in event(8).items() if key != "ts"} | {"qty": "some"}
    poison: list[tuple[bytes | None, str, str | None]] = [
        (b'{"id": 1, "user_id":', "no JSON", None),
        (b"\xff\xfe\x00", "no UTF-8", None),
        (b"[1, 2]", "no JSON object", None),
        (None, "no value", None),
        (json.dumps(misfit).encode(), "is no INT", "qty"),
        (json.dumps(timeless).encode(), "event time ts is missing", "ts"),
    ]
    send(producer, name, 0, [event(i) for i in range(1_000)])
    for number, (value, _, _) in enumerate(poison):
        headers = [("trace", f"t{number}".encode()), ("raw", b"\xff")]
        producer.produce(name, value, key=f"key{number}", partition=0, headers=headers)
    send(producer, name, 0, [event(i) for i in range(1_000, 2_000)])
    assert producer.flush(_PRODUCE_S) == 0
    total = 2_000 + len(poison)
    with pipeline(tmp_path, pipeline_sql(kafka_bootstrap, name), "--no-lake") as run:
        until(lambda: run.ready() and run.caught_up("events", total), what="catching up")
        assert run.get("/sources/events")["ledger"] == {"in": total, "dead_lettered": len(poison)}
        letters = run.get("/dead-letters", limit=100)["dead_letters"]
        by_offset = {letter["offset"]: letter for letter in letters if letter["field"] != "qty"}
        by_offset |= {1_004: next(one for one in letters if one["offset"] == 1_004)}
        assert sorted({letter["offset"] for letter in letters}) == list(range(1_000, 1_006))
        for number, (value, reason, field) in enumerate(poison):
            letter = by_offset[1_000 + number]
            assert reason in letter["reason"]
            assert letter["field"] == field
            assert letter["partition"] == 0
            assert letter["key"] == f"key{number}"
            assert letter["headers"] == [["trace", f"t{number}"], ["raw", {"base64": "/w=="}]]
            if value is None or value.startswith(b"\xff"):
                assert letter["value"] == (None if value is None else {"base64": "//4A"})
            else:
                assert letter["value"] == value.decode()
        # Only by_coin does not read qty, so the misfit of it is an event like any other there.
        connection = events_table([event(i) for i in range(2_000)])
        for view, (keys, _) in VIEWS.items():
            costs = len(poison) - (view == "by_coin")
            assert run.ledger(view)["dead_lettered"] == costs
            assert_books_balance(run.ledger(view), total)
            if view != "by_coin":
                assert_view_is_batch(run, view, batch_of(connection, view), keys)
        whole = events_table([event(i) for i in range(2_000)] + [event(7)])
        assert_view_is_batch(run, "by_coin", batch_of(whole, "by_coin"), VIEWS["by_coin"][0])
