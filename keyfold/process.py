"""What every role process has: its settings, its log, its stop signal, its exit code.

A role is started by the supervisor or by hand (``python -m ingest pipeline.sql``). Under the
supervisor it takes the settings from one environment variable and consults nothing else, so that
all roles of a run agree; and it ends when the supervisor dies, however that died.

An entry point reads::

    def main() -> None:
        settings = start_role("ingest")
        ...
        mark_started()
        while not stop_event().wait(...): ...

    if __name__ == "__main__":
        run_role(main)
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn, TextIO

import msgspec
from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from keyfold.errors import KeyfoldError, SettingsError, SqlError, StateError
from keyfold.settings import Settings, load_settings

EXIT_CLEAN = 0
"""It was asked to stop, or its work is done."""
EXIT_CRASH = 1
"""It failed: the supervisor starts it again."""
EXIT_REFUSED = 2
"""Settings, SQL or state are wrong: starting it again would not help."""

ROLE_SETTINGS = "KEYFOLD_ROLE_SETTINGS"
"""The environment variable with the settings of a supervised role, JSON."""
SUPERVISOR_PID = "KEYFOLD_SUPERVISOR_PID"
"""The environment variable that marks a supervised role; it ends when this process does."""

_WATCH_INTERVAL_S = 0.25
_QUIET = ("httpx", "httpcore", "urllib3", "asyncio", "sqlglot")  # talkative at info
_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",  # uvicorn's, with escape codes
}
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "31"}

_stop = threading.Event()
_started = threading.Event()
_logger = logging.getLogger("keyfold.process")


class _GivenSettings(Settings):
    """Settings that come from one place: plain ``Settings`` would merge environment and file in."""

    model_config = SettingsConfigDict(toml_file=None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What was given, and nothing else."""
        return (init_settings,)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, role, logger, message, then the extras."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """Write the record as one line."""
        fields: dict[str, Any] = {
            "time": _rfc3339(record.created),
            "level": record.levelname.lower(),
            "role": self._role,
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= _extras(record)
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(fields, enc_hook=str).decode()


class HumanFormatter(logging.Formatter):
    """``21:40:03.120 INFO  ingest  message  key=value``; coloured on a terminal."""

    def __init__(self, role: str, *, colour: bool) -> None:
        super().__init__()
        self._role = role
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Write the record as one line, and the traceback below it."""
        moment = datetime.fromtimestamp(record.created).astimezone()
        level = f"{record.levelname:<7}"
        if self._colour:
            level = f"\x1b[{_COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
        extras = "".join(f"  {name}={value}" for name, value in _extras(record).items())
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        clock = f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"
        return f"{clock} {level} {self._role:<9} {record.getMessage()}{extras}{trace}"


def start_role(role: str) -> Settings:
    """Prepare this process for a role: settings, log, stop signals, the watch on its supervisor.

    Args:
        role: ``ingest``, ``serving`` or ``lake``, with ``-N`` for one of several.

    Raises:
        SettingsError: A setting is unknown or out of its bounds.
    """
    settings = _role_settings()
    set_up_logging(role, settings)
    set_on_signals(_stop, signal.SIGTERM, signal.SIGINT)
    supervisor = os.environ.get(SUPERVISOR_PID)
    if supervisor is not None:
        threading.Thread(
            target=_end_with,
            args=(int(supervisor), settings.drain_timeout_ms / 1000),
            name="supervisor-watch",
            daemon=True,
        ).start()
    return settings


def set_on_signals(event: threading.Event, *numbers: signal.Signals) -> None:
    """Have signals set an event; called in the main thread.

    A handler in Python cannot: it runs in the main thread, which may be inside ``Event.wait`` and
    hold the very lock that ``Event.set`` then waits for; and it does not run at all while the main
    thread sleeps in a wait that it entered just after the signal. What CPython writes to the
    wake-up descriptor comes at once, whatever any thread does.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    def relay(theirs: socket.socket) -> None:  # which stays open as long as this thread lives
        while arrived := ours.recv(1):
            if arrived[0] in numbers:
                event.set()

    threading.Thread(target=relay, args=(theirs,), name="signals", daemon=True).start()
    for number in numbers:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)


def stop_event() -> threading.Event:
    """Return the event that is set by SIGTERM, SIGINT and the death of the supervisor."""
    return _stop


def mark_started() -> None:
    """Say that the role runs: an error from here on is a crash, no refusal to start."""
    _started.set()


def run_role(main: Callable[[], None]) -> NoReturn:
    """Run a role and end the process with the exit code that the supervisor understands."""
    code = EXIT_CLEAN
    try:
        main()
    except KeyfoldError as error:
        code = EXIT_CRASH if _started.is_set() else _exit_code(error)
        _ensure_logging()
        _logger.error("%s", error, extra={"code": error.code})
    except KeyboardInterrupt:
        pass  # before start_role took the signal over
    except Exception:
        code = EXIT_CRASH
        _ensure_logging()
        _logger.exception("the process failed")
    logging.shutdown()
    sys.exit(code)


def run_job(main: Callable[[], None]) -> NoReturn:
    """Run a job to its end for somebody who waits for it: errors are told as by ``keyfold``."""
    code = EXIT_CLEAN
    try:
        main()
    except KeyfoldError as error:
        code = _exit_code(error)
        hint = f"hint: {error.hint}\n" if error.hint else ""
        sys.stderr.write(f"error: {error.message}\n{hint}")
    sys.exit(code)


def _exit_code(error: KeyfoldError) -> int:
    refusal = isinstance(error, SettingsError | SqlError | StateError)
    return EXIT_REFUSED if refusal else EXIT_CRASH


def role_environment(settings: Settings) -> dict[str, str]:
    """Return what the environment of a supervised role holds besides the supervisor's own."""
    return {ROLE_SETTINGS: settings.model_dump_json(), SUPERVISOR_PID: str(os.getpid())}


def set_up_logging(role: str, settings: Settings, stream: TextIO | None = None) -> None:
    """Send all logs of this process to ``stream`` (stderr), in the form that the settings ask."""
    stream = stream or sys.stderr
    terminal = stream.isatty()
    human = settings.log_format == "human" or (settings.log_format == "auto" and terminal)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(HumanFormatter(role, colour=terminal) if human else JsonFormatter(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _role_settings() -> Settings:
    given = os.environ.get(ROLE_SETTINGS)
    if given is None:
        return load_settings()
    try:
        return _GivenSettings.model_validate_json(given)
    except ValidationError as problem:
        raise SettingsError(
            f"{ROLE_SETTINGS} does not hold the settings of this release: {problem}",
            hint="unset it: only the supervisor sets it",
        ) from problem


def _ensure_logging() -> None:
    if not logging.getLogger().handlers:
        set_up_logging("start", _GivenSettings.model_validate({}))


def _end_with(supervisor: int, grace_s: float) -> None:
    """Stop this process once its supervisor is gone, cleanly if it stops within the grace."""
    while os.getppid() == supervisor:
        time.sleep(_WATCH_INTERVAL_S)
    _logger.warning("the supervisor is gone: stopping", extra={"supervisor": supervisor})
    _stop.set()
    # Through the signal, too: a server that handles SIGTERM itself never looks at the event.
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os._exit(EXIT_CRASH)


def _rfc3339(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _RECORD_FIELDS}
