"""The first numbered rows of each group are those that DuckDB numbers first among all events.

Law 1 for any cut and crash; law 4 for the ways to a row, and for its JSON and Arrow forms.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from keyfold.state.protocol import Store
from keyfold.view.rowkey import encode_key, prefix_end
from tests.laws.stream import (
    Event,
    Step,
    Stream,
    assert_same_rows,
    batch_connection,
    events,
    steps,
)
from tests.laws.test_law_4_one_state_two_outputs import as_json
from tests.laws.ways import assert_same_ways, reads_of
from tests.laws.windows import HOP

SOURCE = """
CREATE SOURCE orders (
  id BIGINT, user_id VARCHAR, amount DECIMAL(18,2), weight DOUBLE, ts TIMESTAMPTZ,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) INCLUDE partition AS p INCLUDE offset AS o WITH (connector = 'events');
"""
_ALL = "id, amount, weight, ts, p, o"
MINUTES = "(SELECT *, time_bucket(INTERVAL '1 minute', ts) AS window_start FROM orders)"
TUMBLE = "TUMBLE(orders, ts, INTERVAL '1' MINUTE)"
VIEWS: dict[str, tuple[str, str, str, str, str, int]] = {
    # Name → key, other columns, ORDER BY, FROM, WHERE, how many rows.
    "latest": ("user_id", _ALL, "ts DESC", "orders", "", 1),
    "least": ("user_id", _ALL, "amount, weight DESC", "orders", "id > 0", 1),
    "odd": ("user_id, id % 2 AS odd", _ALL, "weight DESC NULLS FIRST, id", "orders", "", 1),
    "minute": ("window_start, user_id", "upper(user_id) AS loud, ts", "ts DESC", TUMBLE, "", 1),
    "all_rows": ("", "user_id, ts, p, o", "amount DESC", "orders", "", 1),
    "latest_3": ("user_id", _ALL, "ts DESC", "orders", "", 3),
    "least_5": ("user_id", _ALL, "amount, weight DESC, id", "orders", "id > 0", 5),
    "odd_2": ("user_id, id % 2 AS odd", _ALL, "weight NULLS FIRST", "orders", "", 2),
    "by_text": ("id % 3 AS odd", "ts, p, o", "user_id DESC NULLS FIRST", "orders", "", 4),
    "minute_2": ("window_start, user_id", "ts, weight", "ts DESC", TUMBLE, "", 2),
    "hop_3": ("user_id, window_start", "id, ts, p, o", "ts DESC", HOP[0], "", 3),
    "all_20": ("", "user_id, ts, p, o", "amount DESC", "orders", "", 20),
}


def _select(name: str, tie: str) -> str:
    key, columns, order, source, where, n = VIEWS[name]
    partition = f"PARTITION BY {key.replace(' AS odd', '')} " if key else ""
    condition = f" WHERE {where}" if where else ""
    return (
        f"SELECT {key}{', ' if key else ''}{columns}, rn FROM (SELECT *, ROW_NUMBER() OVER "
        f"({partition}ORDER BY {order}{tie}) AS rn FROM {source}{condition}) WHERE rn <= {n}"
    )


def _batch(name: str) -> str:
    return _select(name, ", p, o").replace(TUMBLE, MINUTES).replace(*HOP)


SQL = SOURCE + "".join(
    f"CREATE MATERIALIZED VIEW {name} AS {_select(name, '')};\n" for name in VIEWS
)
KEYS = {
    name: [*(part.split(" AS ")[-1] for part in view[0].split(", ") if part), "rn"]
    for name, view in VIEWS.items()
}
slow = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def batch_rows(stream: Stream, name: str) -> list[dict[str, Any]]:
    """DuckDB's answer over the events before a view's durable offsets, with their places."""
    connection = batch_connection()
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE orders (id BIGINT, user_id VARCHAR, amount DECIMAL(18,2), "
        "weight DOUBLE, ts TIMESTAMPTZ, p INTEGER, o BIGINT)"
    )
    offsets = stream.record().views[name].offsets
    seen = [
        (e.id, e.user_id, e.amount, e.weight, e.second, partition, offset)
        for partition, log in stream.log.items()
        for offset, e in enumerate(log[: offsets.get(partition, 0)])
        if not e.broken
    ]
    if seen:
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?, "
            "TIMESTAMPTZ '2026-03-01 00:00:00+00' + to_seconds(?), ?, ?)",
            seen,
        )
    rows: list[dict[str, Any]] = connection.sql(_batch(name)).to_arrow_table().to_pylist()
    return rows


@slow
@given(log=events, plan=steps)
def test_any_cut_equals_one_batch_run(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event], plan: Sequence[Step]
) -> None:
    stream = Stream(new_store(), log, SQL)
    stream.run(plan)
    for name, keys in KEYS.items():
        assert_same_rows(stream.rows(name), batch_rows(stream, name), keys)
    stream.finish()
    for name, keys in KEYS.items():
        assert_same_rows(stream.rows(name), batch_rows(stream, name), keys)
        assert_same_ways(stream, name)


@slow
@given(log=events)
def test_a_json_row_and_an_arrow_row_are_the_same(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event]
) -> None:
    stream = Stream(new_store(), log, SQL)
    stream.finish()
    for name in VIEWS:
        compiled, stored = stream.stored(name)
        shown = [compiled.json_row(key, value) for key, value in stored]
        table = compiled.arrow_table(stored).to_pylist()
        told = [json.loads(text or "", parse_float=Decimal) for text in shown]
        for left, right in zip(told, table, strict=True):
            for column, value in right.items():
                real = isinstance(value, float)
                assert (float(left[column]) if real else left[column]) == as_json(value), column


@slow
@given(log=events)
def test_there_is_no_row_of_a_number_that_a_group_has_not(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event]
) -> None:
    stream = Stream(new_store(), log, SQL)
    stream.finish()
    reads, prefix = reads_of(stream, "latest_3")
    types = stream.catalog.view("latest_3").key_types
    rows: dict[str | None, int] = {}
    for row in stream.rows("latest_3"):
        rows[row["user_id"]] = max(rows.get(row["user_id"], 0), row["rn"])
    for user in {*rows, "nobody"}:
        for number in (None, -(2**63), -1, 0, 1, 2, 3, 4, 2**63 - 1):
            there = number is not None and 1 <= number <= rows.get(user, 0)
            found = reads.get(prefix + encode_key(types, (user, number)))
            assert (found is not None) == there, (user, number)


def test_a_group_is_stored_once_however_many_rows_it_has(
    new_store: Callable[[], Callable[[], Store]],
) -> None:
    log = [Event(i % 3, id=i, user_id="a", second=i) for i in range(9)]
    stream = Stream(new_store(), log, SQL)
    stream.finish()
    prefix = stream.state.views["latest_3"].prefix
    assert len(list(stream.store.scan(prefix, prefix_end(prefix)))) == 1
    assert [row["id"] for row in stream.rows("latest_3")] == [8, 7, 6]
