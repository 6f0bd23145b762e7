"""The first n rows of a group: whatever the batches, those that DuckDB numbers first among all."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyfold.sql.ordered import rank_json
from keyfold.view.aggregate import Aggregate, Operand
from keyfold.view.family.best import DIRECTIONS
from keyfold.view.family.registry import FAMILIES
from keyfold.view.partial import PartialCodec
from tests.view.families import load, merged, partial_of

RANKS = {
    "BIGINT": st.integers(-2, 2),
    "UHUGEINT": st.sampled_from([0, 2**64, 2**127, 2**128 - 1]),
    "BLOB": st.sampled_from([b"", b"\0", b"z", b"\x80", b"\xff"]),
    "UUID": st.sampled_from([f"{digit * 8}-0000-0000-0000-000000000000" for digit in "079f"]),
    "TIMESTAMP_NS": st.sampled_from([-1, 0, 1]),
    "HUGEINT": st.sampled_from([-(2**100), 0, 2**64, 2**100]),
    "VARCHAR": st.sampled_from(["", "a", "ä", "b"]),
    "BOOLEAN": st.booleans(),
    "DOUBLE": st.sampled_from([-0.0, 0.0, 1.5, float("nan"), float("inf"), -float("inf")]),
    "DECIMAL(9,2)": st.integers(-3, 3),
    "TIMESTAMP": st.sampled_from([-1, 0, 1_000_000]),
}


def _rank(sql: str, kind: str) -> str:
    return f"CASE WHEN {sql} IS NULL THEN 'null' ELSE {rank_json(Operand(sql, kind))} END"


def kept_of(rows: int, order: str, ranks: list[str]) -> Aggregate:
    texts = [_rank(f"r{i}", kind) for i, kind in enumerate(ranks)]
    listed = ", ',', ".join(texts)
    row = f"concat('[[', {listed}, '],', p, ',', o, ']', chr(9), '[', i, ']')"
    operands = [Operand(f"r{i}", kind) for i, kind in enumerate(ranks)]
    operands += [Operand("p", "INTEGER"), Operand("o", "BIGINT"), Operand("''", "VARCHAR")]
    operands += [Operand("i", "INTEGER"), Operand(row, "VARCHAR")]
    return Aggregate(f"rows{rows}:{order}", operands[0].sql, ranks[0], "", tuple(operands[1:]))


@settings(max_examples=80, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_the_rows_are_those_that_duckdb_numbers_first_among_all(con, data):
    order = data.draw(st.text("".join(DIRECTIONS), min_size=1, max_size=3))
    ranks = [data.draw(st.sampled_from(sorted(RANKS))) for _ in order]
    row = st.tuples(*(RANKS[kind] | st.none() for kind in ranks), st.integers(0, 2))
    rows = [(*cells, i) for i, cells in enumerate(data.draw(st.lists(row, max_size=12)))]
    rows = data.draw(st.permutations(rows))  # events of several partitions come in any order
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=3))
    names = {f"r{i}": kind for i, kind in enumerate(ranks)}
    load(con, {**names, "p": "INTEGER", "o": "BIGINT"}, rows)
    n = data.draw(st.sampled_from([1, 2, 5, 1000]))
    (kept,) = merged(con, kept_of(n, order, ranks), cuts, len(rows))
    by = ", ".join(f"r{i} {DIRECTIONS[letter]}" for i, letter in enumerate(order))
    query = f"SELECT i FROM events ORDER BY {by}, p, o LIMIT {n}"
    theirs = [i for (i,) in con.execute(query).fetchall()]
    lines = kept[0].split(b"\n") if kept[0] is not None else []
    ours = [json.loads(line.partition(b"\t")[2])[0] for line in lines]
    assert ours == theirs


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_merge_is_associative_and_commutative_and_zero_is_its_identity(con, data):
    order = data.draw(st.text("".join(DIRECTIONS), min_size=1, max_size=2))
    some = st.integers(0, 2) | st.none()
    rows = data.draw(st.lists(st.tuples(*(some for _ in order)), max_size=9))
    names = {f"r{i}": "BIGINT" for i in range(len(order))}
    load(
        con,
        {**names, "p": "INTEGER", "o": "BIGINT"},
        [(*row, i % 2, i) for i, row in enumerate(rows)],
    )
    kept = kept_of(2, order, ["BIGINT"] * len(order))
    merge = FAMILIES[kept.family].merge
    a, b, c = (partial_of(con, kept, at * 3, at * 3 + 3) for at in range(3))
    nothing = partial_of(con, kept, 0, 0)
    assert same(merge(merge(a, b), c), merge(a, merge(b, c)))
    assert same(merge(a, b), merge(b, a))
    assert same(merge(a, nothing), a)
    assert same(merge(nothing, a), a)


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return [column.tolist() for column in a] == [column.tolist() for column in b]


def test_the_stored_form_does_not_change(con):
    rows = [(1, 1, 3), (None, 0, 6), (2, 1, 4), (2, 0, 9)]
    load(con, {"r0": "BIGINT", "p": "INTEGER", "o": "BIGINT"}, rows)
    kept = kept_of(3, "d", ["BIGINT"])
    (stored,) = PartialCodec(kept.slots).encode(partial_of(con, kept, 0, 4))
    text = b"[[2],0,9]\t[3]\n[[2],1,4]\t[2]\n[[1],1,3]\t[0]"
    assert stored == b"\x01" + len(text).to_bytes(4, "little") + text


@pytest.mark.parametrize("name", ["rows0:a", "rows5:", "rows5:x", "rows:a"])
def test_there_is_no_family_of_another_name(name):
    with pytest.raises(KeyError):
        FAMILIES[name]
