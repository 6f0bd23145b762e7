"""Types with an order and no arithmetic, and folded lists: one answer in REST and the table."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import httpx
import pyarrow as pa

from tests.pipeline.kit import keyfold, lake_rows, pipeline, until

SQL = """
CREATE SOURCE calls (trace UUID, body VARCHAR, bytes UHUGEINT, said TIMESTAMP_NS, s TIMESTAMP_S)
WITH (connector = 'events');
CREATE MATERIALIZED VIEW traces AS
SELECT trace, MIN(said) AS began, MAX(bytes) AS largest, MAX(from_hex(body)) AS body, MAX(s) AS s,
  arg_max(bytes, said) AS last_bytes,
  list_max([c.bytes for c in array_agg({'bytes': bytes, 'said': said})
    if c.said < MAX(said)]) AS before
FROM calls GROUP BY trace;
CREATE MATERIALIZED VIEW bodies AS
SELECT from_hex(body) AS body, bytes, COUNT(*) AS n FROM calls GROUP BY 1, 2;
"""
A, B = "0a000000-0000-0000-0000-000000000001", "f0000000-0000-0000-0000-000000000002"
MOST = 10**38 - 1
NUL_FF = quote(r"\x00\xFF")
FIRST = [
    {"trace": A.upper(), "body": "7A", "bytes": MOST, "said": "2026-01-31T12:00:00.000000002"},
    {"trace": A, "body": "80", "bytes": 7, "said": "2026-01-31T12:00:00.000000001"},
]
SECOND = [
    {"trace": A, "body": "00FF", "bytes": 8, "said": "2026-01-31T12:00:00.000000003"},
    {"trace": B, "s": "2026-01-31T12:00:00"},
]
ROW = {
    "trace": A,
    "began": "2026-01-31T12:00:00.000000001",
    "largest": MOST,
    "body": "\\x80",
    "s": None,
    "last_bytes": 8,
    "before": MOST,
}


def test_they_are_served_looked_up_and_written(tmp_path: Path) -> None:
    with pipeline(tmp_path, SQL) as run:
        until(run.ready, what="ready views")
        run.push("calls", FIRST)
        until(lambda: run.caught_up("calls", 2), what="the events")
        killed = run.kill("ingest")
        until(lambda: run.pid("ingest") not in (0, killed), what="the writer")
        run.push("calls", SECOND)
        until(lambda: run.caught_up("calls", 4), what="the events")
        none = dict.fromkeys(ROW) | {"trace": B, "s": "2026-01-31T12:00:00"}
        assert run.rows("traces") == [ROW, none]
        assert run.get(f"/views/traces/rows/{A.upper()}")["row"] == ROW
        assert run.get(f"/views/bodies/rows/{NUL_FF}/8")["row"]["n"] == 1
        assert [row["body"] for row in run.rows("bodies")] == ["\\x00\\xFF", "z", "\\x80", None]
        page = run.get("/views/bodies/rows", **{"body.gt": "z", "body.lte": r"\xFF"})
        assert [row["bytes"] for row in page["rows"]] == [7]
        arrow = httpx.get(
            f"{run.url}/v1/views/traces/rows",
            headers={"accept": "application/vnd.apache.arrow.stream"},
        )
        served = pa.ipc.open_stream(arrow.content).read_all()
        assert served.column("largest").to_pylist() == [Decimal(MOST), None]
        assert served.column("body").to_pylist() == [b"\x80", None]
        assert run.stop() == 0
    rows = lake_rows(tmp_path, "traces").sort_by("trace").to_pylist()
    assert rows[0] == ROW | {
        "body": b"\x80",
        "largest": Decimal(MOST),
        "last_bytes": Decimal(8),
        "before": Decimal(MOST),
    }
    assert rows[1]["s"] == datetime(2026, 1, 31, 12)
    with keyfold(tmp_path, "lake", "verify", "--data-dir", "data", name="verify") as verify:
        assert verify.process.wait(60.0) == 0, verify.log_path.read_text()
