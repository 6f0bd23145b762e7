"""The ceiling: DuckDB over an NDJSON file, one batch query on all cores, no broker and no state."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtests.peers import peer

try:
    import duckdb
except ImportError:
    peer.missing("duckdb is not installed: run this with the Python of Keyfold's .venv")

_QUERY = """
CREATE TABLE totals AS
SELECT user_id, COUNT(*) AS orders, SUM(amount)::BIGINT AS total, MAX(ts) AS last_ts
FROM read_json($file, format = 'newline_delimited',
               columns = {user_id: 'VARCHAR', amount: 'BIGINT', ts: 'BIGINT'})
GROUP BY user_id
"""


def main() -> None:
    request = peer.request(source="file")
    connection = duckdb.connect()
    connection.execute("SET threads = ?", [request.parallelism])
    connection.execute("LOAD json")
    started_s = perf_counter()
    connection.execute(_QUERY, {"file": str(request.file)})
    seconds = perf_counter() - started_s
    found = connection.execute("SELECT SUM(orders)::BIGINT FROM totals").fetchone()
    events = int(found[0] or 0) if found else 0
    if request.events and events != request.events:
        sys.exit(f"error: the file has {events} events, not {request.events}")
    if request.output is not None:
        target = str(request.output).replace("'", "''")
        connection.execute(f"COPY totals TO '{target}' (FORMAT parquet)")
    peer.report(
        "duckdb_batch",
        duckdb.__version__,
        events,
        seconds,
        "the query, from its start to the table in memory",
        {"threads": request.parallelism, "columns": "user_id, amount, ts"},
    )


if __name__ == "__main__":
    main()
