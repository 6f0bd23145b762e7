"""What all peers have in common: how they are called, where they run, and what they answer.

A peer is called as ``python loadtests/peers/<name>.py --bootstrap … --topic … --events N --output
FILE.parquet [--cpus 0,1]``, by any Python. It reads the topic from its first offset until N events
are applied, writes the table that results and prints one JSON object as its last line. What a peer
needs of its own is below ``.peers`` (``make bench-peers``); if it is not there, the peer ends with
exit code 3 and says what to install.

This module imports the standard library only, so that every peer's environment can.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENTS = REPOSITORY / ".peers"
MISSING = 3
COLUMNS = ("user_id", "orders", "total", "last_ts")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a peer.

    Attributes:
        bootstrap: Address of the broker.
        topic: The topic, filled before.
        events: How many events it holds.
        output: Where the table goes; None where there is none.
        cpus: The CPUs that this process and its children may use.
        timeout_s: After this long the peer gives up.
        file: The NDJSON file of a peer that reads no topic.
        job: Which question is asked.
    """

    bootstrap: str
    topic: str
    events: int
    output: Path | None
    cpus: tuple[int, ...]
    timeout_s: float
    file: Path | None
    job: str

    @property
    def parallelism(self) -> int:
        """How many things may run at once."""
        return len(self.cpus)


def request(
    arguments: Sequence[str] | None = None,
    *,
    source: str = "topic",
    jobs: Sequence[str] = ("totals",),
) -> Request:
    """Read the command line, and keep to the CPUs that it names.

    Args:
        arguments: The command line; None stands for that of the process.
        source: ``topic``, or ``file`` for a peer that reads an NDJSON file.
        jobs: The questions that the peer can answer, the one that is meant without a word first.
    """
    parser = argparse.ArgumentParser()
    of_topic = source == "topic"
    parser.add_argument("--bootstrap", required=of_topic, default="")
    parser.add_argument("--topic", required=of_topic, default="")
    parser.add_argument("--file", required=not of_topic, type=Path)
    parser.add_argument("--events", required=of_topic, type=int, default=0)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--cpus", help="CPUs to keep to, as 0,1; without it, all")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds")
    parser.add_argument("--job", choices=jobs, default=jobs[0], help="the question")
    given = parser.parse_args(arguments)
    if given.cpus:
        os.sched_setaffinity(0, {int(each) for each in given.cpus.split(",")})
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    return Request(
        given.bootstrap,
        given.topic,
        given.events,
        given.output,
        cpus,
        given.timeout,
        given.file,
        given.job,
    )


def enter(name: str) -> None:
    """Go on in the Python environment of a peer; end with exit code 3 where it is not made."""
    directory = ENVIRONMENTS / name
    if Path(sys.prefix) == directory:
        return
    python = directory / "bin" / "python"
    if not python.exists():
        missing(f"the environment of '{name}' is not made: make bench-peers ARGS={name}")
    os.execv(python, [str(python), *sys.argv])  # noqa: S606 - our own file, no shell


def missing(what: str) -> NoReturn:
    """End because something that the peer needs is not installed."""
    print(f"error: {what}", file=sys.stderr)
    sys.exit(MISSING)


class Deadline:
    """A limit for every loop of a peer."""

    def __init__(self, timeout_s: float) -> None:
        self._at_s = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Seconds left; an error when there are none.

        Raises:
            TimeoutError: The time is over.
        """
        left_s = self._at_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the peer did not come to its end in time")
        return left_s


def scratch() -> Path:
    """Return a new directory below the system's temporary one; the caller removes it."""
    return Path(tempfile.mkdtemp(prefix="keyfold-peer-"))


def write_table(output: Path | None, columns: Sequence[Iterable[Any]]) -> None:
    """Write the table: user_id VARCHAR, then orders, total and last_ts as BIGINT."""
    if output is None:
        return
    try:
        import pyarrow as pa  # noqa: PLC0415 - a peer can be asked without it
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        missing("pyarrow is not installed: run this with the Python of Keyfold's .venv")

    types = (pa.string(), pa.int64(), pa.int64(), pa.int64())
    arrays = [pa.array(list(column), type_) for column, type_ in zip(columns, types, strict=True)]
    pq.write_table(pa.table(arrays, names=list(COLUMNS)), output)


def read_lines(paths: Iterable[Path]) -> list[list[Any]]:
    """Read ``user_id,orders,total,last_ts`` lines, as the peers on the JVM write them."""
    columns: list[list[Any]] = [[], [], [], []]
    for path in paths:
        with path.open() as file:
            for line in file:
                user_id, *numbers = line.rstrip("\n").split(",")
                columns[0].append(user_id)
                for column, number in zip(columns[1:], numbers, strict=True):
                    column.append(int(number))
    return columns


def report(
    name: str,
    version: str,
    events: int,
    seconds: float,
    measured: str,
    settings: Mapping[str, Any],
) -> None:
    """Print the answer, the last line of a peer's output."""
    answer = {
        "peer": name,
        "version": version,
        "settings": dict(settings),
        "events": events,
        "seconds": round(seconds, 4),
        "measured": measured,
    }
    print(json.dumps(answer), flush=True)
