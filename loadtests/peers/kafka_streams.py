"""Kafka Streams: RocksDB store with a changelog, exactly once; see kafka_streams/ and README.md."""

from __future__ import annotations

import shutil
import sys
import uuid
from pathlib import Path

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtests.peers import peer
from loadtests.peers.jvm import run_java

_HEAP = "2g"
_SETTINGS = {
    "processing.guarantee": "exactly_once_v2",
    "commit.interval.ms": "100",
    "statestore.cache.max.bytes": str(256 << 20),
    "topology.optimization": "all",
    "replication.factor": "1",
    "consumer.auto.offset.reset": "earliest",
    "consumer.max.poll.records": "10000",
    "consumer.fetch.max.wait.ms": "10",
    "consumer.max.partition.fetch.bytes": str(4 << 20),
    "producer.linger.ms": "100",
    "producer.batch.size": str(256 << 10),
    "producer.compression.type": "lz4",
}


def main() -> None:
    request = peer.request()
    directory = peer.scratch()
    try:
        table = directory / "table.csv"
        settings = _SETTINGS | {"num.stream.threads": str(request.parallelism)}
        places = {
            "application.id": f"peer-{uuid.uuid4().hex[:12]}",
            "bootstrap.servers": request.bootstrap,
            "state.dir": str(directory / "state"),
        }
        answer = run_java(
            "kafka_streams",
            "keyfold.peers.StreamsPeer",
            [f"-Xmx{_HEAP}", f"-Xms{_HEAP}"],
            [
                request.topic,
                str(request.events),
                str(table),
                str(int(request.timeout_s)),
                *(f"{key}={value}" for key, value in (settings | places).items()),
            ],
            request.timeout_s,
        )
        version, milliseconds = answer.split()
        columns = peer.read_lines([table])
        applied = sum(columns[1])
        if applied != request.events:
            sys.exit(f"error: {applied} events were applied, not {request.events}")
        peer.write_table(request.output, columns)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    peer.report(
        "kafka_streams",
        version,
        request.events,
        int(milliseconds) / 1000,
        "from the first event that is decoded to the commit of the last one's transaction",
        settings | {"heap": _HEAP},
    )


if __name__ == "__main__":
    main()
