"""Retention: an expired row is hidden at once, deleted in time, and never comes back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from keyfold.sql.compile import compile_sql
from keyfold.state.layout import COMMIT_KEY, view_prefix
from keyfold.state.memory import MemoryStore
from keyfold.state.reader import ViewReader, live_rows
from keyfold.state.retention import Reclaimer
from keyfold.view.plan import ViewPlan
from keyfold.view.row import CompiledView
from keyfold.view.rowkey import encode_key, prefix_end
from tests.laws.stream import PIPELINE, Event, Stream, assert_same_rows

MINUTE_US = 60_000_000
PREFIX = view_prefix(7)


def plan_of(keys: str) -> ViewPlan:
    return compile_sql(
        "CREATE SOURCE o (u VARCHAR, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts)"
        " WITH (connector = 'events');"
        f"CREATE MATERIALIZED VIEW v WITH (retention = '1 minute') AS SELECT {keys}, COUNT(*) AS n"
        f" FROM TUMBLE(o, ts, INTERVAL '1' MINUTE) GROUP BY {keys};"
    ).views[0]


KEYS = ["window_start", "window_end", "window_start, u", "u, window_start", "u, window_end"]


def filled(plan: ViewPlan, minutes: range, users: Sequence[str | None]) -> MemoryStore:
    """A row per window and user, and rows of neighbouring views that are not to be touched."""
    store = MemoryStore()
    puts = [(view_prefix(6) + b"\x01x", b""), (view_prefix(8) + b"\x01x", b"")]
    for minute, user in itertools.product(minutes, users):
        puts.append((key_of(plan, minute, user), b""))
    store.write(list(dict(puts).items()), [], [], (COMMIT_KEY, b""))
    return store


def key_of(plan: ViewPlan, minute: int, user: str | None) -> bytes:
    values = {"u": user, "window_start": minute * MINUTE_US, "window_end": (minute + 1) * MINUTE_US}
    return PREFIX + encode_key(plan.key_types, [values[key.sql.strip('"')] for key in plan.keys])


def whole_round(
    reclaimer: Reclaimer, store: MemoryStore, horizon: int, size: int, rows: int
) -> list[bytes]:
    """Walk through so many rows in slices."""
    slices = [reclaimer.step(store, horizon, size) for _ in range(rows // size + 2)]
    assert all(len(keys) <= size for keys in slices)
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
    found = list(reclaimer.step(store, first, 8))
    assert found == [key_of(plan, 0, "a"), key_of(plan, 0, "b")]
    found += whole_round(reclaimer, store, second, 8, rows=24)
    assert set(found) == {key_of(plan, m, u) for m in range(3) for u in "ab"}


def test_nothing_is_read_while_nothing_can_have_expired() -> None:
    plan = plan_of("window_start")
    reclaimer = Reclaimer(plan, PREFIX)
    store = filled(plan, range(3), [None])
    assert len(reclaimer.step(store, 0, 10)) == 1
    filled_later = filled(plan, range(-5, 3), [None])
    assert reclaimer.step(filled_later, 0, 10) == []
    assert len(reclaimer.step(filled_later, 1, 10)) == 6


@pytest.mark.parametrize("keys", KEYS)
def test_a_reader_hides_an_expired_row_at_once(keys: str) -> None:
    plan = plan_of(keys)
    store = filled(plan, range(6), ["a"])
    reader = ViewReader(plan, CompiledView(plan), PREFIX, prefix_end(PREFIX))

    def seen(stream_time_us: int | None) -> set[bytes]:
        scan = store.scan(reader.prefix, reader.end)
        return {
            PREFIX + key for key, _ in live_rows(reader, scan, plan.expired_before(stream_time_us))
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


@settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
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
    # The space is taken back as time goes on: what is stored is what is seen.
    source = stream.state.record.sources["orders"]
    if source.stream_time_us is not None:
        source.stream_time_us += 1
    for _ in range(20):
        stream.commit()
    for view in ("by_user", "per_minute"):
        prefix = stream.state.views[view].prefix
        stored = list(memory.scan(prefix, prefix_end(prefix)))
        assert len(stored) == len(stream.rows(view))
