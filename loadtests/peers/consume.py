"""The limit: ``consume()`` and ``.value()`` alone, on the topic that all peers read.

No peer in Python that reads through confluent-kafka can be faster. There is no table.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtests.peers import peer

try:
    import confluent_kafka
    from confluent_kafka import Consumer, Message, TopicPartition
except ImportError:
    peer.missing("confluent-kafka is not installed: run this with the Python of Keyfold's .venv")

from loadtests.peers.chunks import CHUNK_MESSAGES, CONSUMER_SETTINGS, GATHER_S, MEASURED_FROM


def main() -> None:
    request = peer.request()
    deadline = peer.Deadline(request.timeout_s)
    consumer = Consumer(
        CONSUMER_SETTINGS | {"bootstrap.servers": request.bootstrap, "group.id": "peer"}
    )
    there = consumer.list_topics(request.topic, timeout=30).topics[request.topic].partitions
    consumer.assign([TopicPartition(request.topic, each, 0) for each in there])
    left, started_s = request.events, 0.0
    while left > 0:
        deadline.left_s()
        asked_s = perf_counter()
        messages = consumer.consume(min(left, CHUNK_MESSAGES), GATHER_S)
        values = list(map(Message.value, messages))
        if values and not started_s:
            started_s = asked_s
        left -= len(values)
    seconds = perf_counter() - started_s
    consumer.close()
    peer.report(
        "consume",
        f"confluent-kafka {confluent_kafka.__version__}",
        request.events,
        seconds,
        f"{MEASURED_FROM} to the last value",
        {"chunk_messages": CHUNK_MESSAGES, **CONSUMER_SETTINGS},
    )


if __name__ == "__main__":
    main()
