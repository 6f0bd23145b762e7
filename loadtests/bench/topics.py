"""Where the events lie before a run: a Kafka topic, an event log, an NDJSON file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from keyfold.eventlog.format import source_directory
from keyfold.eventlog.writer import EventLogWriter
from loadtests.bench.events import Stream, Workload, arrow_lines, ndjson

_QUEUE_MESSAGES = 100_000
_SEGMENT_BYTES = 64 << 20


def fill_topic(bootstrap: str, work: Workload, partitions: int) -> str:
    """Write events to a topic of their own, event i to partition i % partitions.

    Returns:
        The topic's name.

    Raises:
        RuntimeError: The broker did not take all of it.
    """
    topic = f"{work.name}-{partitions}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)
    failed: list[Any] = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 50,
            "batch.size": 1 << 20,
            "compression.type": "none",
            "queue.buffering.max.messages": 2 * _QUEUE_MESSAGES,
            "delivery.report.only.error": True,
            "on_delivery": lambda error, _: failed.append(error),
        }
    )
    i = 0
    for values in work.values():
        for value in values.to_pylist():
            producer.produce(topic, value, partition=i % partitions)
            i += 1
            if i % _QUEUE_MESSAGES == 0:
                while len(producer) > _QUEUE_MESSAGES // 2:
                    producer.poll(0.01)
    while len(producer):
        producer.flush(10)
    if failed:
        raise RuntimeError(f"{len(failed)} events were not taken, the first: {failed[0]}")
    return topic


def fill_log(data_directory: Path, source: str, stream: Stream) -> None:
    """Write a stream to the event log of an ``events`` source, as one partition."""
    directory = source_directory(data_directory, source)
    writer = EventLogWriter(directory / "0", _SEGMENT_BYTES)
    try:
        for lines in stream.chunks():
            for part in np.array_split(lines, max(1, len(lines) // 50_000)):
                writer.append(arrow_lines(part).to_pylist(), int(time.time() * 1000))
    finally:
        writer.close()


def fill_file(path: Path, stream: Stream) -> None:
    """Write a stream as NDJSON."""
    with path.open("wb") as file:
        for lines in stream.chunks():
            file.write(ndjson(lines))
