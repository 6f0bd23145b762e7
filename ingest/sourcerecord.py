"""What a batch changes in the records of its source and views: what was taken, and the times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ingest.decode.json import Decoded
from ingest.source.message import MessageBatch
from keyfold.state.record import PartitionRecord, SourceRecord, ViewRecord
from keyfold.state.writer import advance_times
from keyfold.view.moment import INFINITY_US
from keyfold.view.plan import SourcePlan


def count_messages(
    source: SourceRecord, batch: MessageBatch, decoded: Decoded, fresh: np.ndarray | None
) -> None:
    """Count the messages that the source gives for the first time, and those of no use.

    Args:
        source: The record.
        batch: n messages.
        decoded: What was made of them.
        fresh: bool[n], which come for the first time; None: all do.
    """
    partitions = batch.partitions if fresh is None else batch.partitions[fresh]
    counts = np.bincount(partitions)
    for partition in np.flatnonzero(counts).tolist():
        told = source.partitions.setdefault(partition, PartitionRecord(0))
        told.taken += int(counts[partition])
    dead = {reject.row for reject in decoded.rejects}
    dead |= {reject.row for rejects in decoded.misfits.values() for reject in rejects}
    for row in dead:
        if fresh is None or fresh[row]:
            source.partitions[int(batch.partitions[row])].dead_lettered += 1


@dataclass(frozen=True, slots=True)
class Times:
    """The event times of a batch that move time on: not those of a bad clock.

    Attributes:
        rows: Their places in the batch.
        micros: The times, µs.
        delay_us: The watermark's delay, µs.
        all_micros: The times of all events that were decoded, those of a bad clock too.
        moves: Which of them move time on.
    """

    rows: np.ndarray
    micros: np.ndarray
    delay_us: int
    all_micros: np.ndarray
    moves: np.ndarray


def times_of(plan: SourcePlan, batch: MessageBatch, decoded: Decoded) -> Times | None:
    """Return the event times of a batch; None where there are none."""
    if plan.watermark is None or not len(decoded.rows):
        return None
    times = decoded.table.column(plan.watermark.column)
    micros = np.asarray(times.combine_chunks().view(pa.int64()).to_numpy())
    skew_us = plan.max_future_skew_us
    taken_ms = batch.timestamps_ms[decoded.rows]
    # A producer may claim any moment, those that are no number of microseconds included.
    taken_us = np.minimum(taken_ms, (INFINITY_US - skew_us) // 1_000) * 1_000
    # One bad clock must not expire everybody's rows: such an event is applied, no more.
    sane = (taken_ms < 0) | (micros <= taken_us + skew_us)
    sane &= np.abs(micros) < INFINITY_US
    return Times(decoded.rows[sane], micros[sane], plan.watermark.delay_us, micros, sane)


def move_times(
    source: SourceRecord, batch: MessageBatch, times: Times | None, plan: SourcePlan
) -> None:
    """Move a source's event times, watermark and stream time on, where it has event times."""
    if plan.watermark is None:
        return
    for partition, taken_ms in _greatest(batch.partitions, batch.timestamps_ms, 0).items():
        told = source.partitions.setdefault(partition, PartitionRecord(0))
        told.message_ms = max(told.message_ms or 0, taken_ms)
    moved: dict[int, int] = {}
    if times is not None:
        moved = _greatest(batch.partitions[times.rows], times.micros, 1 - INFINITY_US)
    for partition in moved:
        source.partitions.setdefault(partition, PartitionRecord(0))
    advance_times(source, moved, plan.watermark.delay_us, plan.idle_timeout_us)


def _greatest(partitions: np.ndarray, values: np.ndarray, least: int) -> dict[int, int]:
    """Partition → its greatest value; none where all are below ``least``."""
    greatest = np.full(int(partitions.max(initial=0)) + 1, -INFINITY_US, np.int64)
    np.maximum.at(greatest, partitions, values)
    return {p: int(greatest[p]) for p in np.flatnonzero(greatest >= least).tolist()}


def move_time_of_view(view: ViewRecord, times: Times, fresh: np.ndarray | None) -> None:
    """Move a view's stream time on, by the messages that it had not had.

    Args:
        view: The view's record.
        times: Of a batch of n messages.
        fresh: bool[n], the messages that are new to the view; None: all are.
    """
    micros = times.micros if fresh is None else times.micros[fresh[times.rows]]
    if len(micros):
        time_us = int(micros.max()) - times.delay_us
        known_us = view.stream_time_us
        view.stream_time_us = time_us if known_us is None else max(known_us, time_us)
