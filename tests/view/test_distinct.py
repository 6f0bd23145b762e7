"""Different values: the partials of new members are those that DuckDB makes of each value once."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyfold.view.aggregate import Aggregate, Operand
from keyfold.view.columns import int_of, physical_column, sum_i128
from keyfold.view.distinct import DistinctFold, Members, ValueSet, members, value_sets
from keyfold.view.family.registry import FAMILIES
from keyfold.view.rowkey import encode_key
from keyfold.view.types import column_type
from tests.view.families import load, partial_of

VALUES = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2),
    "HUGEINT": st.integers(-(2**100), 2**100),
    "UBIGINT": st.integers(0, 2**64 - 1),
    "DECIMAL(18,2)": st.integers(-(10**17), 10**17),
    "DECIMAL(38,2)": st.integers(-(10**36), 10**36),
    "BOOLEAN": st.booleans(),
}
FAMILY = {"DECIMAL(38,2)": "sum_wide"}


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_partial_of_chosen_values_is_that_of_a_batch_of_them(con, kind, data):
    values = data.draw(st.lists(VALUES[kind], min_size=1, max_size=6))
    load(con, {"x": kind}, [(value,) for value in values])
    column = con.sql("SELECT x FROM events ORDER BY i").to_arrow_table().column(0)
    physical = physical_column(column_type(kind).physical, column.combine_chunks())
    for family in ("count", FAMILY.get(kind, "sum_int")):
        fold = FAMILIES[family].fold
        # In the second of three rows, the others have none.
        folded = fold(np.ones(len(values), np.int64), physical, 3)
        expected = partial_of(con, Aggregate(family, "x", kind), 0, len(values))
        nothing = partial_of(con, Aggregate(family, "x", kind), 0, 0)
        assert [part.tolist() for part in folded] == [
            [*none.tolist(), *one.tolist(), *none.tolist()]
            for one, none in zip(expected, nothing, strict=True)
        ]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-(2**124), 2**124)), max_size=8).map(sorted)
)
def test_sums_of_128_bits_are_exact(pairs):
    wide = np.array(
        [(value & (2**64 - 1), value >> 64) for _, value in pairs],
        [("low", "<u8"), ("high", "<i8")],
    )
    sums = sum_i128(np.array([row for row, _ in pairs], np.int64), wide, 4)
    expected = [sum(value for row, value in pairs if row == one) for one in range(4)]
    assert [int_of(*one) for one in sums.tolist()] == expected


def test_a_sum_beyond_128_bits_is_an_error():
    most = np.array([(2**64 - 1, 2**63 - 1)] * 2, [("low", "<u8"), ("high", "<i8")])
    with pytest.raises(OverflowError):
        sum_i128(np.zeros(2, np.int64), most, 1)


def test_aggregates_over_the_same_values_share_their_set():
    count, total = (
        Aggregate(family, "x", "BIGINT", distinct=True) for family in ("count", "sum_int")
    )
    some = Aggregate("count", "x", "BIGINT", "y > 1", distinct=True)
    plain = Aggregate("count", "x", "BIGINT")
    x = (Operand("x", "BIGINT"),)
    assert value_sets([count, some, plain, total]) == [ValueSet(x, ""), ValueSet(x, "y > 1")]
    fold = DistinctFold([count, some, plain, total])
    of_x = Members(np.array([0, 0, 1]), [b"a", b"b", b"c"], np.array([5, 7, 5]))
    of_some = Members(np.array([1]), [b"d"], np.array([9]))
    delta = [np.zeros(2, np.int64), np.zeros(2, np.int64), np.array([3, 4]), None, None]
    new = [np.array([True, False, True]), np.array([True])]
    counted, of_condition, every, n, sums = fold.apply(delta, [of_x, of_some], new, 2)
    assert (counted.tolist(), of_condition.tolist(), every.tolist()) == ([1, 1], [0, 1], [3, 4])
    assert (n.tolist(), [int_of(*one) for one in sums.tolist()]) == ([1, 1], [5, 5])


def test_the_stored_form_of_a_member_does_not_change(con):
    rows = pa.array([b"\x10\0\0\0\7\1a\0"], pa.large_binary())
    one = ValueSet((Operand("x", "BIGINT"), Operand("y", "VARCHAR")), "")
    lists = con.sql("SELECT [{'v0': -2, 'v1': 'é'}]::STRUCT(v0 BIGINT, v1 VARCHAR)[] AS m")
    found = members(3, one, b"\x11", rows, lists.to_arrow_table().column(0).combine_chunks())
    golden = "11 10 00 00 00 07 01 61 00  00 03  01 7f ff ff ff ff ff ff fe  01 c3 a9 00"
    assert found.keys == [bytes.fromhex(golden)]
    assert found.values.tolist() == [-2]
    types = [column_type(operand.type) for operand in one.operands]
    assert found.keys[0].endswith(encode_key(types, [-2, "é"]))
