"""HISTOGRAM, MODE and ARRAY_AGG(DISTINCT x): bounded, whole or NULL, whatever the batches."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyfold.sql.ordered import rank_json
from keyfold.view.aggregate import Aggregate, Final, Operand
from keyfold.view.family.registry import FAMILIES
from keyfold.view.partial import PartialCodec
from tests.view.families import (
    INFINITY_DAYS,
    INFINITY_US,
    answer,
    asked,
    load,
    merged,
    partial_of,
)

VALUES = {
    "BIGINT": st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]),
    "HUGEINT": st.sampled_from([-(2**100), 0, 2**100]),
    "UHUGEINT": st.sampled_from([0, 2**64, 2**127, 2**128 - 1]),
    "BLOB": st.sampled_from([b"", b"\0", b"z", b"\x80", b"\xff"]),
    "UUID": st.sampled_from([f"{digit * 8}-0000-0000-0000-000000000000" for digit in "079f"]),
    "TIMESTAMP_NS": st.sampled_from([-1, 0, 1, INFINITY_US]),
    "DECIMAL(18,2)": st.sampled_from([-150, 0, 150, 5]),
    "VARCHAR": st.sampled_from(["", "a", "ä", '"\\', "😀"]),
    "DATE": st.sampled_from([-1, 0, 20_000, INFINITY_DAYS, -INFINITY_DAYS]),
    "TIME": st.sampled_from([0, 86_399_999_999]),
    "TIMESTAMP": st.sampled_from([-1, 0, 2**50, INFINITY_US, -INFINITY_US]),
    "TIMESTAMP WITH TIME ZONE": st.sampled_from([-1, 0, INFINITY_US, -INFINITY_US]),
    "BOOLEAN": st.booleans(),
}
MERGE = FAMILIES["tally"].merge


def kept_of(kind: str, bound: int, where: str = "") -> Aggregate:
    more = (
        Operand("CAST(to_json(x) AS VARCHAR)", "VARCHAR"),
        Operand(str(bound), "BIGINT"),
        Operand(rank_json(Operand("x", kind)), "VARCHAR"),
    )
    return Aggregate("tally", "x", kind, where, more)


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_counts_of_any_batches_are_those_of_all_events_or_null(con, kind, data):
    row = st.tuples(VALUES[kind] | st.none(), st.booleans())
    rows = data.draw(st.lists(row, max_size=9))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=3))
    bound = data.draw(st.integers(1, 5))
    load(con, {"x": kind, "f": "BOOLEAN"}, rows)
    for where in ("", "f"):
        kept = kept_of(kind, bound, where)
        state = merged(con, kept, cuts, len(rows))
        events = f"FROM events WHERE x IS NOT NULL AND {where or 'true'}"
        fits = asked(con, f"SELECT count(DISTINCT x) {events}", "BIGINT") <= bound
        found = answer(kept, Final("histogram", f"MAP({kind}, UBIGINT)"), state)
        whole = asked(con, f"SELECT to_json(histogram(x))::VARCHAR {events}", "JSON")
        assert found == (whole if fits else None)
        found = answer(kept, Final("mode", kind), state)
        most = f"SELECT x {events} GROUP BY x ORDER BY count(*) DESC, x LIMIT 1"
        assert found == (asked(con, f"SELECT ({most})", kind) if fits else None)
        found = answer(kept, Final("values", f"{kind}[]"), state)
        least = f"SELECT to_json(list_slice(list(DISTINCT x ORDER BY x), 1, {bound}))::VARCHAR"
        assert found == asked(con, f"{least} {events}", "JSON")


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(values=st.lists(st.integers(0, 4), max_size=9))
def test_merge_is_associative_and_commutative_and_zero_is_its_identity(con, values):
    load(con, {"x": "BIGINT"}, [(x,) for x in values])
    kept = kept_of("BIGINT", 2)
    a, b, c = (partial_of(con, kept, at * 3, at * 3 + 3) for at in range(3))
    nothing = partial_of(con, kept, 0, 0)
    assert same(MERGE(MERGE(a, b), c), MERGE(a, MERGE(b, c)))
    assert same(MERGE(a, b), MERGE(b, a))
    assert same(MERGE(a, nothing), a)
    assert same(MERGE(nothing, a), a)
    bound, over, (items,) = MERGE(MERGE(a, b), c)
    assert items is None or len(json.loads(items)) <= bound[0] == 2
    assert over[0] == (len(set(values)) > 2)


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return [column.tolist() for column in a] == [column.tolist() for column in b]


def test_nan_and_infinity_are_values(con):
    nan, far = float("nan"), float("inf")
    load(con, {"x": "DOUBLE"}, [(nan,), (1.5,), (far,), (nan,)])
    kept, final = kept_of("DOUBLE", 3), Final("mode", "DOUBLE")
    for cuts in ([], [1], [1, 2, 3]):
        assert repr(answer(kept, final, merged(con, kept, cuts, 4))) == "nan"


def test_the_stored_form_does_not_change(con):
    load(con, {"x": "VARCHAR"}, [("b",), ("a",), (None,), ("b",), ("ä",)])
    items = b'[["a","\\"a\\"",1],["b","\\"b\\"",2]]'
    golden = bytes.fromhex("01 0200000000000000 01") + len(items).to_bytes(4, "little") + items
    kept = kept_of("VARCHAR", 2)
    codec = PartialCodec(kept.slots)
    assert codec.encode(partial_of(con, kept, 0, 5)) == [golden]
    assert codec.encode(merged(con, kept, [1, 4], 5)) == [golden]
