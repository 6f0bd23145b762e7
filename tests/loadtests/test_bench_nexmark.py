"""The Nexmark benchmarks: their events, and that all who are asked are asked the same."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest.source.nexmark_lines import NexmarkLines
from keyfold.sql.compile import compile_sql
from loadtests.bench import engines
from loadtests.bench.nexmark import Bids

FLINK_SQL = Path(__file__).parents[2] / "loadtests" / "peers" / "flink_sql"
QUERIES = ("q12", "q17")


@pytest.fixture
def bench_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(engines, "ROOT", tmp_path)
    return tmp_path / ".bench"


def test_the_topic_holds_the_first_bids_and_nothing_else() -> None:
    found = pa.concat_arrays(Bids("q12", 500).values()).to_pylist()
    events = NexmarkLines(1).lines(np.arange(1_000)).to_pylist()
    assert found == [one for one in events if one.startswith(b'{"event_type":2,')][:500]


@pytest.mark.parametrize("query", QUERIES)
def test_keyfold_duckdb_and_flink_are_asked_for_the_same_columns(
    query: str, bench_directory: Path
) -> None:
    bids = Bids(query, 2_000)
    expected = pq.read_table(engines.expected_file(bids))
    (view,) = compile_sql(bids.pipeline("connector = 'nexmark', events = '5'")).views
    assert view.name == bids.view
    assert [output.name for output in view.outputs] == expected.column_names
    sink = re.search(rf"CREATE TABLE {query} \((.*?)\n\)", _flink(query), re.DOTALL)
    assert sink is not None
    columns = re.sub(r"\(.*?\)|PRIMARY KEY.*", "", sink[1]).split(",")
    names = [column.split()[0].strip("`") for column in columns if column.strip()]
    assert names == expected.column_names
    for name in ("event_type", "dateTime", *re.findall(r"(\w+) BIGINT", bids.shape["bid"])):
        assert name in _flink(query)
    assert "WHERE event_type = 2" in _flink(query)


def test_a_table_that_is_not_duckdbs_is_refused(bench_directory: Path) -> None:
    bids = Bids("q17", 2_000)
    right = pq.read_table(engines.expected_file(bids))
    engines.check(right, bids)
    with duckdb.connect() as connection:
        connection.register("known", right)
        wrong = connection.sql("SELECT * REPLACE (mean + 1e-9 AS mean) FROM known")
        with pytest.raises(RuntimeError, match="differs from DuckDB's in"):
            engines.check(wrong.to_arrow_table(), bids)
    with pytest.raises(RuntimeError, match="differs from DuckDB's in 1 rows"):
        engines.check(right.slice(1), bids)


def _flink(query: str) -> str:
    return (FLINK_SQL / f"nexmark_{query}.sql").read_text()
