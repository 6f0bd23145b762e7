"""The first row of a group by several ranks: one event's columns, whatever the batches."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyfold.view.aggregate import Aggregate, Final, Operand
from keyfold.view.family.best import DIRECTIONS, value_final
from keyfold.view.family.registry import FAMILIES
from keyfold.view.partial import PartialCodec
from tests.view.families import answer, asked, load, merged, partial_of

RANKS = {
    "BIGINT": st.integers(-2, 2),
    "UHUGEINT": st.sampled_from([0, 2**64, 2**127, 2**128 - 1]),
    "BLOB": st.sampled_from([b"", b"\0", b"z", b"\x80", b"\xff"]),
    "UUID": st.sampled_from([f"{digit * 8}-0000-0000-0000-000000000000" for digit in "079f"]),
    "TIMESTAMP_NS": st.sampled_from([-1, 0, 1]),
    "HUGEINT": st.sampled_from([-(2**100), 0, 2**64, 2**100]),
    "DOUBLE": st.sampled_from([-0.0, 0.0, 1.5, float("nan"), float("inf")]),
    "VARCHAR": st.sampled_from(["", "a", "ä", "b"]),
    "TIMESTAMP": st.sampled_from([-1, 0, 1_000_000]),
    "BOOLEAN": st.booleans(),
}
VALUES = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "DECIMAL(38,4)": st.integers(-(10**37), 10**37),
    "VARCHAR": st.text("aä😀", max_size=2),
    "DOUBLE": st.sampled_from([-0.0, 1.5, float("nan")]),
}


def kept_of(order: str, ranks: Sequence[str], values: Sequence[str], where: str = "") -> Aggregate:
    operands = [Operand(f"r{i}", kind) for i, kind in enumerate(ranks)]
    operands += [Operand("p", "INTEGER"), Operand("o", "BIGINT"), Operand("''", "VARCHAR")]
    operands += [Operand(f"v{i}", kind) for i, kind in enumerate(values)]
    first, *more = operands
    return Aggregate(f"best:{order}", first.sql, first.type, where, tuple(more))


@settings(max_examples=80, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_the_row_is_the_one_that_duckdb_numbers_first_among_all(con, data):
    order = data.draw(st.text("".join(DIRECTIONS), min_size=1, max_size=3))
    ranks = [data.draw(st.sampled_from(sorted(RANKS))) for _ in order]
    values = data.draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=3))
    row = st.tuples(
        *(RANKS[kind] | st.none() for kind in ranks),
        *(VALUES[kind] | st.none() for kind in values),
        st.booleans(),
        st.integers(0, 2),
    )
    rows = [(*cells, i) for i, cells in enumerate(data.draw(st.lists(row, max_size=9)))]
    rows = data.draw(st.permutations(rows))  # events of several partitions come in any order
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=3))
    columns = {f"r{i}": kind for i, kind in enumerate(ranks)}
    columns |= {f"v{i}": kind for i, kind in enumerate(values)}
    load(con, {**columns, "f": "BOOLEAN", "p": "INTEGER", "o": "BIGINT"}, rows)
    by = ", ".join(f"r{i} {DIRECTIONS[letter]}" for i, letter in enumerate(order))
    for where in ("", "f"):
        kept = kept_of(order, ranks, values, where)
        state = merged(con, kept, cuts, len(rows))
        for i, kind in enumerate(values):
            theirs = asked(
                con,
                f"SELECT any_value(v{i}) FROM (SELECT v{i} FROM events WHERE {where or 'true'} "
                f"QUALIFY row_number() OVER (ORDER BY {by}, p, o) = 1)",
                kind,
            )
            # -0.0 and 0.0 tie, so which of them it is shows where the row came from.
            assert repr(answer(kept, Final(value_final(i), kind), state)) == repr(theirs)


@settings(max_examples=80, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_merge_is_associative_and_commutative_and_zero_is_its_identity(con, data):
    order = data.draw(st.text("".join(DIRECTIONS), min_size=1, max_size=2))
    some = st.integers(0, 2) | st.none()
    rows = data.draw(st.lists(st.tuples(*(some for _ in order)), max_size=9))
    names = [f"r{i}" for i in range(len(order))]
    columns = {**dict.fromkeys(names, "BIGINT"), "v0": "BIGINT", "p": "INTEGER", "o": "BIGINT"}
    load(con, columns, [(*row, i, i % 2, i) for i, row in enumerate(rows)])
    kept = kept_of(order, ["BIGINT"] * len(order), ["BIGINT"])
    merge = FAMILIES[kept.family].merge
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
        (
            "ad",
            "01 01 01 0100000000000000 01 01000000 0000000000000000 0600000000000000 "
            "01 01000000 62 61",
        ),
        (
            "Da",
            "01 01 00 0000000000000000 00 ffffffff 0000000000000000 0100000000000000 00 ffffffff",
        ),
    ],
)
def test_the_stored_form_does_not_change(con, family, golden):
    rows = [(1, "a", "c", 1, 3), (1, "b", "a", 0, 6), (2, "b", "d", 1, 4), (None, None, None, 0, 1)]
    load(
        con,
        {"r0": "BIGINT", "r1": "VARCHAR", "v0": "VARCHAR", "p": "INTEGER", "o": "BIGINT"},
        rows,
    )
    kept = kept_of(family, ["BIGINT", "VARCHAR"], ["VARCHAR"])
    (stored,) = PartialCodec(kept.slots).encode(partial_of(con, kept, 0, 4))
    assert stored == bytes.fromhex(golden)


def test_there_is_no_family_of_another_name():
    with pytest.raises(KeyError):
        FAMILIES["best:x"]
    with pytest.raises(KeyError):
        FAMILIES["worst"]
