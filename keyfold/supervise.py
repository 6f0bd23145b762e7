"""The supervisor: starts the roles as processes, restarts one that dies, stops them in order.

- Roles start, and stop, in the order they are given: the writer first, so that what it drains and
  commits still reaches the last snapshot of the lake, and lookups are answered to the end.
- A role that dies is started again after a wait that doubles with every death and starts afresh
  once the role was healthy for a while. A serving worker is started again at once the first time.
- The lake that is down at a stop is started once more, for its last snapshots.
- A role that refuses its first start (exit code 2) would refuse again: everything stops, with that
  code. Where it had run before, something changed beside the running service (its SQL file, say):
  the other roles go on, and it is tried again as one that died.
- A run that has the writer and serving workers has a name. The writer publishes it once it has
  opened the state with the SQL file, and the workers are not ready before that: until then they
  answer with the catalog of the run before.
- The listening socket is bound here, once, and inherited by the serving workers: while one of them
  is dead, connections wait in the kernel's queue or go to the others, and none is refused.

Only processes that were started here are ever signalled, by their process id. A supervisor that is
killed takes them along: each role watches for that (keyfold/process.py).
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from keyfold.errors import SettingsError
from keyfold.process import EXIT_CLEAN, EXIT_REFUSED, role_environment, set_on_signals
from keyfold.settings import Settings

BACKLOG_MAX = 2_048
_LOOK_INTERVAL_S = 0.02
# -P: a directory called `lake` where the user stands must not shadow the package.
_PYTHON = (sys.executable, "-P", "-m")

_logger = logging.getLogger("keyfold.supervise")


@dataclass(frozen=True, slots=True)
class Role:
    """A process that is to run.

    Attributes:
        kind: ``ingest``, ``lake`` or ``serving``; roles of one kind stop together.
        name: Unique, for the log.
        argv: The command.
        descriptors: Open files that it inherits under the same numbers.
        first_restart_at_once: No wait before the first restart.
        last_argv: The command for its last snapshots, where the role is down at a stop.
    """

    kind: str
    name: str
    argv: tuple[str, ...]
    descriptors: tuple[int, ...] = ()
    first_restart_at_once: bool = False
    last_argv: tuple[str, ...] = ()


def run_name() -> str:
    """Return a new name for a run."""
    return secrets.token_hex(8)


def ingest_role(
    sql_file: Path, rebuild: Collection[str] = (), drop: Collection[str] = (), run: str = ""
) -> Role:
    """Return the writer of a pipeline, for a run of that name."""
    flags = tuple(flag for view in rebuild for flag in ("--rebuild", view))
    flags += tuple(flag for view in drop for flag in ("--drop", view))
    if rebuild:
        # A restart has the same flags; by this the writer knows that it did this rebuild already.
        flags += ("--rebuild-request", secrets.token_hex(8))
    flags += ("--run", run) if run else ()
    return Role("ingest", "ingest", (*_PYTHON, "ingest", str(sql_file), *flags))


def lake_role() -> Role:
    """Return the Iceberg writer."""
    command = (*_PYTHON, "lake")
    return Role("lake", "lake", command, last_argv=(*command, "once"))


def serving_roles(listener: socket.socket, workers: int, run: str = "") -> list[Role]:
    """Return the serving workers, which all accept from one socket.

    Args:
        listener: The socket.
        workers: How many.
        run: The run whose writer they wait for before they are ready; empty: for none.
    """
    door = listener.fileno()
    flags = ("--run", run) if run else ()
    return [
        Role(
            "serving",
            f"serving-{worker}",
            (*_PYTHON, "serving", "--fd", str(door), "--worker", str(worker), *flags),
            descriptors=(door,),
            first_restart_at_once=True,
        )
        for worker in range(workers)
    ]


def listen(host: str, port: int) -> socket.socket:
    """Bind the socket that the serving workers accept from; port 0 picks a free one.

    Raises:
        SettingsError: The address is in use, not ours, or none at all.
    """
    where = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as problem:
        raise SettingsError(
            f"the address {where} is not known: {problem.strerror}", hint="set --host"
        ) from problem
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG_MAX)
    except OSError as problem:
        listener.close()
        if problem.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"the address {where} is in use by another process",
                hint="stop it, or choose another with --port; --port 0 picks a free one",
            ) from problem
        raise SettingsError(
            f"the address {where} cannot be bound: {problem.strerror}",
            hint="set --host and --port to an address of this machine",
        ) from problem
    return listener


def address_url(listener: socket.socket) -> str:
    """Return the URL of a bound socket, as a client on this machine writes it."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 (compared with, not bound to)
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def stop_on_signals(stop: threading.Event) -> None:
    """Have Ctrl-C, SIGTERM and a closed terminal set ``stop``."""
    set_on_signals(stop, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def backoff_ms(deaths: int, *, first_at_once: bool, minimum_ms: int, maximum_ms: int) -> int:
    """Return the wait before the next start, after so many deaths in a row (at least 1)."""
    step = deaths - 2 if first_at_once else deaths - 1
    return 0 if step < 0 else int(min(maximum_ms, minimum_ms * 2 ** min(step, 30)))


@dataclass(slots=True)
class _Child:
    """A role, and its process or the time of its next start; ``ran``: it was started before."""

    role: Role
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    start_at_s: float = 0.0
    deaths: int = 0
    ran: bool = False

    def waits(self) -> bool:
        """Say whether the role died and was not started again yet."""
        return self.process is None and self.start_at_s > self.started_s


class Supervisor:
    """Runs roles until it is told to stop or one refuses its first start.

    Args:
        settings: Handed to every role; its backoff and drain times are kept here.
        roles: In the order in which they start and stop.
    """

    def __init__(self, settings: Settings, roles: Sequence[Role]) -> None:
        self._settings = settings
        self._children = [_Child(role) for role in roles]

    def run(self, stop: threading.Event) -> int:
        """Run the roles until ``stop`` is set; every child has ended when this returns.

        Returns:
            The exit code: 0, or 2 where a role refused its first start.
        """
        code = EXIT_CLEAN
        try:
            while not stop.is_set():
                refused = [child for child in self._children if self._look_after(child)]
                if refused:
                    name = refused[0].role.name
                    _logger.error("%s refused to start: stopping", name, extra={"exit_code": 2})
                    code = EXIT_REFUSED
                    break
                stop.wait(_LOOK_INTERVAL_S)
        finally:
            self._stop_all()
        return code

    def _look_after(self, child: _Child) -> bool:
        """Start a role that is due, note one that died; True where it refused to start."""
        now_s = time.monotonic()
        if child.process is None:
            if now_s >= child.start_at_s:
                self._start(child, now_s)
            return False
        code = child.process.poll()
        if code is None:
            return False
        child.process = None
        refused = code == EXIT_REFUSED
        if refused and not child.ran:
            return True
        child.ran = True
        settings = self._settings
        if (now_s - child.started_s) * 1000 >= settings.restart_backoff_ms_max:
            child.deaths = 0  # it was healthy
        child.deaths += 1
        wait_ms = backoff_ms(
            child.deaths,
            first_at_once=child.role.first_restart_at_once,
            minimum_ms=settings.restart_backoff_ms_min,
            maximum_ms=settings.restart_backoff_ms_max,
        )
        child.start_at_s = now_s + wait_ms / 1000
        _logger.log(
            logging.ERROR if refused else logging.WARNING,
            "%s refused to start again, the line above says why (%s): restarting in %d ms"
            if refused
            else "%s died (%s): restarting in %d ms",
            child.role.name,
            exit_text(code),
            wait_ms,
            extra={"deaths": child.deaths},
        )
        return False

    def _start(self, child: _Child, now_s: float) -> None:
        child.process = self._spawn(child.role, child.role.argv)
        child.started_s = now_s
        _logger.info("%s started", child.role.name, extra={"pid": child.process.pid})

    def _spawn(self, role: Role, argv: tuple[str, ...]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 (our own modules)
            argv,
            env=os.environ | role_environment(self._settings),
            stdin=subprocess.DEVNULL,
            pass_fds=role.descriptors,
            # Out of the terminal's process group: Ctrl-C reaches the supervisor alone, which then
            # stops the roles in order.
            start_new_session=True,
        )

    def _stop_all(self) -> None:
        for _, children in groupby(self._children, key=lambda child: child.role.kind):
            self._stop_together(list(children))

    def _stop_together(self, children: list[_Child]) -> None:
        down = [child.role for child in children if child.waits()]
        running = [(child.role, child.process) for child in children if child.process]
        for _, process in running:
            process.send_signal(signal.SIGTERM)
        deadline_s = time.monotonic() + self._settings.drain_timeout_ms / 1000
        for role, process in running:
            try:
                code = process.wait(max(0.0, deadline_s - time.monotonic()))
                _logger.info("%s stopped", role.name, extra={"exit": exit_text(code)})
                if code not in (EXIT_CLEAN, EXIT_REFUSED):
                    down.append(role)
            except subprocess.TimeoutExpired:
                _logger.error(
                    "%s did not stop in %d ms: killed", role.name, self._settings.drain_timeout_ms
                )
                process.kill()
                process.wait()
        for child in children:
            child.process = None
        for role in down:
            if role.last_argv:
                self._take_last_snapshots(role)

    def _take_last_snapshots(self, role: Role) -> None:
        """Start a role that is down once more, for as long as a stop may take."""
        _logger.warning("%s was down: starting it for its last snapshots", role.name)
        process = self._spawn(role, role.last_argv)
        try:
            code = process.wait(self._settings.drain_timeout_ms / 1000)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code == EXIT_CLEAN:
            _logger.info("%s took its last snapshots", role.name)
        else:
            _logger.error(
                "%s did not take its last snapshots (%s): the next start takes them",
                role.name,
                exit_text(code),
            )


def exit_text(code: int) -> str:
    """Say how a process ended, for the log."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
