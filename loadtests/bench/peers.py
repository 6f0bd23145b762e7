"""The peers of the lookup benchmarks: a hand-written service over Redis, and one over PostgreSQL.

Each has an environment below ``.peers`` and a database that is made, filled and removed here: the
service runs on the server's CPU, its database on the client's, where it takes nothing from it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.events import BASE_MS
from loadtests.bench.loaded import ROWS_PATH, event_of
from loadtests.bench.process import (
    READY_S_MAX,
    ROOT,
    Process,
    answers,
    clean_environment,
    cpu,
    started,
    until,
)
from tests.ports import free_port

_REDIS_BATCH = 10_000
_LOAD_S_MAX = 600.0
_POSTGRES_USER = "postgres"


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer.

    Attributes:
        name: Of its module in loadtests/peers and of its environment.
        title: For people.
        bar: Keyfold's requests per second over its, at least.
    """

    name: str
    title: str
    bar: float


REDIS = Peer("fastapi_redis", "FastAPI and Redis GET", 2.0)
POSTGRES = Peer("fastapi_postgres", "FastAPI and PostgreSQL SELECT", 3.0)
PEERS = (REDIS, POSTGRES)


def peer_missing(peer: Peer) -> str:
    """Return what a peer lacks on this machine, or nothing."""
    if not _python(peer).exists():
        return f".peers/{peer.name} (make bench-peers)"
    if peer is REDIS:
        return "" if shutil.which("redis-server") else "redis-server (Debian package)"
    return "" if _postgres("initdb") else "initdb (Debian package postgresql)"


@contextlib.contextmanager
def running(peer: Peer, rows: int) -> Iterator[tuple[Process, int, dict[str, object]]]:
    """Fill a peer's database and serve it: the service, its port, and what runs."""
    database = _redis if peer is REDIS else _postgresql
    port = free_port()
    argv = (
        str(_python(peer)), "-m", "uvicorn", f"loadtests.peers.{peer.name}:app",
        "--port", str(port), "--loop", "uvloop", "--http", "httptools", "--ws", "none",
        "--no-access-log", "--no-server-header", "--log-level", "warning", "--workers", "1",
    )  # fmt: skip
    with (
        database(rows) as (address, facts),
        started(argv, cpu(0), environment={"PEER_DATABASE": address}) as process,
    ):
        until(lambda: answers(port, f"{ROWS_PATH}user-00000001"), process, peer.title, READY_S_MAX)
        yield process, port, facts | {"database_cpu": cpu(1), "peer_versions": _versions(peer)}


def _python(peer: Peer) -> Path:
    return ROOT / ".peers" / peer.name / "bin" / "python"


def _versions(peer: Peer) -> list[str]:
    argv = (str(_python(peer)), "-m", "pip", "--disable-pip-version-check", "freeze")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.split()


@contextlib.contextmanager
def _redis(rows: int) -> Iterator[tuple[str, dict[str, object]]]:
    with tempfile.TemporaryDirectory(prefix="bench-redis-") as place:
        door = f"{place}/redis.sock"
        argv = (
            "redis-server", "--port", "0", "--unixsocket", door, "--save", "",
            "--appendonly", "no", "--dir", place,
        )  # fmt: skip
        with started(argv, cpu(1)) as process:
            until(lambda: Path(door).exists(), process, "redis-server", READY_S_MAX)
            _fill_redis(door, rows)
            facts: dict[str, object] = {"redis": _first_line(("redis-server", "--version"))}
            yield f"unix://{door}", facts


def _fill_redis(door: str, rows: int) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(door)
        for start in range(0, rows, _REDIS_BATCH):
            users = range(start, min(rows, start + _REDIS_BATCH))
            commands = []
            for user in users:
                key = b"user-%08d" % user
                row = _row(user, rows)
                commands.append(
                    b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n"
                    % (len(key), key, len(row), row)
                )
            connection.sendall(b"".join(commands))
            wanted, got = 5 * len(users), b""
            while len(got) < wanted:
                got += connection.recv(65_536)
            if got != b"+OK\r\n" * len(users):
                raise RuntimeError(f"redis-server did not take a row: {got[:200]!r}")


def _row(user: int, rows: int) -> bytes:
    last_ts = BASE_MS + event_of(user, rows) // 10
    return b'{"user_id":"user-%08d","orders":1,"total":%d,"last_ts":%d}' % (
        user, 10_000 + user % 90_000, last_ts,
    )  # fmt: skip


@contextlib.contextmanager
def _postgresql(rows: int) -> Iterator[tuple[str, dict[str, object]]]:
    # It refuses to run as root.
    user = _POSTGRES_USER if os.geteuid() == 0 else None
    place = tempfile.mkdtemp(prefix="bench-postgres-")
    try:
        if user:
            shutil.chown(place, user, user)
        data = f"{place}/data"
        initdb = ("-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        _run_as(user, [_postgres("initdb"), *initdb], place)
        argv = (
            _postgres("postgres"), "-D", data, "-k", place, "-c", "listen_addresses=",
            "-c", "shared_buffers=512MB", "-c", "fsync=off", "-c", "max_wal_size=4GB",
            "-c", "jit=off",
        )  # fmt: skip
        with started(argv, cpu(1), directory=Path(place), user=user) as process:
            ready = Path(place, ".s.PGSQL.5432")
            until(ready.exists, process, "postgres", READY_S_MAX)
            psql = [_postgres("psql"), "-h", place, "-U", "bench", "-d", "postgres", "-v",
                    "ON_ERROR_STOP=1", "-q", "-c"]  # fmt: skip
            until(lambda: _accepts(psql), process, "postgres", READY_S_MAX)
            _run_as(None, [*psql, _fill_postgresql(rows)], place)
            _run_as(None, [*psql, "VACUUM (FREEZE, ANALYZE) spend"], place)
            facts: dict[str, object] = {
                "postgres": _first_line((_postgres("postgres"), "--version")),
                "shared_buffers": "512MB",
            }
            yield f"postgresql://bench@/postgres?host={place}", facts
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _fill_postgresql(rows: int) -> str:
    inverse = event_of(1, rows)
    return (
        "CREATE TABLE spend "
        "(user_id TEXT PRIMARY KEY, orders BIGINT, total BIGINT, last_ts BIGINT);"
        "INSERT INTO spend SELECT 'user-' || lpad(u::text, 8, '0'), 1, 10000 + u % 90000, "
        f"{BASE_MS} + (u::bigint * {inverse} % {rows}) / 10 FROM generate_series(0, {rows - 1}) u"
    )


def _accepts(psql: Sequence[str]) -> bool:
    argv = [*psql, "SELECT 1"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0  # noqa: S603


def _run_as(user: str | None, argv: Sequence[str], directory: str) -> None:
    done = subprocess.run(  # noqa: S603 (found by name)
        list(argv), user=user, cwd=directory, env=clean_environment(), capture_output=True,
        text=True, timeout=_LOAD_S_MAX, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{Path(argv[0]).name} failed: {done.stderr[-2_000:]}")


def _postgres(program: str) -> str:
    """Return a program of PostgreSQL, also where Debian keeps it off the path; or nothing."""
    if found := shutil.which(program):
        return found
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(places[-1]) if places else ""


def _first_line(argv: Sequence[str]) -> str:
    done = subprocess.run(list(argv), capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.splitlines()[0] if done.stdout else ""
