"""A data directory with one view of n rows, made by a real pipeline, and what serves it.

The view is that of ``events.SELECT`` over a stream in which every event has another user, so user
``(i * P) % n`` has the one event i, and what a lookup must answer is known. The directories lie
below ``.bench`` and are made once; remove it to make them again.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from keyfold.errors import StateError
from keyfold.state.counter import CounterReader, Status
from keyfold.state.layout import counter_path, state_directory
from loadtests.bench.events import BASE_MS, SELECT, SOURCE, SOURCE_COLUMNS, VIEW, Stream
from loadtests.bench.process import (
    READY_S_MAX,
    ROOT,
    Process,
    answers,
    cpu,
    started,
    until,
)
from loadtests.bench.topics import fill_log
from tests.ports import free_port

ROWS_PATH = f"/v1/views/{VIEW}/rows/"
LOOKUP_PATH = f"/v1/views/{VIEW}/lookup"
SQL = (
    f"CREATE SOURCE {SOURCE} ({SOURCE_COLUMNS}) WITH (connector = 'events') "
    "FORMAT PLAIN ENCODE JSON;\n"
    f"CREATE MATERIALIZED VIEW {VIEW} AS {SELECT};\n"
)
PYTHON = (sys.executable, "-P", "-m")
_WORK = ROOT / ".bench"
_LOADED_ROWS_S_MIN = 20_000
_CHECKED_KEYS = 500
_SETTLED_LOOKS = 100


@dataclass(frozen=True, slots=True)
class Loaded:
    """A data directory whose view is complete.

    Attributes:
        directory: The data directory; nobody writes to it.
        sql: The SQL file.
        rows: Of the view.
    """

    directory: Path
    sql: Path
    rows: int


def loaded(rows: int) -> Loaded:
    """Return the data directory with so many rows; made where it is missing."""
    stream = Stream(rows, rows, "new")
    return made(f"rows-{rows}", SQL, rows, lambda data: fill_log(data, SOURCE, stream), f"{stream}")


def made(name: str, sql: str, rows: int, fill: Callable[[Path], None], filled_with: str) -> Loaded:
    """Return a data directory in which a pipeline has read an event log; made where missing.

    Args:
        name: Of the directory, below ``.bench``.
        sql: The pipeline, whose source is ``orders``.
        rows: How many events there are, and rows.
        fill: Writes the event log into a data directory.
        filled_with: Says what it writes; with another word it is made anew.
    """
    place = _WORK / name
    done = place / "done"
    there = Loaded(place / "data", place / "pipeline.sql", rows)
    made_of = f"{sql}{filled_with}"
    if done.exists() and done.read_text() == made_of:
        return there
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    there.sql.write_text(sql)
    fill(there.directory)
    with ingest(there, [*cpu(0), *cpu(1)]) as process:
        what = f"loading {rows} rows"
        until(
            lambda: applied(there.directory) >= rows,
            process,
            what,
            READY_S_MAX + rows / _LOADED_ROWS_S_MIN,
        )
    done.write_text(made_of)
    return there


@contextlib.contextmanager
def copied(original: Loaded) -> Iterator[Loaded]:
    """Copy a data directory, for what writes to it, and remove the copy at the end."""
    place = _WORK / f"copy-{original.rows}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        shutil.copytree(original.directory, place / "data")
        shutil.copy(original.sql, place / "pipeline.sql")
        yield Loaded(place / "data", place / "pipeline.sql", original.rows)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def applied(directory: Path, source: str = SOURCE) -> int:
    """Return how many messages of a source the last commit holds; 0 before there is one."""
    try:
        counter = CounterReader(counter_path(directory))
    except Exception:  # not there yet, or not whole
        return 0
    try:
        told = _status(counter).sources.get(source)
        return sum(one.offset for one in told.partitions.values()) if told else 0
    finally:
        counter.close()


def _status(counter: CounterReader) -> Status:
    """Return what the writer published last; one that waits for a processor is waited for."""
    deadline = time.monotonic() + READY_S_MAX
    while True:
        try:
            return counter.read()[2]
        except StateError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.001)


def settings(directory: Path, **others: object) -> dict[str, str]:
    """Return the environment of a role of Keyfold."""
    given = {"data_dir": str(directory), "log_format": "json"} | others
    return {f"KEYFOLD_{name.upper()}": str(value) for name, value in given.items()}


@contextlib.contextmanager
def ingest(there: Loaded, cpus: Sequence[int], **others: object) -> Iterator[Process]:
    """Run the writer, with other settings than the defaults where some are given."""
    argv = (*PYTHON, "ingest", str(there.sql))
    with started(argv, cpus, environment=settings(there.directory, **others)) as process:
        yield process


@contextlib.contextmanager
def idle_writer(there: Loaded, cpus: Sequence[int]) -> Iterator[Process]:
    """Run the writer with nothing to do, as it does beside a server, its compactions done."""
    with ingest(there, cpus) as process:
        what = "the writer's start"
        until(lambda: applied(there.directory) >= there.rows, process, what, READY_S_MAX)
        seen: list[set[str]] = []

        def settled() -> bool:
            files = {path.name for path in state_directory(there.directory).glob("*.sst")}
            if seen and files != seen[-1]:
                seen.clear()
            seen.append(files)
            return len(seen) > _SETTLED_LOOKS

        until(settled, process, "the end of the compactions", READY_S_MAX * 5)
        yield process


@contextlib.contextmanager
def serving(
    there: Loaded, cpus: Sequence[int], *, watched: bool = False, **others: object
) -> Iterator[tuple[Process, int]]:
    """Run one serving worker until the block ends; give its process and its port.

    Args:
        there: What it serves.
        cpus: Where it may run.
        watched: As in ``started``.
        others: Settings.
    """
    port = free_port()
    argv = (*PYTHON, "serving")
    env = settings(there.directory, port=port, **others)
    with started(argv, cpus, environment=env, watched=watched) as process:
        # Also by an asked route, so that FastAPI is loaded before anything is measured.
        until(lambda: answers(port, "/v1/views"), process, "serving", READY_S_MAX)
        yield process, port


def checked(port: int, path: str, rows: int, keys: int = _CHECKED_KEYS) -> None:
    """Look keys up and compare with what the stream holds.

    Raises:
        RuntimeError: A row is not the one that the events give.
    """
    prime = _prime(rows)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    draw = random.Random(5)
    try:
        for _ in range(keys):
            event = draw.randrange(rows)
            user = f"user-{event * prime % rows:08d}"
            connection.request("GET", path + user)
            answer = connection.getresponse()
            body = answer.read()
            told = json.loads(body)
            check_row(told.get("row", told), user, event)
    finally:
        connection.close()


def check_row(row: dict[str, object], user: str, event: int) -> None:
    """Compare a row with the one event that it is made of."""
    expected = {"user_id": user, "orders": 1, "last_ts": BASE_MS + event // 10}
    total = row.get("total")
    right = isinstance(total, int) and 10_000 <= total < 100_000
    if not right or {name: row.get(name) for name in expected} != expected:
        raise RuntimeError(f"the row of {user} is {row}, expected {expected}")


def event_of(user: int, rows: int) -> int:
    """Return the event of a user, by the inverse of the permutation that drew it."""
    return user * pow(_prime(rows), -1, rows) % rows


def _prime(rows: int) -> int:
    """Return P of ``user = event * P % rows``, read off the stream itself."""
    first = next(Stream(min(rows, 2), rows, "new").chunks())
    return int(json.loads(first[1].tobytes())["user_id"].removeprefix("user-"))


def files_out_of_cache(directory: Path) -> None:
    """Ask the kernel to forget the pages of all files below a directory; they must be clean."""
    for path in directory.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
