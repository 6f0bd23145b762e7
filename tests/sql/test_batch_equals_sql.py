"""A view, batch by batch, is what DuckDB answers to the user's own SELECT over all events."""

import math
import random
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from keyfold.sql.bind import locked_connection, quoted
from keyfold.sql.compile import compile_sql, visible_columns
from keyfold.state.layout import MEMBERS, view_prefix
from keyfold.state.memory import MemoryStore
from keyfold.state.reads import row_reads
from keyfold.state.writer import StateWriter
from keyfold.view.aggregate import slot_readers
from keyfold.view.columns import contiguous
from keyfold.view.distinct import members, value_sets
from keyfold.view.plan import Catalog
from keyfold.view.row import CompiledView
from keyfold.view.rowkey import encode_keys, prefix_end, slices
from keyfold.view.types import Physical, column_type
from tests.sql.compiling import SOURCE, catalog_of, sections

EVENTS = 400
PLACED = "SELECT *, p AS __partition, o AS __offset FROM orders"
BATCHES = (1, 2, 60, 0, 137, 200)

# What TUMBLE stands for, by its arguments: (time column, size in µs, offset in µs).
WINDOWS = {
    "TUMBLE(orders, ts, INTERVAL '1' MINUTE)": ("ts", 60_000_000, 0),
    "TUMBLE(orders, ts, INTERVAL '7 minutes', INTERVAL '90' SECOND)": (
        "ts",
        420_000_000,
        90_000_000,
    ),
    "TABLE(TUMBLE(TABLE orders, DESCRIPTOR(local), INTERVAL '1 hour 30 minutes'))": (
        "local",
        5_400_000_000,
        0,
    ),
    "tumble(orders, local, interval 5 second)": ("local", 5_000_000, 0),
}
# What windows stand for that share events: each event once for every window that it is in, and
# once without window where its time is NULL.
SHARED = {
    "TABLE(HOP(TABLE orders, DESCRIPTOR(local), INTERVAL '30' MINUTE, INTERVAL '2' HOUR))": """
      (SELECT *, make_timestamp(last - i * 1800000000) AS window_start,
         make_timestamp(last - i * 1800000000 + 7200000000) AS window_end
       FROM (SELECT *, epoch_us(time_bucket(
         to_microseconds(1800000000), local, make_timestamp(0))) AS last FROM orders),
         range(4) AS t(i) WHERE local IS NOT NULL OR i = 0)""",
    "CUMULATE(orders, local, INTERVAL '1' HOUR, INTERVAL '6' HOUR, INTERVAL '90' MINUTE)": """
      (SELECT *, make_timestamp(first) AS window_start,
         make_timestamp(first + (i + 1) * 3600000000) AS window_end
       FROM (SELECT *, epoch_us(time_bucket(
         to_microseconds(21600000000), local, make_timestamp(5400000000))) AS first FROM orders),
         range(6) AS t(i)
       WHERE coalesce(first + (i + 1) * 3600000000 > epoch_us(local), i = 0))""",
}
VIEWS = dict(sections("views.sql"))


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = locked_connection()
    columns = visible_columns(compile_sql(SOURCE).sources[0])
    listed = ", ".join(f"{quoted(column.name)} {column.type}" for column in columns)
    connection.execute(f"CREATE TABLE orders ({listed})")
    connection.execute((Path(__file__).parent / "orders.sql").read_text(), [EVENTS])
    yield connection
    connection.close()


def direct(select: str) -> str:
    """The SELECT that DuckDB can run: TUMBLE replaced by what it means."""
    select = " ".join(select.split())
    for tumble, (column, size, offset) in WINDOWS.items():
        origin = f"make_timestamp({offset})"
        start = f"time_bucket(to_microseconds({size}), {column}::TIMESTAMP, {origin})"
        kind = "TIMESTAMPTZ" if column == "ts" else "TIMESTAMP"
        select = select.replace(
            tumble,
            f"(SELECT *, {start}::{kind} AS window_start, "
            f"({start} + to_microseconds({size}))::{kind} AS window_end FROM orders)",
        )
    for call, relation in SHARED.items():
        select = select.replace(call, relation)
    return select


def kept(con: duckdb.DuckDBPyConnection, catalog: Catalog, order: list[int]) -> pa.Table:
    """The view's rows, after the events were merged in batches."""
    (plan,) = catalog.views
    store = MemoryStore()
    writer = StateWriter(store, catalog)
    at = 0
    for size in BATCHES:
        chosen = order[at : at + size]
        at += size
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE batch AS {PLACED} WHERE list_contains(?, order_id)",
            [chosen],
        )
        groups = con.sql(plan.batch_sql).to_arrow_table()
        columns = [contiguous(column) for column in groups.columns]
        keys = encode_keys(view_prefix(1), plan.key_types, columns[: len(plan.keys)])
        rest, width = columns[len(plan.keys) :], len(plan.slots)
        lists = rest[width:]
        found = [
            members(number, one, MEMBERS, keys, lists[number])
            for number, one in enumerate(value_sets(plan.aggregates))
        ]
        readers = slot_readers(plan.aggregates)
        delta = [read(column) for read, column in zip(readers, rest[:width], strict=True)]
        writer.merge("v", slices(keys), delta, found)
        writer.commit(0)
    assert at == EVENTS
    view = CompiledView(plan)
    prefix = view_prefix(1)
    scan = row_reads(plan, prefix, store).scan(prefix, prefix_end(prefix))
    rows = [(key[len(prefix) :], value) for key, value in scan]
    return view.arrow_table(rows)


def comparable(value: object) -> object:
    if isinstance(value, float):
        return "nan" if math.isnan(value) else float(f"{value + 0.0:.9e}")
    return value


def rows_of(table: pa.Table) -> list[list[object]]:
    columns = [column.to_pylist() for column in table.columns]
    rows = [[comparable(value) for value in row] for row in zip(*columns, strict=True)]
    return sorted(rows, key=repr)


@pytest.mark.parametrize("title", VIEWS)
def test_a_view_over_batches_equals_one_query_over_all_events(
    con: duckdb.DuckDBPyConnection, title: str
) -> None:
    select = VIEWS[title]
    catalog = catalog_of(select)
    plan = catalog.views[0]
    order = list(range(EVENTS))
    random.Random(select).shuffle(order)
    ours = kept(con, catalog, order)
    con.execute(f"CREATE OR REPLACE TEMP VIEW theirs AS {direct(select)}")
    described = con.sql("DESCRIBE theirs").fetchall()
    assert ours.column_names == [row[0] for row in described]
    types = [{'"NULL"': "INTEGER"}.get(row[1], row[1]) for row in described]
    assert [output.type for output in plan.outputs] == types
    names = ", ".join(
        f'CAST(to_json("{output.name}") AS VARCHAR)'
        if column_type(output.type).physical is Physical.JSON
        else f'"{output.name}"'
        for output in plan.outputs
    )
    theirs = con.sql(f"SELECT {names} FROM theirs").to_arrow_table()
    assert rows_of(ours) == rows_of(theirs)


def test_the_ledger_counts_what_where_leaves_out(
    con: duckdb.DuckDBPyConnection,
) -> None:
    select = (
        f"SELECT window_start, COUNT(*) AS n FROM {next(iter(WINDOWS))} "
        "WHERE qty < 5 GROUP BY window_start"
    )
    catalog = catalog_of(select, "WITH (retention = '1 minute')")
    plan = catalog.views[0]
    con.execute(f"CREATE OR REPLACE TEMP TABLE batch AS {PLACED}")
    counts = con.sql(plan.count_sql).fetchall()
    applied = con.sql(f"SELECT sum(s0) FROM ({plan.batch_sql})").fetchall()
    expected = con.sql(
        "SELECT p, count(*) FILTER (WHERE qty < 5) FROM orders GROUP BY p"
    ).fetchall()
    assert sorted(counts) == sorted(expected)
    assert applied[0][0] == sum(passed for _, passed in counts)
    assert all(passed for _, passed in counts)


def test_the_ledger_counts_events_and_not_the_rows_that_lists_make(
    con: duckdb.DuckDBPyConnection,
) -> None:
    select = (
        f"SELECT window_start, x.sku AS sku, COUNT(*) AS n FROM {next(iter(WINDOWS))}, "
        "UNNEST(items) AS t(x) WHERE x.qty < 5 GROUP BY window_start, sku"
    )
    plan = catalog_of(select, "WITH (retention = '1 minute')").views[0]
    con.execute("CREATE OR REPLACE TEMP TABLE batch AS SELECT *, p AS __partition FROM orders")
    counts = con.sql(plan.count_sql).fetchall()
    passes = "len(list_filter(items, lambda x: x.qty < 5)) > 0"
    expected = con.sql(
        f"SELECT p, count(*) FILTER (WHERE {passes}) FROM orders GROUP BY p"
    ).fetchall()
    assert sorted(counts) == sorted(expected)
    assert any(passed < 400 / 3 for _, passed in counts)


def test_a_view_without_conditions_needs_no_counts() -> None:
    assert catalog_of("SELECT qty, COUNT(*) AS n FROM orders GROUP BY qty").views[0].count_sql == ""
