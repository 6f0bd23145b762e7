"""Flink SQL: mini-batches, two phases, RocksDB, checkpoints; see flink/ and README.md."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtests.peers import peer

try:
    from pyarrow import csv, parquet
except ImportError:
    peer.missing("pyarrow is not installed: run this with the Python of Keyfold's .venv")

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
_SOURCE = """
'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{bootstrap}',
'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
'format' = 'json', {consumer}
"""
_SQL = Path(__file__).parent / "flink_sql"
_JOBS = {"totals": "orders", "nexmark_q12": "bids", "nexmark_q17": "bids"}
"""Job → the column of its table whose sum is the number of events."""


def main() -> None:
    request = peer.request(jobs=tuple(_JOBS))
    directory = peer.scratch()
    try:
        job = (_SQL / f"{request.job}.sql").read_text()
        properties = ", ".join(f"'properties.{key}' = '{each}'" for key, each in _CONSUMER.items())
        statements, table = directory / "job.sql", directory / "table.csv"
        source = _SOURCE.format(
            topic=request.topic, bootstrap=request.bootstrap, consumer=properties
        )
        statements.write_text(job.replace("{source}", source))
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
        found = csv.read_csv(table)
        applied = sum(found.column(_JOBS[request.job]).to_pylist())
        if applied != request.events:
            sys.exit(f"error: {applied} events were applied, not {request.events}")
        if request.output is not None:
            parquet.write_table(found, request.output)
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
