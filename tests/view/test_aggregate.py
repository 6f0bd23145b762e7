"""Updates in batches, merged and finalized, are what DuckDB says over everything at once."""

import math
from collections.abc import Sequence
from itertools import pairwise

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyfold.view.aggregate import Aggregate, Final
from keyfold.view.family.law import zero
from keyfold.view.family.registry import FAMILIES
from keyfold.view.types import Physical, column_type
from tests.view import families
from tests.view.families import INFINITY_US, answer, expected, merged, partial_of

INT64 = (0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "TINYINT": st.integers(-128, 127),
    "BIGINT": st.sampled_from(INT64) | st.integers(-(2**63), 2**63 - 1),
    "UBIGINT": st.integers(0, 2**64 - 1),
    "HUGEINT": st.integers(-(2**120), 2**120) | st.integers(-3, 3),
    "UHUGEINT": st.sampled_from([0, 2**127 - 1, 2**127, 2**128 - 1]) | st.integers(0, 2**128 - 1),
    "UUID": st.uuids().map(str),
    "BLOB": st.lists(st.sampled_from(b"\0\x7f\x80\xff"), max_size=3).map(bytes),
    "TIMESTAMP_S": st.integers(-(2**35), 2**35) | st.sampled_from([INFINITY_US, -INFINITY_US]),
    "TIMESTAMP_MS": st.integers(-(2**45), 2**45) | st.sampled_from([INFINITY_US, -INFINITY_US]),
    "TIMESTAMP_NS": st.integers(-(2**62), 2**62) | st.sampled_from([INFINITY_US, -INFINITY_US]),
    "DECIMAL(4,1)": st.integers(-9999, 9999),
    "DECIMAL(18,2)": st.integers(-(10**18) + 1, 10**18 - 1),
    "DECIMAL(38,10)": st.integers(-(10**36), 10**36),
    "DOUBLE": st.floats(-1e9, 1e9).filter(lambda v: v == 0 or abs(v) > 1e-9),
    "FLOAT": st.floats(-1e9, 1e9, width=32).filter(lambda v: v == 0 or abs(v) > 1e-9),
    "VARCHAR": st.text("aäz\uffff😀\x01", max_size=3),
    "BOOLEAN": st.booleans(),
    "DATE": st.integers(-700_000, 700_000),
    "TIMESTAMP": st.integers(-(2**55), 2**55),
    "TIMESTAMP WITH TIME ZONE": st.integers(-(2**55), 2**55),
}
SUMMED = ("TINYINT", "BIGINT", "UBIGINT", "HUGEINT", "DECIMAL(4,1)", "DECIMAL(18,2)")
SUMMED += ("DECIMAL(38,10)", "DOUBLE", "FLOAT")
Row = tuple[object, bool]


def load(con: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Row]) -> None:
    families.load(con, {"x": name, "f": "BOOLEAN"}, rows)


def aggregates(name: str) -> list[tuple[Aggregate, Final]]:
    """Every aggregate function over x, with and without FILTER."""
    pairs = []
    for where in ("", "f"):
        pairs.append((Aggregate("count", where=where), Final("count", "BIGINT")))
        for family in ("count", "min", "max"):
            final = Final(family, "BIGINT" if family == "count" else name)
            pairs.append((Aggregate(family, "x", name, where), final))
        if name in SUMMED:
            real = column_type(name).physical is Physical.F64
            column = column_type(name)
            total = f"DECIMAL(38,{column.scale})" if column.decimal else "HUGEINT"
            wide = column.decimal and column.precision > 18
            family = "sum_real" if real else "sum_wide" if wide else "sum_int"
            kept = Aggregate(family, "x", name, where)
            pairs.append((kept, Final("sum", "DOUBLE" if real else total)))
            pairs.append((kept, Final("avg", "DOUBLE")))
    return pairs


def agree(ours: object, theirs: object, scale: float) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        if math.isnan(theirs) or math.isinf(theirs):
            return repr(ours) == repr(theirs)
        return math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=1e-12 * scale)
    return ours == theirs and type(ours) is type(theirs)


def check(con: duckdb.DuckDBPyConnection, name: str, rows: list[Row], cuts: list[int]) -> None:
    load(con, name, rows)
    sizes = [abs(x) for x, _ in rows if isinstance(x, float) and math.isfinite(x)]
    for kept, final in aggregates(name):
        state = merged(con, kept, cuts, len(rows))
        ours, theirs = answer(kept, final, state), expected(con, kept, final)
        # Plain SUM and AVG of DuckDB round at every step, ours once: compare by the summands' size.
        scale = sum(sizes) if final.function in ("sum", "avg") else 0.0
        assert agree(ours, theirs, scale), (kept, final, ours, theirs)


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_batches_merged_are_one_batch_over_everything(con, name, data):
    row = st.tuples(VALUES[name] | st.none(), st.booleans())
    rows = data.draw(st.lists(row, max_size=8))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=3))
    check(con, name, rows, cuts)


@pytest.mark.parametrize(
    "values",
    [
        [math.inf, 1.0, 2.0],
        [1.0, math.inf, -math.inf, 3.0],
        [math.nan, 1.0, -5.0],
        [math.nan, math.inf],
        [1e308, 1e308, 1.0],
        [-1e308, -1e308, -1e308],
        [-0.0],
        [None, math.nan],
        [5e-324, 5e-324],
    ],
)
@pytest.mark.parametrize("cuts", [[], [1], [1, 1, 2]])
def test_infinities_and_nan_add_up_as_in_duckdb(con, values, cuts):
    check(con, "DOUBLE", [(value, True) for value in values], cuts)


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([1e308, 1e308, -1e308], 1e308),
        ([1e308, 1e308, 1.0, -1e308, -1e308], 1.0),
        ([-1.7e308, -1.7e308, -1.7e308, 1.7e308, 1.7e308, 1.7e308], 0.0),
        ([1e308] * 300 + [-1e308] * 299, 1e308),
        ([1e308, 1e308, 5.0], math.inf),
        ([1e308, 1e308, -math.inf], -math.inf),
        ([1e308, 1e308, math.inf, -1e308, -1e308], math.inf),
        ([-1e308, -1e308, math.nan], math.nan),
    ],
)
def test_a_sum_that_passes_the_greatest_double_comes_back_whatever_the_batches(con, values, total):
    load(con, "DOUBLE", [(value, True) for value in values])
    n = len(values)
    for cuts in ([], [1], [2], [3], range(n), range(0, n, 2)):
        for kept in (Aggregate("sum_real", "x", "DOUBLE", where) for where in ("", "f")):
            state = merged(con, kept, list(cuts), n)
            found = answer(kept, Final("sum", "DOUBLE"), state)
            assert agree(found, total, 1e308), cuts  # as exact as such summands allow
            mean = answer(kept, Final("avg", "DOUBLE"), state)
            assert agree(mean, total / n, 1e308), cuts


def test_a_compensated_sum_keeps_what_a_plain_one_loses(con):
    values = [1e16, 1.0, 1.0, -1e16] * 50
    load(con, "DOUBLE", [(value, True) for value in values])
    kept = Aggregate("sum_real", "x", "DOUBLE")
    state = zero(kept.slots, 1)
    for i in range(len(values)):
        state = FAMILIES["sum_real"].merge(state, partial_of(con, kept, i, i + 1))
    assert answer(kept, Final("sum", "DOUBLE"), state) == math.fsum(values) == 100.0


@pytest.mark.parametrize(
    ("name", "total", "count", "mean"),
    [
        ("BIGINT", 2**53 + 1, 1, 9007199254740992.0),
        ("BIGINT", 10, 4, 2.5),
        ("HUGEINT", 2**127 - 1, 3, (2**127 - 1) / 3),
        ("HUGEINT", -(2**63), 1, -9223372036854775808.0),
        ("DECIMAL(18,2)", 1, 3, 1 / 300),
        ("DECIMAL(38,38)", 10**38 - 1, 1, 1.0),
        ("DECIMAL(38,20)", 3 * 10**19, 1, 0.3),
    ],
)
def test_a_mean_is_rounded_once(name, total, count, mean):
    kept, final = Aggregate("sum_int", "x", name), Final("avg", "DOUBLE")
    words = np.zeros(1, kept_dtype := zero(kept.slots, 1)[1].dtype)
    words[0] = np.array([(total & (2**64 - 1), total >> 64)], kept_dtype)[0]
    assert answer(kept, final, [np.array([count]), words]) == mean


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_of_wide_decimals_is_null_beyond_38_digits_where_duckdb_fails(con, sign):
    load(con, "DECIMAL(38,2)", [(sign * (10**38 - 2), True), (sign, True), (sign, True)])
    kept = Aggregate("sum_wide", "x", "DECIMAL(38,2)")
    final, mean = Final("sum", "DECIMAL(38,2)"), Final("avg", "DOUBLE")
    merge = FAMILIES["sum_wide"].merge
    most = merge(partial_of(con, kept, 0, 1), partial_of(con, kept, 1, 2))
    assert answer(kept, final, most) == sign * (10**38 - 1)
    beyond = merge(most, partial_of(con, kept, 2, 3))
    assert answer(kept, final, beyond) is None
    assert answer(kept, mean, beyond) == sign * 10**38 / 300
    with pytest.raises(duckdb.OutOfRangeException):
        con.sql("SELECT sum(x) FROM events").fetchall()


def test_a_sum_of_wide_decimals_comes_back_into_its_digits(con):
    big = 6 * 10**37
    check(con, "DECIMAL(38,10)", [(x, True) for x in (big, -big, big)], [1, 2])
    kept, final = Aggregate("sum_wide", "x", "DECIMAL(38,10)"), Final("sum", "DECIMAL(38,10)")
    load(con, "DECIMAL(38,10)", [(x, True) for x in (big, big, -big)])
    state = zero(kept.slots, 1)
    answers = []
    for i in range(3):
        state = FAMILIES["sum_wide"].merge(state, partial_of(con, kept, i, i + 1))
        answers.append(answer(kept, final, state))
    assert answers == [big, None, big]


@pytest.mark.parametrize("family", ["min", "max"])
@pytest.mark.parametrize("name", ["DOUBLE", "FLOAT"])
@pytest.mark.parametrize("values", [[-0.0], [0.0, -0.0], [-0.0, 0.0]])
def test_an_extreme_of_zero_has_no_sign(con, family, name, values):
    load(con, name, [(value, True) for value in values])
    kept, final = Aggregate(family, "x", name), Final(family, name)
    for cuts in ([0, len(values)], range(len(values) + 1)):
        state = zero(kept.slots, 1)
        for low, high in pairwise(cuts):
            state = FAMILIES[family].merge(state, partial_of(con, kept, low, high))
        assert repr(answer(kept, final, state)) == "0.0"


@pytest.mark.parametrize("value", [5e-324, -5e-324, math.inf, -math.inf, -1.5])
def test_an_extreme_is_one_of_the_values(con, value):
    load(con, "DOUBLE", [(value, True)])
    for family in ("min", "max"):
        kept = Aggregate(family, "x", "DOUBLE")
        state = FAMILIES[family].merge(zero(kept.slots, 1), partial_of(con, kept, 0, 1))
        assert repr(answer(kept, Final(family, "DOUBLE"), state)) == repr(value)
