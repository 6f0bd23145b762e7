"""``keyfold demo``: run a pipeline, replay the flights into it, and show how to read the result.

It goes through the public doors only: the supervisor starts the roles, events are pushed over HTTP,
and what is there already is asked from ``GET /v1/sources/flights``. So a second start resumes, and
so does a push whose answer was lost.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from keyfold.demo.flights import load_flights
from keyfold.demo.progress import Meter
from keyfold.demo.replay import DemoError, Server, replay
from keyfold.demo.tell import tell, wait_for_lake
from keyfold.errors import StateError
from keyfold.process import EXIT_CLEAN, EXIT_CRASH, set_up_logging
from keyfold.settings import Settings, load_settings
from keyfold.state.adopt import Wish
from keyfold.state.fit import check_fit
from keyfold.supervise import (
    Supervisor,
    address_url,
    ingest_role,
    lake_role,
    listen,
    serving_roles,
    stop_on_signals,
)

PIPELINE = Path(__file__).with_name("pipeline.sql")
DIRECTORY = "demo"
LOCK = "demo-lock"
START_TIMEOUT_S = 60.0
LAKE_TIMEOUT_S = 120.0


def play(
    *,
    data_dir: Path | None,
    host: str | None,
    port: int | None,
    speed: int | None,
    events: int | None,
    leave: bool,
) -> int:
    """Run the demo until Ctrl-C, or until it has shown everything where ``leave`` is set.

    Args:
        data_dir: Where it is kept; None: ``demo`` in the data directory of the settings.
        host: As in the settings.
        port: As in the settings.
        speed: Events per second, None for no limit.
        events: How many to replay, None for all.
        leave: Stop once everything was shown.

    Returns:
        The exit code.

    Raises:
        SettingsError: A setting is wrong, the port is in use, or the flights are not installed.
        StateError: Another demo or pipeline is running in the directory, or it has other views.
    """
    settings = demo_settings(data_dir=data_dir, host=host, port=port)
    with ExitStack() as stack:
        stack.enter_context(_alone(settings.data_dir))
        check_fit(settings.data_dir, PIPELINE.read_text(), str(PIPELINE), Wish())
        flights = load_flights()
        flights = flights if events is None else flights.slice(0, events)
        set_up_logging("demo", settings)
        server, ended = stack.enter_context(_running(settings))
        try:
            print(f"starting on {server.url}, data in {settings.data_dir}", flush=True)
            server.wait_until_live(ended, START_TIMEOUT_S)
            with Meter(flights.num_rows) as meter:
                pushed = replay(server, flights, speed, meter, ended)
            if not ended.is_set():
                _say_pushed(pushed, flights.num_rows)
                _say_dead_letters(server, settings)
                lake = wait_for_lake(settings, flights.num_rows, ended, LAKE_TIMEOUT_S)
                tell(settings, server.url, lake)
        except DemoError:
            if not ended.is_set():
                raise
        if not leave and not ended.is_set():
            print("\nCtrl-C stops it; the next start goes on from here.", flush=True)
            ended.wait()
        told = "the roles stopped by themselves: the log says why"
        print(told if ended.by_itself else "stopping", flush=True)
    return ended.code


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Be the one demo of a directory; the lock goes with the process."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise StateError(
                f"another demo is running in {directory}",
                hint="stop it first, or give this one a directory of its own with --data-dir",
            ) from problem
        yield


class Ended(threading.Event):
    """Set once the demo is to end: by a signal, or because the roles ended by themselves.

    Attributes:
        by_itself: True where the roles ended and nobody had asked them to.
        code: The exit code, once the roles have ended.
    """

    by_itself = False
    code = EXIT_CLEAN


@contextmanager
def _running(settings: Settings) -> Iterator[tuple[Server, Ended]]:
    """Run the roles beside the caller; all of them have stopped at the end."""
    ended = Ended()
    stop_on_signals(ended)
    halt = threading.Event()
    with listen(settings.host, settings.port) as door:
        settings = settings.model_copy(update={"port": door.getsockname()[1]})
        roles = [
            ingest_role(PIPELINE),
            lake_role(),
            *serving_roles(door, settings.workers),
        ]
        supervisor = Supervisor(settings, roles)

        def supervise() -> None:
            ended.code = EXIT_CRASH  # unless run says otherwise
            try:
                ended.code = supervisor.run(halt)
            finally:
                ended.by_itself = not halt.is_set()
                ended.set()

        thread = threading.Thread(target=supervise, name="demo-supervisor")
        thread.start()
        token = settings.api_tokens[0] if settings.api_tokens else None
        try:
            with Server(address_url(door), token) as server:
                yield server, ended
        finally:
            halt.set()
            thread.join()


def demo_settings(**flags: Any) -> Settings:
    """Return the settings: the demo's own defaults, below flags, environment and keyfold.toml."""
    chosen = load_settings(**flags)
    own: dict[str, Any] = {
        "data_dir": chosen.data_dir / DIRECTORY,
        "log_level": "warning",  # the roles' logs would run through the progress bar
        "lake_interval_s": 5.0,  # a minute is long for somebody who looks on
    }
    set_by_user = chosen.model_fields_set - (
        {"data_dir"} if flags.get("data_dir") is None else set()
    )
    return chosen.model_copy(
        update={name: value for name, value in own.items() if name not in set_by_user}
    )


def _say_pushed(pushed: int, total: int) -> None:
    if pushed:
        print(f"{pushed:,} flights pushed, all {total:,} applied", flush=True)
    else:
        print(f"all {total:,} flights were accepted before: nothing to push", flush=True)


def _say_dead_letters(server: Server, settings: Settings) -> None:
    """A view without its rows should not look like a view of nothing."""
    told = server.source()
    count = told["ledger"]["dead_lettered"] if told else 0
    if count:
        look = f"keyfold dead-letters --data-dir {settings.data_dir}"
        print(f"{count:,} events could not be used; `{look}` says why", flush=True)
