"""Kafka messages in chunks, as a careful Python program reads them: for the hand-written peers.

The librdkafka settings are those of Keyfold's own source (keyfold/connector/kafka_options.py), so
that what differs between the two is not how the topic is read; a test holds them together.
Partitions are assigned, not subscribed to: the offsets are kept with the state, as in Keyfold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from loadtests.peers.peer import Deadline, Request

CONSUMER_SETTINGS: dict[str, str | int | bool] = {
    "isolation.level": "read_committed",
    "fetch.queue.backoff.ms": 1,
    "fetch.wait.max.ms": 10,
    "queued.min.messages": 100_000,
    "queued.max.messages.kbytes": 65_536,
    "reconnect.backoff.max.ms": 2_000,
    "socket.keepalive.enable": True,
    "session.timeout.ms": 2_000,
    "heartbeat.interval.ms": 500,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
}
CHUNK_MESSAGES = 2_000
GATHER_S = 0.015
MEASURED_FROM = "from the call of consume() that gave the first events"


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one call of consume() gave.

    Attributes:
        asked_s: ``perf_counter`` before the call.
        values: The bodies.
        offsets: Partition → the next offset to read.
    """

    asked_s: float
    values: list[bytes]
    offsets: dict[int, int]


def chunks(request: Request) -> Iterator[Chunk]:
    """Yield all events of the topic, from the first offset on.

    Raises:
        KafkaException: The broker reported an error.
        TimeoutError: The events did not come in time.
    """
    deadline = Deadline(request.timeout_s)
    consumer = Consumer(
        CONSUMER_SETTINGS | {"bootstrap.servers": request.bootstrap, "group.id": "peer"}
    )
    try:
        there = consumer.list_topics(request.topic, timeout=30).topics[request.topic].partitions
        consumer.assign([TopicPartition(request.topic, each, 0) for each in there])
        left = request.events
        while left > 0:
            deadline.left_s()
            asked_s = perf_counter()
            messages = consumer.consume(min(left, CHUNK_MESSAGES), GATHER_S)
            if not messages:
                continue
            yield _chunk(asked_s, messages)
            left -= len(messages)
    finally:
        consumer.close()


def _chunk(asked_s: float, messages: list[Message]) -> Chunk:
    if any(map(Message.error, messages)):
        raise KafkaException(next(filter(None, map(Message.error, messages))))
    offsets: dict[int, int] = dict(
        zip(map(Message.partition, messages), map(Message.offset, messages), strict=True)
    )
    values = list(map(Message.value, messages))
    return Chunk(asked_s, values, {each: last + 1 for each, last in offsets.items()})
