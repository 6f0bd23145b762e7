"""Folds of kept lists are what DuckDB's list functions say of the values."""

import json
import math

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyfold.view.expression import Call, Fold, Item, Key, compile_expression
from keyfold.view.types import column_type
from tests.view.families import INFINITY_DAYS, INFINITY_US, asked, cell

BC_US, FAR_US = -62_167_219_200_000_001, 253_402_300_800_250_000
VALUES: dict[str, st.SearchStrategy[object]] = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "UBIGINT": st.integers(0, 2**64 - 1),
    "HUGEINT": st.integers(-(2**127), 2**127 - 1) | st.integers(-2, 2),
    "UHUGEINT": st.sampled_from([0, 2**127, 2**128 - 1]),
    "DECIMAL(4,1)": st.integers(-9999, 9999),
    "DECIMAL(15,2)": st.integers(-(10**15) + 1, 10**15 - 1),
    "DECIMAL(38,10)": st.integers(-(10**38) + 1, 10**38 - 1),
    "DOUBLE": st.sampled_from([0.1, 1e300, 5e-324, math.nan, math.inf, -math.inf]) | st.floats(),
    "FLOAT": st.floats(width=32),
    "VARCHAR": st.text('aäz\uffff😀"\\\x01', max_size=3),
    "BOOLEAN": st.booleans(),
    "UUID": st.uuids().map(str),
    "BLOB": st.binary(max_size=3),
    "DATE": st.sampled_from([-800_000, -719_529, 0, 3_000_000, INFINITY_DAYS, -INFINITY_DAYS]),
    "TIME": st.sampled_from([0, 1, 86_399_999_999, 86_400_000_000]),
    "TIMESTAMP": st.sampled_from([BC_US, -1, 0, 1, FAR_US, INFINITY_US, -INFINITY_US]),
    "TIMESTAMP WITH TIME ZONE": st.sampled_from([BC_US, -1, 0, FAR_US, INFINITY_US]),
    "TIMESTAMP_S": st.integers(-(2**35), 2**35),
    "TIMESTAMP_NS": st.integers(-(2**62), 2**62) | st.sampled_from([INFINITY_US]),
}
SUMMED = ("BIGINT", "UBIGINT", "DECIMAL(4,1)", "DECIMAL(15,2)")


def kept_text(con: duckdb.DuckDBPyConnection, kind: str, values: list[object]) -> str:
    """The list as a partial keeps it."""
    texts = []
    for value in values:
        if isinstance(value, float) and not math.isfinite(value):
            texts.append({"nan": '"NaN"', "inf": '"Infinity"'}.get(repr(value), '"-Infinity"'))
        else:
            text = asked(con, f"SELECT CAST(to_json({cell(kind, value)}) AS VARCHAR)", "VARCHAR")
            texts.append("null" if text is None else str(text))
    return f"[{','.join(texts)}]"


def same(ours: object, theirs: object) -> bool:
    """Compare bit for bit, but that -0.0 is 0.0."""
    pair = [value + 0.0 if isinstance(value, float) else value for value in (ours, theirs)]
    return repr(pair[0]) == repr(pair[1])


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_a_fold_is_what_duckdb_says_of_the_list(con, kind, data):
    values = data.draw(st.lists(VALUES[kind] | st.none(), max_size=5))
    text = kept_text(con, kind, values)
    cells = ", ".join(cell(kind, value) for value in values)
    theirs = f"CAST([{cells}] AS {kind}[])"
    for function in ("list_max", "list_min", "list_first", "list_last"):
        fold = Fold(function, Key(0, f"{kind}[]"), (), Item((), kind), kind)
        ours = compile_expression(fold, 1)([text])
        assert same(ours, asked(con, f"SELECT {function}({theirs})", kind)), function
    counted = Fold("list_count", Key(0, f"{kind}[]"), (), Item((), kind), "UBIGINT")
    assert compile_expression(counted, 1)([text]) == sum(value is not None for value in values)
    assert compile_expression(Fold("len", Key(0, f"{kind}[]"), (), None, "BIGINT"), 1)(
        [text]
    ) == len(values)
    if kind in SUMMED:
        total = f"DECIMAL(38,{column_type(kind).scale})"
        total = total if column_type(kind).decimal else "HUGEINT"
        fold = Fold("list_sum", Key(0, f"{kind}[]"), (), Item((), kind), total)
        asked_sum = asked(con, f"SELECT list_sum({theirs})::{total}", total)
        assert compile_expression(fold, 1)([text]) == asked_sum


def test_a_null_list_has_no_answer_and_an_empty_one_none_but_its_length():
    for function in ("list_max", "list_sum", "list_first", "list_last"):
        fold = Fold(function, Key(0, "BIGINT[]"), (), Item((), "BIGINT"), "HUGEINT")
        assert [compile_expression(fold, 1)([text]) for text in (None, "[]", "[null]")] == [
            None
        ] * 3
    length = compile_expression(Fold("len", Key(0, "BIGINT[]"), (), None, "BIGINT"), 1)
    assert [length([text]) for text in (None, "[]", "[null]")] == [None, 0, 1]


def test_a_condition_reads_the_row_and_the_fields_of_an_element():
    price, at = Item(("price",), "BIGINT"), Item(("at", "t"), "TIMESTAMP")
    open_ = Call("<=", (at, Key(0, "TIMESTAMP")), "BOOLEAN")
    fold = Fold("list_max", Key(1, "…[]"), (open_,), price, "BIGINT")
    bids = [
        {"price": 9, "at": {"t": "1970-01-01 00:00:00.000006"}},
        {"price": 7, "at": {"t": "1970-01-01 00:00:00.000005"}},
        {"price": 8, "at": {"t": None}},
        {"price": 8, "at": None},
        None,
        {"price": None, "at": {"t": "1970-01-01 00:00:00"}},
    ]
    highest = compile_expression(fold, 2)
    assert highest([5, json.dumps(bids)]) == 7
    assert highest([6, json.dumps(bids)]) == 9
    assert highest([-1, json.dumps(bids)]) is None
    assert highest([None, json.dumps(bids)]) is None
