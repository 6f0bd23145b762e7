"""A reader stands at one commit: catalog, record and rows of it, until it is refreshed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from keyfold.errors import NotFoundError, StateError, StateFormatError
from keyfold.sql.compile import compile_sql
from keyfold.state.counter import CounterReader, CounterWriter, SourceStatus, Status
from keyfold.state.layout import (
    CATALOG_KEY,
    COMMIT_KEY,
    FORMAT_KEY,
    counter_path,
    replicas_directory,
    state_directory,
)
from keyfold.state.memory import MemoryStore
from keyfold.state.reader import StateReader
from keyfold.state.rocks import RocksStore
from keyfold.state.writer import StateWriter
from keyfold.view.rowkey import encode_key, encode_value
from keyfold.view.types import Physical

SOURCE = """
CREATE SOURCE orders (u VARCHAR, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts)
WITH (connector = 'events');
"""
BY_USER = "CREATE MATERIALIZED VIEW by_user AS SELECT u, COUNT(*) AS n FROM orders GROUP BY u;"
BY_MINUTE = """
CREATE MATERIALIZED VIEW by_minute WITH (retention = '1 minute') AS
SELECT window_start, COUNT(*) AS n FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE)
GROUP BY window_start;
"""
MINUTE_US = 60_000_000


class Data:
    """A data directory with its writer, and readers of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = RocksStore(state_directory(directory), bulk_keys_min=3)
        self.counter = CounterWriter(counter_path(directory))
        self.readers: list[StateReader] = []
        self.write(SOURCE + BY_USER + BY_MINUTE)

    def write(self, sql: str, **how: list[str]) -> None:
        self.state = StateWriter(self.store, compile_sql(sql), **how)  # type: ignore[arg-type]
        self.publish()

    def publish(self, status: Status | None = None) -> None:
        self.counter.publish(self.state.record.sequence, 0, status or Status())

    def commit(self, view: str, *keys: object) -> None:
        """Count one more for each key, and let the readers know."""
        one = self.state.views[view]
        self.state.merge(
            view,
            [one.prefix + encode_key(one.plan.key_types, [key]) for key in keys],
            [np.ones(len(keys), np.int64)],
        )
        self.state.commit(0)
        self.publish()

    def reader(self) -> StateReader:
        reader = StateReader.open(self.directory, 1, block_cache_bytes=1 << 20)
        self.readers.append(reader)
        return reader

    def close(self) -> None:
        for reader in self.readers:
            reader.close()
        self.store.close()
        self.counter.close()


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Data]:
    made = Data(tmp_path / "data")
    yield made
    made.close()


def counts(reader: StateReader, view: str) -> dict[object, int]:
    found = reader.view(view)
    table = found.compiled.arrow_table(list(reader.rows(found)))
    return {next(iter(row.values())): row["n"] for row in table.to_pylist()}


def test_a_reader_stands_still_until_it_is_refreshed(data: Data) -> None:
    data.commit("by_user", "a", "b")
    reader = data.reader()
    assert not reader.behind()
    for commit in range(1, 12):
        users = [f"u{commit}", *(["a"] if commit % 2 else ["a", "b", "c", "d"])]
        before = counts(reader, "by_user")
        data.commit("by_user", *users)
        assert reader.behind()
        assert counts(reader, "by_user") == before
        assert reader.refresh()
        assert not reader.behind()
        assert not reader.refresh()
        assert reader.record == data.state.record
        after = counts(reader, "by_user")
        assert after == {**before, **{user: before.get(user, 0) + 1 for user in users}}


def test_a_change_of_the_catalog_is_taken_over(data: Data) -> None:
    data.commit("by_user", "a", "b")
    reader = data.reader()
    assert reader.views.keys() == {"by_user", "by_minute"}
    changed = SOURCE + BY_USER.replace("COUNT(*)", "COUNT(ts)")
    data.write(changed, rebuild=["by_user"], drop=["by_minute"])
    assert counts(reader, "by_user") == {"a": 1, "b": 1}
    assert reader.refresh()
    assert reader.views.keys() == {"by_user"}
    assert reader.catalog.version == reader.record.catalog_version == 2
    assert counts(reader, "by_user") == {}
    data.commit("by_user", "c")
    reader.refresh()
    assert counts(reader, "by_user") == {"c": 1}


def test_two_readers_of_one_process_do_not_meet(data: Data) -> None:
    data.commit("by_user", "a")
    first, second = data.reader(), data.reader()
    data.commit("by_user", "a")
    first.refresh()
    assert counts(first, "by_user") == {"a": 2}
    assert counts(second, "by_user") == {"a": 1}
    first.close()
    first.close()
    second.refresh()
    assert counts(second, "by_user") == {"a": 2}


def test_a_row_is_hidden_once_it_has_expired(data: Data) -> None:
    data.commit("by_minute", 0, MINUTE_US, 2 * MINUTE_US)
    reader = data.reader()
    view = reader.view("by_minute")
    assert reader.hides(view) is None
    assert list(counts(reader, "by_minute").values()) == [1, 1, 1]
    data.state.record.views["by_minute"].stream_time_us = 3 * MINUTE_US
    data.commit("by_user", "a")
    reader.refresh()
    hides = reader.hides(view)
    assert hides is not None
    assert [hides(encode_value(Physical.I64, at), b"") for at in (MINUTE_US, MINUTE_US + 1)] == [
        True,
        False,
    ]
    assert len(counts(reader, "by_minute")) == 1
    assert reader.hides(reader.view("by_user")) is None


def test_a_view_that_is_not_there_is_told_with_those_that_are(data: Data) -> None:
    with pytest.raises(NotFoundError, match="there is no view 'by_usr'") as refused:
        data.reader().view("by_usr")
    assert refused.value.code == "no_such_view"
    assert refused.value.hint == "views: by_minute, by_user"


def test_the_status_is_the_last_that_was_published_whole(data: Data) -> None:
    reader = data.reader()
    status = Status(pid=5, sources={"orders": SourceStatus("live", as_of_ms=9)})
    data.publish(status)
    assert reader.status()[2] == status
    with counter_path(data.directory).open("r+b") as file:  # the writer dies while it publishes
        file.seek(8)
        file.write(b"\x63")
    assert reader.status()[2] == status
    plan = reader.view("by_user").plan
    assert reader.freshness(plan, 100, 1_000).staleness_ms == 91


def test_what_is_not_there_yet_is_said_with_what_to_start(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no state") as refused:
        StateReader.open(tmp_path, 1, block_cache_bytes=1 << 20)
    assert "--data-dir" in refused.value.hint
    with pytest.raises(StateError, match="no commit counter") as refused:
        CounterReader(counter_path(tmp_path))
    assert "--data-dir" in refused.value.hint
    counter = CounterWriter(counter_path(tmp_path))
    with pytest.raises(StateError, match="the state is empty"):
        StateReader(MemoryStore(), CounterReader(counter_path(tmp_path)))
    counter.close()


def test_plans_of_another_release_are_refused_with_both_versions(tmp_path: Path) -> None:
    store = MemoryStore()
    StateWriter(store, compile_sql(SOURCE + BY_USER))
    raw = store.get(CATALOG_KEY)
    assert raw is not None
    changed = raw.replace(b'"plan_format":1', b'"plan_format":9')
    record = store.get(COMMIT_KEY)
    assert record is not None
    store.write([(CATALOG_KEY, changed)], [], [], (COMMIT_KEY, record))
    counter = CounterWriter(counter_path(tmp_path))
    with pytest.raises(StateError, match="have format 9, this release reads 1"):
        StateReader(store, CounterReader(counter_path(tmp_path)))
    counter.close()


def test_an_opening_that_is_refused_leaves_nothing_open(data: Data) -> None:
    data.store.write([(FORMAT_KEY, b"99")], [], [], (COMMIT_KEY, b"{}"))
    open_files = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(StateFormatError, match="format version 99"):
            data.reader()
    counter_path(data.directory).write_bytes(b"of another release")
    with pytest.raises(StateFormatError, match="format version 99"):
        data.reader()
    assert os.listdir(replicas_directory(data.directory)) == []
    assert len(os.listdir("/proc/self/fd")) == open_files
