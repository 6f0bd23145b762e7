"""A serving worker as its own process, over a real state, on a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from keyfold.process import role_environment
from keyfold.settings import Settings
from tests.serving.state import State

WAIT_S = 30.0


def until(condition: Callable[[], Any], what: str, wait_s: float = WAIT_S) -> Any:
    """Return the first true answer of ``condition``; connection errors count as no."""
    end = time.monotonic() + wait_s
    while True:
        try:
            answer = condition()
        except httpx.TransportError:
            answer = None
        if answer:
            return answer
        assert time.monotonic() < end, f"{what}: not within {wait_s} s"
        time.sleep(0.005)


class Server:
    """One serving process on a socket that outlives it, as the supervisor would have it."""

    def __init__(self, data_dir: Path, worker: int = 0, run: str = "", **settings: Any) -> None:
        self.worker = worker
        self.run = run
        self.settings = Settings(data_dir=data_dir, log_format="json", **settings)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=WAIT_S)
        self.start()

    def start(self, worker: int | None = None) -> None:
        door = self.listener.fileno()
        number = self.worker if worker is None else worker
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "serving", "--fd", str(door)),
                *("--worker", str(number), "--run", self.run),
            ],
            env={**os.environ, **role_environment(self.settings)},
            pass_fds=[door],
            cwd=Path(__file__).parents[2],
        )

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)

    def up(self) -> Server:
        until(lambda: self.get("/healthz").status_code == 200, "the server is up")
        return self

    def at(self, sequence: int) -> Server:
        """Wait until the worker has taken a commit over."""
        until(
            lambda: (self.get("/healthz").json()["replica"]["commit"] or 0) >= sequence,
            f"commit {sequence}",
        )
        return self

    def raw(self, request: bytes) -> socket.socket:
        """Open a connection and send some bytes."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S)
        connection.sendall(request)
        return connection

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(WAIT_S)

    def close(self) -> None:
        self.client.close()
        self.stop()
        self.listener.close()


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    with connection:
        parts = []
        while part := connection.recv(65_536):
            parts.append(part)
        return b"".join(parts)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start servers that end with the test."""
    servers: list[Server] = []

    def start(data_dir: Path, **options: Any) -> Server:
        servers.append(Server(data_dir, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """An empty state whose views are ready."""
    made = State(tmp_path / "data")
    yield made
    made.close()


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem of that status and code, and return its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert {"type", "title", "detail"} <= set(body)
    return body
