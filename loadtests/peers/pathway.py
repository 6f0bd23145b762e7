"""Pathway: JSON from Kafka, groupby and reduce in its Rust engine, changes to a CSV file."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import sys
import threading
import time
import uuid
from pathlib import Path
from time import perf_counter

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtests.peers import peer

peer.enter("pathway")

_COMMIT_MS = 1_000
_CONSUMER = {
    "auto.offset.reset": "earliest",
    "enable.auto.commit": "false",
    "fetch.queue.backoff.ms": "1",
    "fetch.wait.max.ms": "10",
    "queued.min.messages": "100000",
    "queued.max.messages.kbytes": "65536",
    "session.timeout.ms": "6000",
}


def main() -> None:
    request = peer.request()
    # Read by the engine when it is imported: one worker thread for each CPU.
    os.environ["PATHWAY_THREADS"] = str(request.parallelism)
    import pathway as pw  # noqa: PLC0415 - after its environment is set

    class Order(pw.Schema):
        user_id: str
        amount: int
        ts: int

    deadline = peer.Deadline(request.timeout_s)
    directory = peer.scratch()
    ended = threading.Event()
    ended_s = 0.0

    def counted(key, row, time, is_addition) -> None:
        nonlocal ended_s
        if is_addition and row["events"] == request.events:
            ended_s = perf_counter()
            ended.set()

    settings = _CONSUMER | {
        "bootstrap.servers": request.bootstrap,
        "group.id": f"peer-{uuid.uuid4()}",
    }
    orders = pw.io.kafka.read(
        settings,
        request.topic,
        schema=Order,
        format="json",
        autocommit_duration_ms=_COMMIT_MS,
        parallel_readers=1,  # or the second repeats what the first had read, when it joins
    )
    totals = orders.groupby(orders.user_id).reduce(
        orders.user_id,
        orders=pw.reducers.count(),
        total=pw.reducers.sum(orders.amount),
        last_ts=pw.reducers.max(orders.ts),
    )
    changes = directory / "changes.csv"
    pw.io.csv.write(totals, str(changes))
    pw.io.subscribe(totals.reduce(events=pw.reducers.sum(totals.orders)), counted)
    threading.Thread(
        target=pw.run, kwargs={"monitoring_level": pw.MonitoringLevel.NONE}, daemon=True
    ).start()
    while not _connected(request.bootstrap):
        deadline.left_s()
        time.sleep(0.005)
    started_s = perf_counter()
    if not ended.wait(deadline.left_s()):
        deadline.left_s()
    seconds = ended_s - started_s
    columns = _table(changes)
    while sum(columns[1]) != request.events:
        deadline.left_s()
        time.sleep(0.5)
        columns = _table(changes)
    peer.write_table(request.output, columns)
    shutil.rmtree(directory, ignore_errors=True)
    peer.report(
        "pathway",
        pw.__version__,
        request.events,
        seconds,
        "from the engine's first connection to the broker to the change that counts all events",
        {
            "threads": request.parallelism,
            "autocommit_duration_ms": _COMMIT_MS,
            "persistence": "none",
            "sink": "pw.io.csv.write",
            **_CONSUMER,
        },
    )
    sys.stdout.flush()
    # A streaming run has no end of its own.
    os._exit(0)


def _connected(bootstrap: str) -> bool:
    """Whether this process has an established connection to the broker's port."""
    port = f":{int(bootstrap.rpartition(':')[2]):04X}"
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[2].endswith(port) and fields[3] == "01":
                inodes.add(f"socket:[{fields[9]}]")
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if str(each.readlink()) in inodes:
                return True
    return False


def _table(changes: Path) -> list[list[object]]:
    """The rows that were added last, from a log of changes that may still be written."""
    rows: dict[str, tuple[int, ...]] = {}
    with changes.open(newline="") as file:
        for row in csv.DictReader(file):
            if row.get("diff") == "1":
                rows[row["user_id"]] = tuple(int(row[each]) for each in peer.COLUMNS[1:])
    numbers = [list(each) for each in zip(*rows.values(), strict=True)] or [[], [], []]
    return [list(rows), *numbers]


if __name__ == "__main__":
    main()
