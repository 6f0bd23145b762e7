"""Law 5: a stale answer is labelled; it is never passed off as fresh. Over HTTP: tests/serving."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.progress import Progress
from keyfold.sql.compile import compile_sql
from keyfold.state.counter import SourceStatus, Status
from keyfold.state.freshness import AHEAD_MS_MAX, Freshness, freshness
from keyfold.state.record import CommitRecord, PartitionRecord, SourceRecord, ViewRecord

VIEW = compile_sql(
    "CREATE SOURCE s (k VARCHAR) WITH (connector = 'events');"
    "CREATE MATERIALIZED VIEW v WITH (freshness_slo = '2 s') AS"
    " SELECT k, COUNT(*) AS n FROM s GROUP BY k"
).views[0]


def label(
    now_ms: int,
    *,
    committed_ms: int = 1_000,
    live_ms: int = 1_000,
    applied: int = 7,
    published: int = 7,
    source: str = "live",
    ready: bool = True,
    error: str = "",
) -> Freshness:
    record = CommitRecord(
        sequence=applied,
        sources={"s": SourceRecord(as_of_ms=committed_ms)},
        views={"v": ViewRecord(ready=ready, error=error)},
    )
    status = Status(sources={"s": SourceStatus(state=source, as_of_ms=live_ms)})
    return freshness(VIEW, record, status, published, now_ms, 5_000)


def test_an_idle_source_is_fresh() -> None:
    assert label(60_000, live_ms=60_000).staleness_ms == 0
    assert label(60_000, live_ms=60_000).state == "live"


def test_the_clock_runs_on_while_ingestion_stands_still() -> None:
    assert label(9_000).staleness_ms == 8_000
    assert label(9_000).state == "stale"
    assert label(3_000).state == "live"
    assert label(3_001).state == "stale"


def test_a_reader_that_is_behind_does_not_borrow_the_writers_freshness() -> None:
    ahead = label(9_000, live_ms=9_000, applied=6, published=7)
    assert ahead.staleness_ms == 8_000


@pytest.mark.parametrize(
    ("given_state", "said"),
    [
        ({"source": "stopped"}, "failed"),
        ({"error": "a sum does not fit"}, "failed"),
        ({"ready": False}, "catching_up"),
        ({"source": "complete"}, "complete"),
    ],
)
def test_what_is_not_live_is_not_called_so(given_state: dict[str, object], said: str) -> None:
    assert label(1_500, **given_state).state == said  # type: ignore[arg-type]


def test_every_answer_carries_its_label_as_json() -> None:
    assert label(1_250).json() == (
        '{"as_of":"1970-01-01T00:00:01Z","staleness_ms":250,"watermark":null,"state":"live"}'
    )


def test_a_clock_that_was_ahead_leaves_nothing_that_reads_as_fresh() -> None:
    ahead = label(60_000, committed_ms=3_660_000, live_ms=3_660_000)
    assert (ahead.as_of_ms, ahead.state) == (0, "stale")
    # A writer that goes on says when it looked by the clock as it is now.
    again = label(60_000, committed_ms=3_660_000, live_ms=59_500)
    assert (again.as_of_ms, again.staleness_ms, again.state) == (59_500, 500, "live")
    # It may speak in the moment between the reader's look at the clock and at its word.
    assert label(60_000, live_ms=60_000 + AHEAD_MS_MAX).state == "live"
    assert label(60_000, live_ms=60_001 + AHEAD_MS_MAX).state == "stale"


def test_a_view_that_was_left_behind_by_a_clock_that_was_ahead_states_no_age() -> None:
    record = CommitRecord(
        sequence=7,
        sources={"s": SourceRecord({0: PartitionRecord(5_000)}, as_of_ms=9_000)},
        views={"v": ViewRecord(offsets={0: 120}, ready=True, as_of_ms=3_609_000)},
    )
    behind = freshness(VIEW, record, Status(), 7, 9_000, 5_000)
    assert (behind.as_of_ms, behind.state) == (0, "catching_up")


def test_the_worst_partition_counts() -> None:
    progress = Progress(0)
    progress.sample(100, {0: 10, 1: 10})
    progress.sample(200, {0: 20, 1: 20})
    assert progress.committed(300, {0: 20, 1: 9}) == 0
    assert progress.committed(300, {0: 20, 1: 10}) == 100
    assert progress.committed(300, {0: 20, 1: 20}) == 300


ends = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3), st.integers(0, 3)), max_size=30)


@given(growth=ends, reads=st.lists(st.integers(0, 4), min_size=30, max_size=30))
def test_as_of_is_never_later_than_what_was_applied(
    growth: list[tuple[int, int, int]], reads: list[int]
) -> None:
    """Whatever was in the source at ``as_of`` has been applied, for any arrivals and reads."""
    progress = Progress(0)
    now, end, applied = 0, {0: 0, 1: 0}, {0: 0, 1: 0}
    history = [(0, dict(end))]
    for (wait, first, second), read in zip(growth, reads, strict=False):
        now += wait
        end = {0: end[0] + first, 1: end[1] + second}
        history.append((now, dict(end)))
        progress.sample(now, end)
        applied = {p: min(end[p], applied[p] + read) for p in end}
        as_of = progress.committed(now, applied)
        there = [ends for time, ends in history if time <= as_of][-1]
        assert all(applied[p] >= there[p] for p in there)


def test_a_view_behind_its_source_does_not_borrow_the_sources_freshness() -> None:
    """As while it is built, or tried again after a failure, though it was ready once."""
    record = CommitRecord(
        sequence=7,
        sources={"s": SourceRecord({0: PartitionRecord(5_000)}, watermark_us=70, as_of_ms=9_000)},
        views={"v": ViewRecord(offsets={0: 120}, ready=True, as_of_ms=1_000)},
    )
    status = Status(sources={"s": SourceStatus(state="live", as_of_ms=9_000)})
    behind = freshness(VIEW, record, status, 7, 9_000, 5_000)
    assert (behind.state, behind.staleness_ms) == ("catching_up", 8_000)
    assert behind.watermark_us is None
    record.views["v"].offsets[0] = 5_000
    level = freshness(VIEW, record, status, 7, 9_000, 5_000)
    assert (level.state, level.staleness_ms, level.watermark_us) == ("live", 0, 70)


def test_a_replica_that_is_behind_a_complete_source_says_stale() -> None:
    behind = label(60_000, live_ms=60_000, applied=6, published=7, source="complete")
    assert (behind.state, behind.staleness_ms) == ("stale", 59_000)


def test_what_is_not_known_is_null() -> None:
    unknown = label(60_000, committed_ms=0, live_ms=0, ready=False)
    assert unknown.json() == (
        '{"as_of":null,"staleness_ms":null,"watermark":null,"state":"catching_up"}'
    )
