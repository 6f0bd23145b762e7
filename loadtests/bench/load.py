"""The two load clients as processes on the client's CPU: wrk for rates, ours for latencies.

``wrk`` is a Debian package and asks as fast as it is answered; it cannot keep a rate, so latencies
come from ``loadtests.bench.client``, which needs no installation.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from loadtests.bench.latency import Latencies
from loadtests.bench.loaded import PYTHON
from loadtests.bench.process import Process, cpu, pin, run

CONNECTIONS = 32
LATENCY_CONNECTIONS = 8
_SCRIPT = Path(__file__).with_name("keys.lua")
_CLIENT_S_MAX = 120.0


class _Told(msgspec.Struct):
    requests: int
    duration_us: int
    bytes: int
    failed: int


@dataclass(frozen=True, slots=True)
class Rate:
    """What wrk measured.

    Attributes:
        per_second: Requests answered per second.
        requests: How many.
        server_cpu_s: CPU seconds that the server took for them.
    """

    per_second: float
    requests: int
    server_cpu_s: float

    @property
    def cpu_s_per_million(self) -> float:
        """CPU seconds of the server per 1 M requests."""
        return self.server_cpu_s / self.requests * 1e6


def wrk_missing() -> str:
    """Return what to install where wrk is not there, or nothing."""
    return "" if shutil.which("wrk") else "wrk (Debian package wrk)"


def rate(
    server: Process,
    port: int,
    path: str,
    rows: int,
    seconds: float,
    *,
    keys_per_request: int = 0,
    seed: int = 1,
    connections: int = CONNECTIONS,
) -> Rate:
    """Ask as fast as answers come, for single rows or in POST lookups, and check all statuses.

    Raises:
        RuntimeError: A request failed.
    """
    argv = (
        "wrk", "--threads", "1", "--connections", str(connections),
        "--duration", f"{max(1, round(seconds))}s", "--timeout", "30s", "--script", str(_SCRIPT),
        f"http://127.0.0.1:{port}", "--", path, str(rows), str(keys_per_request), str(seed),
    )  # fmt: skip
    before = server.usage().cpu_s
    done = run(argv, cpu(1), seconds=seconds + _CLIENT_S_MAX)
    cpu_s = server.usage().cpu_s - before
    told = msgspec.json.decode(done.stderr.strip().splitlines()[-1], type=_Told)
    if told.failed or not told.requests:
        raise RuntimeError(f"{told.failed} of {told.requests} requests failed")
    return Rate(told.requests / told.duration_us * 1e6, told.requests, cpu_s)


@dataclass
class Asking:
    """A client at work; ``result`` waits for it."""

    popen: subprocess.Popen[str]
    seconds: float

    def end(self) -> None:
        """Let it end before its time."""
        self.popen.terminate()

    def result(self) -> Latencies:
        """Return what it measured.

        Raises:
            RuntimeError: An answer was wrong, or none came.
        """
        out, err = self.popen.communicate(timeout=self.seconds + _CLIENT_S_MAX)
        if self.popen.returncode:
            raise RuntimeError(f"the client failed: {err[-2_000:]}")
        return msgspec.json.decode(out, type=Latencies)


@contextlib.contextmanager
def asking(
    port: int,
    path: str,
    rows: int,
    per_second: float,
    seconds: float,
    cpus: Sequence[int],
    seed: int = 1,
    *,
    stride: int = 1,
    suffix: str = "",
) -> Iterator[Asking]:
    """Start a client at a fixed rate; it is ended with the block at the latest.

    Its users are multiples of ``stride``; what stands behind them in the path is ``suffix``.
    """
    argv = (
        *PYTHON, "loadtests.bench.client", str(port), path, str(rows), "--rate", str(per_second),
        "--seconds", str(seconds), "--connections", str(LATENCY_CONNECTIONS), "--seed", str(seed),
        "--stride", str(stride), "--suffix", suffix,
    )  # fmt: skip
    popen = subprocess.Popen(  # noqa: S603 (our own module)
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=pin(cpus),  # noqa: PLW1509
    )  # fmt: skip
    try:
        yield Asking(popen, seconds)
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.wait()


def latencies_at(
    port: int, path: str, rows: int, per_second: float, seconds: float, seed: int = 1
) -> Latencies:
    """Ask at a fixed rate from the client's CPU."""
    with asking(port, path, rows, per_second, seconds, cpu(1), seed) as client:
        return client.result()
