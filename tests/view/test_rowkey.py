"""Key bytes sort as key values do, decode to them, and are the same one by one and in columns."""

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfold.view.columns import contiguous
from keyfold.view.rowkey import (
    column_finder,
    decode_key,
    encode_key,
    encode_keys,
    encode_value,
    prefix_end,
    slices,
)
from keyfold.view.types import Physical, column_type

WORDS = st.text(st.sampled_from("\0\x01aé😀\uffff"), max_size=4) | st.text(max_size=4)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "BOOLEAN": st.booleans(),
    "BIGINT": st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2),
    "HUGEINT": st.integers(-(2**127), 2**127 - 1) | st.integers(-2, 2),
    "UHUGEINT": st.integers(0, 2**128 - 1) | st.integers(0, 2),
    "BLOB": st.lists(st.sampled_from(b"\0\1a\xff"), max_size=4).map(bytes),
    "TIMESTAMP_NS": st.integers(-(2**62), 2**62),
    "DOUBLE": st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf]),
    "VARCHAR": WORDS,
    "DECIMAL(18,2)": st.integers(-(10**18) + 1, 10**18 - 1),
    "DECIMAL(38,2)": st.integers(-(10**38) + 1, 10**38 - 1),
    "TIMESTAMP WITH TIME ZONE": st.integers(-(2**62), 2**62),
}
ARROW = {
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BLOB": pa.binary(),
    "TIMESTAMP_NS": pa.timestamp("ns"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
}
KEY = st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3)


def rank(value: object) -> tuple[int, object]:
    """The order that keys promise: values, then NaN, then NULL; text by code point."""
    if value is None:
        return (2, 0)
    if isinstance(value, float):
        return (1, 0) if math.isnan(value) else (0, value)
    return (0, value)


def keys_of(names: list[str], count: int) -> st.SearchStrategy[list[tuple[object, ...]]]:
    row = st.tuples(*[VALUES[name] | st.none() for name in names])
    return st.lists(row, min_size=count, max_size=max(count, 6))


@given(st.data())
def test_byte_order_is_value_order(data):
    names = data.draw(KEY)
    a, b = data.draw(keys_of(names, 2))[:2]
    types = [column_type(name) for name in names]
    ranks = [tuple(rank(value) for value in row) for row in (a, b)]
    left, right = encode_key(types, a), encode_key(types, b)
    assert (left < right) == (ranks[0] < ranks[1])
    assert (left == right) == (ranks[0] == ranks[1])


@given(st.data())
def test_a_decoded_key_is_the_encoded_one(data):
    names = data.draw(KEY)
    types = [column_type(name) for name in names]
    row = data.draw(keys_of(names, 1))[0]
    back = decode_key(types, encode_key(types, row))
    assert [rank(v) for v in back] == [rank(v) for v in row]
    assert [type(v) for v in back] == [type(v) for v in row]


@given(st.data())
def test_each_column_is_found_where_those_before_it_end(data):
    names = data.draw(KEY)
    types = [column_type(name) for name in names]
    row = data.draw(keys_of(names, 1))[0]
    key = b"view" + encode_key(types, row)
    for index in range(len(names)):
        assert key[: column_finder(types, index)(key, 4)] == b"view" + encode_key(
            types, row[:index]
        )


def arrow_of(name: str, values: list[object]) -> pa.Array:
    """An array in the Arrow type that DuckDB gives for such a column."""
    if name in ARROW:
        return pa.array(values, ARROW[name])
    column = column_type(name)
    words = b"".join((v or 0).to_bytes(16, "little", signed=True) for v in values)
    valid = pa.array([v is not None for v in values], pa.bool_()).buffers()[1]
    kind = pa.decimal128(38, column.scale)
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(words)])


@given(st.data())
def test_columns_encode_to_the_bytes_of_each_row(data):
    names = data.draw(KEY)
    types = [column_type(name) for name in names]
    rows = data.draw(keys_of(names, 0))
    first = data.draw(st.integers(0, len(rows)))
    prefix = data.draw(st.sampled_from([b"", b"v\0"]))
    columns = [arrow_of(n, [row[i] for row in rows]) for i, n in enumerate(names)]
    whole = [prefix + encode_key(types, row) for row in rows]
    assert slices(encode_keys(prefix, types, columns)) == whole
    assert slices(encode_keys(prefix, types, [c.slice(first) for c in columns])) == whole[first:]
    assert slices(encode_keys(prefix, types, [c.slice(0, first) for c in columns])) == whole[:first]
    chunked = [pa.chunked_array([c.slice(0, first), c.slice(first)]) for c in columns]
    assert slices(encode_keys(prefix, types, [contiguous(c) for c in chunked])) == whole


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("(i - 2)::TINYINT", "TINYINT"),
        ("i::UBIGINT + 18446744073709551000", "UBIGINT"),
        ("(i - 2)::HUGEINT * 100000000000000000000", "HUGEINT"),
        ("(i - 2)::DECIMAL(4,1) / 4", "DOUBLE"),
        ("(i - 2)::DECIMAL(9,2)", "DECIMAL(9,2)"),
        ("(i - 2)::DECIMAL(30,2)", "DECIMAL(30,2)"),
        ("(i / 10)::FLOAT", "FLOAT"),
        ("DATE '1969-12-31' + i::INTEGER", "DATE"),
        ("TIME '10:00:00' + INTERVAL (i) SECOND", "TIME"),
        ("TIMESTAMP '1969-12-31 23:59:59' + INTERVAL (i) SECOND", "TIMESTAMP"),
        ("TIMESTAMPTZ '1969-12-31 23:59:59Z' + INTERVAL (i) SECOND", "TIMESTAMPTZ"),
        ("'é' || i", "VARCHAR"),
        ("i > 2", "BOOLEAN"),
    ],
)
def test_keys_from_duckdb_decode_in_the_order_in_which_duckdb_sorts_them(sql, name):
    con = duckdb.connect()
    con.execute("SET TimeZone='UTC'").fetchall()
    query = f"SELECT CASE WHEN i <> 4 THEN {sql} END AS k FROM range(6) t(i) ORDER BY k NULLS LAST"
    array = contiguous(con.sql(query).to_arrow_table().column(0))
    kind = column_type(name)
    keys = slices(encode_keys(b"", [kind], [array]))
    assert keys == sorted(keys)
    assert [encode_key([kind], decode_key([kind], key)) for key in keys] == keys
    assert keys[-1] == b"\x02"


def test_a_key_without_columns_is_its_prefix():
    assert slices(encode_keys(b"view", [], [])) == [b"view"]


@pytest.mark.parametrize(
    ("physical", "value", "golden"),
    [
        (Physical.I64, None, "02"),
        (Physical.BOOL, False, "0100"),
        (Physical.BOOL, True, "0101"),
        (Physical.I64, 0, "018000000000000000"),
        (Physical.I64, -1, "017fffffffffffffff"),
        (Physical.I128, 1, "0180000000000000000000000000000001"),
        (Physical.U128, 1, "0100000000000000000000000000000001"),
        (Physical.U128, 2**128 - 1, "01ffffffffffffffffffffffffffffffff"),
        (Physical.BYTES, b"", "0100"),
        (Physical.BYTES, b"\0\xff", "0100ffff00"),
        (Physical.F64, 1.0, "01bff0000000000000"),
        (Physical.F64, -1.0, "01400fffffffffffff"),
        (Physical.F64, -0.0, "018000000000000000"),
        (Physical.F64, -math.nan, "01fff8000000000000"),
        (Physical.TEXT, "é", "01c3a900"),
        (Physical.TEXT, "a\0b", "016100ff6200"),
        (Physical.JSON, "[1]", "015b315d00"),
    ],
)
def test_the_bytes_of_a_key_value_do_not_change(physical, value, golden):
    assert encode_value(physical, value).hex() == golden


@settings(max_examples=200)
@given(
    prefix=st.binary(min_size=1).filter(lambda b: b.strip(b"\xff")),
    other=st.binary(),
    tail=st.binary(),
)
def test_the_end_of_a_prefix_bounds_exactly_what_starts_with_it(prefix, other, tail):
    end = prefix_end(prefix)
    assert prefix <= prefix + tail < end
    assert (prefix <= other < end) == other.startswith(prefix)


def test_every_nan_is_one_key_in_columns_too():
    odd = np.array([0x7FF8000000000001, 0xFFF8000000000000], np.uint64).view(np.float64)
    assert len(set(slices(encode_keys(b"", [column_type("DOUBLE")], [pa.array(odd)])))) == 1
