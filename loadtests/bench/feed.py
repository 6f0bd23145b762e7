"""Events that arrive live: a process that appends to an event log at a rate.

``python -m loadtests.bench.feed DATA_DIR USERS --rate 100000 --seconds 30`` appends every 20 ms
what is due. Each event has another user than the USERS - 1 before it, so every event of a commit
changes another key.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from keyfold.eventlog.format import source_directory
from keyfold.eventlog.writer import EventLogWriter
from loadtests.bench.events import Stream, arrow_lines
from loadtests.bench.loaded import SOURCE

_INTERVAL_S = 0.02
_SEGMENT_BYTES = 64 << 20
_PREPARED_MAX = 500_000
_PARTITION = "1"  # beside the one that the rows were loaded from


def feed(directory: Path, users: int, per_second: int, seconds: float) -> int:
    """Append events at a rate, and return how many there were."""
    prepared = min(users, _PREPARED_MAX)
    lines: list[bytes] = []
    for chunk in Stream(prepared, users, "new").chunks():
        lines += arrow_lines(chunk).to_pylist()
    writer = EventLogWriter(source_directory(directory, SOURCE) / _PARTITION, _SEGMENT_BYTES)
    count = 0
    began = time.monotonic()
    try:
        while (now := time.monotonic() - began) < seconds:
            due = int(now * per_second) - count
            if due > 0:
                at = count % prepared
                batch = lines[at : at + due]
                writer.append(batch, int(time.time() * 1000))
                count += len(batch)
            time.sleep(_INTERVAL_S)
    finally:
        writer.close()
    return count


def main() -> None:
    """Feed, and write how many events there were."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench.feed")
    parser.add_argument("directory", type=Path)
    parser.add_argument("users", type=int)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    sys.stdout.write(f"{feed(given.directory, given.users, given.rate, given.seconds)}\n")


if __name__ == "__main__":
    main()
