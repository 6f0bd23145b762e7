"""Sessions in the writer: placed among those that are there, with memory for all or for none."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfold.sql.compile import compile_sql
from keyfold.state.memory import MemoryStore
from keyfold.state.record import CommitRecord, Ledger, PartitionRecord, SourceRecord, ViewRecord
from keyfold.state.writer import StateWriter
from keyfold.view.plan import Catalog, ViewPlan
from keyfold.view.rowkey import decode_key, prefix_end
from keyfold.view.session import end_reader
from tests.delta import delta_of

GAP = 10
Event = tuple[str | None, int]
Row = tuple[str | None, int, int, int]


def catalog_of(options: str = "") -> Catalog:
    return compile_sql(
        "CREATE SOURCE e (k VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5 us')"
        " WITH (connector = 'events', idle_timeout = '1 s');"
        f"CREATE MATERIALIZED VIEW v {options} AS SELECT k, window_start, window_end, "
        f"COUNT(*) AS n FROM SESSION(e PARTITION BY k, ts, INTERVAL '{GAP} us') "
        "GROUP BY k, window_start, window_end;"
    )


CATALOG = catalog_of()


def sessions_of(events: Sequence[Event]) -> list[Row]:
    """(key, start, end, events) of each session, by going over the events in order."""
    rows: list[Row] = []
    for key, at in sorted(events, key=lambda event: (event[0] is None, event[0] or "", event[1])):
        if rows and rows[-1][0] == key and at <= rows[-1][2]:
            _, start, _, n = rows.pop()
            rows.append((key, start, at + GAP, n + 1))
        else:
            rows.append((key, at, at + GAP, 1))
    return rows


def merge(state: StateWriter, events: Sequence[Event]) -> None:
    rows = {(key, start): (n, True, end) for key, start, end, n in sessions_of(events)}
    state.merge("v", *delta_of(state.views["v"].plan, state.views["v"].prefix, rows))


def stored(store: MemoryStore, state: StateWriter) -> list[Row]:
    view = state.views["v"]
    end = end_reader(view.plan)
    rows = []
    for key, value in store.scan(view.prefix, prefix_end(view.prefix)):
        k, start = decode_key(view.plan.key_types, key[len(view.prefix) :])
        rows.append((k, start, end(value), int.from_bytes(value[1:9], "little")))
    return rows  # type: ignore[return-value]


batches = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from(["a", "b", "", None]), st.integers(-60, 60)),
            min_size=1,
            max_size=8,
        ),
        st.sampled_from(["go on", "commit", "reopen"]),
    ),
    max_size=15,
)


@pytest.mark.parametrize("hot_bytes_max", [1, 64 << 20])
@settings(deadline=None)
@given(batches=batches)
def test_sessions_are_those_of_all_events_whatever_is_remembered(
    hot_bytes_max: int, batches: Sequence[tuple[list[Event], str]]
) -> None:
    store, seen = MemoryStore(), list[Event]()
    state = StateWriter(store, CATALOG, hot_bytes_max=hot_bytes_max)
    for events, then in batches:
        merge(state, events)
        seen += events
        if then != "go on":
            state.commit(0)
            assert stored(store, state) == sessions_of(seen)
        if then == "reopen":
            state = StateWriter(store, CATALOG, hot_bytes_max=hot_bytes_max)
    state.commit(0)
    assert stored(store, state) == sessions_of(seen)


def test_a_group_of_many_sessions_is_sought_from_the_new_one_and_not_from_its_end() -> None:
    class Counting(MemoryStore):
        looks = 0

        def scan(self, start: bytes, end: bytes, *, backwards: bool = False):  # type: ignore[no-untyped-def]
            for pair in super().scan(start, end, backwards=backwards):
                self.looks += 1
                yield pair

    store = Counting()
    state = StateWriter(store, CATALOG)
    merge(state, [("a", at * 100) for at in range(1_000)])
    state.commit(0)
    store.looks = 0
    merge(state, [("a", 50_010)])
    assert store.looks <= 3
    merge(state, [("b", 7), ("a", 99_905), ("a", 200_000)])
    assert store.looks <= 3, "a new group and the newest session need no seek"


@pytest.mark.parametrize(("hot_bytes_max", "sought"), [(8_000, 8), (1 << 20, 0)])
def test_the_newest_sessions_are_remembered_in_a_part_of_the_views_memory(
    hot_bytes_max: int, sought: int
) -> None:
    class Counting(MemoryStore):
        scans = 0

        def scan(self, start: bytes, end: bytes, *, backwards: bool = False):  # type: ignore[no-untyped-def]
            self.scans += backwards
            return super().scan(start, end, backwards=backwards)

    store = Counting()
    state = StateWriter(store, CATALOG, hot_bytes_max=hot_bytes_max)
    keys = "abcdefghij"
    merge(state, [(key, 0) for key in keys])
    state.commit(0)
    # A quarter of 8,000 bytes, half of it for sessions of 400 bytes each: two of the ten.
    merge(state, [(key, 5) for key in keys])
    assert store.scans == sought
    state.commit(0)
    assert stored(store, state) == sessions_of([(key, at) for key in keys for at in (0, 5)])


def test_a_view_that_fails_keeps_the_rows_that_were_taken_over_since_the_commit() -> None:
    store = MemoryStore()
    state = StateWriter(store, CATALOG)
    merge(state, [("a", 0), ("a", 20)])
    state.commit(0)
    before = stored(store, state)
    merge(state, [("a", 10)])
    state.fail_view("v", "a reason")
    state.commit(0)
    assert stored(store, state) == before
    again = StateWriter(store, CATALOG)
    merge(again, [("a", 10)])
    again.commit(0)
    assert stored(store, again) == [("a", 0, 30, 3)]


def test_the_stored_form_of_sessions_does_not_change() -> None:
    store = MemoryStore()
    state = StateWriter(store, CATALOG)
    merge(state, [("a", 1), (None, -1)])
    state.commit(0)
    view = state.views["v"]
    assert [
        (key[len(view.prefix) :].hex(" "), value.hex(" "))
        for key, value in store.scan(view.prefix, prefix_end(view.prefix))
    ] == [
        (
            "01 61 00 01 80 00 00 00 00 00 00 01",
            "01 01 00 00 00 00 00 00 00 01 0b 00 00 00 00 00 00 00",
        ),
        (
            "02 01 7f ff ff ff ff ff ff ff",
            "01 01 00 00 00 00 00 00 00 01 09 00 00 00 00 00 00 00",
        ),
    ]
    assert msgspec.json.encode(view.plan.window) == (
        b'{"kind":"session","column":"ts","size_us":10,"offset_us":0}'
    )
    assert [key.name for key in view.plan.keys] == ["k", "window_start"]


KEPT = catalog_of("WITH (retention = '100 us')")


def record_of(times: dict[int, int | None], *, ready: bool = True) -> CommitRecord:
    """A record of partitions with these greatest event times, each heard of a minute ago."""
    partitions = {p: PartitionRecord(1, message_ms=60_000) for p in times}
    known = {p: time for p, time in times.items() if time is not None}
    view = ViewRecord(ready=ready, event_times_us=known, ledger={p: Ledger(taken=1) for p in times})
    return CommitRecord(sources={"e": SourceRecord(partitions)}, views={"v": view})


def reclaim_time(record: CommitRecord, catalog: Catalog = KEPT) -> int | None:
    return record.reclaim_time_us(plan_of(catalog), {one.name: one for one in catalog.sources})


def plan_of(catalog: Catalog) -> ViewPlan:
    return catalog.views[0]


def test_sessions_may_go_by_the_time_of_the_slowest_partition() -> None:
    assert reclaim_time(record_of({0: 1_000, 1: 400})) == 395
    assert reclaim_time(record_of({})) is None
    assert reclaim_time(record_of({0: 1_000, 1: None})) is None, "one that has told no time yet"
    assert reclaim_time(record_of({0: 1_000}, ready=False)) is None, "others may be unread"
    idle = record_of({0: 1_000, 1: 400, 2: None})
    for partition in (1, 2):
        idle.sources["e"].partitions[partition].message_ms = 10_000
    assert reclaim_time(idle) == 995


def test_an_expired_session_is_deleted_once_nothing_can_prolong_it() -> None:
    store = MemoryStore()
    state = StateWriter(store, KEPT)
    merge(state, [("a", 0), ("a", 5), ("a", 200), ("b", 20), (None, 0), (None, 9), (None, 18)])

    def kept_at(time: int) -> list[tuple[str | None, int]]:
        state.record = msgspec.structs.replace(
            state.record, views=record_of({0: time}).views, sources=record_of({0: time}).sources
        )
        state.commit(0)
        state.reclaim(2)
        state.reclaim(100)
        state.commit(0)
        return [(key, start) for key, start, _, _ in stored(store, state)]

    whole = [("a", 0), ("a", 200), ("b", 20), (None, 0)]
    # The first one ends at 15, so it is expired at 115 + 5, and lasts for a gap of 10 more.
    assert kept_at(129) == whole
    assert kept_at(139) == [one for one in whole if one != ("a", 0)]
    assert kept_at(160) == [("a", 200)]
