"""Progress: as_of, lag and rate from samples of a source's end, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.progress import RATE_WINDOW_MS, SAMPLE_INTERVAL_MS, SAMPLES_MAX, Progress


def test_nothing_is_known_before_the_first_sample() -> None:
    progress = Progress(70)
    assert not progress.caught_up({})
    assert progress.committed(100, {0: 5}) == 70
    assert progress.lag({0: 5}) == 0
    assert progress.rate(100) == 0.0


def test_an_empty_source_is_caught_up_once_it_was_looked_at() -> None:
    progress = Progress(0)
    progress.sample(100, {})
    assert progress.caught_up({})
    assert progress.committed(100, {}) == 100


def test_as_of_is_the_latest_sample_that_was_reached() -> None:
    progress = Progress(0)
    for now_ms, end in ((100, 10), (200, 20), (300, 30)):
        progress.sample(now_ms, {0: end})
    assert progress.committed(1_000, {0: 9}) == 0
    assert progress.committed(1_000, {0: 10}) == 100
    assert progress.committed(1_000, {0: 29}) == 200
    assert progress.committed(1_000, {0: 30}) == 1_000


def test_a_partition_that_appears_counts_from_its_first_sample() -> None:
    progress = Progress(0)
    progress.sample(100, {0: 10})
    progress.sample(200, {0: 10, 1: 5})
    assert progress.committed(300, {0: 10}) == 100
    assert not progress.caught_up({0: 10})
    assert progress.lag({0: 10}) == 5
    assert progress.committed(300, {0: 10, 1: 5}) == 300


def test_as_of_never_goes_back() -> None:
    progress = Progress(0)
    progress.sample(100, {0: 10})
    assert progress.committed(500, {0: 10}) == 500
    progress.sample(600, {0: 20})
    assert progress.committed(700, {0: 15}) == 500
    assert progress.committed(400, {0: 20}) == 600


def test_as_of_goes_back_with_the_clock() -> None:
    progress = Progress(0)
    for now_ms, end in ((9_100, 10), (9_200, 20), (9_300, 30)):
        progress.follow_clock(now_ms)
        progress.sample(now_ms, {0: end})
    progress.count(9_300, 100)
    assert progress.committed(9_300, {0: 10}) == 9_100
    progress.follow_clock(1_300)
    assert progress.as_of_ms == 1_100
    assert progress.committed(1_300, {0: 20}) == 1_200
    assert progress.rate(1_300 + RATE_WINDOW_MS + 1) == 0.0
    progress.sample(1_400, {0: 40})  # which is a sample of its own, and not long in the past
    assert progress.committed(1_500, {0: 30}) == 1_300
    assert progress.committed(1_500, {0: 39}) == 1_300
    assert progress.committed(1_500, {0: 40}) == 1_500


def test_an_as_of_from_the_future_says_nothing() -> None:
    progress = Progress(3_600_000)
    progress.follow_clock(1_000)
    progress.sample(1_000, {0: 10})
    assert progress.committed(1_000, {0: 9}) == 0
    assert progress.committed(1_000, {0: 10}) == 1_000


def test_a_source_that_stays_far_ahead_costs_no_memory_without_bound() -> None:
    progress = Progress(0)
    n = 3 * SAMPLES_MAX
    for i in range(n):
        progress.sample(i * SAMPLE_INTERVAL_MS, {0: i * 10})
    assert len(progress._samples) <= SAMPLES_MAX
    # Coarser, and still true: as_of lags what was applied by little, and never leads it.
    for i in range(0, n, 97):
        as_of = progress.committed(n * SAMPLE_INTERVAL_MS, {0: i * 10})
        assert as_of <= i * SAMPLE_INTERVAL_MS
        assert as_of >= (i - 32) * SAMPLE_INTERVAL_MS


def test_the_rate_is_of_the_last_seconds() -> None:
    progress = Progress(0)
    for second in range(20):
        progress.count(second * 1_000, 100)
    assert 80 <= progress.rate(19_000) <= 120
    assert progress.rate(19_000 + 2 * RATE_WINDOW_MS) == 0.0
    assert len(progress._counts) == 0


@given(
    ends=st.dictionaries(st.integers(0, 3), st.integers(0, 100)),
    offsets=st.dictionaries(st.integers(0, 3), st.integers(0, 100)),
)
def test_there_is_a_lag_exactly_while_it_is_not_caught_up(
    ends: dict[int, int], offsets: dict[int, int]
) -> None:
    progress = Progress(0)
    progress.sample(1, ends)
    assert progress.caught_up(offsets) == (progress.lag(offsets) == 0)
