"""The life of a data directory: starts, stops, changes of the SQL, sources of each kind."""

from __future__ import annotations

import contextlib
import csv
import json
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow as pa
import pyarrow.parquet
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from keyfold.state.layout import view_prefix
from keyfold.state.reader import StateReader
from keyfold.view.rowkey import prefix_end
from tests.kafka_broker import KafkaBroker
from tests.pipeline.kit import (
    Run,
    assert_books_balance,
    assert_lake_is_batch,
    assert_view_is_batch,
    keyfold,
    pipeline,
    until,
)

COLUMNS = "id BIGINT, user_id VARCHAR, amount DECIMAL(18,2)"
SOURCE = f"CREATE SOURCE events ({COLUMNS}) WITH (connector = 'events');\n"
SPEND = "SELECT user_id, COUNT(*) AS n, SUM(amount) AS total FROM events GROUP BY user_id"
BY_ID = "SELECT id % 10 AS digit, COUNT(*) AS n, MAX(amount) AS most FROM events GROUP BY digit"
BIG = (
    "SELECT user_id, COUNT(*) AS n, SUM(amount) AS total FROM events WHERE amount > 50 "
    "GROUP BY user_id"
)


def with_views(source: str, **views: str) -> str:
    """Write a pipeline: a source and views by name."""
    made = [f"CREATE MATERIALIZED VIEW {name} AS {query};\n" for name, query in views.items()]
    return source + "".join(made)


def events_of(first: int, count: int) -> list[dict[str, Any]]:
    return [
        {"id": i, "user_id": f"u{i % 17}", "amount": f"{i % 100}.{i % 7}0"}
        for i in range(first, first + count)
    ]


def batch_of(events: Sequence[dict[str, Any]], query: str) -> pa.Table:
    """Return DuckDB's answer to a view's query."""
    with duckdb.connect() as connection:
        connection.register("raw", pa.Table.from_pylist(list(events)))
        types = dict(column.strip().split(" ", 1) for column in COLUMNS.split(", "))
        columns = ", ".join(f"{name}::{kind} AS {name}" for name, kind in types.items())
        connection.sql("CREATE TABLE events AS SELECT " + columns + " FROM raw")
        return connection.sql(query).to_arrow_table()


def refused(run: Run) -> str:
    """Wait until a command refuses, with exit code 2; return what it said."""
    assert run.process.wait(60) == 2, run.log_path.read_text()
    return run.log_path.read_text()


def take(run: Run, source: str, messages: int) -> None:
    until(lambda: run.ready() and run.caught_up(source, messages), what="catching up")


# --- changes of the SQL ----------------------------------------------------------------------


def test_a_changed_view_is_refused_until_it_is_rebuilt_and_the_others_stay(tmp_path: Path) -> None:
    events = events_of(0, 3_000)
    with pipeline(tmp_path, with_views(SOURCE, spend=SPEND, digits=BY_ID)) as run:
        until(run.ready, what="ready views")
        run.push("events", events)
        take(run, "events", len(events))
        assert run.stop() == 0

    changed = with_views(SOURCE, spend=BIG, digits=BY_ID)
    (tmp_path / "pipeline.sql").write_text(changed)
    for command in (("run", "pipeline.sql", "--port", "0"), ("ingest", "pipeline.sql")):
        with keyfold(tmp_path, *command, "--data-dir", "data") as run:
            told = refused(run)
            assert "view spend differs" in told
            assert "--rebuild spend" in told
            assert "digits" not in told

    with pipeline(tmp_path, changed, "--rebuild", "spend") as run:
        more = events_of(3_000, 500)
        until(run.ready, what="ready views")
        run.push("events", more)
        take(run, "events", len(events) + len(more))
        events += more
        assert_view_is_batch(run, "spend", batch_of(events, BIG), ["user_id"])
        assert_view_is_batch(run, "digits", batch_of(events, BY_ID), ["digit"])
        for view in ("spend", "digits"):
            assert_books_balance(run.ledger(view), len(events))
        assert run.ledger("digits")["applied"] == len(events)
        assert run.get("/sources/events")["ledger"]["in"] == len(events)
        # A crash after that starts the same command again, which comes to the same rows.
        died = run.kill("ingest")
        until(lambda: run.pid("ingest") != died, what="the restart")
        run.push("events", events_of(3_500, 10))
        take(run, "events", len(events) + 10)
        events += events_of(3_500, 10)
        assert_view_is_batch(run, "spend", batch_of(events, BIG), ["user_id"])
        assert run.stop() == 0
    assert_lake_is_batch(tmp_path, "spend", batch_of(events, BIG), ["user_id"])
    assert_lake_is_batch(tmp_path, "digits", batch_of(events, BY_ID), ["digit"])


def test_a_changed_source_is_refused_until_its_views_are_rebuilt(tmp_path: Path) -> None:
    events = events_of(0, 1_000)
    with pipeline(tmp_path, with_views(SOURCE, spend=SPEND), "--no-lake") as run:
        until(run.ready, what="ready views")
        run.push("events", events)
        take(run, "events", len(events))
    changed = with_views(SOURCE.replace("18,2", "18,1"), spend=SPEND)
    (tmp_path / "pipeline.sql").write_text(changed)
    with keyfold(tmp_path, "ingest", "pipeline.sql", "--data-dir", "data") as run:
        told = refused(run)
        assert "source events differs" in told
        assert "--rebuild events" in told
    with pipeline(tmp_path, changed, "--no-lake", "--rebuild", "events") as run:
        until(run.ready_to_answer, what="an answer")  # of the old state, until ingest is up
        until(lambda: run.types("spend")["total"] == "DECIMAL(38,1)", what="the change")
        take(run, "events", len(events))
        coarse = SPEND.replace("SUM(amount)", "SUM(amount::DECIMAL(18,1))")
        assert_view_is_batch(run, "spend", batch_of(events, coarse), ["user_id"])
        assert_books_balance(run.ledger("spend"), len(events))


def test_a_new_view_is_filled_from_the_log_and_a_removed_one_disappears(tmp_path: Path) -> None:
    events = events_of(0, 20_000)
    with pipeline(tmp_path, with_views(SOURCE, spend=SPEND, digits=BY_ID), "--no-lake") as run:
        until(run.ready, what="ready views")
        for first in range(0, len(events), 5_000):
            run.push("events", events[first : first + 5_000])
        take(run, "events", len(events))

    # Small batches, so that filling takes a while; what is not there yet is no 404 meanwhile.
    sql = with_views(SOURCE, digits=BY_ID, big=BIG)
    (tmp_path / "pipeline.sql").write_text(sql)
    with keyfold(tmp_path, "run", "pipeline.sql", "--data-dir", "data", "--port", "0") as run:
        told = refused(run)
        assert "the state has what the SQL file has not: view spend" in told
        assert "--drop spend" in told
    flags = ("--no-lake", "--drop", "spend")
    with pipeline(tmp_path, sql, *flags, batch_messages_max=200) as run:
        until(lambda: run.ready_to_answer() and "big" in names(run), what="the new view")
        codes = set[str]()
        while "" not in codes:
            answer = httpx.get(f"{run.url}/v1/views/big/rows/u16", timeout=30.0)
            codes.add(answer.json().get("code", ""))
        assert codes <= {"", "not_caught_up"}
        until(run.ready, what="ready views")
        run.push("events", events_of(20_000, 100))
        events += events_of(20_000, 100)
        take(run, "events", len(events))
        assert_view_is_batch(run, "big", batch_of(events, BIG), ["user_id"])
        assert_view_is_batch(run, "digits", batch_of(events, BY_ID), ["digit"])
        for view in ("big", "digits"):
            assert_books_balance(run.ledger(view), len(events))
        assert names(run) == {"digits", "big"}
        gone = httpx.get(f"{run.url}/v1/views/spend/rows/u1", timeout=30.0)
        assert (gone.status_code, gone.json()["code"]) == (404, "no_such_view")
        assert "dropped view spend, which the file no longer has" in run.messages()
        died = run.kill("ingest")  # the restart has the same flags, and nothing left to drop
        until(lambda: run.pid("ingest") != died, what="the restart")
        run.push("events", events_of(20_100, 10))
        take(run, "events", len(events) + 10)


def names(run: Run) -> set[str]:
    return {view["name"] for view in run.get("/views")["views"]}


# --- starting and stopping -------------------------------------------------------------------


def test_after_a_restart_ready_means_with_the_sql_file_of_this_run(tmp_path: Path) -> None:
    with pipeline(tmp_path, with_views(SOURCE, spend=SPEND)) as run:
        until(run.ready, what="being ready")
        run.push("events", events_of(0, 100))
        take(run, "events", 100)
        rows = run.rows("spend")
    with pipeline(tmp_path, with_views(SOURCE, by_id=BY_ID), "--drop", "spend") as run:
        until(run.ready, what="being ready")
        # No waiting: what answers now is what a deployment would send its users to.
        assert [view["name"] for view in run.get("/views")["views"]] == ["by_id"]
        assert len(run.rows("by_id")) == 10
    with pipeline(tmp_path, with_views(SOURCE, by_id=BY_ID, spend=SPEND)) as run:
        until(run.ready, what="being ready")
        assert run.rows("spend") == rows


def test_a_second_writer_of_a_data_directory_is_refused(tmp_path: Path) -> None:
    with pipeline(tmp_path, with_views(SOURCE, spend=SPEND), "--no-lake") as run:
        until(run.ready, what="ready views")
        with keyfold(tmp_path, "ingest", "pipeline.sql", "--data-dir", "data") as second:
            assert "another process is writing to" in refused(second)
        run.push("events", events_of(0, 10))
        take(run, "events", 10)


def test_a_stop_commits_what_was_read_and_a_start_replays_nothing(tmp_path: Path) -> None:
    sql = with_views(SOURCE, spend=SPEND)
    # No commit falls due by itself while the events come in.
    slow = {"commit_interval_ms": 60_000, "commit_interval_backlog_ms": 60_000}
    with pipeline(tmp_path, sql, "--no-lake") as run:
        until(run.ready, what="ready views")
        run.push("events", events_of(0, 100))
        take(run, "events", 100)
    with pipeline(tmp_path, sql, "--no-lake", **slow) as run:
        until(run.ready_to_answer, what="an answer")
        run.push("events", events_of(100, 10))
        take(run, "events", 110)  # the first commit of a process falls due at once
        run.push("events", events_of(110, 4_990))
        until(lambda: run.get("/sources/events")["events_per_second"] > 100, what="reading")
        told = run.get("/sources/events")
        assert (told["ledger"]["in"], told["lag"]) == (110, 4_990)
        assert run.stop() == 0
    reader = state_of(tmp_path)
    assert reader.record.sources["events"].partitions[0].offset == 5_100
    assert reader.record.views["spend"].total().applied == 5_100
    sequence = reader.record.sequence
    reader.close()
    with pipeline(tmp_path, sql, "--no-lake", **slow) as run:
        until(run.ready_to_answer, what="an answer")
        until(lambda: commit_of(run)["sequence"] > sequence, what="the start of ingest")
        take(run, "events", 5_100)
        assert run.get("/sources/events")["events_per_second"] == 0
        assert_books_balance(run.ledger("spend"), 5_100)
        assert commit_of(run)["offsets"] == {"0": 5_100}
        assert_view_is_batch(run, "spend", batch_of(events_of(0, 5_100), SPEND), ["user_id"])


def commit_of(run: Run) -> dict[str, Any]:
    """Return sequence and offsets of what is served."""
    return dict(run.get("/views/spend/rows", offsets=1, limit=1)["commit"])


def state_of(directory: Path) -> StateReader:
    """Open the state as a reader in this process."""
    return StateReader.open(directory / "data", 2**30, block_cache_bytes=1 << 20)


@pytest.mark.parametrize(
    ("settings", "flags", "words"),
    [
        ({"workers": "none"}, (), "workers"),
        ({"commit_interval_ms": 0}, (), "commit_interval_ms"),
        ({"bulk_keys_min": -1}, (), "bulk_keys_min"),
        ({}, ("--log-level", "loud"), "log_level"),
        ({}, ("--rebuild", "spent"), "spent"),
    ],
)
def test_wrong_settings_refuse_to_start(
    tmp_path: Path, settings: dict[str, object], flags: tuple[str, ...], words: str
) -> None:
    (tmp_path / "pipeline.sql").write_text(with_views(SOURCE, spend=SPEND))
    with keyfold(
        tmp_path, "run", "pipeline.sql", "--data-dir", "data", "--port", "0", *flags, **settings
    ) as run:
        assert words in refused(run)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("(connector = 'events', segment.byte = '5')", "segment.byte"),
        ("(connector = 'kafka', properties.bootstrap.servers = 'localhost:1')", "topic"),
        ("(connector = 'file')", "path"),
        ("(connector = 'events', timestamp.unit = 'weeks')", "timestamp.unit"),
    ],
)
def test_wrong_source_options_refuse_to_start_and_leave_no_state(
    tmp_path: Path, source: str, words: str
) -> None:
    sql = with_views(f"CREATE SOURCE events ({COLUMNS}) WITH {source};\n", spend=SPEND)
    (tmp_path / "pipeline.sql").write_text(sql)
    with keyfold(tmp_path, "ingest", "pipeline.sql", "--data-dir", "data") as run:
        assert words in refused(run)


def test_a_port_in_use_refuses_to_start(tmp_path: Path) -> None:
    (tmp_path / "pipeline.sql").write_text(with_views(SOURCE, spend=SPEND))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with keyfold(tmp_path, "run", "pipeline.sql", "--data-dir", "data", "--port", port) as run:
            assert "in use" in refused(run)


# --- sources ---------------------------------------------------------------------------------


def test_a_source_without_columns_takes_them_from_the_first_events(tmp_path: Path) -> None:
    sql = (
        "CREATE SOURCE events WITH (connector = 'events');\n"
        f"CREATE SOURCE others ({COLUMNS}) WITH (connector = 'events');\n"
        + with_views(
            "",
            totals="SELECT shop.city AS city, COUNT(*) AS n, SUM(qty) AS sold, AVG(price) AS mean "
            "FROM events GROUP BY city",
            hours="SELECT window_start, COUNT(*) AS n "
            "FROM TUMBLE(events, taken_at, INTERVAL '1' HOUR) GROUP BY window_start",
        )
    )
    cities = ("Oslo", "Kyoto", "Quito")
    events = [
        {
            "qty": i % 5,
            "price": i / 4,
            "shop": {"city": cities[i % 3], "open": True},
            "taken_at": f"2024-02-03T0{i % 4}:30:00Z",
        }
        for i in range(600)
    ]
    expected = {
        city: {
            "city": city,
            "n": 200,
            "sold": sum(one["qty"] for one in events if one["shop"]["city"] == city),
            "mean": sum(one["price"] for one in events if one["shop"]["city"] == city) / 200,
        }
        for city in cities
    }
    with pipeline(tmp_path, sql, "--no-lake") as run:
        until(lambda: "waiting for events to detect the columns" in run.messages(), what="waiting")
        until(run.ready_to_answer, what="an answer")
        run.push("events", events[:400])
        until(lambda: len(run.get("/views")["views"]) == 2, what="the views")
        run.push("events", events[400:])
        take(run, "events", len(events))
        assert {row["city"]: row for row in run.rows("totals")} == expected
        assert [row["n"] for row in run.rows("hours")] == [150] * 4
    # What was detected once stays, whatever comes later.
    with pipeline(tmp_path, sql, "--no-lake") as run:
        until(run.ready, what="ready views")
        run.push("events", [{"qty": "many", "shop": {"city": "Oslo"}, "taken_at": 1706920200}])
        take(run, "events", len(events) + 1)
        assert run.types("totals")["sold"] == "HUGEINT"
        assert run.ledger("totals")["dead_lettered"] == 1
        assert_books_balance(run.ledger("hours"), len(events) + 1)


def test_a_source_of_files_is_complete_once_all_are_read(tmp_path: Path) -> None:
    events = events_of(0, 3_000)
    thirds = [events[:1_000], events[1_000:2_000], events[2_000:]]
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.ndjson").write_text("\n".join(json.dumps(one) for one in thirds[0]))
    with (files / "b.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, list(events[0]))
        writer.writeheader()
        writer.writerows(thirds[1])
    pyarrow.parquet.write_table(pa.Table.from_pylist(thirds[2]), files / "c.parquet")
    source = f"CREATE SOURCE events ({COLUMNS}) WITH (connector = 'file', path = '{files}/*');\n"
    with pipeline(tmp_path, with_views(source, spend=SPEND, digits=BY_ID)) as run:
        until(run.ready, what="ready views")
        told = until(lambda: complete(run), what="the end of the files")
        assert told["lag"] == 0
        assert [one["offset"] for one in told["partitions"]] == [1_000] * 3
        page = run.get("/views/spend/rows")
        assert page["freshness"]["state"] == "complete"
        assert_view_is_batch(run, "spend", batch_of(events, SPEND), ["user_id"])
        assert_view_is_batch(run, "digits", batch_of(events, BY_ID), ["digit"])
        assert_books_balance(run.ledger("spend"), len(events))
        assert run.stop() == 0
    assert_lake_is_batch(tmp_path, "spend", batch_of(events, SPEND), ["user_id"])


def complete(run: Run) -> dict[str, Any] | None:
    told = run.get("/sources/events")
    return told if told["state"] == "complete" else None


def test_retention_hides_a_row_at_once_and_takes_its_space_back(tmp_path: Path) -> None:
    sql = (
        "CREATE SOURCE clicks (who VARCHAR, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts) "
        "WITH (connector = 'events');\n"
        "CREATE MATERIALIZED VIEW per_minute WITH (retention = '10 minutes') AS "
        "SELECT who, window_start, COUNT(*) AS n FROM TUMBLE(clicks, ts, INTERVAL '1' MINUTE) "
        "GROUP BY who, window_start;\n"
        "CREATE MATERIALIZED VIEW ever AS SELECT who, COUNT(*) AS n FROM clicks GROUP BY who;\n"
    )

    def clicks(minute: int) -> list[dict[str, str]]:
        return [
            {"who": f"w{i}", "ts": f"2024-01-01T{minute // 60:02d}:{minute % 60:02d}:30Z"}
            for i in range(50)
        ]

    with pipeline(tmp_path, sql, "--no-lake") as run:
        until(run.ready, what="ready views")
        for minute in range(5):
            run.push("clicks", clicks(minute))
        take(run, "clicks", 250)
        assert len(run.rows("per_minute")) == 250
        # Windows 0 to 3 have ended more than ten minutes before 00:14:30.
        run.push("clicks", clicks(14))
        take(run, "clicks", 300)
        kept = {row["window_start"] for row in run.rows("per_minute")}
        assert kept == {"2024-01-01T00:04:00Z", "2024-01-01T00:14:00Z"}
        old = httpx.get(f"{run.url}/v1/views/per_minute/rows/w1/2024-01-01T00:03:00Z", timeout=30.0)
        assert (old.status_code, old.json()["code"]) == (404, "no_such_key")
        # An event for a window that has gone is late: it comes back in no view that has expired it.
        run.push("clicks", clicks(2))
        take(run, "clicks", 350)
        assert len(run.rows("per_minute")) == 100
        assert run.ledger("per_minute") == {
            "in": 350, "applied": 300, "filtered": 0, "late": 50, "dead_lettered": 0,
        }  # fmt: skip
        assert run.ledger("ever")["applied"] == 350
        until(lambda: stored_rows(tmp_path, "per_minute") == 100, what="reclaiming")


def stored_rows(directory: Path, view: str) -> int:
    """Count the rows of a view that lie in the store, hidden ones included."""
    reader = state_of(directory)
    try:
        prefix = view_prefix(reader.catalog.view_ids[view])
        return sum(1 for _ in reader.replica.scan(prefix, prefix_end(prefix)))
    finally:
        reader.close()


@pytest.mark.kafka
def test_a_broker_that_is_down_stops_its_source_alone_until_it_comes_back(
    kafka_server: KafkaBroker, tmp_path: Path
) -> None:
    name = f"down-{time.time_ns()}"
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result()
    producer = Producer({"bootstrap.servers": kafka_server.bootstrap, "log_level": 0})
    for one in events_of(0, 200):
        producer.produce(name, json.dumps(one))
    assert producer.flush(30) == 0
    del admin, producer
    sql = (
        f"CREATE SOURCE remote ({COLUMNS}) WITH (connector = 'kafka', topic = '{name}', "
        f"properties.bootstrap.servers = '{kafka_server.bootstrap}');\n"
        + with_views(SOURCE, spend=SPEND, far=SPEND.replace("events", "remote"))
    )
    with contextlib.ExitStack() as stack:
        stack.callback(ensure_up, kafka_server)
        kafka_server.stop()
        run = stack.enter_context(pipeline(tmp_path, sql, "--no-lake"))
        until(run.ready_to_answer, what="an answer")
        taken = 0

        def stopped() -> bool:
            # The other source goes on all the while, without waiting for this one.
            nonlocal taken
            run.push("events", events_of(taken, 10))
            taken += 10
            until(lambda: run.caught_up("events", taken), 3.0, "catching up")
            return bool(run.get("/sources/remote")["state"] == "stopped")

        until(stopped, what="the stop")
        told = run.get("/sources/remote")
        assert kafka_server.bootstrap in told["error"]
        assert run.get("/sources/events")["state"] == "live"
        assert run.get("/views/far")["state"] == "failed"
        assert run.get("/views/spend")["state"] == "live"
        kafka_server.start()
        take(run, "remote", 200)
        assert run.get("/sources/remote")["error"] is None
        far = batch_of(events_of(0, 200), SPEND)
        assert_view_is_batch(run, "far", far, ["user_id"])
        near = batch_of(events_of(0, taken), SPEND)
        assert_view_is_batch(run, "spend", near, ["user_id"])
        kafka_server.stop()
        until(lambda: run.get("/sources/remote")["error"] is not None, what="the outage")
        told = run.get("/sources/remote")
        assert "the Kafka broker does not answer, going on trying" in told["error"]
        assert told["state"] == "live"
        kafka_server.start()
        until(lambda: run.get("/sources/remote")["error"] is None, what="the end of the outage")


def ensure_up(broker: KafkaBroker) -> None:
    broker.stop()
    broker.start()
