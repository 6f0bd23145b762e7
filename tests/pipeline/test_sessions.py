"""Sessions through the processes: out of order and across a crash, REST and the table agree."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import httpx
import pyarrow as pa

from tests.pipeline.kit import (
    assert_lake_is_batch,
    assert_view_is_batch,
    keyfold,
    pipeline,
    until,
)

SQL = """
CREATE SOURCE clicks (who VARCHAR, amount DECIMAL(18,2), ts TIMESTAMPTZ, WATERMARK FOR ts AS ts)
WITH (connector = 'events');
CREATE MATERIALIZED VIEW visits AS
SELECT who, window_start, window_end, COUNT(*) AS n, SUM(amount) AS total
FROM SESSION(clicks PARTITION BY who, ts, INTERVAL '10' MINUTE)
GROUP BY who, window_start, window_end;
CREATE MATERIALIZED VIEW closed AS
SELECT window_start, window_end, COUNT(*) AS n
FROM TABLE(SESSION(TABLE clicks, DESCRIPTOR(ts), INTERVAL '30' SECOND))
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;
"""
SESSIONS = """
SELECT {keys}min(ts) AS window_start, max(ts) + INTERVAL '{gap} s' AS window_end, {items}
FROM (SELECT *, count(*) FILTER (WHERE before IS NULL OR ts > before + INTERVAL '{gap} s')
    OVER ({by} ORDER BY ts) AS session
  FROM (SELECT *, lag(ts) OVER ({by} ORDER BY ts) AS before FROM clicks))
GROUP BY {keys}session {having}"""
VISITS = SESSIONS.format(
    keys="who, ", gap=600, by="PARTITION BY who", items="COUNT(*) AS n, SUM(amount) AS total",
    having="",
)  # fmt: skip
CLOSED = SESSIONS.format(
    keys="", gap=30, by="", items="COUNT(*) AS n",
    having="HAVING max(ts) + INTERVAL '30 s' <= (SELECT max(ts) FROM clicks)",
)  # fmt: skip
EVENTS = 400


def clicks() -> list[dict[str, object]]:
    """Events of a day and a half, about as many within the gap as beyond it, in disorder."""
    chance = random.Random(11)
    made = []
    for i in range(EVENTS):
        second = chance.randrange(0, 36 * 3_600, 60)
        hour, rest = divmod(second, 3_600)
        text = f"2026-03-{1 + hour // 24:02}T{hour % 24:02}:{rest // 60:02}:{rest % 60:02}Z"
        made.append({"who": f"w{chance.randrange(4)}", "amount": i % 7, "ts": text})
    return made


def batch_of(query: str) -> pa.Table:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("raw", pa.Table.from_pylist(clicks()))
        connection.execute(
            "CREATE TABLE clicks AS SELECT who, amount::DECIMAL(18,2) AS amount, "
            "ts::TIMESTAMPTZ AS ts FROM raw"
        )
        return connection.sql(query).to_arrow_table()


def test_sessions_are_served_and_written_as_one_batch_run_has_them(tmp_path: Path) -> None:
    events = clicks()
    visits, closed = batch_of(VISITS), batch_of(CLOSED)
    assert visits.num_rows < EVENTS - 50, "some events are in one session"
    with pipeline(tmp_path, SQL) as run:
        until(run.ready, what="ready views")
        for start in range(0, EVENTS, 40):
            run.push("clicks", events[start : start + 40])
            until(lambda end=start + 40: run.caught_up("clicks", end), what="the events")  # type: ignore[misc]
            if start == 200:
                killed = run.kill("ingest")
                until(lambda: run.pid("ingest") != killed, what="another ingest")  # noqa: B023
        assert_view_is_batch(run, "visits", visits, ["who", "window_start"])
        assert_view_is_batch(run, "closed", closed, ["window_start"])
        told = run.get("/views/visits")
        assert told["key"] == ["who", "window_start"]
        assert told["window"] == {"kind": "session", "column": "ts", "gap_ms": 600_000}
        own = [row for row in run.rows("visits") if row["who"] == "w1"]
        listed = run.get("/views/visits/rows", who="w1")["rows"]
        assert listed == own
        third = own[2]["window_start"]
        row = run.get(f"/views/visits/rows/w1/{third}")["row"]
        assert row == own[2]
        after = run.get("/views/visits/rows", **{"who": "w1", "window_start.gte": third})["rows"]
        assert after == own[2:]
        many = httpx.post(
            f"{run.url}/v1/views/visits/lookup",
            json={"keys": [["w1", third], ["w1", "1999-01-01T00:00:00Z"]]},
            timeout=30.0,
        ).json()["rows"]
        assert [one and one["window_end"] for one in many] == [own[2]["window_end"], None]
        assert run.ledger("visits")["applied"] == EVENTS
        assert run.stop() == 0
    assert_lake_is_batch(tmp_path, "visits", visits, ["who", "window_start"])
    assert_lake_is_batch(tmp_path, "closed", closed, ["window_start"])
    with keyfold(tmp_path, "lake", "verify", "--data-dir", "data", name="verify") as verify:
        assert verify.process.wait(60.0) == 0, verify.log_path.read_text()
