"""Different values in windows that grow or share events: what lies in the store, and what goes.

That they are counted right for any cut and crash is with the windows themselves
(test_windows_that_share_events.py, test_sessions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keyfold.state.layout import members_span
from keyfold.state.memory import MemoryStore
from keyfold.state.protocol import Store
from keyfold.view.rowkey import prefix_end
from keyfold.view.tiles import Tiles
from tests.laws.stream import Event, Step, Stream, events, steps
from tests.laws.windows import SOURCE

HOP = "HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE)"
CUMULATE = "CUMULATE(orders, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE)"
TUMBLE = "TUMBLE(orders, ts, INTERVAL '3' MINUTE)"
SESSION = "SESSION(orders PARTITION BY user_id, ts, INTERVAL '30' SECOND)"
ITEMS = "COUNT(DISTINCT id) AS n, SUM(DISTINCT amount) AS t, COUNT(*) AS c"


def sql_of(call: str, retention: str = "") -> str:
    bound = "window_end" if call == CUMULATE else "window_start"
    options = f" WITH (retention = '{retention}')" if retention else ""
    return (
        f"{SOURCE}CREATE MATERIALIZED VIEW v{options} AS "
        f"SELECT user_id, {bound}, {ITEMS} FROM {call} GROUP BY user_id, {bound};"
    )


def kept(stream: Stream) -> tuple[list[bytes], list[bytes]]:
    """The keys of the rows and of the members of the view."""
    prefix = stream.state.views["v"].prefix
    rows = [key for key, _ in stream.store.scan(prefix, prefix_end(prefix))]
    return rows, [key for key, _ in stream.store.scan(*members_span(prefix))]


def streamed(log: Sequence[Event], sql: str) -> Stream:
    store = MemoryStore()
    return Stream(lambda: store, log, sql)


def test_a_value_in_all_panes_of_a_tile_is_one_entry() -> None:
    log = [Event(0, id=7, user_id="a", second=20 * i) for i in range(27)]  # 9 minutes
    for call in (HOP, CUMULATE):
        stream = streamed(log, sql_of(call))
        while stream.read(12):
            stream.commit()
        rows, members = kept(stream)
        assert len(rows) == 9
        assert len(members) == 3


slow = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@slow
@given(log=events, plan=steps)
def test_members_of_sessions_lie_under_rows_that_are_there(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event], plan: Sequence[Step]
) -> None:
    stream = Stream(new_store(), log, sql_of(SESSION))
    stream.run(plan)
    stream.finish()
    rows, members = kept(stream)
    of_ids = 0
    for key in members:
        (row,) = (row for row in rows if key[1:].startswith(row))
        of_ids += key[1 + len(row) :].startswith(b"\x00\x00")  # the set of the ids
    assert of_ids == sum(row["n"] for row in stream.rows("v"))


@pytest.mark.parametrize("call", [HOP, CUMULATE, SESSION])
@given(seconds=st.lists(st.integers(0, 900), min_size=1, max_size=20))
@settings(max_examples=15, deadline=None)
def test_members_go_with_the_last_rows_that_need_them(call: str, seconds: Sequence[int]) -> None:
    log = [Event(0, id=i % 3, user_id="a", second=s) for i, s in enumerate(sorted(seconds))]
    stream = streamed([*log, Event(0, id=1, user_id="z", second=3_000)], sql_of(call, "1 second"))
    for record in stream.state.record.views.values():
        record.ready = True  # sessions are taken away once the view has caught up
    while stream.read(6):
        stream.commit()
    for _ in range(30):
        stream.commit()
    rows, members = kept(stream)
    assert len(rows) == 1
    assert len(members) == 1, "that of the last event"


def without_row(stream: Stream) -> list[bytes]:
    """The members that no row of the view leads to: those that nothing would ever delete."""
    rows, members = kept(stream)
    plan, begin = stream.catalog.view("v"), len(stream.state.views["v"].prefix)
    of_tile = Tiles(plan).sets_key if plan.tiled else lambda key, _: key
    heads = {of_tile(row, begin) for row in rows}
    return [key for key in members if not any(key[1:].startswith(head) for head in heads)]


@pytest.mark.parametrize("call", [HOP, CUMULATE, TUMBLE])
def test_members_that_come_to_a_row_while_it_expires_go_with_it(call: str) -> None:
    """Partition 1 is behind: what is new in it belongs to windows that have expired meanwhile."""
    ahead = [Event(0, id=1, user_id="a", second=s) for s in (10, 1_000, 1_010)]
    behind = [Event(1, id=i, user_id="a", second=10) for i in (2, 3, 4)]
    later = [Event(p, id=1, user_id="a", second=s) for s in (2_000, 3_000) for p in (0, 1)]
    stream = streamed([*ahead, *behind, *later], sql_of(call, "1 second"))
    while stream.read(1):
        stream.commit()
        assert without_row(stream) == []
    for _ in range(5):
        stream.commit()
    rows, members = kept(stream)
    assert len(rows) == 1
    assert len(members) == 1, "that of the last events"


@pytest.mark.parametrize("call", [HOP, CUMULATE, TUMBLE])
@slow
@given(log=events, plan=steps)
def test_a_row_leads_to_every_member_for_any_cut_and_crash(
    call: str, log: Sequence[Event], plan: Sequence[Step]
) -> None:
    stream = streamed(log, sql_of(call, "1 second"))
    for step in plan:
        stream.run([step])
        assert without_row(stream) == []
    stream.finish()
    assert without_row(stream) == []
