"""Events that arrive live in a Kafka topic, with marked ones among them whose moments are known.

``python -m loadtests.bench.produce BOOTSTRAP TOPIC PARTITIONS --rate 50000 --seconds 10`` produces
what is due every 5 ms, and every 10 ms one event of the user ``probe``. At the end it writes the
moments at which these were handed to the producer, in seconds since the epoch, as a JSON array.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from confluent_kafka import Producer

from loadtests.bench.events import Stream, arrow_lines

USERS = 50_000
PROBE = "probe"
PROBE_S = 0.01
_INTERVAL_S = 0.005
_PREPARED = 200_000


def produce(
    bootstrap: str, topic: str, partitions: int, per_second: int, seconds: float
) -> list[float]:
    """Produce at a rate; return when each probe was handed over.

    Raises:
        RuntimeError: The broker did not take all of it.
    """
    lines: list[bytes] = []
    for chunk in Stream(_PREPARED, USERS).chunks():
        lines += arrow_lines(chunk).to_pylist()
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "acks": "1"})
    moments: list[float] = []
    count = 0
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        while len(moments) * PROBE_S <= now:
            moments.append(time.time())
            probe = b'{"user_id":"%b","amount":1,"ts":%d}' % (PROBE.encode(), len(moments))
            producer.produce(topic, probe, partition=len(moments) % partitions)
        due = int(now * per_second) - count
        for i in range(count, count + due):
            producer.produce(topic, lines[i % _PREPARED], partition=i % partitions)
        count += due
        producer.poll(0)
        time.sleep(_INTERVAL_S)
    if producer.flush(10):
        raise RuntimeError("the broker did not take all events")
    return moments


def main() -> None:
    """Produce, and write the moments of the probes."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench.produce")
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("partitions", type=int)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    moments = produce(given.bootstrap, given.topic, given.partitions, given.rate, given.seconds)
    sys.stdout.write(json.dumps(moments) + "\n")


if __name__ == "__main__":
    main()
