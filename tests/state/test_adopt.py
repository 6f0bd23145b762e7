"""A state and a file that is not wholly known: nothing is dropped or forgotten for the waiting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from keyfold.errors import SettingsError, ViewChangedError
from keyfold.sql.compile import compile_known
from keyfold.state.layout import CATALOG_KEY
from keyfold.state.memory import MemoryStore
from keyfold.state.record import Begin, PartitionRecord, SourceRecord, catalog_decoder
from keyfold.state.writer import StateWriter
from keyfold.view.plan import Column
from keyfold.view.rowkey import encode_key, prefix_end

ORDERS = "CREATE SOURCE orders (u VARCHAR) WITH (connector = 'events');"
CLICKS = "CREATE SOURCE clicks WITH (connector = 'events'{});"
SPEND = "CREATE MATERIALIZED VIEW spend AS SELECT u, COUNT(*) AS n FROM orders GROUP BY u;"
CLICKED = "CREATE MATERIALIZED VIEW clicked AS SELECT u, COUNT(*) AS n FROM clicks GROUP BY u;"
FILE = ORDERS + CLICKS.format("") + SPEND + CLICKED
CHANGED = ORDERS + CLICKS.format(", timestamp.unit = 's'") + SPEND + CLICKED
COLUMNS = {"clicks": (Column("u", "VARCHAR"),)}
START = {"clicks": SourceRecord(partitions={0: PartitionRecord(7)}, identity={"log_id": "a"})}


def opened(
    store: MemoryStore,
    sql: str,
    schemas: Mapping[str, tuple[Column, ...]] | None = None,
    **how: Any,
) -> StateWriter:
    """Open the state as ingest does with what it knows of a file."""
    known = compile_known(sql, "pipeline.sql", schemas or {})
    aside = {name: one.source for name, one in known.aside.items()}
    return StateWriter(store, known.catalog, aside=aside, **how)


def put(state: StateWriter, view: str) -> None:
    """Put one row into a view, and move view and source on."""
    one = state.views[view]
    key = one.prefix + encode_key(one.plan.key_types, ("a",))
    state.merge(view, [key], [np.array([1]) for _ in one.plan.slots])
    state.record.views[view].offsets = {0: 1}
    state.record.sources[one.plan.source].partitions = {0: PartitionRecord(1)}
    state.commit(1)


def rows(store: MemoryStore, state: StateWriter, view: str) -> int:
    prefix = state.views[view].prefix
    return sum(1 for _ in store.scan(prefix, prefix_end(prefix)))


def begin_of(state: StateWriter) -> SourceRecord | None:
    begin: Begin | None = state.record.begins.get("clicks")
    return begin.start if begin else None


def test_a_source_that_waits_has_nothing_and_joins_without_touching_the_others() -> None:
    store = MemoryStore()
    first = opened(store, FILE)
    assert list(first.views) == ["spend"]
    put(first, "spend")
    joined = opened(store, FILE, COLUMNS, starts=START)
    assert list(joined.views) == ["spend", "clicked"]
    assert rows(store, joined, "spend") == 1
    assert joined.record.views["spend"].offsets == {0: 1}
    assert joined.record.sources == first.record.sources | START
    again = opened(store, FILE, COLUMNS)
    assert again.record.sources == joined.record.sources


def test_a_list_that_is_written_while_its_source_waits_is_no_change() -> None:
    store = MemoryStore()
    opened(store, FILE)
    declared = FILE.replace("clicks WITH", "clicks (u VARCHAR) WITH")
    assert list(opened(store, declared).views) == ["spend", "clicked"]


def test_a_rebuild_is_done_once_though_the_state_is_opened_again_for_a_source_that_joins() -> None:
    store = MemoryStore()
    put(opened(store, FILE), "spend")
    wish: dict[str, Any] = {"rebuild": ["spend", "clicked", "clicks"], "rebuild_request": "w"}
    put(opened(store, FILE, **wish), "spend")
    joined = opened(store, FILE, COLUMNS, starts=START, **wish)
    assert rows(store, joined, "spend") == 1
    assert joined.record.sources["clicks"] == START["clicks"]
    put(joined, "clicked")
    assert rows(store, opened(store, FILE, COLUMNS, **wish), "clicked") == 1


def test_a_changed_statement_of_a_source_that_waits_is_refused_and_loses_nothing() -> None:
    store = MemoryStore()
    put(opened(store, FILE, COLUMNS), "clicked")
    for how in ({}, {"rebuild": ["clicked"]}):
        with pytest.raises(ViewChangedError, match="source clicks differs") as caught:
            opened(store, CHANGED, **how)
        assert "--rebuild clicks" in caught.value.hint
    assert rows(store, opened(store, FILE, COLUMNS), "clicked") == 1


def test_what_is_to_be_rebuilt_stays_until_its_columns_are_known() -> None:
    store = MemoryStore()
    put(opened(store, FILE, COLUMNS), "clicked")
    wish: dict[str, Any] = {"rebuild": ["clicks"], "rebuild_request": "w"}
    for _ in range(2):  # a crash while it waits changes nothing
        waiting = opened(store, CHANGED, **wish)
        assert rows(store, waiting, "clicked") == 1
        assert waiting.record.views["clicked"].offsets == {0: 1}
    joined = opened(store, CHANGED, COLUMNS, starts=START, **wish)
    assert rows(store, joined, "clicked") == 0
    assert joined.record.views["clicked"].offsets == {}
    assert joined.record.sources["clicks"] == START["clicks"]


def test_views_that_wait_for_columns_are_not_mistaken_for_dropped_ones() -> None:
    store = MemoryStore()
    put(opened(store, FILE, COLUMNS), "clicked")
    with pytest.raises(ViewChangedError, match=r"has not: view clicked \("):
        opened(store, ORDERS + CLICKS.format("") + SPEND, COLUMNS)
    # Built again: its columns are to be detected anew, and meanwhile it is not in the catalog.
    waiting = opened(store, CHANGED, rebuild=["clicks"], rebuild_request="w")
    assert waiting.gone == []
    assert rows(store, waiting, "clicked") == 1
    with pytest.raises(SettingsError, match="--drop clicked"):
        opened(store, FILE, drop=["clicked"])


def test_a_source_that_waited_and_left_the_file_is_refused_until_it_is_dropped() -> None:
    store = MemoryStore()
    opened(store, FILE)
    with pytest.raises(ViewChangedError, match=r"has not: source clicks \("):
        opened(store, ORDERS + SPEND)
    assert opened(store, ORDERS + SPEND, drop=["clicks"]).gone == ["source clicks"]


def test_a_view_that_moved_to_a_source_that_waits_is_refused_until_it_is_rebuilt() -> None:
    store = MemoryStore()
    put(opened(store, FILE), "spend")
    moved = FILE.replace("FROM orders", "FROM clicks")
    with pytest.raises(ViewChangedError, match="view spend differs"):
        opened(store, moved)
    for name in ("spend", "clicks"):
        assert list(opened(store, moved, rebuild=[name]).views) == []
        put(opened(store, FILE), "spend")


def test_where_a_source_that_waits_begins_stays_while_its_statement_does() -> None:
    store = MemoryStore()
    first = opened(store, FILE)
    assert first.begin("clicks", START["clicks"])
    assert not first.begin("clicks", SourceRecord(partitions={0: PartitionRecord(9)}))
    first.commit(1)
    assert begin_of(opened(store, FILE)) == START["clicks"]
    wish: dict[str, Any] = {"rebuild": ["clicks"], "rebuild_request": "w"}
    again = opened(store, FILE, **wish)
    assert begin_of(again) is None
    again.begin("clicks", START["clicks"])
    again.commit(1)
    assert begin_of(opened(store, FILE, **wish)) == START["clicks"]
    assert begin_of(opened(store, CHANGED)) is None


def test_where_a_source_begins_anew_is_kept_beside_what_stays_of_its_earlier_statement() -> None:
    store = MemoryStore()
    put(opened(store, FILE, COLUMNS), "clicked")
    wish: dict[str, Any] = {"rebuild": ["clicks"], "rebuild_request": "w"}
    waiting = opened(store, CHANGED, **wish)
    assert waiting.begin("clicks", START["clicks"])
    assert not waiting.begin("clicks", SourceRecord(partitions={0: PartitionRecord(9)}))
    waiting.commit(2)
    again = opened(store, CHANGED, **wish)
    assert begin_of(again) == START["clicks"]
    assert again.record.sources["clicks"].partitions == {0: PartitionRecord(1)}
    assert rows(store, again, "clicked") == 1
    joined = opened(store, CHANGED, COLUMNS, starts=START, **wish)
    assert joined.record.sources["clicks"] == START["clicks"]
    assert begin_of(joined) is None
    assert not joined.begin("clicks", START["clicks"])


@pytest.mark.parametrize(
    ("sql", "schemas", "request_name"),
    [
        (CHANGED.replace("'s'", "'ms'"), None, "w"),
        (CHANGED, None, "another"),
        (FILE, COLUMNS, "w"),
        (ORDERS + SPEND, None, ""),
    ],
    ids=["changed once more", "asked for once more", "changed back", "gone"],
)
def test_where_a_source_begins_anew_is_forgotten_with_the_statement_that_it_was_of(
    sql: str, schemas: Mapping[str, tuple[Column, ...]] | None, request_name: str
) -> None:
    store = MemoryStore()
    put(opened(store, FILE, COLUMNS), "clicked")
    wish: dict[str, Any] = {"rebuild": ["clicks"], "rebuild_request": "w"}
    waiting = opened(store, CHANGED, **wish)
    waiting.begin("clicks", START["clicks"])
    waiting.commit(2)
    rebuild = wish["rebuild"] if request_name else []
    drop = [] if CLICKED in sql else ["clicked"]
    later = opened(store, sql, schemas, rebuild=rebuild, rebuild_request=request_name, drop=drop)
    assert later.record.begins == {}


def test_a_list_that_is_written_while_its_source_waits_goes_on_from_where_it_began() -> None:
    store = MemoryStore()
    first = opened(store, FILE)
    first.begin("clicks", START["clicks"])
    first.commit(1)
    declared = opened(store, FILE.replace("clicks WITH", "clicks (u VARCHAR) WITH"))
    assert declared.record.sources["clicks"] == START["clicks"]
    assert begin_of(declared) is None


def test_names_to_rebuild_may_be_those_of_views_that_wait() -> None:
    with pytest.raises(SettingsError, match="--rebuild click") as caught:
        opened(MemoryStore(), FILE, rebuild=["click"])
    assert caught.value.hint == "did you mean clicks?"


def test_what_was_found_wrong_is_stored_until_it_is_not() -> None:
    store = MemoryStore()
    opened(store, FILE, COLUMNS, wrong={"hours": "CREATE …"})
    assert catalog_decoder.decode(store.get(CATALOG_KEY) or b"").wrong == {"hours": "CREATE …"}
    opened(store, FILE, COLUMNS)
    assert catalog_decoder.decode(store.get(CATALOG_KEY) or b"").wrong == {}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("SELECT u, COUNT(*) AS n", "SELECT u, SUM(length(u)) AS n", "its aggregates are others"),
        (
            "SELECT u, COUNT(*) AS n",
            "SELECT length(u) AS u, COUNT(*) AS n",
            "its key is (u BIGINT), and was (u VARCHAR)",
        ),
        (
            "SELECT u, COUNT(*) AS n",
            "SELECT lower(u) AS u, COUNT(*) AS n",
            "its key is (u VARCHAR), of another expression",
        ),
        ("FROM orders", "FROM others", "it reads others, and read orders"),
        (
            "FROM orders",
            "FROM orders WHERE u > 'a'",
            "its WHERE, or what FROM makes of the events, is another",
        ),
        (
            "SELECT u, COUNT(*) AS n FROM orders",
            "SELECT lower(u) AS u, MIN(u) AS n FROM others",
            "it reads others, and read orders; its key is (u VARCHAR), of another expression; "
            "its aggregates are others",
        ),
    ],
)
def test_a_changed_view_says_in_what_it_differs(before: str, after: str, told: str) -> None:
    sources = ORDERS + ORDERS.replace("orders", "others")
    view = "CREATE MATERIALIZED VIEW v AS SELECT u, COUNT(*) AS n FROM orders GROUP BY 1;"
    store = MemoryStore()
    opened(store, sources + view)
    with pytest.raises(ViewChangedError) as caught:
        opened(store, sources + view.replace(before, after))
    assert caught.value.message.endswith(f"the state was built with: {told}")
    assert "--rebuild v" in caught.value.hint
