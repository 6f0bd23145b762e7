"""The state, kept fresh: one replica per process, moved by a timer on the event loop.

Everything happens on the one thread of the loop, so between two awaits the replica stands still: a
row and the freshness that goes with it are of the same commit. A commit is noticed by a load from
shared memory (``StateReader.behind``), every ``catch_up_interval_ms``, and by a request that comes
when the last look is older than that, since a busy loop may run its timers late.

The directory may not exist yet, may be deleted and rebuilt, or become one of another release: then
there is no reader, ``problem`` says why, and opening it is tried again. One that is of another
release from the start is refused.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keyfold.errors import KeyfoldError, StateError, StateFormatError
from keyfold.settings import Settings
from keyfold.state.layout import counter_path, replicas_directory, state_directory
from keyfold.state.reader import StateReader
from serving.absent import not_ready, why_missing
from serving.lookup import ViewLookup

OPEN_INTERVAL_S = 0.1
IDENTITY_INTERVAL_S = 0.25
WAIT_S = 0.05
"""How long the loop may stand still for a state whose files and log do not fit each other, which a
few openings mend as a rule; then nothing is answered until the timer has opened it."""

_logger = logging.getLogger("keyfold.serving")
Identity = tuple[tuple[int, int], ...]


class LiveState:
    """The newest state that this process can see.

    Attributes:
        reader: The open state, or None.
        views: What can be looked up, by the view's name as UTF-8.
        problem: Why there is no reader, or empty.
        data_directory: Where the state lies.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.data_directory = settings.data_dir
        self._interval_s = settings.catch_up_interval_ms / 1000
        self._identity: Identity = ()
        self._seen_catalog: object = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._open_due = self._identity_due = 0.0
        self._behind_since: float | None = None
        self.reader: StateReader | None = None
        self.views: dict[bytes, ViewLookup] = {}
        self.problem = "the state has not been opened yet"
        self._adopted_run = ""
        self._run_seen = ("", 0)

    def start(self) -> None:
        """Open the state if it is there, and keep it fresh from now on.

        Raises:
            StateFormatError: The state is of another release.
        """
        sweep_replicas(self._settings.data_dir)
        self._open()
        if self.reader is None:
            _logger.info("waiting for the state: %s", self.problem)
        self._open_due = time.monotonic() + OPEN_INTERVAL_S
        self._tick()

    def close(self) -> None:
        """Stop the timer and release the state. Safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._drop("the process is stopping")

    def current(self) -> StateReader:
        """Return the open state, moved to the newest commit if the last look is too old.

        Raises:
            NotReadyError: There is none yet.
        """
        now = time.monotonic()
        if now >= self._due:
            self._look(now)
        if self.reader is None:
            raise not_ready(self.problem)
        return self.reader

    def view(self, name: bytes) -> ViewLookup:
        """Return a view of the newest state.

        Raises:
            NotReadyError: There is no state yet, or the view is not kept yet.
            NotFoundError: There is no view of that name.
        """
        reader = self.current()
        view = self.views.get(name)
        if view is None and reader.behind():  # it may be what the next commit brings
            self._look(time.monotonic())
            reader = self.current()
            view = self.views.get(name)
        if view is None:
            text = name.decode(errors="replace")
            missing = reader.status()[2].missing.get(text)
            if missing is not None:
                raise not_ready(f"view {text} is not kept yet: {why_missing(missing)}")
            reader.view(text)
            raise AssertionError(f"view {name!r} is in the catalog and not among the lookups")
        return view

    @contextmanager
    def reading(self) -> Iterator[StateReader]:
        """Hold the newest state over awaits; if it is replaced meanwhile, that is ``NotReady``.

        Raises:
            NotReadyError: There is no state yet, or it was replaced.
        """
        reader = self.current()
        try:
            yield reader
        except KeyfoldError:
            raise
        except Exception as error:
            if self.reader is reader:
                raise
            raise not_ready("the state was replaced while it was read") from error

    def adopted(self, run: str) -> bool:
        """Say whether the catalog is that of a run's writer, and not one from before.

        Args:
            run: Name of the run; where it is empty, any catalog is as good.
        """
        if run != self._adopted_run and self.reader is not None:
            published, _, status = self.reader.status()
            if status.run == run != self._run_seen[0]:
                # Any commit of the run will do: of a busy one the newest is never here in time.
                self._run_seen = (run, published)
            name, sequence = self._run_seen
            if name == run and self.reader.record.sequence >= sequence:
                self._adopted_run = run
        return run == self._adopted_run

    def stuck_s(self) -> float:
        """Return for how long the replica has been behind what was published; 0.0 normally."""
        if self._behind_since is None:
            return 0.0
        return time.monotonic() - self._behind_since

    def _tick(self) -> None:
        now = time.monotonic()
        self._look(now)
        if self.reader is None and now >= self._open_due:
            self._open_due = now + OPEN_INTERVAL_S
            try:
                self._open()
            except StateFormatError as error:
                if error.message != self.problem:  # it came after the start
                    _logger.error("%s", error, extra={"code": error.code})
                self.problem = error.message
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._interval_s, self._tick)

    def _look(self, now: float) -> None:
        """Take over a new commit, if there is one; let go of a directory that was replaced."""
        self._due = now + self._interval_s
        reader = self.reader
        if reader is None:
            return
        if now >= self._identity_due:
            self._identity_due = now + IDENTITY_INTERVAL_S
            if identity(self._settings.data_dir) != self._identity:
                self._drop("the state directory was replaced")
                return
        if not reader.behind():
            self._behind_since = None
            return
        try:
            reader.refresh()
        except Exception as error:
            # The rows may have moved and the record not: such a reader must not answer.
            _logger.warning("the replica is opened again", extra={"reason": str(error)})
            self._drop(f"the state cannot be followed: {error}")
            return
        if reader.views is not self._seen_catalog:
            self._take_over_catalog(reader)
        if reader.behind():
            self._behind_since = self._behind_since or now
        else:
            self._behind_since = None

    def _open(self) -> None:
        """Open the state; where it cannot be opened yet, ``problem`` says why.

        Raises:
            StateFormatError: It is of another release.
        """
        directory = self._settings.data_dir
        found = identity(directory)
        if not found:
            self.problem = f"there is no state in {directory} yet"
            return
        try:
            reader = StateReader.open(
                directory,
                os.getpid(),
                block_cache_bytes=self._settings.serving_block_cache_bytes,
                wait_s=WAIT_S,
            )
        except StateFormatError:
            raise
        except Exception as error:
            # A directory that is being made or removed fails in many ways; all of them pass.
            problem = error.message if isinstance(error, KeyfoldError) else str(error)
            if problem != self.problem and not isinstance(error, StateError):
                _logger.warning("the state cannot be opened yet", extra={"reason": problem})
            self.problem = problem
            return
        self._identity = found
        self.reader = reader
        self.problem = ""
        self._behind_since = None
        self._take_over_catalog(reader)
        _logger.info("the state is open", extra={"commit": reader.record.sequence})

    def _take_over_catalog(self, reader: StateReader) -> None:
        self._seen_catalog = reader.views
        self.views = {
            name.encode(): ViewLookup(reader, view, self._settings.stale_after_ms)
            for name, view in reader.views.items()
        }

    def _drop(self, problem: str) -> None:
        reader, self.reader, self.views = self.reader, None, {}
        self._seen_catalog = None
        self._behind_since = None
        self._run_seen = ("", 0)  # another state counts its commits anew
        self.problem = problem
        if reader is not None:
            reader.close()


def identity(data_directory: Path) -> Identity:
    """Return what tells one state directory from another at the same path; empty for none."""
    try:
        files = (state_directory(data_directory) / "IDENTITY", counter_path(data_directory))
        return tuple((facts.st_dev, facts.st_ino) for facts in (path.stat() for path in files))
    except FileNotFoundError:
        return ()


def sweep_replicas(data_directory: Path) -> None:
    """Remove what killed readers left behind: the log files of their replicas."""
    replicas = replicas_directory(data_directory)
    try:
        names = [name for name in os.listdir(replicas) if name.partition("-")[0].isdecimal()]
    except FileNotFoundError:
        return
    for name in names:
        try:
            os.kill(int(name.partition("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(replicas / name, ignore_errors=True)
        except PermissionError:
            continue  # alive, and not ours
