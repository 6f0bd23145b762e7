"""Flink SQL: mini-batches, two phases, RocksDB, checkpoints; see flink/ and README.md."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtests.peers import peer
from loadtests.peers.jvm import run_java

_HEAP = "4g"
_SETTINGS = {
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "1 s",
    "table.exec.mini-batch.size": "50000",
    "table.optimizer.agg-phase-strategy": "TWO_PHASE",
    "pipeline.object-reuse": "true",
    "execution.checkpointing.interval": "10 s",
    # A bounded job would wait at its end for one checkpoint more.
    "execution.checkpointing.checkpoints-after-tasks-finish": "false",
    "execution.checkpointing.incremental": "true",
    "state.backend.type": "rocksdb",
    "taskmanager.memory.managed.size": "1g",
    "taskmanager.memory.network.min": "256m",
    "taskmanager.memory.network.max": "256m",
}
_CONSUMER = {
    "max.poll.records": "10000",
    "max.partition.fetch.bytes": "4194304",
    "fetch.max.wait.ms": "10",
}
# What Flink's own scripts open to it on Java 17.
_OPENS = (
    "java.lang",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "sun.nio.ch",
)
_SQL = """
CREATE TABLE orders (user_id STRING, amount BIGINT, ts BIGINT) WITH (
  'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{bootstrap}',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
  'format' = 'json', {consumer}
);
CREATE TABLE totals (
  user_id STRING, orders BIGINT, total BIGINT, last_ts BIGINT, PRIMARY KEY (user_id) NOT ENFORCED
) WITH ('connector' = 'last-row');
INSERT INTO totals
SELECT user_id, COUNT(*), SUM(amount), MAX(ts) FROM orders GROUP BY user_id;
"""


def main() -> None:
    request = peer.request()
    directory = peer.scratch()
    try:
        properties = ", ".join(f"'properties.{key}' = '{each}'" for key, each in _CONSUMER.items())
        statements, table = directory / "job.sql", directory / "table.csv"
        statements.write_text(
            _SQL.format(topic=request.topic, bootstrap=request.bootstrap, consumer=properties)
        )
        settings = _SETTINGS | {"parallelism.default": str(request.parallelism)}
        places = {
            "execution.checkpointing.dir": (directory / "checkpoints").as_uri(),
            "io.tmp.dirs": str(directory),
            "rest.bind-port": "0",
            "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1",
        }
        opens = [f"--add-opens=java.base/{each}=ALL-UNNAMED" for each in _OPENS]
        answer = run_java(
            "flink",
            "keyfold.peers.FlinkPeer",
            [f"-Xmx{_HEAP}", f"-Xms{_HEAP}", *opens],
            [
                str(statements),
                str(table),
                str(request.parallelism),
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
        "flink",
        version,
        request.events,
        int(milliseconds) / 1000,
        "from the first source task that is RUNNING to the last sink that saw the end of its input",
        settings | {f"properties.{key}": each for key, each in _CONSUMER.items()} | {"heap": _HEAP},
    )


if __name__ == "__main__":
    main()
