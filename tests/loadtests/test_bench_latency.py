import pytest

from loadtests.bench.latency import due_s, latencies


def test_requests_are_due_at_even_steps() -> None:
    assert [due_s(index, 4.0) for index in range(4)] == [0.0, 0.25, 0.5, 0.75]


def test_a_latency_counts_from_when_the_request_was_due() -> None:
    """One answer takes a second; the nine requests behind it are sent late and answered at once."""
    due = [due_s(index, 10.0) for index in range(10)]
    sent = [0.0, *([1.0] * 9)]
    answered = [1.0] * 10
    told = latencies(due, sent, answered)
    assert told.max_ms == pytest.approx(1000)
    assert told.p50_ms == pytest.approx(500)  # counted from `sent` it would be 0
    assert told.late == 9


@pytest.mark.parametrize(
    ("count", "p50", "p99", "p999"), [(1, 1, 1, 1), (100, 50, 99, 100), (1000, 500, 990, 999)]
)
def test_a_percentile_is_the_latency_that_so_many_did_not_exceed(
    count: int, p50: float, p99: float, p999: float
) -> None:
    due = [0.0] * count
    answered = [index / 1000 for index in range(count, 0, -1)]
    told = latencies(due, due, answered)
    assert (told.p50_ms, told.p99_ms, told.p999_ms) == pytest.approx((p50, p99, p999))
    assert (told.max_ms, told.requests) == (pytest.approx(count), count)
