"""What of a file is kept, and how a source joins, without processes."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

from ingest.clock import clock_ms
from ingest.joining import Joining
from ingest.opening import Opening, Start
from ingest.pipeline import Pipeline, Tally
from ingest.source.events import EventsSource
from keyfold.errors import SettingsError
from keyfold.eventlog.format import source_directory
from keyfold.eventlog.options import EventsOptions
from keyfold.eventlog.writer import EventLogWriter
from keyfold.settings import Settings
from keyfold.state.counter import CounterReader, CounterWriter, MissingView, SourceStatus
from keyfold.state.layout import CATALOG_KEY, COMMIT_KEY, counter_path
from keyfold.state.memory import MemoryStore
from keyfold.state.record import (
    CommitRecord,
    PartitionRecord,
    SourceRecord,
    catalog_decoder,
    record_decoder,
)
from keyfold.state.writer import StateWriter

ORDERS = "CREATE SOURCE orders (who VARCHAR) WITH (connector = 'events');\n"
CLICKS = "CREATE SOURCE clicks WITH (connector = 'events');\n"
SPEND = "CREATE MATERIALIZED VIEW spend AS SELECT who, COUNT(*) AS n FROM orders GROUP BY who;\n"
CLICKED = SPEND.replace("spend", "clicked").replace("orders", "clicks")
WRONG = CLICKED.replace("clicked", "pages").replace("who", "page")
FILE = ORDERS + CLICKS + SPEND + CLICKED
WAITING = SourceStatus(state="waiting")


class Life:
    """One life of the writer process, over a store and logs that outlive it."""

    def __init__(self, directory: Path, store: MemoryStore, sql: str) -> None:
        self.directory = directory
        self.store = store
        self.stop = threading.Event()
        raw = store.get(CATALOG_KEY)
        stored = catalog_decoder.decode(raw) if raw else None
        self.joining = Joining(sql, "pipeline.sql", stored, directory, self.stop)
        self.counter = CounterWriter(counter_path(directory))
        self.reader = CounterReader(counter_path(directory))
        self.tally = Tally(clock_ms())

    def open(self, rebuild: Collection[str] = ()) -> Pipeline:
        """Open the state, and a pipeline on it."""
        joining = self.joining
        self.state = StateWriter(
            self.store,
            joining.known.catalog,
            rebuild=rebuild,
            rebuild_request="w" if rebuild else "",
            starts=joining.starts,
            aside=joining.aside,
            wrong=joining.wrong,
        )
        joining.begin(self.state)
        settings = Settings(data_dir=self.directory, commit_interval_ms=1)
        return Pipeline(
            self.state, self.counter, settings, pid=1, missing=joining.missing, tally=self.tally
        )

    def turn_until(self, pipeline: Pipeline, view: str, taken: int) -> None:
        deadline = time.monotonic() + 30
        while self.state.record.views[view].total().taken < taken:
            pipeline.turn()
            assert time.monotonic() < deadline

    def close(self) -> None:
        self.stop.set()
        self.joining.close()
        self.reader.close()
        self.counter.close()


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[list[Life]]:
    made: list[Life] = []
    yield made
    for one in made:
        one.close()


def push(directory: Path, source: str, count: int) -> None:
    writer = EventLogWriter(source_directory(directory, source) / "0", 1 << 20)
    writer.append([json.dumps({"who": f"w{i}"}).encode() for i in range(count)], 1)
    writer.close()


def test_a_pipeline_pauses_for_a_source_that_joins_and_goes_on_where_it_was(
    tmp_path: Path, lives: list[Life]
) -> None:
    lives.append(life := Life(tmp_path, MemoryStore(), FILE))
    first = life.open()
    assert [lane.plan.name for lane in first.lanes] == ["orders"]
    push(tmp_path, "orders", 5)
    life.turn_until(first, "spend", 5)
    push(tmp_path, "clicks", 3)
    first.run(life.stop, life.joining.news)  # returns when the columns are known
    _, _, status = life.reader.read()
    assert not status.stopped
    assert status.sources["clicks"] == WAITING
    assert status.missing == {"clicked": MissingView("clicks")}
    life.joining.advance()
    second = life.open()
    life.turn_until(second, "clicked", 3)
    assert life.state.record.views["spend"].total().taken == 5
    life.stop.set()
    second.run(life.stop, life.joining.news)
    _, _, status = life.reader.read()
    assert (status.stopped, status.missing) == (True, {})
    told = {sample.name: sample.value for sample in status.metrics}
    assert told["keyfold_commits_total"] == life.tally.commits > 2


def test_columns_that_were_detected_are_known_in_the_next_life_and_so_is_what_did_not_fit(
    tmp_path: Path, lives: list[Life], caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    push(tmp_path, "clicks", 3)
    lives.append(life := Life(tmp_path, store, FILE + WRONG))
    life.open().run(life.stop, life.joining.news)
    life.joining.advance()
    life.open().run(stopped(), life.joining.news)
    error = life.joining.missing.views["pages"].error
    assert error.startswith("pipeline.sql:5:")
    assert "there is no column page" in error
    assert "the columns of clicks were detected" in error
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        lives.append(again := Life(tmp_path, store, FILE + WRONG))
    assert again.joining.missing.views == {"pages": MissingView("clicks", error)}
    assert again.joining.missing.sources == {}
    assert [record.getMessage() for record in caplog.records] == [f"view stopped: {error}"]


def test_from_the_latest_on_means_from_the_first_life_that_waited(
    tmp_path: Path, lives: list[Life]
) -> None:
    mode = "'events', scan.startup.mode = 'latest'"
    latest = FILE.replace(CLICKS, CLICKS.replace("'events'", mode))
    store = MemoryStore()
    push(tmp_path, "clicks", 5)
    lives.append(life := Life(tmp_path, store, latest))
    pipeline = life.open()
    begin = begun(life, pipeline)
    assert begin.partitions == {0: PartitionRecord(5)}
    assert begin.identity
    life.stop.set()  # nothing more is committed: it dies here
    push(tmp_path, "clicks", 3)
    lives.append(again := Life(tmp_path, store, latest))
    again.open().run(again.stop, again.joining.news)
    again.joining.advance()
    again.turn_until(again.open(), "clicked", 3)
    assert again.state.record.views["clicked"].total().applied == 3
    assert again.state.record.views["clicked"].offsets == {0: 8}


def test_from_the_latest_on_means_so_for_a_source_that_is_rebuilt_while_its_old_rows_stay(
    tmp_path: Path, lives: list[Life]
) -> None:
    mode = "'events', timestamp.unit = 's', scan.startup.mode = 'latest'"
    latest = FILE.replace(CLICKS, CLICKS.replace("'events'", mode))
    store = MemoryStore()
    push(tmp_path, "clicks", 5)
    lives.append(old := Life(tmp_path, store, FILE))
    old.open().run(old.stop, old.joining.news)
    old.joining.advance()
    old.turn_until(pipeline := old.open(), "clicked", 5)
    old.stop.set()
    pipeline.run(old.stop, old.joining.news)
    lives.append(life := Life(tmp_path, store, latest))
    assert begun(life, life.open(["clicks"])).partitions == {0: PartitionRecord(5)}
    assert life.state.record.views["clicked"].offsets == {0: 5}
    life.stop.set()  # nothing more is committed: it dies here
    push(tmp_path, "clicks", 3)
    lives.append(again := Life(tmp_path, store, latest))
    again.open(["clicks"]).run(again.stop, again.joining.news)
    again.joining.advance()
    again.turn_until(again.open(["clicks"]), "clicked", 3)
    assert again.state.record.views["clicked"].total().applied == 3
    assert again.state.record.views["clicked"].offsets == {0: 8}


def begun(life: Life, pipeline: Pipeline) -> SourceRecord:
    """Return where clicks begins, committed as the turn that took it in ended."""
    deadline = time.monotonic() + 30
    while "clicks" not in life.state.record.begins:
        pipeline.turn()
        assert time.monotonic() < deadline
    return record_of(life.store).begins["clicks"].start


def record_of(store: MemoryStore) -> CommitRecord:
    return record_decoder.decode(store.get(COMMIT_KEY) or b"")


def stopped() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def test_wrong_options_of_a_source_that_waits_are_refused_at_once(tmp_path: Path) -> None:
    wrong = FILE.replace(CLICKS, CLICKS.replace(";", " FORMAT PLAIN ENCODE CSV;"))
    with pytest.raises(SettingsError, match="cannot be ENCODE CSV"):
        Joining(wrong, "pipeline.sql", None, tmp_path, threading.Event())


class SlowSource(EventsSource):
    """An event log that opens once it is let, as a broker that does not answer yet."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, EventsOptions())
        self.let, self.opened, self.closed = (threading.Event() for _ in range(3))

    def open(self, offsets: Mapping[int, int], identity: Mapping[str, str]) -> None:
        assert self.let.wait(30)
        super().open(offsets, identity)
        self.opened.set()

    def close(self) -> None:
        super().close()
        if self.opened.is_set():
            self.closed.set()


def test_a_source_that_is_let_go_while_it_opens_is_closed_once_it_is_open(tmp_path: Path) -> None:
    source = SlowSource(tmp_path)
    opening = Opening("orders", source)
    assert not opening.advance(lambda: Start({}, {}, {}), 1)
    opening.close()
    assert not source.closed.is_set()
    source.let.set()
    assert source.closed.wait(30)
