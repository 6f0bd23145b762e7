"""Which events are late in a view: by their window, or in ``WITH (on_late = …)`` sooner.

An event is judged by what came before it in its own partition, and by nothing else: the
*partition's* time, the greatest event time of the earlier messages less the watermark's delay. How
the partitions were read beside each other, and where a batch ended, does not matter (law 1).

- Where late events are not applied, an event is late once that time has reached the end of the
  first window that holds it (without a window: lies after it).
- Where a view has retention and applies them, it is late once that time has reached the end of the
  last window that holds it plus the retention: its rows had expired by what its partition said.
  Those that had expired by what other partitions said alone are applied, and stay hidden.

The window of a session counts as if the event were alone in it: it ends a gap after the event.
"""

from __future__ import annotations

import numpy as np

from ingest.sourcerecord import Times
from keyfold.state.record import ViewRecord
from keyfold.view.moment import INFINITY_US
from keyfold.view.plan import ViewPlan

_NOTHING_US = -(1 << 63)
"""Before every time: where no message came yet. No timestamp has this value."""


def late_events(
    view: ViewPlan,
    record: ViewRecord,
    times: Times | None,
    partitions: np.ndarray,
    fresh: np.ndarray | None,
) -> tuple[np.ndarray, dict[int, int] | None]:
    """Say which events of a batch are late in a view.

    Args:
        view: The view; its window, if any, is over the event time.
        record: Its record, which has the times of the messages before.
        times: Of n events; None where there are none.
        partitions: int[n], theirs.
        fresh: bool[n], the events that are new to the view; None: all are.

    Returns:
        bool[n], which are late; and partition → greatest event time, with this batch, or None where
        no event can be late.
    """
    if times is None or not (view.leaves_out or view.retention_us is not None):
        return np.zeros(len(partitions), np.bool_), None
    moves = times.moves if fresh is None else times.moves & fresh
    seen = np.where(moves, times.all_micros, _NOTHING_US)
    before = np.empty(len(seen), np.int64)
    latest = dict(record.event_times_us)
    order = np.argsort(partitions, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(partitions[order])) + 1):
        partition = int(partitions[places[0]])
        known = latest.get(partition, _NOTHING_US)
        running = np.maximum.accumulate(np.concatenate(([known], seen[places])))
        before[places] = running[:-1]
        if running[-1] > _NOTHING_US:
            latest[partition] = int(running[-1])
    return (before > _NOTHING_US) & (
        _closes_us(view, times.all_micros) <= _earlier(before, times.delay_us)
    ), latest


def _closes_us(view: ViewPlan, micros: np.ndarray) -> np.ndarray:
    """From which time of its partition on an event would be late, µs."""
    window = view.window
    if window is None:
        return _later(micros, 1)
    wait_us = (view.retention_us or 0) if view.on_late == "apply" else 0
    if window.session:
        return _later(micros, min(window.size_us + wait_us, INFINITY_US))
    if view.on_late != "apply":
        width_us = span_us = window.pane_us
    else:
        width_us, span_us = window.expiry_us, window.size_us + wait_us
    into_us = (micros % width_us - window.offset_us % width_us) % width_us
    closes_us = _later(micros, span_us - into_us)
    # A row without a window does not expire.
    endless = (np.abs(micros) == INFINITY_US) & (view.on_late == "apply")
    return np.where(endless, INFINITY_US, closes_us)


def _later(micros: np.ndarray, span_us: np.ndarray | int) -> np.ndarray:
    """Add spans to times; what is beyond the end of time is that end."""
    added: np.ndarray = np.minimum(micros, INFINITY_US - span_us) + span_us
    return added


def _earlier(micros: np.ndarray, span_us: int) -> np.ndarray:
    """Take a span from times; what is before all times is ``_NOTHING_US``."""
    taken: np.ndarray = np.maximum(micros, _NOTHING_US + span_us) - span_us
    return taken
