"""PostgreSQL, fed by hand-written Python: one INSERT … ON CONFLICT a batch, offsets beside it.

The server is started here, on a socket in a temporary directory. It refuses to run as root, so it
then runs as the system's user postgres.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtests.peers import peer

peer.enter("postgres")

import psycopg

from loadtests.peers import totals
from loadtests.peers.chunks import CHUNK_MESSAGES, CONSUMER_SETTINGS, MEASURED_FROM

_SERVER = {
    "listen_addresses": "",
    "synchronous_commit": "off",
    "shared_buffers": "1GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "wal_buffers": "64MB",
    "wal_compression": "off",
    "checkpoint_timeout": "15min",
    "work_mem": "64MB",
    "jit": "off",
}
_FILL_FACTOR = 50
_TIMEOUT_S = 60.0
_TABLES = f"""
CREATE TABLE totals (
  user_id text PRIMARY KEY, orders bigint NOT NULL, total bigint NOT NULL, last_ts bigint NOT NULL
) WITH (fillfactor = {_FILL_FACTOR});
CREATE TABLE offsets (part int PRIMARY KEY, next bigint NOT NULL);
"""
_UPSERT = """
INSERT INTO totals
SELECT * FROM unnest(%b::text[], %b::bigint[], %b::bigint[], %b::bigint[])
ON CONFLICT (user_id) DO UPDATE SET
  orders = totals.orders + excluded.orders,
  total = totals.total + excluded.total,
  last_ts = greatest(totals.last_ts, excluded.last_ts)
"""
_OFFSETS = """
INSERT INTO offsets SELECT * FROM unnest(%b::int[], %b::bigint[])
ON CONFLICT (part) DO UPDATE SET next = excluded.next
"""


class Server:
    """A PostgreSQL server of our own below a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._programs = _programs()
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            if shutil.which("runuser") is None:
                peer.missing("PostgreSQL does not run as root, and there is no runuser")
            self._as_user = ["runuser", "-u", "postgres", "--"]
            shutil.chown(directory, "postgres")

    def start(self) -> None:
        data, socket = self._directory / "data", self._directory
        self._run(
            "initdb", "-D", str(data), "-U", "peer", "-A", "trust", "-E", "UTF8", "--locale=C"
        )
        settings = _SERVER | {"unix_socket_directories": str(socket)}
        lines = [f"{key} = '{each}'\n" for key, each in settings.items()]
        with subprocess.Popen(  # noqa: S603 - our own command
            [*self._as_user, "tee", "-a", str(data / "postgresql.conf")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        ) as tee:
            tee.communicate("".join(lines), _TIMEOUT_S)
        self._run("pg_ctl", "-D", str(data), "-l", str(self._directory / "log"), "-w", "start")

    def stop(self) -> None:
        data = self._directory / "data"
        if (data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 - our own command
            [*self._as_user, str(self._programs / program), *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=self._directory,
            timeout=_TIMEOUT_S,
        )


def _programs() -> Path:
    """Where initdb lies: on the path, or where Debian puts it."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not debian:
        peer.missing("PostgreSQL's server is not installed: apt install postgresql")
    return debian[-1].parent


def main() -> None:
    request = peer.request()
    directory = peer.scratch()
    server = Server(directory)
    try:
        server.start()
        with psycopg.connect(host=str(directory), user="peer", dbname="postgres") as connection:
            version = connection.execute("SHOW server_version").fetchone()[0]
            connection.execute(_TABLES)
            connection.commit()

            def write(delta: totals.Delta, offsets: dict[int, int]) -> None:
                orders, total, last_ts = map(list, zip(*delta.values(), strict=True))
                connection.execute(_UPSERT, (list(delta), orders, total, last_ts))
                connection.execute(_OFFSETS, (list(offsets), list(offsets.values())))
                connection.commit()

            seconds = totals.apply_all(request, write)
            rows = connection.execute("SELECT user_id, orders, total, last_ts FROM totals")
            columns = list(zip(*rows.fetchall(), strict=True))
        if sum(columns[1]) != request.events:
            sys.exit(f"error: {sum(columns[1])} events were applied, not {request.events}")
        peer.write_table(request.output, columns)
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
    peer.report(
        "postgres",
        version,
        request.events,
        seconds,
        f"{MEASURED_FROM} to the last commit",
        {
            "batch_events": totals.BATCH_EVENTS,
            "batch_s": totals.BATCH_S,
            "chunk_messages": CHUNK_MESSAGES,
            "fillfactor": _FILL_FACTOR,
            **_SERVER,
            **CONSUMER_SETTINGS,
        },
    )


if __name__ == "__main__":
    main()
