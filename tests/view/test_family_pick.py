"""FIRST, LAST, ARG_MIN, ARG_MAX, EARLIEST, LATEST: one event's value, whatever the batches."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyfold.view.aggregate import Aggregate, Final, Operand
from keyfold.view.family.registry import FAMILIES
from keyfold.view.partial import PartialCodec
from tests.view.families import answer, asked, load, merged, partial_of

PLACE = (Operand("p", "INTEGER"), Operand("o", "BIGINT"))
RANKS = {
    "BIGINT": st.integers(-2, 2),
    "HUGEINT": st.sampled_from([-(2**100), 0, 2**64, 2**100]),
    "UHUGEINT": st.sampled_from([0, 2**64, 2**127, 2**128 - 1]),
    "BLOB": st.sampled_from([b"", b"\0", b"z", b"\x80", b"\xff"]),
    "UUID": st.sampled_from([f"{digit * 8}-0000-0000-0000-000000000000" for digit in "079f"]),
    "TIMESTAMP_NS": st.sampled_from([-1, 0, 1]),
    "DOUBLE": st.sampled_from([-0.0, 0.0, 1.5, float("nan"), float("inf")]),
    "VARCHAR": st.sampled_from(["", "a", "ä", "b"]),
    "TIMESTAMP": st.sampled_from([-1, 0, 1_000_000]),
    "BOOLEAN": st.booleans(),
}
VALUES = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "DECIMAL(38,4)": st.integers(-(10**37), 10**37),
    "VARCHAR": st.text("aä😀", max_size=2),
    "INTEGER[]": st.lists(st.integers(0, 3), max_size=2).map(str),
}
ORDERS = {
    "first": "first(x ORDER BY y, p, o)",
    "first_desc": "first(x ORDER BY y DESC, p, o)",
    "last": "last(x ORDER BY y, p, o)",
    "last_desc": "last(x ORDER BY y DESC, p, o)",
}


def kept_of(family: str, value: str, rank: str, where: str = "") -> Aggregate:
    nested = value.endswith("[]")
    argument = "CAST(to_json(x) AS VARCHAR)" if nested else "x"
    return Aggregate(family, argument, value, where, (Operand("y", rank), *PLACE))


@pytest.mark.parametrize("family", ORDERS)
@pytest.mark.parametrize("value", VALUES)
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_event_is_the_one_that_duckdb_finds_among_all(con, family, value, data):
    rank = data.draw(st.sampled_from(sorted(RANKS)))
    row = st.tuples(
        VALUES[value] | st.none(), RANKS[rank] | st.none(), st.integers(0, 2), st.booleans()
    )
    rows = [(x, y, p, i, f) for i, (x, y, p, f) in enumerate(data.draw(st.lists(row, max_size=9)))]
    rows = data.draw(st.permutations(rows))  # events of several partitions come in any order
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=3))
    load(con, {"x": value, "y": rank, "p": "INTEGER", "o": "BIGINT", "f": "BOOLEAN"}, rows)
    for where in ("", "f"):
        kept = kept_of(family, value, rank, where)
        ours = answer(kept, Final(family.split("_")[0], value), merged(con, kept, cuts, len(rows)))
        condition = " AND ".join(part for part in ("y IS NOT NULL", where) if part)
        call = ORDERS[family].replace("x", kept.argument, 1)
        theirs = asked(con, f"SELECT {call} FILTER (WHERE {condition}) FROM events", value)
        assert ours == theirs


@pytest.mark.parametrize("family", ORDERS)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_merge_is_associative_and_commutative_and_zero_is_its_identity(con, family, data):
    rows = data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=9))
    load(
        con,
        {"x": "BIGINT", "y": "BIGINT", "p": "INTEGER", "o": "BIGINT"},
        [(x, y, i % 2, i) for i, (x, y) in enumerate(rows)],
    )
    kept, merge = kept_of(family, "BIGINT", "BIGINT"), FAMILIES[family].merge
    a, b, c = (partial_of(con, kept, at * 3, at * 3 + 3) for at in range(3))
    nothing = partial_of(con, kept, 0, 0)
    assert same(merge(merge(a, b), c), merge(a, merge(b, c)))
    assert same(merge(a, b), merge(b, a))
    assert same(merge(a, nothing), a)
    assert same(merge(nothing, a), a)


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return [column.tolist() for column in a] == [column.tolist() for column in b]


@pytest.mark.parametrize(
    ("family", "golden"),
    [
        ("first", "01 01 0100000000000000 0000000000000000 0600000000000000 01 01000000 61"),
        ("first_desc", "01 01 0200000000000000 0100000000000000 0400000000000000 01 01000000 64"),
        ("last", "01 01 0200000000000000 0100000000000000 0500000000000000 00 ffffffff"),
        ("last_desc", "01 01 0100000000000000 0100000000000000 0300000000000000 01 01000000 63"),
    ],
)
def test_the_stored_form_does_not_change(con, family, golden):
    rows = [("c", 1, 1, 3), ("a", 1, 0, 6), ("d", 2, 1, 4), (None, 2, 1, 5), ("z", None, 0, 1)]
    load(con, {"x": "VARCHAR", "y": "BIGINT", "p": "INTEGER", "o": "BIGINT"}, rows)
    kept = kept_of(family, "VARCHAR", "BIGINT")
    (stored,) = PartialCodec(kept.slots).encode(partial_of(con, kept, 0, 5))
    assert stored == bytes.fromhex(golden)
