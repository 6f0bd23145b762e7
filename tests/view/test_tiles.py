"""Tiles: what values count in panes adds up to the different values of each window."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfold.sql.compile import compile_sql
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import encode_key
from keyfold.view.tiles import BEFORE, NEXT, OWN, Span, Tiles

MINUTE_US = 60_000_000
SQL = """
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT {key}, COUNT(DISTINCT x) AS n, COUNT(*) AS c
FROM {kind}(e, ts, INTERVAL '1' MINUTE, INTERVAL '{panes}' MINUTE, INTERVAL '20' SECOND)
GROUP BY {key};
"""
LEAST_US = -(1 << 63)


def plan_of(kind: str, panes: int, key: str) -> ViewPlan:
    return compile_sql(SQL.format(kind=kind, panes=panes, key=key)).view("v")


def first_us(kind: str) -> int:
    """The bound of pane 0: of CUMULATE the end of its first window."""
    return 20_000_000 + (MINUTE_US if kind == "CUMULATE" else 0)


@settings(max_examples=60, deadline=None)
@given(
    panes=st.integers(2, 5),
    kind=st.sampled_from(["HOP", "CUMULATE"]),
    seen=st.lists(st.tuples(st.integers(-12, 12), st.sampled_from("abc")), max_size=30),
)
def test_windows_have_each_value_once_in_whatever_order_it_came(
    panes: int, kind: str, seen: list[tuple[int, str]]
) -> None:
    tiles = Tiles(plan_of(kind, panes, "window_end"))
    spans: dict[tuple[int, str], Span] = {}
    counts: Counter[tuple[int, int]] = Counter()  # (pane, role) → how many
    for pane, value in seen:
        tile, place = divmod(pane, panes)
        around = [spans.get((tile + by, value)) for by in (-1, 1)]
        old = spans.get((tile, value))
        new = (place, place) if old is None else (min(old[0], place), max(old[1], place))
        spans[tile, value] = new
        shares = tiles.shares(around[0], new, around[1])
        shares.subtract(tiles.shares(around[0], old, around[1]))
        for (by, at, role), sign in shares.items():
            counts[(tile + by) * panes + at, role] += sign

    for window in range(-12 - panes, 14):
        tile, place = divmod(window, panes)
        if kind == "HOP":
            held = range(window, window + panes)
            begin = tile * panes
            roles = {p: BEFORE if p < window else OWN for p in range(begin, begin + panes)}
            roles |= dict.fromkeys(range(begin + panes, window + panes), NEXT)
        else:
            held = range(tile * panes, window + 1)
            roles = dict.fromkeys(held, OWN)
        expected = len({value for pane, value in seen if pane in held})
        assert sum(counts[pane, role] for pane, role in roles.items()) == expected
        for pane, role in roles.items() if kind == "HOP" else ():
            bounds = [first_us(kind) + n * MINUTE_US for n in (window, pane)]
            assert tiles.role(*bounds) == role


@pytest.mark.parametrize("kind", ["HOP", "CUMULATE"])
@pytest.mark.parametrize("key", ["k, window_end", "window_end, k, window_start"])
def test_a_pane_and_its_tile_are_found_from_each_other(kind: str, key: str) -> None:
    plan = plan_of(kind, 3, key)
    tiles, prefix = Tiles(plan), b"view!"
    width_us = {"HOP": 3 * MINUTE_US}.get(kind)

    def row(pane: int) -> bytes:
        end = first_us(kind) + pane * MINUTE_US
        start = end - width_us if width_us else first_us(kind) + (pane // 3 * 3 - 1) * MINUTE_US
        values: dict[str, object] = {"k": "a", "window_end": end, "window_start": start}
        return prefix + encode_key(plan.key_types, [values[one.name] for one in plan.keys])

    for pane in range(-7, 8):
        assert tiles.place(row(pane), len(prefix)) == (pane // 3, pane % 3)
        assert tiles.sets_key(row(pane), len(prefix)) == row(pane // 3 * 3)
        # Of CUMULATE, whose tiles have nothing to do with each other, only in one tile.
        for other in (-4, 0, 5) if kind == "HOP" else (pane // 3 * 3 + 2,):
            assert tiles.key(row(pane), len(prefix), *divmod(other, 3)) == row(other)


def test_a_row_without_a_time_is_a_tile_of_its_own() -> None:
    plan = plan_of("HOP", 3, "k, window_start")
    tiles = Tiles(plan)
    row = b"view!" + encode_key(plan.key_types, ["a", None])
    assert tiles.place(row, 5) == (None, 0)
    assert tiles.sets_key(row, 5) == row


def test_there_are_no_tiles_beyond_the_ends_of_time() -> None:
    plan = plan_of("HOP", 3, "window_start")
    tiles = Tiles(plan)
    assert tiles.beside(0, 1) == 1
    assert tiles.beside(0, -1) == -1
    first, _ = tiles.place(encode_key(plan.key_types, [LEAST_US]), 0)
    last, _ = tiles.place(encode_key(plan.key_types, [-1 - LEAST_US]), 0)
    assert first is not None
    assert last is not None
    assert tiles.beside(first, -1) is None
    assert tiles.beside(last, 1) is None
    assert tiles.key(encode_key(plan.key_types, [0]), 0, first) == encode_key(
        plan.key_types, [LEAST_US]
    )
