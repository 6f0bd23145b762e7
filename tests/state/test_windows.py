"""Rows that are merged of panes are read in turns, all of one moment."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from keyfold.sql.compile import compile_sql
from keyfold.state.protocol import Store
from keyfold.state.reads import row_reads, rows_in_turns
from keyfold.state.rocks import RocksStore
from keyfold.state.writer import StateWriter
from keyfold.view.rowkey import encode_key
from tests.delta import delta_of

HOP = "HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '1' DAY)"
MINUTE_US = 60_000_000
SQL = """
CREATE SOURCE orders (u VARCHAR, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts)
WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT {key}, COUNT(*) AS n FROM {call} GROUP BY {key};
"""


@pytest.mark.parametrize("key", ["u, window_start", "window_start, u"])
def test_rows_of_many_panes_are_read_in_turns_and_of_one_moment(tmp_path: Path, key: str) -> None:
    store: Store = RocksStore(tmp_path)
    state = StateWriter(store, compile_sql(SQL.format(key=key, call=HOP)))
    plan, prefix = state.views["v"].plan, state.views["v"].prefix
    turned = key.startswith("window")

    def row(user: str, minute: int) -> tuple[str | int, ...]:
        return (minute * MINUTE_US, user) if turned else (user, minute * MINUTE_US)

    def put(count: int) -> None:
        rows = {row(user, m): (count,) for user in "abc" for m in range(0, 3_000, 7)}
        state.merge("v", *delta_of(plan, prefix, rows))
        state.commit(0)

    put(1)
    chance = random.Random(5)
    wanted = [row(chance.choice("abcd"), chance.randint(-2_000, 4_000)) for _ in range(60)]
    keys = [prefix + encode_key(plan.key_types, one) for one in wanted]
    reads = row_reads(plan, prefix, store)
    expected = reads.get_many(keys)
    assert any(expected)
    assert None in expected

    turns = rows_in_turns(reads, keys)
    found = [next(turns)]
    put(10)  # is not seen by what goes on
    found += turns
    assert [one for part in found for one in part] == expected
    assert max(len(part) for part in found) == 1  # each has 1,440 panes
    assert reads.get_many(keys) != expected
    store.close()


def test_rows_that_are_stored_as_they_are_take_one_turn(tmp_path: Path) -> None:
    store: Store = RocksStore(tmp_path)
    call = "TUMBLE(orders, ts, INTERVAL '1' MINUTE)"
    state = StateWriter(store, compile_sql(SQL.format(key="u, window_start", call=call)))
    plan, prefix = state.views["v"].plan, state.views["v"].prefix
    keys, delta = delta_of(plan, prefix, {("a", 0): (1,), ("b", 0): (2,)})
    state.merge("v", keys, delta)
    state.commit(0)
    reads = row_reads(plan, prefix, store)
    assert list(rows_in_turns(reads, keys)) == [reads.get_many(keys)]
    store.close()
