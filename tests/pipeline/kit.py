"""Keyfold as its users run it: processes, REST, Iceberg tables, and DuckDB's answer beside them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pyarrow as pa
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.table import Table

T = TypeVar("T")

DEADLINE_S = 60.0
_POLL_S = 0.02
_STOP_S = 40.0
_RELATIVE = 1e-9


def until(look: Callable[[], T], seconds: float = DEADLINE_S, what: str = "it") -> T:
    """Poll until ``look`` returns something true, and return that."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds:.0f} s"
        time.sleep(_POLL_S)
    return seen


# --- processes -------------------------------------------------------------------------------


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Return this process's environment with settings in it, lists and objects as JSON."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("KEYFOLD_")}
    given = {
        f"KEYFOLD_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }
    return own | given


@dataclass
class Run:
    """A ``keyfold`` command that runs until it is stopped, with its log."""

    process: subprocess.Popen[bytes]
    log_path: Path
    directory: Path
    url: str = ""

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of the log that are whole."""
        lines = self.log_path.read_text(errors="replace").split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def messages(self) -> list[str]:
        return [str(line["message"]) for line in self.log()]

    def pid(self, role: str) -> int:
        """Return the process id of a role as last started; 0 before."""
        started = [line["pid"] for line in self.log() if line["message"] == f"{role} started"]
        return int(started[-1]) if started else 0

    def kill(self, role: str) -> int:
        """Kill -9 a role, and return the process id that it had."""
        pid = self.pid(role)
        with contextlib.suppress(ProcessLookupError):  # it was killed and is not back yet
            os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self) -> int:
        """Ask it to stop, wait, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_S)

    def get(self, path: str, **parameters: object) -> dict[str, Any]:
        """Return a JSON answer, numbers with a point as Decimal."""
        answer = httpx.get(f"{self.url}/v1{path}", params=parameters, timeout=30.0)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return exact(answer.content)

    def push(self, source: str, events: Sequence[object]) -> dict[str, Any]:
        """Push events; those that are bytes go as they are."""
        lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]
        url = f"{self.url}/v1/sources/{source}/events"
        answer = httpx.post(url, content=b"\n".join(lines), timeout=30.0)
        assert answer.status_code == 200, answer.text
        return exact(answer.content)

    def caught_up(self, source: str, messages: int) -> bool:
        """Say whether so many messages are in the state, and none waits."""
        told = self.get(f"/sources/{source}")
        return told["lag"] == 0 and told["ledger"]["in"] >= messages

    def ready(self) -> bool:
        """Say whether every view has caught up."""
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=30.0).status_code == 200
        return False

    def ready_to_answer(self) -> bool:
        """Say whether a worker has the state open."""
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/v1/views", timeout=30.0).status_code == 200
        return False

    def rows(self, view: str) -> list[dict[str, Any]]:
        """Return all rows of a view, page after page."""
        rows: list[dict[str, Any]] = []
        cursor: dict[str, object] = {}
        while True:
            page = self.get(f"/views/{view}/rows", limit=10_000, **cursor)
            rows += page["rows"]
            if page["next_cursor"] is None:
                return rows
            cursor = {"cursor": page["next_cursor"]}

    def types(self, view: str) -> dict[str, str]:
        columns = self.get(f"/views/{view}")["columns"]
        return {column["name"]: column["type"] for column in columns}

    def ledger(self, view: str) -> dict[str, int]:
        return dict(self.get(f"/views/{view}")["ledger"]["total"])


def exact(raw: bytes) -> Any:
    return json.loads(raw, parse_float=Decimal)


@contextlib.contextmanager
def keyfold(
    directory: Path, *arguments: str, name: str = "run", **settings: object
) -> Iterator[Run]:
    """Start ``keyfold`` in ``directory`` and end it, by force if need be."""
    directory.mkdir(parents=True, exist_ok=True)
    log_path = directory / f"{name}-{time.time_ns()}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "keyfold.cli", *arguments],
            cwd=directory,
            env=environment({"log_format": "json"} | settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    run = Run(process, log_path, directory)
    try:
        yield run
    finally:
        try:
            run.stop()
        except subprocess.TimeoutExpired:
            process.kill()  # the roles end when they see that it is gone
            process.wait()
            raise


@contextlib.contextmanager
def pipeline(
    directory: Path, sql: str, *arguments: str, workers: int = 1, **settings: object
) -> Iterator[Run]:
    """Run all roles on ``sql``, on a free port, with the data in ``directory/data``."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pipeline.sql").write_text(sql)
    flags = ("run", "pipeline.sql", "--data-dir", "data", "--port", "0", "--workers", str(workers))
    with keyfold(directory, *flags, *arguments, **settings) as run:
        run.url = until(lambda: served_url(run), what="serving")
        yield run


def served_url(run: Run) -> str:
    assert run.process.poll() is None, run.log_path.read_text()[-4_000:]
    found = [text for text in run.messages() if text.startswith("serving on ")]
    return found[0].removeprefix("serving on ") if found else ""


# --- the lake --------------------------------------------------------------------------------


def lake_catalog(directory: Path) -> Catalog:
    """Open the default catalog as an analyst would."""
    lake = (directory / "data" / "lake").absolute()
    return load_catalog(
        "keyfold",
        type="sql",
        uri=f"sqlite:///{lake / 'catalog.db'}",
        warehouse=f"file://{lake / 'warehouse'}",
    )


def lake_table(directory: Path, view: str) -> Table:
    with lake_catalog(directory) as catalog:
        return catalog.load_table(("keyfold", view))


def lake_rows(directory: Path, view: str) -> pa.Table:
    return lake_table(directory, view).scan().to_arrow()


# --- comparison ------------------------------------------------------------------------------


def rest_columns(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> pa.Table:
    """Make a table of rows that came as JSON."""
    columns = {}
    for name, kind in kinds.items():
        values = [row[name] for row in rows]
        if kind.startswith("TIMESTAMP"):
            times = [None if text is None else datetime.fromisoformat(text) for text in values]
            columns[name] = pa.array(times, pa.timestamp("us", "UTC"))
        elif kind in ("DOUBLE", "FLOAT"):
            columns[name] = pa.array([None if v is None else float(v) for v in values])
        elif kind.startswith("DECIMAL"):
            columns[name] = pa.array([None if v is None else Decimal(v) for v in values])
        else:
            columns[name] = pa.array(values)
    return pa.table(columns)


def assert_same_rows(found: pa.Table, expected: pa.Table, keys: Sequence[str]) -> None:
    """Compare two tables key by key: doubles within 1e-9 relative, all else exactly."""
    assert found.column_names == expected.column_names
    assert found.num_rows == expected.num_rows
    ours, theirs = _in_order(found, keys), _in_order(expected, keys)
    for name in expected.column_names:
        kind = expected.schema.field(name).type
        a, b = ours.column(name).to_pylist(), theirs.column(name).to_pylist()
        if pa.types.is_floating(kind):
            for one, other in zip(a, b, strict=True):
                same = one == other or (
                    None not in (one, other) and math.isclose(one, other, rel_tol=_RELATIVE)
                )
                assert same, f"{name}: {one} is not {other}"
        else:
            assert a == b, f"{name}: {next((x, y) for x, y in zip(a, b, strict=True) if x != y)}"


def _in_order(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Sort by key, with times as whole numbers and no other trace of how each side spells types."""
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
        elif pa.types.is_large_string(column.type):
            column = column.cast(pa.string())
        columns[name] = column
    return pa.table(columns).sort_by([(key, "ascending") for key in keys])


def assert_view_is_batch(run: Run, view: str, expected: pa.Table, keys: Sequence[str]) -> None:
    """Compare all rows that REST lists with what a batch run gave."""
    rows = run.rows(view)
    assert_same_rows(rest_columns(rows, run.types(view)), expected, keys)


def assert_lake_is_batch(
    directory: Path, view: str, expected: pa.Table, keys: Sequence[str]
) -> None:
    """Compare the current snapshot of a view's table with what a batch run gave."""
    assert_same_rows(lake_rows(directory, view), expected, keys)


# --- the log ---------------------------------------------------------------------------------


def assert_books_balance(ledger: Mapping[str, int], taken: int) -> None:
    """Check law 6: every message of the log is in exactly one column of the ledger."""
    parts = ("applied", "filtered", "late", "dead_lettered")
    assert ledger["in"] == taken
    assert sum(ledger[part] for part in parts) == taken
