"""What a batch changes in the record of its source: messages taken, dead letters, event times."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ingest.decode.json import Decoded
from ingest.source.message import MessageBatch
from keyfold.state.record import PartitionRecord, SourceRecord
from keyfold.state.writer import advance_times
from keyfold.view.plan import SourcePlan

_INFINITY_US = (1 << 63) - 1


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


def move_times(
    source: SourceRecord, plan: SourcePlan, batch: MessageBatch, decoded: Decoded
) -> None:
    """Move event times, watermark and stream time on, where the source has an event time."""
    if plan.watermark is None or not len(decoded.rows):
        return
    times = decoded.table.column(plan.watermark.column)
    micros = np.asarray(times.combine_chunks().view(pa.int64()).to_numpy())
    partitions = batch.partitions[decoded.rows]
    skew_us = plan.max_future_skew_us
    taken_ms = batch.timestamps_ms[decoded.rows]
    # A producer may claim any moment, those that are no number of microseconds included.
    taken_us = np.minimum(taken_ms, (_INFINITY_US - skew_us) // 1_000) * 1_000
    # One bad clock must not expire everybody's rows: such an event is applied, no more.
    sane = (taken_ms < 0) | (micros <= taken_us + skew_us)
    sane &= np.abs(micros) < _INFINITY_US
    greatest = np.full(int(partitions.max()) + 1, -_INFINITY_US, np.int64)
    np.maximum.at(greatest, partitions[sane], micros[sane])
    seen = np.flatnonzero(greatest > -_INFINITY_US).tolist()
    for partition in seen:
        source.partitions.setdefault(partition, PartitionRecord(0))
    advance_times(source, {p: int(greatest[p]) for p in seen}, plan.watermark.delay_us)
