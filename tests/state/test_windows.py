"""Rows that are merged of panes are read in turns, all of one moment, and page by page."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType

import pytest

from keyfold.sql.compile import compile_sql
from keyfold.state import windows
from keyfold.state.memory import MemoryStore
from keyfold.state.protocol import Pair, Store
from keyfold.state.reads import row_reads, rows_in_turns
from keyfold.state.rocks import RocksStore
from keyfold.state.writer import StateWriter
from keyfold.view.rowkey import encode_key, prefix_end
from tests.delta import delta_of
from tests.laws.stream import Event, Stream

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


CALLS = {
    "hop": ("window_start", "HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '20' MINUTE)"),
    "hop_end": ("window_end", "HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '20' MINUTE)"),
    "cumulate": ("window_end", "CUMULATE(orders, ts, INTERVAL '1' MINUTE, INTERVAL '20' MINUTE)"),
}
"""What a window is named by, and the windows."""


class CountedReads(MemoryStore):
    """A store that counts the rows that are read of it through ``moment``."""

    rows_read = 0

    def moment(self, end: bytes) -> Callable[[bytes], Iterator[Pair]]:
        scan = super().moment(end)

        def counted(start: bytes) -> Iterator[Pair]:
            for pair in scan(start):
                self.rows_read += 1
                yield pair

        return counted


def distinct_stream(log: list[Event], call: str, key: str, users_first: bool) -> Stream:
    keys = f"user_id, {key}" if users_first else f"{key}, user_id"
    store = CountedReads()
    sql = (
        "CREATE SOURCE orders (id BIGINT, user_id VARCHAR, ts TIMESTAMPTZ, "
        "WATERMARK FOR ts AS ts) WITH (connector = 'events');\n"
        f"CREATE MATERIALIZED VIEW v AS SELECT {keys}, COUNT(DISTINCT id) AS n, COUNT(*) AS c "
        f"FROM {call} GROUP BY {keys};"
    )
    stream = Stream(lambda: store, log, sql)
    stream.finish()
    return stream


@pytest.mark.parametrize("windows_of", CALLS)
@pytest.mark.parametrize("users_first", [True, False])
def test_a_page_has_the_rows_of_its_part_of_the_whole(windows_of: str, users_first: bool) -> None:
    chance = random.Random(11)
    log = [
        Event(0, id=chance.randint(0, 5), user_id=chance.choice("abc"), second=second)
        for second in [*(chance.randint(0, 700) for _ in range(25)), 3_300, 3_500]
    ]
    key, call = CALLS[windows_of]
    stream = distinct_stream(log, call, key, users_first)
    view = stream.state.views["v"]
    prefix, end = view.prefix, prefix_end(view.prefix)
    reads = row_reads(view.plan, prefix, stream.store)
    whole = list(reads.scan(prefix, end))
    assert reads.get_many([row for row, _ in whole]) == [partials for _, partials in whole]
    places = [prefix, end] + [row + more for row, _ in whole for more in (b"", b"\0")]
    for _ in range(200):
        first, last = sorted(chance.sample(places, 2))
        assert list(reads.scan(first, last)) == [one for one in whole if first <= one[0] < last]


def counted(scan: Callable[[], Iterator[Pair]]) -> tuple[list[Pair], int]:
    """Return the rows, and how many functions of keyfold/state/windows.py making them called."""
    calls = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename == windows.__file__

    sys.setprofile(count)
    try:
        return list(scan()), calls
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("users_first", [True, False])
def test_a_page_behind_the_last_pane_of_a_tile_looks_at_none_of_its_windows(
    users_first: bool,
) -> None:
    """A tile's panes count in the windows that hold it in part, and alone they make no window."""
    log = [Event(0, id=i, user_id="a" if users_first else f"u{i}", second=1) for i in range(200)]
    stream = distinct_stream(log, HOP, "window_start", users_first)
    store, view = stream.store, stream.state.views["v"]
    assert isinstance(store, CountedReads)
    reads = row_reads(view.plan, view.prefix, store)
    last_window_us = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000

    rows_of_last = 1 if users_first else 200
    for window_us, rows in ((last_window_us, rows_of_last), (last_window_us + MINUTE_US, 0)):
        first = ("a", window_us) if users_first else (window_us, "")
        start = view.prefix + encode_key(view.plan.key_types, first)
        store.rows_read = 0
        found, calls = counted(partial(reads.scan, start, prefix_end(view.prefix)))
        assert len(found) == rows
        assert store.rows_read <= 2 * rows + 3
        assert calls <= 10 * rows + 50, "there are 1,439 windows more with this tile's panes"
