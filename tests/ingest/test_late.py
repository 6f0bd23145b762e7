"""Late events at the ends of time, where sums of times do not fit 64 bits."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.late import late_events
from ingest.sourcerecord import Times
from keyfold.state.record import ViewRecord
from tests.sql.compiling import plan_of

FIRST_US = -9_223_372_022_400_000_000  # of DuckDB's timestamps
LAST_US = 9_223_372_036_854_775_806
INFINITY_US = 9_223_372_036_854_775_807
PLAIN = "SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id"
MINUTES = (
    "SELECT window_start, COUNT(*) AS n FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE, "
    "INTERVAL '7' SECOND) GROUP BY window_start"
)


def late(select: str, micros: list[int], cut: int) -> list[bool]:
    """Which of one partition's events are late, that came in one or two batches."""
    view = plan_of(select, "WITH (on_late = 'drop')")
    record = ViewRecord()
    found: list[bool] = []
    for part in filter(None, (micros[:cut], micros[cut:])):
        times = np.array(part, np.int64)
        moves = np.abs(times) < INFINITY_US
        told = Times(np.flatnonzero(moves), times[moves], 5_000_000, times, moves)
        some, record.event_times_us = late_events(
            view, record, told, np.zeros(len(part), np.int32), None
        )
        found += some.tolist()
    return found


@pytest.mark.parametrize("select", [PLAIN, MINUTES])
@pytest.mark.parametrize("cut", range(3))
@pytest.mark.parametrize(
    ("micros", "expected"),
    [
        ([LAST_US, LAST_US, LAST_US - 1], [False] * 3),
        ([LAST_US, LAST_US - 120_000_000, LAST_US], [False, True, False]),
        ([INFINITY_US, INFINITY_US, 0], [False] * 3),
        ([FIRST_US, FIRST_US, FIRST_US + 1], [False] * 3),
        ([-INFINITY_US, FIRST_US, FIRST_US], [False] * 3),
        ([FIRST_US + 120_000_000, FIRST_US, LAST_US], [False, True, False]),
        ([0, FIRST_US, -INFINITY_US], [False, True, True]),
        ([0, LAST_US, INFINITY_US], [False] * 3),
    ],
)
def test_at_the_ends_of_time_too_an_event_is_late_after_a_later_one(
    select: str, cut: int, micros: list[int], expected: list[bool]
) -> None:
    assert late(select, micros, cut) == expected
