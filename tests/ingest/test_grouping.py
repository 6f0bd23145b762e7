"""Views that group alike share a query: each gets what it would get alone, and fails alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.evaluate import Delta, Evaluator, Poison
from ingest.grouping import alike
from keyfold.sql.bind import HIDDEN_OFFSET, HIDDEN_PARTITION, locked_connection
from keyfold.sql.compile import compile_sql
from keyfold.view.partial import PartialCodec
from keyfold.view.plan import ViewPlan

SOURCE = """
CREATE SOURCE orders (id BIGINT, user_id VARCHAR, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts)
WITH (connector = 'events');
"""
COUNTS = "SELECT user_id, COUNT(*) AS n FROM orders {} GROUP BY user_id"
TOTALS = "SELECT user_id, AVG(id) AS mean, COUNT(*) AS n, MAX(ts) AS last FROM orders {} GROUP BY 1"
LISTS = (
    "SELECT o.user_id AS u, SUM(id) AS s, COUNT(*) FILTER (WHERE id > 2) AS n, "
    "ARRAY_AGG(id ORDER BY id LIMIT 3) AS least FROM orders o {} GROUP BY u"
)
NUMBERS = "SELECT user_id, SUM(user_id::INTEGER) AS s FROM orders {} GROUP BY user_id"
MINUTES = (
    "SELECT window_start, {} FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE) GROUP BY window_start"
)


@cache
def connection() -> duckdb.DuckDBPyConnection:
    return locked_connection()


@cache
def plans(*selects: str, options: str = "") -> tuple[ViewPlan, ...]:
    views = (
        f"CREATE MATERIALIZED VIEW v{i} {options} AS {select};" for i, select in enumerate(selects)
    )
    return compile_sql(SOURCE + "".join(views)).views


def table_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.table(
        {
            "id": pa.array([row.get("id", i) for i, row in enumerate(rows)], pa.int64()),
            "user_id": pa.array([row.get("user_id") for row in rows], pa.large_utf8()),
            "ts": pa.array(
                [row.get("second", 0) * 1_000_000 for row in rows], pa.timestamp("us", "UTC")
            ),
            HIDDEN_PARTITION: pa.array([0] * len(rows), pa.int32()),
            HIDDEN_OFFSET: pa.array(range(len(rows)), pa.int64()),
        }
    )


def together(views: Sequence[ViewPlan]) -> list[Evaluator]:
    groupings = alike(connection(), views)
    return [
        Evaluator(connection(), view, b"%d" % i, groupings[view.name])
        for i, view in enumerate(views)
    ]


def told(parts: Sequence[Delta | Poison], view: ViewPlan) -> list[Any]:
    codec = PartialCodec(view.slots)
    found: list[Any] = []
    for part in parts:
        if isinstance(part, Poison):
            found.append(part)
            continue
        values = codec.encode(part.slots) if part.keys else []
        found.append(
            (
                dict(zip(part.keys, values, strict=True)),
                dict(part.applied),
                dict(part.filtered),
                dict(part.late),
            )
        )
    return found


def each_as_alone(views: Sequence[ViewPlan], table: pa.Table, *, late: bool = False) -> None:
    for i, (view, evaluator) in enumerate(zip(views, together(views), strict=True)):
        alone = Evaluator(connection(), view, b"%d" % i)
        expected = told(list(alone.evaluate(table, late=late)), view)
        assert told(list(evaluator.evaluate(table, late=late)), view) == expected


rows_strategy = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.none() | st.integers(-5, 5),
            "user_id": st.none() | st.sampled_from(["a", "b", "", "ä"]),
            "second": st.integers(0, 200),
        }
    ),
    max_size=20,
)


@settings(max_examples=40, deadline=None)
@given(rows=rows_strategy, where=st.sampled_from(["", "WHERE id > 0"]))
def test_each_view_gets_the_delta_that_it_would_get_alone(
    rows: list[dict[str, Any]], where: str
) -> None:
    views = plans(*(select.format(where) for select in (COUNTS, TOTALS, LISTS)))
    assert len(set(alike(connection(), views).values())) == 1
    each_as_alone(views, table_of(rows))


@pytest.mark.parametrize("late", [False, True])
def test_so_it_is_where_rows_expire(late: bool) -> None:
    views = plans(
        MINUTES.format("COUNT(*) AS n"), MINUTES.format("MAX(id) AS m"),
        options="WITH (retention = '1 hour')",
    )  # fmt: skip
    assert len(set(alike(connection(), views).values())) == 1
    each_as_alone(views, table_of([{"second": second} for second in (10, 61, 30, 130)]), late=late)


def test_one_query_is_asked_for_all_views() -> None:
    views = plans(COUNTS.format(""), TOTALS.format(""))
    groupings = alike(connection(), views)
    table = table_of([{"user_id": "a"}])
    first = groupings["v0"].known_groups(table)
    assert first is not None
    assert groupings["v1"].known_groups(table) is first
    assert groupings["v1"].known_groups(table_of([{"user_id": "a"}])) is not first


def test_keys_come_in_order() -> None:
    (view,) = plans(COUNTS.format(""))
    table = table_of([{"user_id": f"u{i * 37 % 100}"} for i in range(1_000)])
    (delta,) = Evaluator(connection(), view, b"").evaluate(table)
    assert isinstance(delta, Delta)
    assert len(delta.keys) == 100
    assert delta.keys == sorted(delta.keys)


def test_views_of_other_keys_or_another_where_stand_alone() -> None:
    views = plans(
        COUNTS.format(""), COUNTS.format("WHERE id > 0"), COUNTS.format("WHERE id > 1"),
        "SELECT id, COUNT(*) AS n FROM orders GROUP BY id",
        "SELECT user_id, id, COUNT(*) AS n FROM orders GROUP BY user_id, id",
        MINUTES.format("COUNT(*) AS n"),
    )  # fmt: skip
    groupings = alike(connection(), views)
    assert len(set(groupings.values())) == len(views)
    assert not any(grouping.shared for grouping in groupings.values())


def test_what_fails_in_one_view_costs_the_others_nothing() -> None:
    rows = [{"user_id": name} for name in ("1", "one", "2")]
    views = plans(COUNTS.format(""), NUMBERS.format(""), TOTALS.format(""))
    each_as_alone(views, table_of(rows))
    counts, numbers, totals = (list(one.evaluate(table_of(rows))) for one in together(views))
    assert [part.row for part in numbers if isinstance(part, Poison)] == [1]
    for parts in (counts, totals):
        (delta,) = parts
        assert isinstance(delta, Delta)
        assert delta.applied == {0: 3}
