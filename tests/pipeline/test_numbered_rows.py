"""The first rows of each key, through HTTP, RocksDB and Iceberg, against DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from tests.pipeline.kit import (
    assert_books_balance,
    assert_lake_is_batch,
    assert_view_is_batch,
    pipeline,
    until,
)

EVENTS = 900
SOURCE = """
CREATE SOURCE bids (
  bid BIGINT, bidder VARCHAR, auction BIGINT, price DECIMAL(9,2), made TIMESTAMPTZ, tags VARCHAR[]
) WITH (connector = 'events');
"""
NUMBERED = "FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {}) AS rn FROM bids)"
VIEWS = {
    "latest": (
        "SELECT bidder, auction, bid, price, made "
        + NUMBERED.format("bidder, auction", "made DESC, bid")
        + " WHERE rn = 1",
        ["bidder", "auction"],
    ),
    "dearest": (
        "SELECT auction, rn, bid, bidder, price, made, len(tags) AS tags "
        + NUMBERED.format("auction", "price DESC NULLS FIRST, bid")
        + " WHERE rn <= 10",
        ["auction", "rn"],
    ),
}


def events() -> list[dict[str, object]]:
    return [
        {
            "bid": i,
            "bidder": f"b{i * 7 % 13}",
            "auction": i * i % 17,
            "price": f"{i * 31 % 101}.{i % 10}" if i % 19 else None,
            "made": f"2026-01-01T00:{i * 11 % 60:02}:00Z",
            "tags": ["x"] * (i % 3),
        }
        for i in range(EVENTS)
    ]


def test_the_first_rows_of_a_key_are_those_of_duckdb_by_rest_and_by_iceberg(
    tmp_path: Path,
) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        "CREATE TABLE bids (bid BIGINT, bidder VARCHAR, auction BIGINT, price DECIMAL(9,2), "
        "made TIMESTAMPTZ, tags VARCHAR[])"
    )
    table = pa.Table.from_pylist(events())
    connection.register("given", table)
    connection.execute("INSERT INTO bids SELECT * FROM given")
    expected = {name: connection.sql(view[0]).to_arrow_table() for name, view in VIEWS.items()}
    sql = SOURCE + "".join(
        f"CREATE MATERIALIZED VIEW {name} AS {view[0]};\n" for name, view in VIEWS.items()
    )
    with pipeline(tmp_path, sql) as run:
        until(run.ready_to_answer, what="serving")
        for start in range(0, EVENTS, 300):
            run.push("bids", events()[start : start + 300])
        until(lambda: run.caught_up("bids", EVENTS), what="the events")
        for name, (_, keys) in VIEWS.items():
            assert_view_is_batch(run, name, expected[name], keys)
            assert_books_balance(run.ledger(name), EVENTS)
        third = run.get("/views/dearest/rows/4/3")["row"]
        assert third in run.get("/views/dearest/rows", auction=4)["rows"][2:3]
        few = run.get("/views/dearest/rows", **{"auction": 4, "rn.lte": 3})["rows"]
        assert [row["rn"] for row in few] == [1, 2, 3]
        assert run.stop() == 0
    for name, (_, keys) in VIEWS.items():
        assert_lake_is_batch(tmp_path, name, expected[name], keys)
