"""HOP and CUMULATE: windows made of panes are what DuckDB says of events that are in many windows.

Law 1 for any cut and crash; law 4 for the ways to a row: by its key, by a range, by a whole scan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keyfold.state.protocol import Store
from keyfold.state.windows import PANE_ROWS
from keyfold.view.rowkey import encode_key, prefix_end
from tests.laws.stream import Event, Step, Stream, assert_same_rows, events, steps
from tests.laws.ways import assert_same_ways, reads_of
from tests.laws.windows import BATCH, KEYS, SQL

slow = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@slow
@given(log=events, plan=steps)
def test_any_cut_equals_one_batch_run(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event], plan: Sequence[Step]
) -> None:
    stream = Stream(new_store(), log, SQL)
    stream.run(plan)
    for name, keys in KEYS.items():
        assert_same_rows(stream.rows(name), stream.batch_rows(name, BATCH[name]), keys)
    stream.finish()
    for name, keys in KEYS.items():
        assert_same_rows(stream.rows(name), stream.batch_rows(name, BATCH[name]), keys)
        assert_same_ways(stream, name)


@pytest.mark.parametrize("users", [3, 2 * PANE_ROWS + 7])
def test_panes_of_any_size_are_merged(
    new_store: Callable[[], Callable[[], Store]], users: int
) -> None:
    log = [
        Event(i % 3, id=i, user_id=f"u{i * 7 % users}", amount=i % 40, weight=i / 7, second=s)  # type: ignore[arg-type]
        for i, s in enumerate((i * 11) % 200 + 1000 * (i % 50 == 0) for i in range(2 * users))
    ]
    stream = Stream(new_store(), log, SQL)
    while stream.read(500):
        stream.commit()
    for name in ("hop_user", "sum_user"):
        assert_same_rows(stream.rows(name), stream.batch_rows(name, BATCH[name]), KEYS[name])
        assert_same_ways(stream, name)


@slow
@given(seconds=st.lists(st.integers(0, 600), min_size=1, max_size=8))
def test_there_is_no_row_for_a_window_without_an_event_or_off_the_grid(
    new_store: Callable[[], Callable[[], Store]], seconds: Sequence[int]
) -> None:
    stream = Stream(new_store(), [Event(0, id=1, user_id="a", second=s) for s in seconds], SQL)
    stream.finish()
    reads, prefix = reads_of(stream, "user_hop")
    types = stream.catalog.view("user_hop").key_types
    begin = 1_772_323_200_000_000  # 2026-03-01
    expired = max(seconds) - 5 - 300  # by this second; whether such panes are still there is open
    for start in range(max(-300, (expired - 240) // 20 * 20 + 20), 700, 20):
        key = prefix + encode_key(types, ("a", begin + start * 1_000_000))
        inside = start % 60 == 0 and any(start <= second < start + 240 for second in seconds)
        assert (reads.get(key) is not None) == inside, start


def test_an_event_is_written_once_however_many_windows_it_is_in(
    new_store: Callable[[], Callable[[], Store]],
) -> None:
    stream = Stream(new_store(), [Event(0, id=2, user_id="a", second=100)], SQL)
    stream.finish()
    for name, windows in (("user_hop", 4), ("hop_all", 5), ("user_sum", 4), ("sum_all", 0)):
        prefix = stream.state.views[name].prefix
        assert len(list(stream.store.scan(prefix, prefix_end(prefix)))) == 1
        assert len(stream.rows(name)) == windows
