"""When snapshots are taken: a plain loop over the views, one at a time.

A view is due ``lake_interval_s`` after its last try began, and gets a snapshot only if it changed.
A view whose snapshot fails costs that view only (law 7): it is tried again after a wait that
doubles up to ``lake_interval_s``, the error stands in the status and in the log, and the other
views go on. Commits of the state never wait for the lake, and the lake never follows each commit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from keyfold.errors import KeyfoldError, LakeError
from keyfold.settings import Settings
from keyfold.state.reader import StateReader, ViewReader
from lake.maintenance import expire, remove_orphans
from lake.snapshot import take_snapshot
from lake.status import LakeStatus, TableStatus, write_status
from lake.table import (
    COMMIT,
    ROWS,
    identifier_of,
    load_table,
    offsets_in,
    told_by,
    write_version_hint,
)

_logger = logging.getLogger(__name__)

RETRY_S_MIN = 1.0
LOG_AGAIN_S = 600.0
WAIT_S_MAX = 0.5
"""A catalog that changes while the process waits is noticed within this."""


@dataclass(slots=True)
class _Due:
    """When a view's next try is.

    Attributes:
        at_s: Monotonic time.
        retry_s: The wait after the last failure; 0 after a success.
        swept: Whether the table's location was looked through for orphans.
        logged_s: Monotonic time at which the log last told of a failure.
    """

    at_s: float
    retry_s: float = 0.0
    swept: bool = False
    logged_s: float = 0.0


class Schedule:
    """Takes the snapshots of all views of one data directory. Not thread-safe.

    Attributes:
        status: What is told to the outside; written after every try.
    """

    def __init__(
        self,
        catalog: Catalog,
        settings: Settings,
        reader: StateReader,
        *,
        pid: int,
        clock_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._settings = settings
        self._reader = reader
        self._clock_s = clock_s
        self._monotonic_s = monotonic_s
        self._due: dict[str, _Due] = {}
        self._written = b""
        self.status = LakeStatus(pid=pid, started_ms=self._now_ms())
        self._follow_catalog()
        self._write_status()

    def step(self) -> float:
        """Take every snapshot that is due, and return the seconds until the next one."""
        self._follow_catalog()
        for name in list(self._due):
            if self._due[name].at_s <= self._monotonic_s():
                self._try(name)
        next_s = min((due.at_s for due in self._due.values()), default=float("inf"))
        return min(max(0.0, next_s - self._monotonic_s()), WAIT_S_MAX)

    def finish(self) -> None:
        """Take a last snapshot of every view that changed; the process ends cleanly."""
        for name in list(self._due):
            self._try(name)
        self.status.stopped = True
        self._write_status()

    def _follow_catalog(self) -> None:
        """Take over the latest commit, and with it views that are new or gone."""
        self._reader.refresh()
        views = self._reader.views
        for name in views.keys() - self._due.keys():
            self._due[name] = _Due(self._monotonic_s())
            self.status.views[name] = TableStatus(".".join(identifier_of(self._settings, name)))
        for name in self._due.keys() - views.keys():
            del self._due[name]
            del self.status.views[name]  # the table stays: it belongs to its readers

    def _try(self, name: str) -> None:
        """Take the snapshot of one view; never raises for a failure of the world."""
        due, told = self._due[name], self.status.views[name]
        self._reader.refresh()
        view = self._reader.views.get(name)
        if view is None or name not in self._reader.record.views:
            return
        begun_s = self._monotonic_s()
        due.at_s = begun_s + self._settings.lake_interval_s
        try:
            self._sweep(name, due, told)
            taken = take_snapshot(self._catalog, self._settings, self._reader, view)
        except KeyfoldError as problem:
            self._failed(view, due, told, problem)
        else:
            due.retry_s = 0.0
            told.error, told.error_time_ms, told.retry_ms = "", 0, 0
            if taken is not None:
                told.seconds = round(self._monotonic_s() - begun_s, 3)
                told.snapshots += 1
                _logger.info(
                    "snapshot taken",
                    extra={"view": name, "rows": taken.rows, "seconds": told.seconds},
                )
                self._expire(name, taken.table)
                _show(told, taken.table)
        self._write_status()

    def _failed(
        self, view: ViewReader, due: _Due, told: TableStatus, problem: KeyfoldError
    ) -> None:
        due.retry_s = min(
            max(RETRY_S_MIN, due.retry_s * 2), max(RETRY_S_MIN, self._settings.lake_interval_s)
        )
        due.at_s = self._monotonic_s() + due.retry_s
        due.swept = False
        now_s = self._monotonic_s()
        # A lasting fault stays in the status; the log tells of it now and then.
        if str(problem) != told.error or now_s >= due.logged_s + LOG_AGAIN_S:
            due.logged_s = now_s
            _logger.error("%s", problem, extra={"view": view.plan.name, "code": problem.code})
        told.error = str(problem)
        told.error_time_ms = self._now_ms()
        told.retry_ms = told.error_time_ms + int(due.retry_s * 1000)

    def _sweep(self, name: str, due: _Due, told: TableStatus) -> None:
        """Finish or remove what a crash left behind, once per start and after a failure."""
        if due.swept:
            return
        try:
            table = load_table(self._catalog, self._settings, name)
            if table is not None:
                remove_orphans(table, self._clock_s(), exclusive=not self._settings.lake_catalog)
                write_version_hint(table)
                _show(told, table)
        except Exception as problem:  # catalogs and file systems each have their own errors
            raise LakeError(
                f"the table of view {name} cannot be read: {problem or type(problem).__name__}",
                hint="it is tried again",
            ) from problem
        due.swept = True

    def _expire(self, name: str, table: Table) -> None:
        """Expire old snapshots. A failure costs disk space, not the snapshot: it is tried again."""
        try:
            expire(table, self._settings, self._now_ms())
        except Exception:
            _logger.warning("old snapshots of view %s stay for now", name, exc_info=True)

    def _write_status(self) -> None:
        """Write the status where it changed."""
        raw = msgspec.json.encode(self.status)
        if raw != self._written:
            write_status(self._settings.data_dir, self.status)
            self._written = raw

    def _now_ms(self) -> int:
        return int(self._clock_s() * 1000)


def _show(told: TableStatus, table: Table) -> None:
    """Point the status at the table's current metadata and snapshot."""
    told.location = table.location()
    told.metadata_location = table.metadata_location
    snapshot = table.current_snapshot()
    if snapshot is not None:
        told.snapshot_id = snapshot.snapshot_id
        told.time_ms = snapshot.timestamp_ms
        told.offsets = dict(offsets_in(snapshot).items())
        told.rows = int(told_by(snapshot, ROWS) or 0)
        told.commit = int(told_by(snapshot, COMMIT) or 0)
