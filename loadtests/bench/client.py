"""A client that asks for rows at a fixed rate, over a few connections that stay open.

A process of its own, so that it can have a CPU of its own::

    python -m loadtests.bench.client PORT PATH ROWS --rate 2000 --seconds 5 --connections 8

It writes ``Latencies`` as JSON. It needs nothing beyond the standard library and numpy, and about
40 µs per request. It sleeps until shortly before the next request is due and then looks at the
clock, since a timer alone is late by more than an answer takes. Every answer has to be a 200 that
names the key. SIGTERM ends it before its time: what was asked by then is answered, and counts.
"""

from __future__ import annotations

import argparse
import random
import select
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from loadtests.bench.latency import Latencies, due_s, latencies

_SPIN_S = 0.0001
_ANSWER_S_MAX = 30.0
_CLOCK = time.perf_counter


@dataclass(slots=True)
class _Waiting:
    index: int
    user: bytes
    received: bytes = b""


def ask_at_rate(
    port: int,
    path: str,
    rows: int,
    per_second: float,
    seconds: float,
    connections: int,
    seed: int,
    *,
    stride: int = 1,
    suffix: str = "",
    enough: Callable[[], bool] = lambda: False,
) -> Latencies:
    """Ask for rows with keys uniform over ``user-00000000`` … and return the latencies.

    Args:
        port: Of the server, on this machine.
        path: Of the rows, up to the user.
        rows: How many users there are.
        per_second: The rate.
        seconds: For how long.
        connections: At most so many requests wait at once.
        seed: Of the users.
        stride: From the number of one user to that of the next.
        suffix: What stands behind the user in the path.
        enough: Ends it before its time; what was asked by then is answered.

    Raises:
        RuntimeError: An answer is no 200 with the row, or does not come in 30 s.
    """
    count = int(per_second * seconds)
    draw = random.Random(seed)
    users = [b"user-%08d" % (draw.randrange(rows) * stride) for _ in range(count)]
    free: deque[socket.socket] = deque()
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_S_MAX)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        free.append(connection)
    every = list(free)
    try:
        return _ask(free, (path.encode(), suffix.encode()), users, per_second, enough)
    finally:
        for connection in every:
            connection.close()


def _ask(
    free: deque[socket.socket],
    around: tuple[bytes, bytes],
    users: list[bytes],
    per_second: float,
    enough: Callable[[], bool],
) -> Latencies:
    count = len(users)
    path, suffix = around
    due = [due_s(index, per_second) for index in range(count)]
    sent, answered = [0.0] * count, [0.0] * count
    waiting: dict[socket.socket, _Waiting] = {}
    began = _CLOCK() + 0.01
    index = done = 0
    while done < count:
        now = _CLOCK() - began
        while index < count and free and due[index] <= now:
            connection = free.popleft()
            sent[index] = now
            target = path + users[index] + suffix
            connection.sendall(b"GET %b HTTP/1.1\r\nhost: bench\r\n\r\n" % target)
            waiting[connection] = _Waiting(index, users[index])
            index += 1
            now = _CLOCK() - began
        if index < count and free:
            left = due[index] - now
            pause = left - _SPIN_S if left > _SPIN_S else 0.0
        else:
            pause = _ANSWER_S_MAX
        ready = select.select(list(waiting), [], [], pause)[0]
        if not ready and pause == _ANSWER_S_MAX:
            raise RuntimeError(f"no answer within {_ANSWER_S_MAX:.0f} s")
        for connection in ready:
            asked = waiting[connection]
            asked.received += connection.recv(65_536)
            if _whole(asked):
                answered[asked.index] = _CLOCK() - began
                del waiting[connection]
                free.append(connection)
                done += 1
        if enough():
            count = min(count, max(1, index))
    return latencies(due[:count], sent[:count], answered[:count])


def _whole(asked: _Waiting) -> bool:
    """Say whether the answer is there, and check it."""
    head, ended, body = asked.received.partition(b"\r\n\r\n")
    if not ended:
        if not asked.received:
            raise RuntimeError("the connection was closed instead of an answer")
        return False
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"not answered: {asked.received[:300]!r}")
    lower = head.lower()
    at = lower.index(b"content-length:") + 15
    length = int(lower[at:].split(b"\r\n", 1)[0])
    if len(body) < length:
        return False
    if asked.user not in body:
        raise RuntimeError(f"the row of another key: {body[:300]!r}")
    return True


def main() -> None:
    """Ask, and write what was measured."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench.client")
    parser.add_argument("port", type=int)
    parser.add_argument("path", help="of the rows, up to the key")
    parser.add_argument("rows", type=int)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--suffix", default="")
    given = parser.parse_args()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    told = ask_at_rate(
        given.port, given.path, given.rows, given.rate, given.seconds, given.connections,
        given.seed, stride=given.stride, suffix=given.suffix, enough=ended.is_set,
    )  # fmt: skip
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    main()
