"""Batches with structs in structs, wide integers and JSON: DuckDB sees them as they were bound."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa

from ingest.lane import Lane
from ingest.source.message import MessageBatch
from keyfold.sql.bind import locked_connection
from keyfold.sql.compile import compile_sql
from keyfold.state import deadletter
from keyfold.state.memory import MemoryStore
from keyfold.state.writer import StateWriter
from keyfold.view.row import CompiledView
from keyfold.view.rowkey import prefix_end

SQL = """
CREATE SOURCE s (h HUGEINT, s STRUCT<a INT, b STRUCT<c INT[]>>, k VARCHAR, j JSON)
WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT s.a AS a, j->>'x' AS x, COUNT(*) AS n, SUM(h) AS total, SUM(k::INT) AS k
FROM s GROUP BY s.a, x;
"""
GREATEST = 2**127 - 1


def test_a_poison_row_costs_that_row_and_nothing_of_its_neighbours() -> None:
    messages = [
        b'{"h":%d,"s":{"a":%d,"b":{"c":[1]}},"k":"%s","j":{"x":"q"}}'
        % (GREATEST if i == 6 else -1, i % 2, b"many" if i in (11, 400) else b"1")
        for i in range(600)
    ]
    catalog = compile_sql(SQL)
    store = MemoryStore()
    state = StateWriter(store, catalog)
    lane = Lane(catalog.sources[0], state, locked_connection(), Path("nowhere"))
    batch = MessageBatch(
        values=pa.array(messages, pa.binary()),
        partitions=np.zeros(600, np.int32),
        offsets=np.arange(600),
        timestamps_ms=np.full(600, -1),
        next_offsets={0: 600},
    )
    lane.apply(batch, 0)
    state.commit(0)
    prefix = state.views["v"].prefix
    stored = [(key[len(prefix) :], raw) for key, raw in store.scan(prefix, prefix_end(prefix))]
    assert CompiledView(catalog.views[0]).arrow_table(stored).to_pylist() == [
        {"a": 0, "x": "q", "n": 299, "total": Decimal(GREATEST - 298), "k": Decimal(299)},
        {"a": 1, "x": "q", "n": 299, "total": Decimal(-299), "k": Decimal(299)},
    ]
    letters = [letter for _, letter in deadletter.read(store, 0, 10)]
    assert [letter.offset for letter in letters] == [11, 400]
    assert all("Could not convert string 'many'" in letter.reason for letter in letters)
