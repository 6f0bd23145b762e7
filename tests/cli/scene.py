"""The command line as users run it, and a pipeline that it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PIPELINE = """
CREATE SOURCE orders (user_id VARCHAR, amount DECIMAL(18,2), region VARCHAR)
WITH (connector = 'events') FORMAT PLAIN ENCODE JSON;
CREATE MATERIALIZED VIEW spend AS
SELECT user_id, region, COUNT(*) AS orders, SUM(amount) AS total
FROM orders GROUP BY user_id, region;
CREATE MATERIALIZED VIEW everyone AS SELECT COUNT(*) AS orders FROM orders;
"""


def until(look: Callable[[], T], seconds: float = 30.0) -> T:
    """Wait for something that comes in its own time."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
    return seen


class Keyfold:
    """Runs ``keyfold`` in a directory of its own, with no settings from outside."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("KEYFOLD_")
        }

    def __call__(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "keyfold.cli", *arguments],
            cwd=self.directory,
            env=self.environment | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *arguments: str, **environment: str) -> Running:
        return Running(self, arguments, environment)


class Running:
    """A ``keyfold`` that keeps running; its log is JSON lines on stderr."""

    def __init__(
        self, keyfold: Keyfold, arguments: tuple[str, ...], environment: dict[str, str]
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "keyfold.cli", *arguments],
            cwd=keyfold.directory,
            env=keyfold.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._threads = [
            threading.Thread(target=self._collect, args=(self.process.stdout, self.stdout)),
            threading.Thread(target=self._collect, args=(self.process.stderr, self.stderr)),
        ]
        for thread in self._threads:
            thread.start()

    @staticmethod
    def _collect(stream: Any, lines: list[str]) -> None:
        with stream:
            for line in stream:
                lines.append(line)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.stderr) if line.startswith("{")]

    def logged(self, start: str) -> dict[str, Any]:
        """Wait for a log record whose message starts so."""
        return until(
            lambda: next((one for one in self.log() if one["message"].startswith(start)), None)
        )

    def pid(self, role: str) -> int:
        """The process that a role runs in now, as far as the log tells."""
        self.logged(f"{role} started")
        started = [one["pid"] for one in self.log() if one["message"] == f"{role} started"]
        return int(started[-1])

    def url(self) -> str:
        return str(self.logged("serving on")["message"].removeprefix("serving on "))

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        for thread in self._threads:
            thread.join(10)
        return code
