"""Processes of a benchmark: started on CPUs of their own, watched, ended by their id."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_INTERVAL_S = 0.1
READY_S_MAX = 60.0
_STOP_S = 40.0
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its children took.

    Attributes:
        cpu_s: CPU seconds, user and system, since they started.
        rss_bytes: Resident memory now.
    """

    cpu_s: float
    rss_bytes: int


@dataclass
class Process:
    """A running process.

    Attributes:
        popen: The process.
        log: Where its output goes.
        rss_bytes_max: The most resident memory of its tree that a look every 0.1 s saw; 0 where it
            is not watched.
    """

    popen: subprocess.Popen[bytes]
    log: Path
    rss_bytes_max: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    def usage(self) -> Usage:
        """Return what its tree took so far; children that ended are not in it."""
        cpu_s, rss = 0.0, 0
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(self.pid)
            for one in (top, *top.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    times = one.cpu_times()
                    cpu_s += times.user + times.system
                    rss += one.memory_info().rss
        return Usage(cpu_s, rss)

    def tail(self) -> str:
        """Return the end of its output."""
        return self.log.read_text(errors="replace")[-2_000:]

    def watch(self) -> None:
        """Look at its memory until it is over."""
        while not self._over.wait(SAMPLE_INTERVAL_S):
            self.rss_bytes_max = max(self.rss_bytes_max, self.usage().rss_bytes)

    def stop(self) -> None:
        """Ask it to end, wait, and end it by force if need be."""
        self._over.set()
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            self.popen.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


@contextlib.contextmanager
def started(
    argv: Sequence[str],
    cpus: Sequence[int],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    user: str | None = None,
    watched: bool = False,
) -> Iterator[Process]:
    """Run a command on these CPUs until the block ends.

    Args:
        argv: The command.
        cpus: Where it may run.
        environment: Beside what this process has, less the settings of Keyfold.
        directory: Where it runs.
        user: As whom.
        watched: Whether its memory is looked at. A look reads all of /proc, 3 ms of a CPU, which
            latencies tell of where there is no CPU to spare.
    """
    descriptor, name = tempfile.mkstemp(prefix="bench-", suffix=".log")
    log = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as output:
            popen = subprocess.Popen(  # noqa: S603 (our own commands)
                list(argv),
                cwd=directory or ROOT,
                env=clean_environment() | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=user,
                preexec_fn=pin(cpus),  # noqa: PLW1509 (nothing here holds a lock)
            )
        process = Process(popen, log)
        if watched:
            threading.Thread(target=process.watch, daemon=True).start()
        try:
            yield process
        finally:
            process.stop()
    finally:
        log.unlink(missing_ok=True)


def run(
    argv: Sequence[str], cpus: Sequence[int], *, seconds: float, directory: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command on these CPUs to its end.

    Raises:
        RuntimeError: It failed, or took longer than ``seconds``.
    """
    try:
        done = subprocess.run(  # noqa: S603 (our own commands)
            list(argv), cwd=directory or ROOT, env=clean_environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=seconds, check=False, preexec_fn=pin(cpus),
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        raise RuntimeError(f"{argv[0]} took longer than {seconds:.0f} s") from late
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)[:200]} failed: {(done.stdout + done.stderr)[-2_000:]}")
    return done


def pin(cpus: Sequence[int]) -> Callable[[], None]:
    """Return what moves the process that calls it to these CPUs."""
    return lambda: os.sched_setaffinity(0, cpus)


def cpu(role: int) -> list[int]:
    """Return the CPU of a role, counted from 0; the last one where there are too few."""
    mine = sorted(os.sched_getaffinity(0))
    return [mine[min(role, len(mine) - 1)]]


def clean_environment() -> dict[str, str]:
    """Return this process's environment without settings of Keyfold."""
    return {name: text for name, text in os.environ.items() if not name.startswith("KEYFOLD_")}


def until(look: Callable[[], bool], process: Process, what: str, seconds: float) -> None:
    """Poll until ``look`` is true.

    Raises:
        RuntimeError: It took too long, or the process ended.
    """
    deadline = time.monotonic() + seconds
    while not look():
        if process.popen.poll() is not None:
            raise RuntimeError(f"{what}: the process ended\n{process.tail()}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} took longer than {seconds:.0f} s\n{process.tail()}")
        time.sleep(_POLL_S)


def answers(port: int, path: str) -> bool:
    """Say whether a GET is answered with 200."""
    return status_and_body(port, path)[0] == 200


def status_and_body(port: int, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Ask once; status 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"content-type": "application/json"} if body else {}
        connection.request("POST" if body else "GET", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
