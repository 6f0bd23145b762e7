"""Evaluation: a delta is what DuckDB says of the batch, and a poison row costs that row."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.evaluate import EXPLAINED_MAX, Delta, Evaluator, Poison
from keyfold.sql.bind import HIDDEN_PARTITION, locked_connection
from keyfold.sql.compile import compile_sql
from keyfold.view.partial import PartialCodec
from keyfold.view.plan import ViewPlan
from keyfold.view.row import CompiledView

SOURCE = """
CREATE SOURCE orders (
  id BIGINT, user_id VARCHAR, amount DECIMAL(18,2), ts TIMESTAMPTZ, WATERMARK FOR ts AS ts
) WITH (connector = 'events');
"""
SPEND = (
    "SELECT user_id, COUNT(*) AS n, COUNT(id) AS ids, SUM(amount) AS total, MAX(id) AS last "
    "FROM orders WHERE id > 0 GROUP BY user_id"
)
NUMBERS = "SELECT user_id::INTEGER AS k, COUNT(*) AS n, SUM(id) AS s FROM orders GROUP BY k"


@cache
def connection() -> duckdb.DuckDBPyConnection:
    return locked_connection()


@cache
def plan_of(select: str, options: str = "") -> ViewPlan:
    return compile_sql(f"{SOURCE} CREATE MATERIALIZED VIEW v {options} AS {select};").views[0]


def table_of(rows: Sequence[dict[str, Any]], partitions: Sequence[int] | None = None) -> pa.Table:
    n = len(rows)
    return pa.table(
        {
            "id": pa.array([row.get("id", i) for i, row in enumerate(rows)], pa.int64()),
            "user_id": pa.array([row.get("user_id") for row in rows], pa.large_utf8()),
            "amount": pa.array([row.get("amount") for row in rows], pa.decimal128(18, 2)),
            "ts": pa.array(
                [row.get("second", 0) * 1_000_000 for row in rows], pa.timestamp("us", "UTC")
            ),
            HIDDEN_PARTITION: pa.array(partitions or [0] * n, pa.int32()),
        }
    )


def evaluate(
    select: str, table: pa.Table, *, late: bool = False, options: str = ""
) -> tuple[list[Delta], dict[int, str]]:
    plan = plan_of(select, options)
    parts = list(Evaluator(connection(), plan, b"").evaluate(table, late=late))
    poison = [part for part in parts if isinstance(part, Poison)]
    reasons = {one.row: one.reason for one in poison}
    assert len(reasons) == len(poison), "a row is poison once"
    return [part for part in parts if isinstance(part, Delta)], reasons


def rows_of(delta: Delta, select: str) -> list[dict[str, Any]]:
    plan = plan_of(select)
    values = PartialCodec(plan.slots).encode(delta.slots)
    pairs = sorted(zip(delta.keys, values, strict=True))
    rows: list[dict[str, Any]] = CompiledView(plan).arrow_table(pairs).to_pylist()
    return rows


def batch_answer(select: str, table: pa.Table) -> list[dict[str, Any]]:
    other = duckdb.connect()
    other.register("orders", table)
    rows: list[dict[str, Any]] = (
        other.sql(f"{select} ORDER BY 1 NULLS LAST").to_arrow_table().to_pylist()
    )
    return rows


rows_strategy = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.none() | st.integers(-5, 5),
            "user_id": st.none() | st.sampled_from(["a", "b", "", "ä"]),
            "amount": st.none() | st.decimals(-100, 100, places=2),
        }
    ),
    max_size=20,
)


@settings(max_examples=40, deadline=None)
@given(rows=rows_strategy, pieces=st.integers(1, 3))
def test_a_delta_is_what_duckdb_says_of_the_batch(rows: list[dict[str, Any]], pieces: int) -> None:
    table = table_of(rows)
    cut = len(rows) // pieces
    chunked = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    deltas, poison = evaluate(SPEND, chunked)
    assert not poison
    if not rows:
        assert deltas == []
        return
    (delta,) = deltas
    assert rows_of(delta, SPEND) == batch_answer(SPEND, table)
    passed = sum(row["id"] is not None and row["id"] > 0 for row in rows)
    assert delta.applied == {0: passed}
    assert delta.filtered == {0: len(rows) - passed}


def test_an_empty_batch_has_no_delta() -> None:
    assert evaluate(SPEND, table_of([])) == ([], {})


def test_a_batch_of_which_nothing_passes_has_a_delta_without_keys() -> None:
    ((delta,), _) = evaluate(SPEND, table_of([{"id": -1}, {"id": None}], [3, 5]))
    assert delta.keys == []
    assert delta.applied == {3: 0, 5: 0}
    assert delta.filtered == {3: 1, 5: 1}


def test_dictionaries_are_columns_like_others() -> None:
    rows = [{"id": 1 + i, "user_id": name} for i, name in enumerate("abab")]
    table = table_of(rows)
    encoded = table.set_column(1, "user_id", table.column("user_id").dictionary_encode())
    ((delta,), _) = evaluate(SPEND, encoded)
    assert rows_of(delta, SPEND) == batch_answer(SPEND, table)


def test_the_ledger_is_kept_by_partition() -> None:
    select = (
        "SELECT window_start, COUNT(*) AS n FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE) "
        "WHERE id > 0 GROUP BY window_start"
    )
    rows = [{"id": 1}, {"id": 0}, {"id": 1}, {"id": 1}]
    table = table_of(rows, [0, 0, 0, 2])
    ((delta,), _) = evaluate(select, table)
    assert (delta.applied, delta.filtered, delta.late) == ({0: 2, 2: 1}, {0: 1, 2: 0}, {})
    assert len(delta.keys) == 1
    # What WHERE leaves out is filtered, though it is late as well.
    ((delta,), _) = evaluate(select, table, late=True)
    assert (delta.applied, delta.filtered, delta.late) == ({}, {0: 1, 2: 0}, {0: 2, 2: 1})
    assert delta.keys == []


def test_a_late_row_is_poison_where_its_condition_fails_and_nowhere_else() -> None:
    select = (
        "SELECT user_id, SUM(CAST(user_id AS INT)) AS n FROM orders "
        "WHERE CAST(user_id AS INT) IS NULL OR id > 0 GROUP BY user_id"
    )
    table = table_of([{"id": 1, "user_id": one} for one in ("7", "x", "8")])
    deltas, poison = evaluate(select, table, late=True)
    assert poison.keys() == {1}
    assert sum(delta.late.get(0, 0) for delta in deltas) == 2
    plain = "SELECT user_id, SUM(CAST(user_id AS INT)) AS n FROM orders GROUP BY user_id"
    deltas, poison = evaluate(plain, table, late=True)
    assert not poison
    assert [delta.late for delta in deltas] == [{0: 3}]


def merged_counts(deltas: Sequence[Delta]) -> Counter[bytes]:
    counts: Counter[bytes] = Counter()
    for delta in deltas:
        counts.update(dict(zip(delta.keys, delta.slots[0].tolist(), strict=True)))
    return counts


@pytest.mark.parametrize("bad", [{0}, {7}, {3, 4}, set(range(10)), {0, 9}, set(range(0, 10, 2))])
def test_a_row_that_cannot_be_evaluated_costs_that_row(bad: set[int]) -> None:
    rows = [{"user_id": f"no {i}" if i in bad else str(i % 3)} for i in range(10)]
    deltas, poison = evaluate(NUMBERS, table_of(rows, list(range(10))))
    assert poison.keys() == bad
    for i, reason in poison.items():
        assert f"'no {i}'" in reason
        assert "\n" not in reason
    assert sum(merged_counts(deltas).values()) == 10 - len(bad)
    applied = Counter[int]()
    for delta in deltas:
        applied.update(delta.applied)
    assert {p for p, n in applied.items() if n} == set(range(10)) - bad


@pytest.mark.parametrize(
    ("select", "bad"),
    [
        ("SELECT id, SUM(user_id::INTEGER) AS s FROM orders GROUP BY id", {1, 2}),
        ("SELECT id, COUNT(*) AS n FROM orders WHERE user_id::INTEGER > 1 GROUP BY id", {1, 2}),
        (
            "SELECT id, COUNT(*) FILTER (WHERE user_id::INTEGER > 1) AS n FROM orders GROUP BY id",
            {1, 2},
        ),
        # What WHERE leaves out is not evaluated any further.
        ("SELECT user_id::INTEGER AS k, COUNT(*) AS n FROM orders WHERE id <> 1 GROUP BY k", {2}),
        (
            "SELECT window_start, user_id::INTEGER AS k, COUNT(*) AS n FROM "
            "TUMBLE(orders, ts, INTERVAL '1' MINUTE) GROUP BY window_start, k",
            {1, 2},
        ),
    ],
)
def test_it_may_be_any_expression_of_the_view(select: str, bad: set[int]) -> None:
    rows = [{"user_id": name} for name in ("1", "one", "two", "2")]
    deltas, poison = evaluate(select, table_of(rows))
    assert poison.keys() == bad
    passed = {3} if " WHERE user_id" in select and "FILTER" not in select else {0, 3}
    assert sum(sum(delta.applied.values()) for delta in deltas) == len(passed)


def test_a_sum_that_is_too_great_for_one_query_is_taken_in_parts() -> None:
    half = (2**127 - 1) // 2
    select = f"SELECT user_id, SUM(id::HUGEINT * {half}) AS s FROM orders GROUP BY user_id"
    rows = [{"id": one, "user_id": "a"} for one in (1, 1, 1, -1, -1, -1)]
    deltas, poison = evaluate(select, table_of(rows))
    assert not poison
    assert sum(sum(delta.applied.values()) for delta in deltas) == 6


@pytest.mark.parametrize(
    "select",
    [
        # A key, an element, what stands in WHERE, and an argument beside grouping sets.
        NUMBERS,
        "SELECT e::INTEGER AS k, COUNT(*) AS n FROM orders, UNNEST([user_id]) AS t(e) GROUP BY k",
        "SELECT user_id AS k, COUNT(*) AS n FROM orders, UNNEST([user_id]) AS t(e) "
        "WHERE e::INTEGER >= 0 GROUP BY k",
        "SELECT user_id AS k, GROUPING(user_id) AS g, SUM(user_id::INTEGER) AS s, COUNT(*) AS n "
        "FROM orders GROUP BY GROUPING SETS ((k))",
    ],
)
def test_a_thousand_poison_rows_take_seconds_and_not_minutes(select: str) -> None:
    n, bad = 50_000, 1_000
    names = [f"no {i}" if i % (n // bad) == 7 else str(i % 100) for i in range(n)]
    table = table_of([{"user_id": name} for name in names])
    started = time.process_time()
    deltas, poison = evaluate(select, table)
    took_s = time.process_time() - started
    assert poison.keys() == {i for i in range(n) if i % 50 == 7}
    assert sum(merged_counts(deltas).values()) == n - bad
    assert len(deltas) == 1
    assert took_s < 5  # of processor time, whatever else runs


def test_beyond_a_bound_poison_rows_share_their_reason() -> None:
    n = EXPLAINED_MAX + 500
    table = table_of([{"user_id": f"no {i}"} for i in range(n)] + [{"user_id": "1"}])
    deltas, poison = evaluate(NUMBERS, table)
    assert poison.keys() == set(range(n))
    assert "'no 0'" in poison[0]
    assert poison[n - 1] == "the SQL of v cannot be evaluated on it"
    assert sum(merged_counts(deltas).values()) == 1


def test_slots_are_contiguous_columns_of_one_value_per_key() -> None:
    rows = [{"id": 1 + i, "user_id": str(i % 7)} for i in range(5_000)]
    ((delta,), _) = evaluate(SPEND, table_of(rows))
    assert len(delta.keys) == len(set(delta.keys)) == 7
    assert [len(slot) for slot in delta.slots] == [7] * len(plan_of(SPEND).slots)
    assert int(np.sum(delta.slots[0])) == 5_000
