"""Retention: an expired row is hidden at once, deleted in time, and never comes back."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from keyfold.sql.compile import compile_sql
from keyfold.state.layout import COMMIT_KEY, view_prefix
from keyfold.state.memory import MemoryStore
from keyfold.state.protocol import Store
from keyfold.state.reader import ViewReader, live_rows
from keyfold.state.retention import LIVE_ROWS_MAX, Reclaimer
from keyfold.state.rocks import RocksStore
from keyfold.state.writer import StateWriter
from keyfold.view.plan import ViewPlan
from keyfold.view.row import CompiledView
from keyfold.view.rowkey import decode_key, encode_key, prefix_end
from tests.delta import delta_of
from tests.laws.stream import PIPELINE, Event, Stream, assert_same_rows

MINUTE_US = 60_000_000
PREFIX = view_prefix(7)


def plan_of(keys: str) -> ViewPlan:
    return compile_sql(
        "CREATE SOURCE o (u VARCHAR, n BIGINT, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts)"
        " WITH (connector = 'events');"
        f"CREATE MATERIALIZED VIEW v WITH (retention = '1 minute') AS SELECT {keys}, COUNT(*) AS c"
        f" FROM TUMBLE(o, ts, INTERVAL '1' MINUTE) GROUP BY {keys};"
    ).views[0]


KEYS = ["window_start", "window_end", "window_start, u", "u, window_start", "u, window_end"]


@pytest.fixture
def rocks(tmp_path: Path) -> Iterator[RocksStore]:
    store = RocksStore(tmp_path / "state")
    yield store
    store.close()


def filled(plan: ViewPlan, minutes: range, users: Sequence[str | None]) -> CountingStore:
    """A row per window and user, and rows of neighbouring views that are not to be touched."""
    store = CountingStore()
    puts = [(view_prefix(6) + b"\x01x", b""), (view_prefix(8) + b"\x01x", b"")]
    for minute, user in itertools.product(minutes, users):
        puts.append((key_of(plan, minute, user), b""))
    store.write(list(dict(puts).items()), [], [], (COMMIT_KEY, b""))
    return store


def key_of(plan: ViewPlan, minute: int, user: str | None) -> bytes:
    values = {"u": user, "window_start": minute * MINUTE_US, "window_end": (minute + 1) * MINUTE_US}
    return PREFIX + encode_key(plan.key_types, [values[key.sql.strip('"')] for key in plan.keys])


def step(
    reclaimer: Reclaimer, store: Store, horizon: int, size: int, **how: Callable[[], bool]
) -> list[bytes]:
    """One step of a view whose rows at or below ``horizon`` had expired at the last commit."""
    reclaimer.horizon = horizon
    return reclaimer.step(store, size, **how)


def whole_round(
    reclaimer: Reclaimer, store: Store, horizon: int, size: int, rows: int
) -> list[bytes]:
    """Walk through so many rows in slices."""
    slices = [step(reclaimer, store, horizon, size) for _ in range(rows // size + 2)]
    assert all(len(keys) <= size for keys in slices)
    assert not reclaimer.under_way
    return [key for keys in slices for key in keys]


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_exactly_the_expired_rows_are_found_in_slices(keys: str, size: int) -> None:
    plan = plan_of(keys)
    users = ["a", "b", "\0", "ä", None]
    store = filled(plan, range(-3, 9), users)
    # Window m ends at m + 1 and is expired once m + 1 + retention <= stream time.
    horizon = plan.expired_before(5 * MINUTE_US)
    assert horizon is not None
    found = whole_round(Reclaimer(plan, PREFIX), store, horizon, size, rows=60)
    assert sorted(found) == sorted({key_of(plan, m, u) for m in range(-3, 4) for u in users})


def test_a_round_finds_what_expired_meanwhile_in_the_next_one() -> None:
    plan = plan_of("u, window_start")
    store = filled(plan, range(6), ["a", "b"])
    reclaimer = Reclaimer(plan, PREFIX)
    first, second = (plan.expired_before(minute * MINUTE_US) for minute in (2, 4))
    assert first is not None
    assert second is not None
    found = step(reclaimer, store, first, 8)
    assert found == [key_of(plan, 0, "a"), key_of(plan, 0, "b")]
    found += whole_round(reclaimer, store, second, 8, rows=24)
    assert set(found) == {key_of(plan, m, u) for m in range(3) for u in "ab"}


@pytest.mark.parametrize("keys", ["window_start", "u, window_start"])
def test_nothing_has_expired_where_time_is_at_its_beginning(keys: str) -> None:
    plan = plan_of(keys)
    reclaimer = Reclaimer(plan, PREFIX)
    reclaimer.committed(-(2**63) + 1)  # less the retention, no window could say when that was
    assert reclaimer.step(filled(plan, range(-3, 3), ["a"]), 100) == []
    reclaimer.committed(0)
    assert reclaimer.step(filled(plan, range(-3, 3), ["a"]), 100) != []


class CountingStore(MemoryStore):
    """A store that counts the keys that were looked at."""

    looks = 0

    def keys(self, start: bytes, end: bytes) -> Generator[bytes, bytes | None, None]:
        scan = super().keys(start, end)
        with contextlib.suppress(StopIteration):
            key = next(scan)
            while True:
                self.looks += 1
                key = scan.send((yield key))


def test_nothing_is_read_while_nothing_can_have_expired() -> None:
    plan = plan_of("window_start")
    reclaimer = Reclaimer(plan, PREFIX)
    assert reclaimer.step(filled(plan, range(-5, 3), [None]), 10) == []  # no commit told a time
    store = filled(plan, range(3), [None])
    assert step(reclaimer, store, 0, 10) == [key_of(plan, 0, None)]
    # Until the horizon comes to the start of another window, it can pass no row's.
    later = filled(plan, range(-5, 3), [None])
    assert step(reclaimer, later, MINUTE_US - 1, 10) == []
    assert later.looks == 0
    assert len(step(reclaimer, later, MINUTE_US, 10)) == 7


@pytest.mark.parametrize("windows", [1, LIVE_ROWS_MAX, 200])
def test_the_live_rows_of_a_group_are_passed_over_but_for_a_few(windows: int) -> None:
    plan = plan_of("u, window_start")
    users = [f"u{i}" for i in range(20)]
    store = filled(plan, range(windows + 1), users)
    found = step(Reclaimer(plan, PREFIX), store, 0, 100_000)
    assert found == sorted(key_of(plan, 0, user) for user in users)
    assert store.looks <= len(users) * (1 + min(windows, LIVE_ROWS_MAX + 1))


@pytest.mark.parametrize("longer", ["a\0", "a\0\0", "a\0b", "aa", "\xff"])
def test_a_group_that_begins_like_the_one_before_is_not_passed_over(longer: str) -> None:
    plan = plan_of("u, window_start")
    store = filled(plan, range(4 * LIVE_ROWS_MAX), ["a", longer])
    found = step(Reclaimer(plan, PREFIX), store, 0, 100_000)
    assert found == [key_of(plan, 0, "a"), key_of(plan, 0, longer)]


def test_a_step_ends_when_its_time_is_over_and_the_next_goes_on_there() -> None:
    plan = plan_of("u, window_start")
    store = filled(plan, range(3), [f"u{i:03}" for i in range(200)])
    reclaimer = Reclaimer(plan, PREFIX)
    found, steps = step(reclaimer, store, 0, 100_000, enough=lambda: True), 1
    assert 0 < len(found) < 50
    while reclaimer.under_way:
        more = step(reclaimer, store, 0, 100_000, enough=lambda: True)
        assert len(more) < 50
        found += more
        steps += 1
    assert steps > 5
    assert found == [key_of(plan, 0, f"u{i:03}") for i in range(200)]


ROWS = st.sets(
    st.tuples(
        st.sampled_from(["", "a", "a\0", "a\0\xff", "b", None]),
        st.sampled_from([-(2**63), -1, 0, 5, 2**63 - 1, None]),
        st.integers(-3, 30) | st.none(),
    ),
    max_size=120,
)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rows=ROWS,
    order=st.permutations(["u", "n", "window_start"]),
    horizons=st.lists(st.integers(-4 * MINUTE_US, 31 * MINUTE_US), min_size=1, max_size=4),
    keys_max=st.integers(1, 40),
    impatient=st.booleans(),
)
def test_passes_find_every_expired_row_once_it_is_there_and_no_other(
    rocks: RocksStore,
    rows: set[tuple[str | None, int | None, int | None]],
    order: list[str],
    horizons: list[int],
    keys_max: int,
    impatient: bool,
) -> None:
    """In RocksDB and in memory; the horizon goes on in the midst of a pass."""
    plan = plan_of(", ".join(order))
    names = [key.sql.strip('"') for key in plan.keys]
    windows: dict[bytes, int | None] = {}
    for user, number, minute in rows:
        window = None if minute is None else minute * MINUTE_US
        values = {"u": user, "n": number, "window_start": window}
        key = PREFIX + encode_key(plan.key_types, [values[name] for name in names])
        windows[key] = window
    other = [(view_prefix(6) + b"\x02", b""), (view_prefix(8) + b"\x02", b"")]
    memory = MemoryStore()
    whole = (view_prefix(0), view_prefix(9))
    for store in (memory, rocks):
        store.write([], [], [whole], (COMMIT_KEY, b""))
        store.write([*other, *((key, b"") for key in windows)], [], [], (COMMIT_KEY, b""))
        reclaimer = Reclaimer(plan, PREFIX)
        found: set[bytes] = set()
        for horizon in sorted(horizons):
            expired = {key for key, at in windows.items() if at is not None and at <= horizon}
            some = step(reclaimer, store, horizon, keys_max, enough=lambda: impatient)
            assert len(some) <= keys_max
            found.update(some)
            assert found <= expired
        # Whatever was the horizon when the last pass began, the next ones find the rest.
        for _ in range(2 * len(windows) + 4):
            found.update(step(reclaimer, store, horizon, keys_max, enough=lambda: impatient))
        assert found == expired
        assert not reclaimer.under_way


def written(*views: str) -> StateWriter:
    """A state with windows 0 to 5 in each view, not committed yet, all of them still in time."""
    sql = "CREATE SOURCE o (u VARCHAR, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts) WITH (connector ="
    sql += " 'events');" + "".join(
        f"CREATE MATERIALIZED VIEW {view} WITH (retention = '1 minute') AS SELECT u, window_start,"
        " COUNT(*) AS c FROM TUMBLE(o, ts, INTERVAL '1' MINUTE) GROUP BY u, window_start;"
        for view in views
    )
    state = StateWriter(MemoryStore(), compile_sql(sql))
    for view in views:
        plan, prefix = state.views[view].plan, state.views[view].prefix
        state.merge(view, *delta_of(plan, prefix, {("a", m * MINUTE_US): (1,) for m in range(6)}))
    return state


def stored_minutes(state: StateWriter, view: str) -> list[int]:
    plan, prefix = state.views[view].plan, state.views[view].prefix
    scan = state._store.scan(prefix, prefix_end(prefix))
    minutes = [decode_key(plan.key_types, key[len(prefix) :])[1] for key, _ in scan]
    return [minute // MINUTE_US for minute in minutes if isinstance(minute, int)]


def test_rows_that_expired_before_their_first_commit_are_found_after_it() -> None:
    state = written("v")
    state.record.views["v"].stream_time_us = 4 * MINUTE_US
    assert state.reclaim(100) == 0
    state.commit(0)
    assert stored_minutes(state, "v") == [0, 1, 2, 3, 4, 5]
    assert (state.reclaim(100), state.deletes_waiting) == (3, True)
    state.commit(0)
    assert stored_minutes(state, "v") == [3, 4, 5]
    assert (state.reclaim(100), state.deletes_waiting) == (0, False)


def test_where_the_time_is_short_the_views_take_turns() -> None:
    state = written("v", "w", "x")
    for view in state.record.views.values():
        view.stream_time_us = 4 * MINUTE_US
    state.commit(0)
    for reclaimed in (["v"], ["v", "w"], ["v", "w", "x"]):
        assert state.reclaim(100, lambda: True) == 3
        state.commit(0)
        assert [v for v in "vwx" if stored_minutes(state, v) == [3, 4, 5]] == reclaimed
    assert not state.reclaiming
    for view in state.record.views.values():
        view.stream_time_us = 5 * MINUTE_US
    state.commit(0)
    assert state.reclaim(1) == 3
    assert state.reclaiming


@pytest.mark.parametrize("keys", KEYS)
def test_a_reader_hides_an_expired_row_at_once(keys: str) -> None:
    plan = plan_of(keys)
    store = filled(plan, range(6), ["a"])
    reader = ViewReader(plan, CompiledView(plan), PREFIX, prefix_end(PREFIX))

    def seen(stream_time_us: int | None) -> set[bytes]:
        scan = store.scan(reader.prefix, reader.end)
        return {
            PREFIX + key
            for key, _ in live_rows(reader, scan, reader.compiled.hides(stream_time_us))
        }

    assert seen(None) == {key_of(plan, m, "a") for m in range(6)}
    assert seen(4 * MINUTE_US - 1) == {key_of(plan, m, "a") for m in range(2, 6)}
    assert seen(4 * MINUTE_US) == {key_of(plan, m, "a") for m in range(3, 6)}


USER_FIRST = PIPELINE + (
    "CREATE MATERIALIZED VIEW by_user WITH (retention = '5 minutes') AS SELECT user_id, window_end,"
    " COUNT(*) AS orders FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE)"
    " GROUP BY user_id, window_end;"
)
BATCH_BY_USER = """
SELECT user_id, time_bucket(INTERVAL '1 minute', ts) + INTERVAL '1 minute' AS window_end,
  COUNT(*) AS orders
FROM orders
WHERE time_bucket(INTERVAL '1 minute', ts) + INTERVAL '6 minutes'
  > (SELECT MAX(ts) - INTERVAL '5 seconds' FROM orders)
GROUP BY 1, 2"""

jumps = st.lists(
    st.builds(
        Event,
        partition=st.integers(0, 2),
        id=st.just(1),
        user_id=st.sampled_from(["a", "b"]),
        amount=st.just(Decimal(1)),
        # Times that run ahead by more than the retention, and events far behind them.
        second=st.sampled_from([0, 30, 59, 60, 300, 359, 360, 365, 366, 700, 730, 1_100, 1_500]),
    ),
    max_size=30,
)
# Partition 2 brings rows back that had been reclaimed: 3 hidden ones, until time goes on.
BEHIND = [
    Event(partition, 1, user, Decimal(1), second=second)
    for partition, user, second in (
        (1, "b", 1_100), (1, "b", 0), (2, "b", 30), (2, "b", 60), (0, "a", 1_500), (1, "b", 366),
        (2, "b", 360), (0, "a", 60), (1, "b", 300), (2, "b", 30), (1, "a", 730),
    )
]  # fmt: skip


@settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@example(BEHIND, ["read", "commit", "read", "commit", "commit", "crash", "read", "read", "read"])
@given(log=jumps, acts=st.lists(st.sampled_from(["read", "commit", "crash"]), max_size=40))
def test_late_events_neither_bring_rows_back_nor_take_any_away(
    log: list[Event], acts: list[str]
) -> None:
    memory = MemoryStore()
    stream = Stream(lambda: memory, log, USER_FIRST)

    def compare() -> None:
        assert_same_rows(
            stream.rows("by_user"),
            stream.batch_rows("by_user", BATCH_BY_USER),
            ["user_id", "window_end"],
        )
        assert_same_rows(
            stream.rows("per_minute"),
            stream.batch_rows("per_minute"),
            ["window_start", "user_id"],
        )

    for act in acts:
        match act:
            case "read":
                stream.read(2)
            case "commit":
                stream.commit()
            case "crash":
                stream.crash()
    stream.finish()
    compare()
    # The space is taken back as time goes on by a window: what is stored is what is seen.
    for told in stream.state.record.views.values():
        if told.stream_time_us is not None:
            told.stream_time_us += MINUTE_US
    for _ in range(20):
        stream.commit()
    for view in ("by_user", "per_minute"):
        prefix = stream.state.views[view].prefix
        stored = list(memory.scan(prefix, prefix_end(prefix)))
        assert len(stored) == len(stream.rows(view))
