"""Which events are late in a view that does not apply them (``ViewPlan.leaves_out``).

An event is judged by what came before it in its own partition, and by nothing else. It is late
where the *partition's* time, the greatest event time of the earlier messages less the watermark's
delay, has reached the end of the first window that holds it (without a window: lies after it). How
the partitions were read beside each other, and where a batch ended, does not matter (law 1).

The window of a session counts as if the event were alone in it: it ends a gap after the event.
Where late events are applied and the sessions have a retention, that is added to it.
"""

from __future__ import annotations

import numpy as np

from ingest.sourcerecord import Times
from keyfold.state.record import ViewRecord
from keyfold.view.plan import ViewPlan

_LEAST_US = -(1 << 62)
_MOST_US = (1 << 63) - 1


def late_events(
    view: ViewPlan,
    record: ViewRecord,
    times: Times,
    partitions: np.ndarray,
    fresh: np.ndarray | None,
) -> tuple[np.ndarray, dict[int, int]]:
    """Say which events of a batch are late in a view.

    Args:
        view: The view; its window, if any, is over the event time.
        record: Its record, which has the times of the messages before.
        times: Of n events.
        partitions: int[n], theirs.
        fresh: bool[n], the events that are new to the view; None: all are.

    Returns:
        bool[n], which are late; and partition → greatest event time, with this batch.
    """
    moves = times.moves if fresh is None else times.moves & fresh
    seen = np.where(moves, times.all_micros, _LEAST_US)
    before = np.empty(len(seen), np.int64)
    latest = dict(record.event_times_us)
    order = np.argsort(partitions, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(partitions[order])) + 1):
        partition = int(partitions[places[0]])
        known = latest.get(partition, _LEAST_US)
        running = np.maximum.accumulate(np.concatenate(([known], seen[places])))
        before[places] = running[:-1]
        if running[-1] > _LEAST_US:
            latest[partition] = int(running[-1])
    return _closes_us(view, times.all_micros) <= before - times.delay_us, latest


def _closes_us(view: ViewPlan, micros: np.ndarray) -> np.ndarray:
    """From which time of its partition on an event would be late, µs."""
    window = view.window
    if window is None:
        return micros + 1
    if window.session:
        wait_us = (view.retention_us or 0) if view.on_late == "apply" else 0
        span_us = min(window.size_us + wait_us, _MOST_US)
        return np.asarray(np.minimum(micros, _MOST_US - span_us) + span_us)
    pane_us = window.pane_us
    return (micros - window.offset_us) // pane_us * pane_us + window.offset_us + pane_us
