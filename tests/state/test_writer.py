"""The writer: what a state is opened with decides what stays, and a commit is all or nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfold.errors import SettingsError, StateError, ViewChangedError
from keyfold.sql.compile import compile_sql
from keyfold.state import deadletter
from keyfold.state.deadletter import DeadLetter
from keyfold.state.layout import CATALOG_KEY, COMMIT_KEY, FORMAT_KEY, members_span, view_prefix
from keyfold.state.memory import MemoryStore
from keyfold.state.protocol import Store
from keyfold.state.record import (
    CommitRecord,
    PartitionRecord,
    SourceRecord,
    StoredCatalog,
    book,
    catalog_decoder,
    record_decoder,
)
from keyfold.state.rocks import RocksStore
from keyfold.state.writer import StateWriter, advance_times
from keyfold.view.distinct import Members
from keyfold.view.plan import Catalog
from keyfold.view.row import CompiledView
from keyfold.view.rowkey import encode_key, prefix_end

ORDERS = "CREATE SOURCE orders (id BIGINT, u VARCHAR, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts){};"
WITH = " WITH (connector = 'events')"
BY_USER = "CREATE MATERIALIZED VIEW by_user AS SELECT u, COUNT(*) AS n FROM orders GROUP BY u;"
BY_ID = "CREATE MATERIALIZED VIEW by_id AS SELECT id, COUNT(*) AS n FROM orders GROUP BY id;"
OTHER_SOURCE = "CREATE SOURCE clicks (u VARCHAR) WITH (connector = 'events');"
OTHER = "CREATE MATERIALIZED VIEW other AS SELECT u, COUNT(*) AS n FROM clicks GROUP BY u;"
SOURCE = ORDERS.format(WITH)
BASE = SOURCE + BY_USER + BY_ID


@pytest.fixture(params=["memory", "rocks"])
def opened(request: Any, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the one store of a test, as a process does that starts."""
    made: list[Store] = [MemoryStore()]

    def again() -> Store:
        if request.param == "memory":
            return made[0]
        made[-1].close()
        made.append(RocksStore(tmp_path / "state", bulk_keys_min=3))
        return made[-1]

    yield again
    made[-1].close()


def compiled(sql: str) -> Catalog:
    return compile_sql(sql, "pipeline.sql")


def count(state: StateWriter, view: str, **counts: int) -> None:
    """Merge counts by user, or by id where the names are ``i1``, ``i2``."""
    plan = state.views[view]
    keys = [int(name[1:]) if view == "by_id" else name for name in counts]
    state.merge(
        view,
        [plan.prefix + encode_key(plan.plan.key_types, [key]) for key in keys],
        [np.array(list(counts.values()), np.int64)],
    )


def stored(store: Store) -> tuple[CommitRecord, StoredCatalog]:
    record, catalog = store.get(COMMIT_KEY), store.get(CATALOG_KEY)
    assert record is not None
    assert catalog is not None
    return record_decoder.decode(record), catalog_decoder.decode(catalog)


def rows(store: Store, view: str) -> list[dict[str, Any]]:
    _, catalog = stored(store)
    prefix = view_prefix(catalog.view_ids[view])
    pairs = [(key[5:], value) for key, value in store.scan(prefix, prefix_end(prefix))]
    table = CompiledView(catalog.catalog.view(view)).arrow_table(pairs)
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def filled(store: Store, sql: str = BASE) -> StateWriter:
    """A state with some rows, offsets and a ledger, committed."""
    state = StateWriter(store, compiled(sql))
    count(state, "by_user", a=2, b=1)
    count(state, "by_id", i1=1, i2=2)
    orders = state.record.sources["orders"]
    orders.partitions[0] = PartitionRecord(3, taken=3)
    for view in ("by_user", "by_id"):
        state.record.views[view].offsets[0] = 3
        book(state.record.views[view], 0, applied=3)
    state.commit(1)
    return state


# --- opening ---------------------------------------------------------------------------------


def test_a_new_state_can_be_read_at_once(opened: Callable[[], Store]) -> None:
    store = opened()
    state = StateWriter(store, compiled(BASE), now_ms=7)
    record, catalog = stored(store)
    assert store.get(FORMAT_KEY) == b"1"
    assert (record.sequence, record.time_ms, record.catalog_version) == (1, 7, 1)
    assert (catalog.version, catalog.view_ids) == (1, {"by_user": 1, "by_id": 2})
    assert catalog.catalog == state.catalog
    assert record.sources.keys() == {"orders"}
    assert record.views.keys() == {"by_user", "by_id"}


def test_what_was_committed_is_there_when_it_is_opened_again(opened: Callable[[], Store]) -> None:
    before = filled(opened())
    count(before, "by_user", a=100, c=1)  # merged, and never committed
    store = opened()
    state = StateWriter(store, compiled(BASE))
    record, catalog = stored(store)
    assert record.sequence == 3
    assert catalog.version == record.catalog_version == 1
    assert record.views["by_user"].offsets == {0: 3}
    assert record.views["by_user"].total().applied == 3
    assert rows(store, "by_user") == [{"u": "a", "n": 2}, {"u": "b", "n": 1}]
    count(state, "by_user", a=1)
    state.commit(2)
    assert rows(store, "by_user") == [{"u": "a", "n": 3}, {"u": "b", "n": 1}]


def test_each_commit_moves_the_sequence_on_by_one(opened: Callable[[], Store]) -> None:
    state = StateWriter(opened(), compiled(BASE))
    assert [state.commit(ms) for ms in (1, 2, 3)] == [2, 3, 4]


def test_a_state_of_another_format_is_refused_untouched(opened: Callable[[], Store]) -> None:
    store = opened()
    store.write([(FORMAT_KEY, b"7")], [], [], (COMMIT_KEY, b"of another release"))
    with pytest.raises(StateError, match="format version 7, this release reads 1") as refused:
        StateWriter(store, compiled(BASE))
    assert "CHANGELOG" in refused.value.hint
    assert store.get(COMMIT_KEY) == b"of another release"


# --- changes of the SQL ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (
            SOURCE
            + BY_USER.replace("SELECT u,", "SELECT lower(u) AS k,").replace("BY u", "BY k")
            + BY_ID,
            "view by_user",
        ),
        (SOURCE + BY_USER.replace("GROUP", "WHERE id > 1 GROUP") + BY_ID, "view by_user"),
        (SOURCE + BY_USER + BY_ID.replace("COUNT(*)", "SUM(id)"), "view by_id"),
        (SOURCE.replace("id BIGINT", "id INTEGER") + BY_USER + BY_ID, "source orders"),
        (
            SOURCE.replace("AS ts)", "AS ts - INTERVAL '1' SECOND)") + BY_USER + BY_ID,
            "source orders",
        ),
    ],
)
def test_a_change_of_what_is_kept_is_refused_and_says_how_to_rebuild(
    opened: Callable[[], Store], sql: str, named: str
) -> None:
    filled(opened())
    store = opened()
    before = list(store.scan(b"\0", b"\xff"))
    with pytest.raises(ViewChangedError, match=named) as refused:
        StateWriter(store, compiled(sql))
    assert f"--rebuild {named.split()[1]}" in refused.value.hint
    assert list(store.scan(b"\0", b"\xff")) == before


def test_a_rebuilt_view_starts_from_nothing_and_the_others_stay(
    opened: Callable[[], Store],
) -> None:
    filled(opened())
    store = opened()
    changed = SOURCE + BY_USER.replace("COUNT(*)", "SUM(id)") + BY_ID
    state = StateWriter(store, compiled(changed), rebuild=["by_user"])
    record, catalog = stored(store)
    assert catalog.view_ids == {"by_user": 3, "by_id": 2}
    assert record.catalog_version == catalog.version == 2
    assert record.views["by_user"].offsets == {}
    assert record.views["by_user"].total().taken == 0
    assert record.views["by_id"].offsets == {0: 3}
    assert record.sources["orders"].partitions[0].offset == 3
    assert rows(store, "by_user") == []
    assert rows(store, "by_id") == [{"id": 1, "n": 1}, {"id": 2, "n": 2}]
    assert list(store.scan(view_prefix(1), view_prefix(2))) == []
    assert state.views["by_user"].prefix == view_prefix(3)


def test_an_unchanged_view_can_be_rebuilt_too(opened: Callable[[], Store]) -> None:
    filled(opened())
    store = opened()
    StateWriter(store, compiled(BASE), rebuild=["by_user"])
    assert rows(store, "by_user") == []
    assert stored(store)[1].view_ids == {"by_user": 3, "by_id": 2}


def test_a_rebuilt_source_is_read_from_its_beginning_by_all_its_views(
    opened: Callable[[], Store],
) -> None:
    filled(opened(), BASE + OTHER_SOURCE + OTHER)
    store = opened()
    changed = SOURCE.replace("id BIGINT", "id INTEGER") + BY_USER + BY_ID + OTHER_SOURCE + OTHER
    StateWriter(store, compiled(changed), rebuild=["orders"])
    record, catalog = stored(store)
    assert record.sources["orders"] == SourceRecord()
    assert rows(store, "by_user") == rows(store, "by_id") == []
    assert catalog.view_ids == {"by_user": 4, "by_id": 5, "other": 3}


def test_a_wish_to_rebuild_is_fulfilled_once(opened: Callable[[], Store]) -> None:
    filled(opened())
    for _ in range(2):
        store = opened()
        state = StateWriter(store, compiled(BASE), rebuild=["by_user"], rebuild_request="monday")
        count(state, "by_user", a=1)
        state.commit(1)
    assert rows(store, "by_user") == [{"u": "a", "n": 2}]


@pytest.mark.parametrize(
    ("sql", "named", "flags"),
    [
        (SOURCE + BY_USER, "view by_id", "it with --drop by_id"),
        (SOURCE, "view by_user, view by_id", "them with --drop by_user --drop by_id"),
        (OTHER_SOURCE + OTHER, "view by_user, view by_id", "them with --drop by_user"),
    ],
)
def test_what_the_file_no_longer_has_is_refused_and_says_how_to_drop_it(
    opened: Callable[[], Store], sql: str, named: str, flags: str
) -> None:
    filled(opened())
    store = opened()
    before = list(store.scan(b"\0", b"\xff"))
    with pytest.raises(ViewChangedError) as refused:
        StateWriter(store, compiled(sql))
    assert refused.value.message == f"the state has what the SQL file has not: {named}"
    assert flags in refused.value.hint
    assert "--data-dir" in refused.value.hint
    assert list(store.scan(b"\0", b"\xff")) == before


def test_a_source_that_never_had_a_view_is_dropped_by_its_own_name(
    opened: Callable[[], Store],
) -> None:
    StateWriter(opened(), compiled(BASE + OTHER_SOURCE))
    with pytest.raises(ViewChangedError, match="source clicks") as refused:
        StateWriter(opened(), compiled(BASE))
    assert "--drop clicks" in refused.value.hint
    assert StateWriter(opened(), compiled(BASE), drop=["clicks"]).gone == ["source clicks"]


@pytest.mark.parametrize("drop", [["other"], ["clicks"]])
def test_a_source_goes_with_its_last_view_and_dropping_again_drops_nothing(
    opened: Callable[[], Store], drop: list[str]
) -> None:
    filled(opened(), BASE + OTHER_SOURCE + OTHER)
    state = StateWriter(opened(), compiled(BASE), drop=drop)
    assert state.gone == ["view other", "source clicks"]
    store = opened()
    assert StateWriter(store, compiled(BASE), drop=drop).gone == []
    assert stored(store)[0].sources.keys() == {"orders"}
    assert rows(store, "by_user") == [{"u": "a", "n": 2}, {"u": "b", "n": 1}]


def test_what_the_file_still_has_is_not_dropped(opened: Callable[[], Store]) -> None:
    filled(opened())
    for name in ("by_user", "orders"):
        with pytest.raises(SettingsError, match=f"--drop {name}: the SQL file has"):
            StateWriter(opened(), compiled(BASE), drop=[name])


def test_a_new_view_is_empty_and_a_removed_one_is_gone_with_its_rows(
    opened: Callable[[], Store],
) -> None:
    filled(opened(), BASE)
    store = opened()
    StateWriter(store, compiled(SOURCE + BY_USER + OTHER_SOURCE + OTHER), drop=["by_id"])
    record, catalog = stored(store)
    assert catalog.view_ids == {"by_user": 1, "other": 3}
    assert record.views.keys() == {"by_user", "other"}
    assert record.sources.keys() == {"orders", "clicks"}
    assert rows(store, "by_user") == [{"u": "a", "n": 2}, {"u": "b", "n": 1}]
    assert list(store.scan(view_prefix(2), view_prefix(3))) == []


def test_an_id_is_never_used_again(opened: Callable[[], Store]) -> None:
    StateWriter(opened(), compiled(BASE))
    StateWriter(opened(), compiled(SOURCE + BY_USER), drop=["by_id"])
    store = opened()
    StateWriter(store, compiled(BASE))
    assert stored(store)[1].view_ids == {"by_user": 1, "by_id": 3}


def test_a_rebuild_of_what_is_not_there_says_what_is(opened: Callable[[], Store]) -> None:
    store = opened()
    with pytest.raises(SettingsError, match="--rebuild by_usr") as refused:
        StateWriter(store, compiled(BASE), rebuild=["by_usr"])
    assert refused.value.hint == "did you mean by_user?"
    assert store.get(COMMIT_KEY) is None


@pytest.mark.parametrize(
    "select",
    [
        "SELECT COUNT(*) AS orders, u AS user_id FROM orders GROUP BY user_id",
        "SELECT u, COUNT(*) AS n FROM orders GROUP BY u HAVING COUNT(*) > 1",
        "SELECT u, COUNT(*) * 2 AS twice FROM orders GROUP BY u",
    ],
)
def test_a_change_of_what_is_shown_keeps_the_rows(opened: Callable[[], Store], select: str) -> None:
    before = filled(opened())
    store = opened()
    view = f"CREATE MATERIALIZED VIEW by_user WITH (freshness_slo = '9 s') AS {select};"
    state = StateWriter(store, compiled(SOURCE + view + BY_ID))
    record, catalog = stored(store)
    assert record.catalog_version == catalog.version == 2
    assert catalog.view_ids == {"by_user": 1, "by_id": 2}
    assert catalog.catalog.view("by_user").freshness_slo_ms == 9_000
    assert state.views["by_user"].plan.slots == before.views["by_user"].plan.slots
    values = sorted(tuple(sorted(map(str, row.values()))) for row in rows(store, "by_user"))
    expected = {
        "SELECT COUNT": [("1", "b"), ("2", "a")],
        "SELECT u, COUNT(*) AS": [("2", "a")],
        "SELECT u, COUNT(*) * 2": [("2", "b"), ("4", "a")],
    }
    assert values == next(v for start, v in expected.items() if select.startswith(start))


def test_the_order_of_aggregates_in_select_does_not_change_the_layout(
    opened: Callable[[], Store],
) -> None:
    answers = ["SUM(id) AS s", "COUNT(*) AS n", "MAX(ts) AS m", "AVG(id) AS a", "MIN(u) AS l"]
    plans = []
    for turn in range(len(answers)):
        listed = ", ".join(answers[turn:] + answers[:turn])
        sql = f"CREATE MATERIALIZED VIEW v AS SELECT u, {listed} FROM orders GROUP BY u;"
        plans.append(StateWriter(opened(), compiled(SOURCE + sql)).views["v"].plan)
    assert len({plan.fingerprint for plan in plans}) == 1
    assert len({plan.slots for plan in plans}) == 1


def per_minute(retention: str) -> str:
    return SOURCE + (
        f"CREATE MATERIALIZED VIEW v WITH (retention = '{retention}') AS SELECT window_start, "
        "COUNT(*) AS n FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE) GROUP BY window_start;"
    )


def test_retention_can_be_made_shorter_and_longer_only_with_a_rebuild(
    opened: Callable[[], Store],
) -> None:
    """A row that was deleted would begin at zero, and be wrong, if late events counted again."""
    StateWriter(opened(), compiled(per_minute("1 hour")))
    StateWriter(opened(), compiled(per_minute("1 minute")))
    with pytest.raises(ViewChangedError, match="view v is to be retained longer") as refused:
        StateWriter(opened(), compiled(per_minute("1 hour")))
    assert "--rebuild v" in refused.value.hint
    store = opened()
    StateWriter(store, compiled(per_minute("1 hour")), rebuild=["v"])
    assert stored(store)[1].view_ids == {"v": 2}


# --- failing views and dead letters ------------------------------------------------------------


def test_a_failed_view_goes_back_to_its_last_commit(opened: Callable[[], Store]) -> None:
    store = opened()
    state = filled(store)
    for view in ("by_user", "by_id"):
        state.record.views[view].offsets[0] = 9
        book(state.record.views[view], 0, applied=6)
    count(state, "by_user", a=5)
    count(state, "by_id", i1=5)
    state.fail_view("by_user", "a sum does not fit")
    state.commit(2)
    record, _ = stored(store)
    assert record.views["by_user"].error == "a sum does not fit"
    assert record.views["by_user"].offsets == {0: 3}
    assert record.views["by_user"].total().taken == 3
    assert rows(store, "by_user") == [{"u": "a", "n": 2}, {"u": "b", "n": 1}]
    assert record.views["by_id"].offsets == {0: 9}
    assert rows(store, "by_id")[0] == {"id": 1, "n": 6}
    # The next life tries again.
    store = opened()
    StateWriter(store, compiled(BASE))
    assert stored(store)[0].views["by_user"].error == ""


def test_a_failing_view_forgets_the_values_that_were_not_committed(
    opened: Callable[[], Store],
) -> None:
    def see(*numbers: int) -> None:
        view = state.views["v"]
        at = [members_span(view.prefix)[0] + b"%d" % number for number in numbers]
        found = Members(np.zeros(len(at), np.int64), at, np.zeros(len(at), np.int64))
        state.merge("v", [view.prefix], [np.zeros(1, np.int64)], [found])

    sql = SOURCE + "CREATE MATERIALIZED VIEW v AS SELECT COUNT(DISTINCT id) AS n FROM orders;"
    store = opened()
    state = StateWriter(store, compiled(sql))
    see(1, 2)
    assert state.dirty_count == 3
    state.commit(1)
    assert rows(store, "v") == [{"n": 2}]
    see(2, 3)
    state.fail_view("v", "a sum does not fit")
    state.commit(2)
    store = opened()
    state = StateWriter(store, compiled(sql))
    see(2, 3, 4)
    state.commit(3)
    assert rows(store, "v") == [{"n": 4}]


def letter(offset: int, value: bytes = b"{") -> DeadLetter:
    return DeadLetter("orders", 0, offset, -1, "no JSON", value)


def test_how_much_waits_for_a_commit_is_told_by_the_view_with_the_most(
    opened: Callable[[], Store],
) -> None:
    state = StateWriter(opened(), compiled(BASE))
    count(state, "by_user", a=1, b=1, c=1)
    count(state, "by_id", i1=1, i2=1)
    assert state.dirty_count == 3
    state.bury(letter(1))
    assert state.dirty_count == 4
    state.commit(1)
    assert state.dirty_count == 0


def test_dead_letters_are_committed_with_the_rest_and_not_before(
    opened: Callable[[], Store],
) -> None:
    store = opened()
    state = StateWriter(store, compiled(BASE))
    state.bury(letter(1))
    state.bury(letter(2))
    assert state.dirty_count == 2
    assert list(deadletter.read(store, 0, 10)) == []
    state.commit(1)
    assert state.dirty_count == 0
    assert [(number, one.offset) for number, one in deadletter.read(store, 0, 10)] == [
        (0, 1),
        (1, 2),
    ]
    assert stored(store)[0].dead_letter_next == 2


@pytest.mark.parametrize("kept", [0, 1, 30])
def test_a_flood_of_dead_letters_leaves_the_newest_and_no_others(
    opened: Callable[[], Store], kept: int
) -> None:
    store = opened()
    state = StateWriter(store, compiled(BASE), dead_letters_max=kept)
    offset = 0
    for size in (5, 100, 1, 1, 50):
        for _ in range(size):
            state.bury(letter(offset))
            offset += 1
        state.commit(1)
        record, _ = stored(store)
        found = list(deadletter.read(store, 0, 1_000))
        assert record.dead_letter_next == offset
        assert min(offset, kept) <= len(found) <= kept + kept // 10
        assert [one.offset for _, one in found] == list(range(offset - len(found), offset))
        assert all(number >= record.dead_letter_first for number, _ in found)


def test_bytes_of_dead_letters_can_be_watched(opened: Callable[[], Store]) -> None:
    state = StateWriter(opened(), compiled(BASE))
    for offset in range(4):
        state.bury(letter(offset, bytes(1_000)))
    assert state.letters_bytes == 4_000
    state.bury(msgspec.structs.replace(letter(4, bytes(500)), view="by_id"))
    state.fail_view("by_id", "a sum does not fit")  # its letters go with it
    assert state.letters_bytes == 4_000
    state.commit(1)
    assert state.letters_bytes == 0


# --- times -------------------------------------------------------------------------------------


def test_times_move_on_and_the_watermark_waits_for_the_slowest_partition() -> None:
    source = SourceRecord(partitions={p: PartitionRecord(0) for p in range(3)})
    seen = []
    for times in ({0: 100}, {1: 50}, {0: 40, 1: 60}, {}, {0: 200}):
        advance_times(source, times, 10)
        seen.append((source.watermark_us, source.stream_time_us))
    # Partition 1 has its first event later and takes the watermark back; 2 has none, and no say.
    assert seen == [(90, 90), (40, 90), (50, 90), (50, 90), (50, 190)]
    assert source.partitions[0].event_time_us == 200


@given(
    events=st.lists(st.tuples(st.integers(0, 3), st.integers(-50, 50)), min_size=1),
    cuts=st.lists(st.integers(1, 5), min_size=50, max_size=50),
)
def test_times_do_not_depend_on_how_the_stream_is_cut(
    events: list[tuple[int, int]], cuts: list[int]
) -> None:
    at_once, in_pieces = (
        SourceRecord(partitions={p: PartitionRecord(0) for p in range(4)}) for _ in range(2)
    )
    advance_times(at_once, greatest_of(events), 10)
    rest = events
    for size in itertools.chain(cuts, itertools.repeat(len(events))):
        advance_times(in_pieces, greatest_of(rest[:size]), 10)
        rest = rest[size:]
        if not rest:
            break
    assert in_pieces == at_once


def test_an_idle_partition_does_not_hold_the_watermark_back_until_it_wakes_up() -> None:
    source = SourceRecord(partitions={p: PartitionRecord(0) for p in range(3)})
    seen = []
    for partition, time_us, message_ms in (
        (0, 100, 1_000), (1, 50, 1_000), (0, 300, 2_000), (0, 400, 2_001), (1, 350, 2_900),
        (2, 500, None),
    ):  # fmt: skip
        source.partitions[partition].message_ms = message_ms
        advance_times(source, {partition: time_us}, 10, idle_timeout_us=1_000_000)
        seen.append((source.watermark_us, source.stream_time_us))
    # After 2.001 s partition 1 is idle; one whose messages have no timestamps never is.
    assert seen == [(90, 90), (40, 90), (40, 290), (390, 390), (340, 390), (340, 490)]


def greatest_of(events: list[tuple[int, int]]) -> dict[int, int]:
    return {p: max(time for q, time in events if q == p) for p in {q for q, _ in events}}


@pytest.mark.parametrize("start", [-5, 0, 5])
def test_the_epoch_is_a_time_like_any_other(start: int) -> None:
    source = SourceRecord(partitions={0: PartitionRecord(0)})
    advance_times(source, {0: start}, 0)
    advance_times(source, {0: start - 10}, 0)
    assert source.partitions[0].event_time_us == start
    assert source.watermark_us == source.stream_time_us == start
