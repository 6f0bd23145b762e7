"""Every conversion gives what DuckDB's CAST gives, over whole columns of values of every size."""

import math
import random
from decimal import Context, Decimal

import numpy as np
import pytest

from keyfold.errors import SqlError
from keyfold.view.cast import caster, common_type
from keyfold.view.columns import int_of, physical_column
from keyfold.view.types import Physical, column_type, integer_range

WIDE = Context(prec=60)
INTEGERS = ("TINYINT", "INTEGER", "BIGINT", "UBIGINT", "HUGEINT")
DECIMALS = ("DECIMAL(4,1)", "DECIMAL(18,5)", "DECIMAL(38,0)", "DECIMAL(38,20)")
TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
NUMBERS = (*INTEGERS, *DECIMALS, "DOUBLE", "FLOAT")
PAIRS = [(a, b) for a in NUMBERS for b in (*NUMBERS, "VARCHAR", "BOOLEAN") if a != b]
PAIRS += [(a, b) for a in TIMES for b in (*TIMES, "VARCHAR") if a != b]
PAIRS += [("TIME", "VARCHAR"), ("BOOLEAN", "VARCHAR"), ("BOOLEAN", "DECIMAL(4,1)")]


def samples(name: str) -> list[object]:
    """Values of every size, and the ends of the type."""
    choose = random.Random(name)
    column = column_type(name)
    if name == "BOOLEAN":
        return [True, False]
    if column.physical is Physical.F64:
        sizes = [choose.uniform(-1, 1) * 10.0 ** choose.randint(-12, 40) for _ in range(80)]
        halves = [choose.randint(-500, 500) / 2 for _ in range(40)]
        special = [0.0, -0.0, math.inf, -math.inf, 1e16, 123456789012.0, 1e-5, 0.0001]
        with np.errstate(over="ignore"):
            return [
                float(np.float32(v)) if name == "FLOAT" else v for v in special + sizes + halves
            ]
    low, high = {
        "TIME": (0, 86_399_999_999),
        "DATE": (-800_000, 4_000_000),
    }.get(name, (-(2**55), 2**58))
    if column.decimal:
        low, high = 1 - 10**column.precision, 10**column.precision - 1
    elif column.integer:
        low, high = integer_range(column)
    values = [
        choose.choice((1, -1)) * choose.getrandbits(choose.randint(1, 127)) for _ in range(150)
    ]
    return [low, high, 0, 1, *(v for v in values if low <= v <= high)]


def cell(name: str, value: object) -> str:
    match value:
        case int() if name == "DATE":
            return f"(DATE '1970-01-01' + CAST({value} AS INTEGER))"
        case int() if name == "TIME":
            return f"CAST(make_timestamp({value}) AS TIME)"
        case int() if name.startswith("TIMESTAMP"):
            return f"CAST(make_timestamp({value}) AS {name})"
        case int() if not isinstance(value, bool):
            return f"'{Decimal(value).scaleb(-column_type(name).scale, WIDE):f}'"
    return f"'{value!r}'"


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_cast_gives_what_duckdb_gives(con, source, target):
    values = samples(source)
    con.execute(f"CREATE OR REPLACE TEMP TABLE t (i INTEGER, x {source})").fetchall()
    cells = ", ".join(f"({i}, {cell(source, v)})" for i, v in enumerate(values))
    con.execute(f"INSERT INTO t VALUES {cells}").fetchall()
    query = f"SELECT TRY_CAST(x AS {target}) FROM t ORDER BY i"
    theirs = python_values(target, con.sql(query).to_arrow_table().column(0).combine_chunks())
    convert = caster(column_type(source), column_type(target)) or (lambda value: value)
    for value, expected in zip(values, theirs, strict=True):
        try:
            ours = convert(value)
        except ArithmeticError:
            ours = None
        assert repr(ours) == repr(expected), (value, ours, expected)


def python_values(name: str, array: object) -> list[object]:
    physical = column_type(name).physical
    values = physical_column(physical, array)
    if physical is Physical.I128:
        plain = [int_of(low, high) for low, high in values.tolist()]
    elif physical is Physical.TEXT:
        plain = [None if v is None else v.decode() for v in values]
    else:
        plain = values.tolist()
    present = array.is_valid().to_pylist()
    return [v if there else None for v, there in zip(plain, present, strict=True)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-719_529, "0002-12-31 (BC)"),
        (-719_163, "0001-12-31 (BC)"),
        (2**31 - 1, "infinity"),
        (-(2**31) + 1, "-infinity"),
    ],
)
def test_dates_before_year_one_and_infinite_ones_are_written_as_in_duckdb(value, text):
    assert caster(column_type("DATE"), column_type("VARCHAR"))(value) == text


def test_infinite_dates_and_timestamps_stay_infinite():
    date, timestamp = column_type("DATE"), column_type("TIMESTAMP")
    assert caster(date, timestamp)(2**31 - 1) == 2**63 - 1
    assert caster(timestamp, date)(-(2**63) + 1) == -(2**31) + 1


@pytest.mark.parametrize("target", ["BIGINT", "DOUBLE", "DATE", "BOOLEAN", "DECIMAL(4,1)"])
def test_text_is_never_read_outside_duckdb(target):
    with pytest.raises(SqlError, match="cannot cast VARCHAR") as caught:
        caster(column_type("VARCHAR"), column_type(target))
    assert "inside the aggregate" in caught.value.hint


@pytest.mark.parametrize(
    ("a", "b", "common"),
    [
        ("BIGINT", "DOUBLE", "DOUBLE"),
        ("DECIMAL(4,1)", "FLOAT", "FLOAT"),
        ("BIGINT", "DECIMAL(4,2)", "DECIMAL(21,2)"),
        ("HUGEINT", "DECIMAL(38,2)", "DECIMAL(38,2)"),
        ("TINYINT", "UBIGINT", "HUGEINT"),
        ("DATE", "TIMESTAMP", "TIMESTAMP"),
        ("VARCHAR", "VARCHAR", "VARCHAR"),
        ("ENUM('b', 'a')", "ENUM('b', 'a')", "ENUM('b', 'a')"),
        ("ENUM('b', 'a')", "ENUM('a', 'b')", "VARCHAR"),
        ("ENUM('b', 'a')", "VARCHAR", "VARCHAR"),
    ],
)
def test_two_types_compare_in_the_type_that_duckdb_picks(a, b, common):
    assert common_type(column_type(a), column_type(b)).name == common
    assert common_type(column_type(b), column_type(a)).name == common


def test_types_that_duckdb_alone_can_compare_are_refused():
    for other in ("VARCHAR", "DATE", "INTEGER[]"):
        with pytest.raises(SqlError, match="cannot compare"):
            common_type(column_type("BIGINT"), column_type(other))
    with pytest.raises(SqlError, match="cannot compare"):
        common_type(column_type("INTEGER[]"), column_type("INTEGER[]"))
