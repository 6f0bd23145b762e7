"""Families under test: events in DuckDB, the partials of their batches, and what DuckDB says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa

from keyfold.view.aggregate import Aggregate, Final, finalize_columns, finalizer, slot_readers
from keyfold.view.columns import int_of, physical_column
from keyfold.view.family.law import zero
from keyfold.view.family.registry import FAMILIES
from keyfold.view.moment import TICKS
from keyfold.view.partial import PartialCodec
from keyfold.view.types import Physical, column_type

WIDE = Context(prec=60)
INFINITY_US, INFINITY_DAYS = 2**63 - 1, 2**31 - 1
"""What lies in a column for 'infinity'; its negative for '-infinity'."""


def connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'").fetchall()
    connection.execute("SET threads=1").fetchall()
    return connection


def unoptimized() -> duckdb.DuckDBPyConnection:
    """The same, which evaluates expressions as they are written."""
    connection = connect()
    connection.execute("PRAGMA disable_optimizer").fetchall()
    return connection


def cell(name: str, value: object) -> str:
    """A physical value as SQL of that type."""
    column = column_type(name)
    match value:
        case None:
            return f"CAST(NULL AS {name})"
        case bool() | float():
            return f"CAST('{value}' AS {name})"
        case int() if name == "DATE" and abs(value) == INFINITY_DAYS:
            return f"CAST('{'-' if value < 0 else ''}infinity' AS DATE)"
        case int() if name == "DATE":
            return f"(DATE '1970-01-01' + CAST({value} AS INTEGER))"
        case 86_400_000_000 if name == "TIME":  # to which no sum leads
            return "TIME '24:00:00'"
        case int() if name == "TIME":
            return f"(TIME '00:00:00' + to_microseconds({value}))"
        case int() if name.startswith("TIMESTAMP") and abs(value) == INFINITY_US:
            return f"CAST('{'-' if value < 0 else ''}infinity' AS {name})"
        case int() if name == "TIMESTAMP_NS":
            return f"make_timestamp_ns({value})"
        case int() if name in TICKS:
            return f"CAST(make_timestamp({value * 1_000_000 // TICKS[name]}) AS {name})"
        case int() if name.startswith("TIMESTAMP"):
            return f"CAST(make_timestamp({value}) AS {name})"
        case bytes():
            return f"from_hex('{value.hex()}')"
        case int():
            return f"CAST('{Decimal(value).scaleb(-column.scale, WIDE):f}' AS {name})"
    return f"'{value}'"


def load(
    con: duckdb.DuckDBPyConnection, columns: Mapping[str, str], rows: Sequence[Sequence[object]]
) -> None:
    """Make ``events`` of physical values, with the place ``i`` of each."""
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    con.execute(f"CREATE OR REPLACE TEMP TABLE events (i INTEGER, {listed})").fetchall()
    if rows:
        cells = [
            ", ".join(cell(kind, x) for kind, x in zip(columns.values(), row, strict=True))
            for row in rows
        ]
        values = ", ".join(f"({i}, {row})" for i, row in enumerate(cells))
        con.execute(f"INSERT INTO events VALUES {values}").fetchall()


def partial_of(
    con: duckdb.DuckDBPyConnection, kept: Aggregate, low: int, high: int
) -> list[np.ndarray]:
    """The partial of the batch low <= i < high, as DuckDB makes it."""
    batch = f"(SELECT * FROM events WHERE i >= {low} AND i < {high}) batch"
    table = con.sql(f"SELECT {', '.join(kept.update_sql())} FROM {batch}").to_arrow_table()
    columns = [column.combine_chunks() for column in table.columns]
    return [read(column) for read, column in zip(slot_readers([kept]), columns, strict=True)]


def merged(
    con: duckdb.DuckDBPyConnection, kept: Aggregate, cuts: Sequence[int], n: int
) -> list[np.ndarray]:
    """The partial of all n events, cut into batches; through the stored form in between."""
    state = zero(kept.slots, 1)
    codec = PartialCodec(kept.slots)
    for low, high in pairwise([0, *sorted(cuts), n]):
        state = FAMILIES[kept.family].merge(state, partial_of(con, kept, low, high))
        state = codec.decode(codec.encode(state))
    return state


def python_slot(physical: Physical, value: object) -> object:
    if physical in (Physical.I128, Physical.U128):
        return int_of(value["low"], value["high"])
    if physical is Physical.BYTES:
        return value
    if physical in (Physical.TEXT, Physical.JSON):
        return None if value is None else value.decode()
    return value.item()


def answer(kept: Aggregate, final: Final, partial: Sequence[np.ndarray]) -> object:
    """Finalize by row and by column; they agree bit for bit."""
    slots = [python_slot(s.physical, c[0]) for s, c in zip(kept.slots, partial, strict=True)]
    by_row = finalizer(final, kept)(*slots)
    values, valid = finalize_columns(final, kept, partial)
    by_column = None
    if valid is None or valid[0]:
        by_column = python_slot(column_type(final.type).physical, values[0])
    assert repr(by_row) == repr(by_column)
    return by_row


def asked(con: duckdb.DuckDBPyConnection, query: str, kind: str) -> object:
    """DuckDB's answer to a query of one value, in physical form."""
    column: pa.Array = con.sql(query).to_arrow_table().column(0).combine_chunks()
    if column.null_count:
        return None
    physical = column_type(kind).physical
    return python_slot(physical, physical_column(physical, column)[0])


def expected(con: duckdb.DuckDBPyConnection, kept: Aggregate, final: Final) -> object:
    """DuckDB's answer over all events."""
    where = f" FILTER (WHERE {kept.where})" if kept.where else ""
    return asked(con, f"SELECT {final.function}({kept.text}){where} FROM events", final.type)
