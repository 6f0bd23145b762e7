"""An event log of two partitions that is there already, and what a batch took of it."""

from __future__ import annotations

from pathlib import Path

from ingest.source.message import MessageBatch
from keyfold.eventlog.format import source_directory
from keyfold.eventlog.writer import EventLogWriter


def filled_log(place: Path, events: int) -> Path:
    """Write ``events`` messages into each partition; return the log's directory."""
    directory = source_directory(place, "orders")
    for partition in range(2):
        writer = EventLogWriter(directory / str(partition), 1 << 20)
        writer.append([b"%d:%d" % (partition, i) for i in range(events)], 1_000)
        writer.close()
    return directory


def taken(batch: MessageBatch | None) -> list[tuple[int, int, bytes]]:
    """Return (partition, offset, value) of each message; nothing of no batch."""
    if batch is None:
        return []
    return list(
        zip(
            batch.partitions.tolist(), batch.offsets.tolist(), batch.values.to_pylist(), strict=True
        )
    )
