"""Keys decoded in columns are the keys decoded one by one."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfold.view.columns import arrow_type
from keyfold.view.keycolumns import key_columns
from keyfold.view.rowkey import decode_key, encode_key
from keyfold.view.types import Physical, column_type

VALUES: dict[str, st.SearchStrategy[object]] = {
    "BOOLEAN": st.booleans(),
    "BIGINT": st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2),
    "HUGEINT": st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-2, 2),
    "UHUGEINT": st.integers(0, 2**128 - 1) | st.integers(0, 2),
    "UUID": st.uuids().map(str),
    "ENUM('b', 'a')": st.integers(0, 1),
    "BLOB": st.binary(max_size=4) | st.text("\0\x01\xff", max_size=5).map(str.encode),
    "TIMESTAMP_S": st.integers(-(2**62), 2**62),
    "TIMESTAMP_NS": st.integers(-(2**62), 2**62),
    "DOUBLE": st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf]),
    "VARCHAR": st.text(st.sampled_from("\0\x01aé😀\uffff"), max_size=4) | st.text(max_size=9),
    "BIGINT[]": st.sampled_from(["[]", "[1,2]"]),
    "DECIMAL(18,2)": st.integers(-(10**18) + 1, 10**18 - 1),
    "DATE": st.integers(-(2**31), 2**31 - 1),
    "TIMESTAMP WITH TIME ZONE": st.integers(-(2**62), 2**62),
}
NAMES = st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4)


def physical(kind, array: pa.Array) -> list[object]:
    """An Arrow column's physical values."""
    match kind.physical:
        case Physical.I128 | Physical.U128 | Physical.I64 if pa.types.is_decimal(array.type):
            return [
                None if v is None else int(f"{v:f}".replace(".", "")) for v in array.to_pylist()
            ]
        case Physical.I64 if kind.enum:
            return [None if v is None else kind.labels.index(v) for v in array.to_pylist()]
        case Physical.I64:
            width = pa.int32() if pa.types.is_date32(array.type) else pa.int64()
            return array.view(width).to_pylist()
    return array.to_pylist()


@given(st.data(), st.binary(max_size=5))
def test_columns_hold_what_decode_key_gives(data, prefix):
    types = [column_type(name) for name in data.draw(NAMES)]
    row = st.tuples(*[VALUES[column.name] | st.none() for column in types])
    keys = [encode_key(types, values) for values in data.draw(st.lists(row, max_size=8))]
    columns = key_columns(types, [prefix + key for key in keys], len(prefix))
    assert [column.type for column in columns] == [arrow_type(column) for column in types]
    values = [physical(kind, array) for kind, array in zip(types, columns, strict=True)]
    expected = [decode_key(types, key) for key in keys]
    assert repr(list(zip(*values, strict=True))) == repr([tuple(row) for row in expected])


def test_a_view_without_key_columns_has_none():
    assert key_columns([], [b""]) == []


@pytest.mark.parametrize("value", [None, "", "\0", "a\0\0b"])
def test_nul_characters_and_empty_texts_stay_apart(value):
    types = [column_type("VARCHAR")] * 2
    keys = [encode_key(types, (value, other)) for other in ("x", None, "")]
    assert key_columns(types, keys)[0].to_pylist() == [value] * 3
    assert key_columns(types, keys)[1].to_pylist() == ["x", None, ""]
