"""The engines of the ingest benchmarks: Keyfold and its peers, each run once over a filled topic.

A run is over when all events are applied and visible in the engine's own terms; then its table is
compared with DuckDB's over the same events, row by row, before any figure of it is used.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from keyfold.state.reader import StateReader
from loadtests.bench.events import SELECT, SOURCE, SOURCE_COLUMNS, VIEW, Workload
from loadtests.bench.loaded import PYTHON, applied, settings
from loadtests.bench.process import ROOT, Process, started

RUN_S_MAX = 240.0
MISSING = 3
_CHUNK_ROWS = 250_000
_POLL_S = 0.002


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an engine.

    Attributes:
        events_per_second: Of the run, start-up not counted.
        cpu_s_per_million: CPU seconds of the engine's processes per million events, start-up
            counted.
        rss_bytes_max: Resident memory of the engine's processes at most.
        told: Version, settings and what the seconds count, as the engine says.
    """

    events_per_second: float
    cpu_s_per_million: float
    rss_bytes_max: int
    told: dict[str, object]


class MissingEngineError(Exception):
    """An engine is not installed; the message says what to install."""


def kafka_source(bootstrap: str, topic: str) -> str:
    """Return the WITH clause of a topic."""
    return f"connector = 'kafka', topic = '{topic}', properties.bootstrap.servers = '{bootstrap}'"


def pipeline_sql(source: str, views: int = 1) -> str:
    """Return an SQL file with the benchmark's view over a source, so many times."""
    names = [VIEW, *(f"{VIEW}_{i}" for i in range(1, views))]
    return (
        f"CREATE SOURCE {SOURCE} ({SOURCE_COLUMNS}) WITH ({source}) FORMAT PLAIN ENCODE JSON;\n"
        + ("".join(f"CREATE MATERIALIZED VIEW {name} AS {SELECT};\n" for name in names))
    )


def keyfold(
    sql: str,
    work: Workload,
    cpus: Sequence[int],
    directory: Path | None = None,
    **others: object,
) -> Run:
    """Run Keyfold's writer over a source from its beginning.

    The seconds run from the moment when the source is open, before the first poll, to the commit
    that a reader sees with all events.

    Args:
        sql: The SQL file.
        work: What the source holds, and what is asked.
        cpus: The CPUs that it may use.
        directory: The data directory, with the event log in it; None: an empty one.
        others: Settings.
    """
    place = Path(tempfile.mkdtemp(prefix="bench-keyfold-"))
    data = directory or place / "data"
    try:
        for name in ("state", "commit-counter"):
            target = data / name
            shutil.rmtree(target, ignore_errors=True)
            target.unlink(missing_ok=True)
        file = place / "pipeline.sql"
        file.write_text(sql)
        argv = (*PYTHON, "ingest", str(file))
        with started(argv, cpus, environment=settings(data, **others), watched=True) as process:
            seconds = _until_applied(process, data, work)
            cpu_s = process.usage().cpu_s
            check(_table_of(data, work.view), work)
        told: dict[str, object] = {"engine": "keyfold", "settings": others or "defaults"}
        return Run(
            work.events / seconds,
            cpu_s / work.events * 1e6,
            process.rss_bytes_max,
            told,
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)


def peer(name: str, arguments: Sequence[str], work: Workload, cpus: Sequence[int]) -> Run:
    """Run a peer of loadtests/peers.

    Raises:
        MissingEngineError: What it needs is not there.
        RuntimeError: It failed, or its table is not DuckDB's.
    """
    with tempfile.TemporaryDirectory(prefix="bench-peer-") as place:
        output = Path(place) / "totals.parquet"
        argv = [
            sys.executable, str(ROOT / "loadtests" / "peers" / f"{name}.py"), *arguments,
            "--events", str(work.events), "--output", str(output),
            "--cpus", ",".join(map(str, cpus)), "--timeout", str(RUN_S_MAX),
        ]  # fmt: skip
        with started(argv, cpus, watched=True) as process:
            cpu_s = 0.0
            deadline = time.monotonic() + RUN_S_MAX
            while process.popen.poll() is None:
                cpu_s = max(cpu_s, process.usage().cpu_s)
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{name} took longer than {RUN_S_MAX:.0f} s")
                time.sleep(0.1)
            lines = process.log.read_text(errors="replace").splitlines()
        if process.popen.returncode == MISSING:
            raise MissingEngineError(lines[-1] if lines else name)
        if process.popen.returncode:
            raise RuntimeError(f"{name} failed: {' '.join(lines[-20:])[-2_000:]}")
        told = json.loads(lines[-1])
        if output.exists():
            check(duckdb.connect().read_parquet(str(output)).to_arrow_table(), work)
        return Run(
            work.events / told["seconds"],
            cpu_s / work.events * 1e6,
            process.rss_bytes_max,
            told,
        )


def check(found: pa.Table, work: Workload) -> None:
    """Compare a table with DuckDB's answer over the events.

    Raises:
        RuntimeError: They differ.
    """
    connection = duckdb.connect()
    expected = expected_file(work)
    connection.register("found", found)
    described = connection.execute(f"DESCRIBE FROM '{expected}'").fetchall()
    columns = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind, *_ in described)
    there = f"SELECT {columns} FROM '{expected}'"
    here = f"SELECT {columns} FROM found"
    for one, other in ((there, here), (here, there)):
        rest = connection.sql(f"SELECT count(*) FROM ({one} EXCEPT ALL {other})").fetchall()[0][0]
        if rest:
            raise RuntimeError(f"{work.name}: the table differs from DuckDB's in {rest} rows")


def expected_file(work: Workload) -> Path:
    """Return DuckDB's answer as Parquet; made once, below ``.bench``."""
    target = ROOT / ".bench" / f"expected-{work.name}.parquet"
    if target.exists():
        return target
    target.parent.mkdir(exist_ok=True)
    connection = duckdb.connect()
    columns = ", ".join(f'"{name}" {kind}' for name, kind in work.shape.items())
    connection.execute(f"CREATE TABLE {work.source} ({columns})")
    shape = json.dumps(dict(work.shape))
    for values in work.values():
        connection.register("raw", pa.table({"v": values.cast(pa.utf8())}))
        events = f"SELECT unnest(from_json(v, '{shape}')) FROM raw"
        connection.execute(f"INSERT INTO {work.source} {events}")
    part = target.with_suffix(".part")
    connection.execute(f"COPY ({work.batch}) TO '{part}' (FORMAT parquet)")
    part.rename(target)
    return target


def _until_applied(process: Process, data: Path, work: Workload) -> float:
    """Wait for the last commit; return the seconds since the source was open."""
    deadline = time.monotonic() + RUN_S_MAX
    while applied(data, work.source) < work.events:
        if process.popen.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"keyfold did not come to its end\n{process.tail()}")
        time.sleep(_POLL_S)
    ended = time.time()
    lines = process.log.read_text().splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    opened = next(one["time"] for one in told if one["message"] == "source is open")
    return ended - datetime.fromisoformat(opened).timestamp()


def _table_of(data: Path, name: str) -> pa.Table:
    """Return all rows of a view, as a reader process sees them."""
    reader = StateReader.open(data, os.getpid(), block_cache_bytes=64 << 20)
    try:
        view = reader.views[name]
        parts = []
        rows: list[tuple[bytes, bytes]] = []
        for pair in reader.rows(view):
            rows.append(pair)
            if len(rows) == _CHUNK_ROWS:
                parts.append(view.compiled.arrow_table(rows))
                rows = []
        parts.append(view.compiled.arrow_table(rows))
        return pa.concat_tables(parts)
    finally:
        reader.close()
