"""A whole Keyfold as a user starts it, on a free port, for the tests of what the docs say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0


def environment(**more: str) -> dict[str, str]:
    """Ours first on the path, and no settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYFOLD_")}
    return kept | {"PATH": f"{BIN}{os.pathsep}{kept.get('PATH', '')}"} | more


@contextmanager
def running(
    command: list[str],
    url: str,
    directory: Path,
    env: Mapping[str, str],
    route: str = "/readyz",
) -> Iterator[None]:
    """Start a command that serves on ``url``; it has stopped cleanly at the end."""
    log = directory / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=directory, env=dict(env), stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        _wait_until_ready(f"{url}{route}", process, log)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    assert code == 0, log.read_text()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.TransportError:
            pass  # nobody listens yet
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
