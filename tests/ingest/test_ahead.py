"""Reading ahead changes when a source is read, and nothing of what is read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.source.ahead import AheadSource
from ingest.source.events import EventsSource
from keyfold.errors import SourceError
from keyfold.eventlog.options import EventsOptions
from tests.ingest.filled import filled_log, taken

EVENTS = 300
READ_S = 30_000
"""Longest wait for a thread, ms."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled_log(tmp_path_factory.mktemp("ahead"), EVENTS)


@pytest.fixture
def source(directory: Path) -> Iterator[AheadSource]:
    source = AheadSource(EventsSource(directory, EventsOptions()))
    source.open({}, {})
    yield source
    source.close()


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ahead=st.lists(st.booleans(), min_size=1, max_size=20), size=st.integers(20, 200))
def test_every_message_comes_once_and_in_order(
    directory: Path, ahead: list[bool], size: int
) -> None:
    source = AheadSource(EventsSource(directory, EventsOptions()))
    source.open({}, {})
    found: list[tuple[int, int, bytes]] = []
    turn = 0
    while len(found) < 2 * EVENTS:
        batch = source.poll(size, READ_S)
        assert batch is not None
        assert batch.next_offsets.items() >= {p: o + 1 for p, o, _ in taken(batch)[-1:]}.items()
        found += taken(batch)
        if ahead[turn % len(ahead)]:
            source.read_ahead(size, 0)
        turn += 1
    source.close()
    for partition in range(2):
        expected = [(partition, i, b"%d:%d" % (partition, i)) for i in range(EVENTS)]
        assert [one for one in found if one[0] == partition] == expected


def test_what_is_read_ahead_is_not_told_of_before_it_is_taken(source: AheadSource) -> None:
    first = source.poll(100, READ_S)
    source.read_ahead(100, 0)
    assert source.reading
    assert source.progress().end_offsets == {0: EVENTS, 1: EVENTS}
    assert source.identity().keys() == {"log_id"}
    source.committed({0: 50})  # heard once the thread is done
    second = source.poll(100, READ_S)
    assert not source.reading
    assert len(taken(first) + taken(second)) == 200


def test_a_fault_met_while_reading_ahead_comes_with_the_next_poll(
    directory: Path, tmp_path: Path
) -> None:
    own = tmp_path / "log"
    shutil.copytree(directory, own)
    source = AheadSource(EventsSource(own, EventsOptions()))
    source.open({0: 10, 1: 10}, {})
    shutil.rmtree(own)
    source.read_ahead(10_000, 0)
    with pytest.raises(SourceError):
        while source.poll(10_000, READ_S) is not None:
            source.read_ahead(10_000, 0)
    source.close()


def test_a_source_that_is_closed_while_it_is_read_can_be_opened_again(source: AheadSource) -> None:
    source.poll(10, READ_S)
    source.read_ahead(10, 0)
    source.close()
    source.close()
    source.open({0: 290, 1: 300}, {})
    assert [offset for _, offset, _ in taken(source.poll(100, READ_S))] == list(range(290, 300))
