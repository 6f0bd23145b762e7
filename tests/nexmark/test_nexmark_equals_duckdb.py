"""Nexmark's queries by ``keyfold run`` and REST, against DuckDB over the same events.

Each ``q*.sql`` is a query: its view over the source ``nexmark``, and after the line ``-- batch``
what DuckDB is asked over a table of that name, with the same columns in the same order.

The long run is of a million events: ``NEXMARK_EVENTS=1000000 make test ARGS=tests/nexmark``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from ingest.source.nexmark_lines import NexmarkLines
from ingest.source.nexmark_rules import Kind, kinds
from keyfold.sql.nexmark import COLUMNS
from tests.pipeline.kit import Run, assert_books_balance, assert_view_is_batch, pipeline, until

EVENTS = int(os.environ.get("NEXMARK_EVENTS", "450000"))  # a day ends after 400,000
SEED = 3
QUERIES = {path.stem: path for path in sorted(Path(__file__).parent.glob("q*.sql"))}
SOURCE = (
    f"CREATE SOURCE nexmark WITH (connector = 'nexmark', events = '{EVENTS}', seed = '{SEED}', "
    "partitions = '4') FORMAT PLAIN ENCODE JSON;\n"
)
READ = {"q4": (Kind.AUCTION, Kind.BID)}
"""The kinds of events that a query reads, where these are not bids alone."""
_CHUNK = 100_000


def parts(query: str) -> tuple[str, str]:
    """The view of a query, and what DuckDB is asked."""
    view, _, batch = QUERIES[query].read_text().partition("\n-- batch\n")
    return view, batch


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """All views at once, read to the end."""
    sql = SOURCE + "".join(parts(query)[0] for query in QUERIES)
    with pipeline(tmp_path_factory.mktemp("run"), sql, "--no-lake") as started:
        until(started.ready_to_answer, what="serving")
        until(
            lambda: started.get("/sources/nexmark")["state"] == "complete",
            240,
            "the end of the source",
        )
        yield started


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the events as the table ``nexmark``; on disk, since their texts are many."""
    shape = json.dumps(dict(COLUMNS))
    lines = NexmarkLines(SEED)
    with duckdb.connect(tmp_path_factory.mktemp("batch") / "events.db") as connection:
        for start in range(0, EVENTS, _CHUNK):
            made = lines.lines(np.arange(start, min(start + _CHUNK, EVENTS)))
            connection.register("raw", pa.table({"v": made.cast(pa.utf8())}))
            events = f"SELECT unnest(from_json_strict(v, '{shape}')) FROM raw"
            into = "INSERT INTO nexmark" if start else "CREATE TABLE nexmark AS"
            connection.execute(f"{into} {events}")
        yield connection


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_equals_duckdb(query: str, run: Run, batch: duckdb.DuckDBPyConnection) -> None:
    expected = batch.sql(parts(query)[1]).to_arrow_table()
    keys = run.get(f"/views/{query}")["key"]
    assert_view_is_batch(run, query, expected, keys)
    ledger = run.ledger(query)
    assert_books_balance(ledger, EVENTS)
    read = np.isin(kinds(np.arange(EVENTS)), READ.get(query, (Kind.BID,)))
    assert ledger["applied"] == int(np.sum(read))
