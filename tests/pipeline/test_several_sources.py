"""UNION ALL through the processes: two sources, a crash, and one answer in REST and the table."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from tests.pipeline.kit import (
    assert_lake_is_batch,
    assert_view_is_batch,
    keyfold,
    lake_table,
    pipeline,
    until,
)

SQL = """
CREATE SOURCE clicks (page VARCHAR, ms INTEGER, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts)
WITH (connector = 'events');
CREATE SOURCE scans (shelf VARCHAR, moment TIMESTAMPTZ, WATERMARK FOR moment AS moment)
WITH (connector = 'events');
CREATE VIEW looks AS
SELECT 'click' AS kind, page AS item, ms, ts FROM clicks WHERE page <> ''
UNION ALL SELECT 'scan', shelf, NULL, moment FROM scans;
CREATE MATERIALIZED VIEW items AS
SELECT item, COUNT(*) AS n, COUNT(DISTINCT kind) AS kinds, MAX(ms) AS ms FROM looks GROUP BY item;
CREATE MATERIALIZED VIEW minutes AS
SELECT window_start, kind, COUNT(*) AS n
FROM TUMBLE(looks, ts, INTERVAL '1' MINUTE) GROUP BY window_start, kind;
"""
EVENTS = 120


def clicks() -> list[dict[str, object]]:
    return [
        {"page": f"p{i % 7}" if i % 5 else "", "ms": i, "ts": f"2026-03-01T00:{i % 60:02}:30Z"}
        for i in range(EVENTS)
    ]


def scans() -> list[dict[str, object]]:
    return [
        {"shelf": f"p{i % 9}", "moment": f"2026-03-01T00:{i % 50:02}:10Z"} for i in range(EVENTS)
    ]


def batch_of(query: str) -> pa.Table:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("raw_clicks", pa.Table.from_pylist(clicks()))
        connection.register("raw_scans", pa.Table.from_pylist(scans()))
        connection.execute(
            "CREATE TABLE looks AS SELECT 'click' AS kind, page AS item, ms::INTEGER AS ms, "
            "ts::TIMESTAMPTZ AS ts FROM raw_clicks WHERE page <> '' "
            "UNION ALL SELECT 'scan', shelf, NULL, moment::TIMESTAMPTZ FROM raw_scans"
        )
        return connection.sql(query).to_arrow_table()


def test_a_union_is_served_and_written_as_one_batch_run_has_it(tmp_path: Path) -> None:
    items = batch_of(
        "SELECT item, COUNT(*) AS n, COUNT(DISTINCT kind) AS kinds, MAX(ms) AS ms "
        "FROM looks GROUP BY item"
    )
    minutes = batch_of(
        "SELECT time_bucket(INTERVAL '1 minute', ts) AS window_start, kind, COUNT(*) AS n "
        "FROM looks GROUP BY ALL"
    )
    with pipeline(tmp_path, SQL) as run:
        until(run.ready, what="ready views")
        for start in range(0, EVENTS, 40):
            end = start + 40
            run.push("clicks", clicks()[start:end])
            run.push("scans", scans()[start:end])
            for source in ("clicks", "scans"):
                until(lambda: run.caught_up(source, end), what="the events")  # noqa: B023
            if start == 40:
                killed = run.kill("ingest")
                until(lambda: run.pid("ingest") != killed, what="another ingest")  # noqa: B023
        assert_view_is_batch(run, "items", items, ["item"])
        assert_view_is_batch(run, "minutes", minutes, ["window_start", "kind"])
        told = run.get("/views/items")
        assert (told["source"], told["sources"]) == (None, ["clicks", "scans"])
        assert sum(told["offsets"]["clicks"].values()) == EVENTS
        assert sum(told["offsets"]["scans"].values()) == EVENTS
        assert told["ledger"]["total"]["filtered"] == EVENTS // 5
        assert told["ledger"]["partitions"]["scans"]["0"]["applied"] == EVENTS
        assert told["freshness"]["watermark"] == "2026-03-01T00:49:10Z", "the least of both"
        row = run.get("/views/items/rows/p3", offsets=1)
        assert row["commit"]["offsets"] == told["offsets"]
        assert run.stop() == 0
    assert_lake_is_batch(tmp_path, "items", items, ["item"])
    assert_lake_is_batch(tmp_path, "minutes", minutes, ["window_start", "kind"])
    summary = lake_table(tmp_path, "items").current_snapshot().summary
    assert summary["keyfold.source"] == "clicks,scans"
    assert '"scans":{' in summary["keyfold.offsets"]
    with keyfold(tmp_path, "lake", "verify", "--data-dir", "data", name="verify") as verify:
        assert verify.process.wait(60.0) == 0, verify.log_path.read_text()
