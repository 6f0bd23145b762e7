"""Ports on the loopback for servers that must be told a number before they start.

A port that the system picked (0) and that is let go again may be picked once more, by any client
that connects, before the server binds it. Ours lie below the range that the system picks from, and
a lock keeps each for this process until it ends.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

_FIRST = 10_000
_SYSTEM_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_SYSTEM_FIRST = 32_768  # of Linux; other systems begin at 49,152
_TRIES = 1_000

_held: list[int] = []  # descriptors of locks, open until the process ends


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on and that nobody else takes before this process ends."""
    found: list[int] = []
    for port in random.sample(_candidates(), _TRIES):
        if len(found) == count:
            return found
        if _lock(port) and _free(port):
            found.append(port)
    raise RuntimeError(f"no {count} free ports among {_TRIES}")


def free_port() -> int:
    """One of ``free_ports``."""
    return free_ports(1)[0]


def _candidates() -> range:
    last = _SYSTEM_FIRST
    if _SYSTEM_RANGE.exists():
        last = int(_SYSTEM_RANGE.read_text().split()[0])
    return range(min(_FIRST, last - 2 * _TRIES), last)


def _lock(port: int) -> bool:
    directory = Path(tempfile.gettempdir()) / f"keyfold-ports-{os.getuid()}"
    directory.mkdir(exist_ok=True)
    lock = os.open(directory / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _held.append(lock)
    return True


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
