"""Columns keep every value on the way from DuckDB to numpy and back to Arrow."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfold.view.columns import (
    I128,
    add_i128,
    arrow_column,
    arrow_type,
    contiguous,
    i128_of,
    int_of,
    less_i128,
    physical_column,
)
from keyfold.view.types import Physical, column_type

WIDE = st.integers(-(2**127), 2**127 - 1) | st.integers(-(2**66), 2**66) | st.integers(-2, 2)
PAIRS = st.lists(st.tuples(WIDE, WIDE), max_size=5)

LITERALS = {
    "BOOLEAN": ["true", "false"],
    "TINYINT": ["-128", "127"],
    "INTEGER": ["-2147483648", "5"],
    "BIGINT": ["-9223372036854775808", "9223372036854775807"],
    "UINTEGER": ["0", "4294967295"],
    "UBIGINT": ["0", "18446744073709551615"],
    "HUGEINT": [str(-(2**127)), str(2**127 - 1), "-1"],
    "DECIMAL(4,1)": ["-0.5", "999.9"],
    "DECIMAL(9,2)": ["-0.05", "1234567.89"],
    "DECIMAL(18,2)": ["-9999999999999999.99", "0.01"],
    "DECIMAL(38,10)": ["-9999999999999999999999999999.9999999999", "0.0000000001"],
    "FLOAT": ["0.1", "-inf"],
    "DOUBLE": ["0.1", "inf", "-0.0"],
    "VARCHAR": ["é", "", "a😀"],
    "DATE": ["1969-12-31", "2026-01-31"],
    "TIME": ["00:00:00", "23:59:59.999999"],
    "TIMESTAMP": ["1969-12-31 23:59:59.999999", "2026-01-31 12:00:00"],
    "TIMESTAMP WITH TIME ZONE": ["1969-12-31 23:59:59.999999Z", "2026-01-31 12:00:00+02"],
}


def from_duckdb(name: str) -> pa.Array:
    con = duckdb.connect()
    con.execute("SET TimeZone='UTC'").fetchall()
    rows = ", ".join(f"('{text}')" for text in LITERALS[name])
    query = f"SELECT CAST(v AS {name}) FROM (VALUES {rows}, (NULL)) t(v)"
    return contiguous(con.sql(query).to_arrow_table().column(0))


@pytest.mark.parametrize("name", LITERALS)
@pytest.mark.parametrize("first", [0, 1])
def test_a_duckdb_column_comes_back_as_the_same_arrow_values(name, first):
    column = column_type(name)
    array = from_duckdb(name).slice(first)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    back = arrow_column(column, physical_column(column.physical, array), valid)
    back.validate(full=True) if name != "HUGEINT" else back.validate()
    assert back.type == arrow_type(column)
    if pa.types.is_decimal(array.type) and not pa.types.is_decimal128(array.type):
        array = array.cast(back.type)
    assert back.null_count == 1
    assert words(back) == words(array) if name == "HUGEINT" else same(back, array)


def same(a: pa.Array, b: pa.Array) -> bool:
    return a.equals(b.cast(a.type))


def words(array: pa.Array) -> list[tuple[int, int]]:
    """HUGEINT goes beyond the 38 digits that Arrow can print."""
    return physical_column(Physical.I128, array).tolist()


@pytest.mark.parametrize("name", LITERALS)
def test_an_empty_column_stays_empty(name):
    column = column_type(name)
    array = from_duckdb(name).slice(0, 0)
    assert len(physical_column(column.physical, array)) == 0
    assert len(arrow_column(column, physical_column(column.physical, array), None)) == 0


@pytest.mark.parametrize("name", LITERALS)
def test_a_null_becomes_zero_whatever_lies_under_it(name):
    column = column_type(name)
    array = from_duckdb(name)
    missing = physical_column(column.physical, array)[-1]
    zero = None if column.physical is Physical.TEXT else np.zeros((), missing.dtype)[()]
    assert missing == zero


def test_garbage_under_a_null_decimal_is_not_read():
    data = pa.py_buffer(b"\xee" * 32)
    array = pa.Array.from_buffers(pa.decimal128(38, 0), 2, [pa.py_buffer(b"\x02"), data])
    assert physical_column(Physical.I128, array).tolist()[0] == (0, 0)


def column_of(values: list[int]) -> np.ndarray:
    return np.array([i128_of(value) for value in values], I128)


@given(WIDE)
def test_words_join_to_the_integer_that_was_split(value):
    assert int_of(*i128_of(value)) == value


@given(PAIRS)
def test_wide_addition_is_that_of_integers_or_an_overflow(pairs):
    a, b = column_of([x for x, _ in pairs]), column_of([y for _, y in pairs])
    sums = [x + y for x, y in pairs]
    if all(-(2**127) <= total < 2**127 for total in sums):
        assert [int_of(low, high) for low, high in add_i128(a, b).tolist()] == sums
    else:
        with pytest.raises(OverflowError, match="128 bits"):
            add_i128(a, b)


@given(PAIRS)
def test_wide_comparison_is_that_of_integers(pairs):
    a, b = column_of([x for x, _ in pairs]), column_of([y for _, y in pairs])
    assert less_i128(a, b).tolist() == [x < y for x, y in pairs]


@pytest.mark.parametrize(
    ("kind", "literals", "physical", "arrow"),
    [
        ("UHUGEINT", ["0", str(2**127), str(2**128 - 1)], None, [0, 2**127, 2**128 - 1, None]),
        ("BLOB", ["", r"\x00\xFF"], [b"", b"\0\xff", None], [b"", b"\0\xff", None]),
        ("ENUM('b', 'a')", ["b", "a"], [0, 1, 0], ["b", "a", None]),
        ("UUID", ["0" * 31 + "A"], None, ["00000000-0000-0000-0000-00000000000a", None]),
    ],
)
def test_a_type_that_arrow_has_otherwise_keeps_its_values(kind, literals, physical, arrow):
    rows = ", ".join(f"('{text}')" for text in literals)
    query = f"SELECT CAST(v AS {kind}) FROM (VALUES {rows}, (NULL)) t(v)"
    array = contiguous(duckdb.connect().sql(query).to_arrow_table().column(0))
    column = column_type(kind)
    values = physical_column(column.physical, array)
    if physical is not None:
        assert values.tolist() == physical
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    back = arrow_column(column, values, valid)
    assert back.type == arrow_type(column)
    assert back.to_pylist() == arrow
