"""ARRAY_AGG and the n least and greatest: bounded, ordered, the same whatever the batches."""

import json

import msgspec
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

RANKS = {
    "BIGINT": st.integers(-2, 2) | st.sampled_from([2**63 - 1, -(2**63)]),
    "UHUGEINT": st.sampled_from([0, 2**64, 2**127, 2**128 - 1]),
    "BLOB": st.sampled_from([b"", b"\0", b"z", b"\x80", b"\xff"]),
    "UUID": st.sampled_from([f"{digit * 8}-0000-0000-0000-000000000000" for digit in "079f"]),
    "TIMESTAMP_NS": st.sampled_from([-1, 0, 1, INFINITY_US]),
    "HUGEINT": st.sampled_from([-(2**100), 0, 2**64, 2**100]),
    "DECIMAL(38,4)": st.sampled_from([-(10**37), -1, 0, 1, 10_000]),
    "DECIMAL(4,4)": st.integers(-9999, 9999),
    "DOUBLE": st.sampled_from([0.0, 1.5, 1e300, -5e-324, *map(float, ("nan", "inf", "-inf"))]),
    "VARCHAR": st.sampled_from(["", "a", "ä", '"\\', "\x01\u2028", "😀", "\uffff"]),
    "DATE": st.sampled_from([-700_000, -1, 0, 20_000, INFINITY_DAYS, -INFINITY_DAYS]),
    "TIME": st.sampled_from([0, 1, 86_399_999_999]),
    "TIMESTAMP": st.sampled_from([-(2**55), -1, 0, 2**55, INFINITY_US, -INFINITY_US]),
    "TIMESTAMP WITH TIME ZONE": st.sampled_from([-1, 0, INFINITY_US, -INFINITY_US]),
    "BOOLEAN": st.booleans(),
}
CALLS = {"list": "list(x ORDER BY y, p, o)", "list_desc": "list(x ORDER BY y DESC, p, o)"}


def kept_of(family: str, rank: str, bound: int, where: str = "") -> Aggregate:
    by = Operand("y", rank)
    more = (
        *(by, Operand("p", "INTEGER"), Operand("o", "BIGINT"), Operand(str(bound), "BIGINT")),
        Operand(rank_json(by), "VARCHAR"),
    )
    value = "coalesce(CAST(to_json(x) AS VARCHAR), 'null')"
    return Aggregate(family, value, "DECIMAL(18,2)", where, more)


@pytest.mark.parametrize("family", CALLS)
@pytest.mark.parametrize("rank", RANKS)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_list_is_the_beginning_of_duckdbs_over_all_events(con, family, rank, data):
    row = st.tuples(
        st.integers(-999, 999) | st.none(),
        RANKS[rank] | st.none(),
        st.integers(0, 2),
        st.booleans(),
    )
    rows = [(x, y, p, i, f) for i, (x, y, p, f) in enumerate(data.draw(st.lists(row, max_size=9)))]
    rows = data.draw(st.permutations(rows))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=3))
    bound = data.draw(st.integers(1, 4))
    columns = {"x": "DECIMAL(18,2)", "y": rank, "p": "INTEGER", "o": "BIGINT", "f": "BOOLEAN"}
    load(con, columns, rows)
    for where in ("", "f"):
        kept = kept_of(family, rank, bound, where)
        ours = answer(kept, Final("list", "DECIMAL(18,2)[]"), merged(con, kept, cuts, len(rows)))
        condition = " AND ".join(part for part in ("y IS NOT NULL", where) if part)
        whole = f"{CALLS[family]} FILTER (WHERE {condition})"
        query = f"SELECT to_json(list_slice({whole}, 1, {bound}))::VARCHAR FROM events"
        assert ours == asked(con, query, "JSON")
        as_json = answer(kept, Final("array", "JSON"), merged(con, kept, cuts, len(rows)))
        assert as_json == ours


TEXTS = st.sampled_from(["", "a", "ä", '"\\', "\x01\u2028", "😀", ", "])


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_texts_and_objects_are_duckdbs_whatever_the_batches(con, data):
    row = st.tuples(TEXTS, st.integers(-9, 9) | st.none(), st.integers(0, 2))
    rows = [(k, x, y, 0, i) for i, (k, x, y) in enumerate(data.draw(st.lists(row, max_size=9)))]
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=3))
    columns = {"k": "VARCHAR", "x": "BIGINT", "y": "BIGINT", "p": "INTEGER", "o": "BIGINT"}
    load(con, columns, rows)
    bound = data.draw(st.integers(1, 4))
    first = f"(SELECT * FROM events ORDER BY y, p, o LIMIT {bound})"
    key = "CAST(to_json(k) AS VARCHAR)"
    kept = msgspec.structs.replace(kept_of("list", "BIGINT", bound), argument=key)
    ours = answer(kept, Final("string", "VARCHAR", " & "), merged(con, kept, cuts, len(rows)))
    query = f"SELECT string_agg(k, ' & ' ORDER BY y, p, o) FROM {first}"
    assert ours == asked(con, query, "VARCHAR")
    pair = f"concat({key}, ':', coalesce(CAST(to_json(x) AS VARCHAR), 'null'))"
    kept = msgspec.structs.replace(kept, argument=pair)
    ours = answer(kept, Final("object", "JSON"), merged(con, kept, cuts, len(rows)))
    query = f"SELECT json_group_object(k, x)::VARCHAR FROM {first}"
    theirs = asked(con, query, "JSON") if rows else "null"
    assert json.loads(ours or "null") == json.loads(theirs)


@pytest.mark.parametrize("family", CALLS)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_merge_is_associative_and_commutative_and_zero_is_its_identity(con, family, data):
    rows = data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=9))
    load(
        con,
        {"x": "DECIMAL(18,2)", "y": "BIGINT", "p": "INTEGER", "o": "BIGINT"},
        [(x, y, i % 2, i) for i, (x, y) in enumerate(rows)],
    )
    kept, merge = kept_of(family, "BIGINT", 2), FAMILIES[family].merge
    a, b, c = (partial_of(con, kept, at * 3, at * 3 + 3) for at in range(3))
    nothing = partial_of(con, kept, 0, 0)
    assert same(merge(merge(a, b), c), merge(a, merge(b, c)))
    assert same(merge(a, b), merge(b, a))
    assert same(merge(a, nothing), a)
    assert same(merge(nothing, a), a)
    (bound,), (items,) = merge(merge(a, b), c)
    assert items is None or len(json.loads(items)) <= bound == 2


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return [column.tolist() for column in a] == [column.tolist() for column in b]


@pytest.mark.parametrize(
    ("family", "items"),
    [
        ("list", b'[[-1,0,4,"0.05"],[2,0,1,"1.50"]]'),
        ("list_desc", b'[[2,0,1,"1.50"],[2,1,0,"null"]]'),
    ],
)
def test_the_stored_form_does_not_change(con, family, items):
    rows = [(None, 2, 1, 0), (5, -1, 0, 4), (150, 2, 0, 1), (7, None, 0, 2)]
    load(con, {"x": "DECIMAL(18,2)", "y": "BIGINT", "p": "INTEGER", "o": "BIGINT"}, rows)
    kept = kept_of(family, "BIGINT", 2)
    golden = bytes.fromhex("01 0200000000000000") + len(items).to_bytes(4, "little") + items
    codec = PartialCodec(kept.slots)
    assert codec.encode(partial_of(con, kept, 0, 4)) == [golden]
    assert codec.encode(merged(con, kept, [1, 2], 4)) == [golden]
