"""BIT_AND, BIT_OR, BIT_XOR, BOOL_AND, BOOL_OR and ANY_VALUE over batches are DuckDB's, exactly."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyfold.view.aggregate import Aggregate, Final
from keyfold.view.partial import PartialCodec
from tests.view.families import answer, asked, expected, load, merged, partial_of

WHOLE = {
    "TINYINT": st.integers(-128, 127),
    "UINTEGER": st.integers(0, 2**32 - 1),
    "BIGINT": st.sampled_from((0, -1, 2**63 - 1, -(2**63))) | st.integers(-(2**63), 2**63 - 1),
    "UBIGINT": st.integers(0, 2**64 - 1),
    "HUGEINT": st.sampled_from((0, -1, 2**127 - 1)) | st.integers(-(2**127) + 1, 2**127 - 1),
}


@st.composite
def cut_events(draw, values):
    rows = draw(st.lists(st.tuples(values | st.none(), st.booleans()), max_size=8))
    return rows, draw(st.lists(st.integers(0, len(rows)), max_size=3))


@pytest.mark.parametrize("function", ["bit_and", "bit_or", "bit_xor"])
@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_bits_of_any_batches_are_those_of_all_events(con, name, function, data):
    rows, cuts = data.draw(cut_events(WHOLE[name]))
    load(con, {"x": name, "f": "BOOLEAN"}, rows)
    for where in ("", "f"):
        kept, final = Aggregate(function, "x", name, where), Final(function, name)
        ours = answer(kept, final, merged(con, kept, cuts, len(rows)))
        assert ours == expected(con, kept, final)


@pytest.mark.parametrize(("function", "family"), [("bool_and", "min"), ("bool_or", "max")])
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_truth_of_any_batches_is_that_of_all_events(con, function, family, data):
    rows, cuts = data.draw(cut_events(st.booleans()))
    load(con, {"x": "BOOLEAN", "f": "BOOLEAN"}, rows)
    for where in ("", "f"):
        kept, final = Aggregate(family, "x", "BOOLEAN", where), Final(function, "BOOLEAN")
        ours = answer(kept, final, merged(con, kept, cuts, len(rows)))
        assert ours is expected(con, kept, final)


@pytest.mark.parametrize("name", ["VARCHAR", "BIGINT", "TIME"])
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_is_one_of_the_values_and_the_same_whatever_the_batches(con, name, data):
    values = (
        st.sampled_from(["a", "ä", ""]) if name == "VARCHAR" else st.integers(0, 86_399_999_999)
    )
    rows, cuts = data.draw(cut_events(values))
    load(con, {"x": name, "f": "BOOLEAN"}, rows)
    kept, final = Aggregate("min", "x", name), Final("any_value", name)
    ours = answer(kept, final, merged(con, kept, cuts, len(rows)))
    assert ours == asked(con, "SELECT min(x) FROM events", name)
    assert ours in [x for x, _ in rows] or ours is None


@pytest.mark.parametrize(
    ("function", "golden"),
    [
        ("bit_and", "01 0200000000000000 0400000000000000"),
        ("bit_or", "01 0200000000000000 0700000000000000"),
        ("bit_xor", "01 0200000000000000 0300000000000000"),
    ],
)
def test_the_stored_form_of_bits_does_not_change(con, function, golden):
    load(con, {"x": "INTEGER"}, [(5,), (None,), (6,)])
    kept = Aggregate(function, "x", "INTEGER")
    (stored,) = PartialCodec(kept.slots).encode(partial_of(con, kept, 0, 3))
    assert stored == bytes.fromhex(golden)
