"""The state as a reader process sees it: catalog, commit record, rows, freshness, of one moment.

Between two calls of ``refresh`` nothing changes, so a row and the offsets that are stated with it
belong together (law 4). Not thread-safe.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keyfold.errors import NotFoundError, StateError, StateFormatError
from keyfold.state.counter import CounterReader, Status
from keyfold.state.freshness import Freshness, freshness
from keyfold.state.layout import (
    CATALOG_KEY,
    COMMIT_KEY,
    FORMAT,
    FORMAT_KEY,
    counter_path,
    replica_directory,
    state_directory,
    view_prefix,
)
from keyfold.state.protocol import Page, Replica
from keyfold.state.reads import row_pages, row_reads
from keyfold.state.record import (
    CommitRecord,
    StoredCatalog,
    catalog_decoder,
    record_decoder,
)
from keyfold.state.rocks import OPEN_S_MAX, RocksReplica
from keyfold.view.plan import PLAN_FORMAT, ViewPlan
from keyfold.view.row import CompiledView, Hides, HidesMany
from keyfold.view.rowkey import prefix_end


@dataclass(frozen=True, slots=True)
class ViewReader:
    """A view that can be read.

    Attributes:
        plan: Its plan.
        compiled: Its codecs and outputs.
        prefix: What stands before its row keys in the store.
        end: The first key after its rows.
    """

    plan: ViewPlan
    compiled: CompiledView
    prefix: bytes
    end: bytes


class StateReader:
    """Reads one data directory while another process writes it.

    Attributes:
        catalog: The stored catalog.
        record: The commit that the reader stands at.
        views: By name.
    """

    def __init__(self, replica: Replica, counter: CounterReader) -> None:
        self.replica = replica
        self._counter = counter
        self._seen = -1
        self._status_turn = -1
        self._status: tuple[int, int, Status] = (0, 0, Status())
        self.catalog: StoredCatalog
        self.record = CommitRecord()
        self.views: dict[str, ViewReader] = {}
        self._take_over()

    @staticmethod
    def open(
        data_directory: Path, pid: int, *, block_cache_bytes: int, wait_s: float = OPEN_S_MAX
    ) -> StateReader:
        """Open the state under a data directory as a secondary.

        Args:
            data_directory: The data directory.
            pid: Of the reader's process, which names the replica's own directory.
            block_cache_bytes: Size of the block cache.
            wait_s: As in ``RocksReplica``.

        Raises:
            StateError: There is none yet, or it cannot be read.
            StateFormatError: It is of another format.
        """
        with contextlib.ExitStack() as opened:
            replica = RocksReplica(
                state_directory(data_directory),
                replica_directory(data_directory, f"{pid}-{secrets.token_hex(4)}"),
                block_cache_bytes=block_cache_bytes,
                wait_s=wait_s,
            )
            opened.callback(replica.close)
            raw_format = replica.get(FORMAT_KEY)
            if raw_format is not None:
                check_format(raw_format)  # first: another release's counter may be another, too
            counter = CounterReader(counter_path(data_directory))
            opened.callback(counter.close)
            reader = StateReader(replica, counter)
            opened.pop_all()
            return reader

    def behind(self) -> bool:
        """Say whether a commit was published that ``refresh`` would take over. A memory load."""
        return self._counter.sequence() != self._seen

    def refresh(self) -> bool:
        """Take over the latest commit; True when there was a new one."""
        published = self._counter.sequence()
        if published == self._seen:
            return False
        self.replica.refresh()
        self._take_over()
        return True

    def status(self) -> tuple[int, int, Status]:
        """Return (sequence, heartbeat in ms, status) as the writer last published it."""
        turn = self._counter.turn()
        if turn != self._status_turn and turn % 2 == 0:
            # A writer that dies or is held up while it publishes: the last word stands, and ages.
            with contextlib.suppress(StateError):
                self._status = self._counter.read()
                self._status_turn = turn
        return self._status

    def freshness(self, view: ViewPlan, now_ms: int, stale_after_ms: int) -> Freshness:
        """Label an answer that is given now."""
        sequence, _, status = self.status()
        return freshness(view, self.record, status, sequence, now_ms, stale_after_ms)

    def view(self, name: str) -> ViewReader:
        """Return a view.

        Raises:
            NotFoundError: There is none of that name.
        """
        view = self.views.get(name)
        if view is None:
            known = ", ".join(sorted(self.views)) or "none"
            raise NotFoundError(
                f"there is no view {name!r}", code="no_such_view", hint=f"views: {known}"
            )
        return view

    def hides(self, view: ViewReader) -> Hides | None:
        """Return what says of a row whether it is hidden now; None: none is."""
        return view.compiled.hides(self.record.stream_time_us(view.plan))

    def rows(self, view: ViewReader) -> Iterator[tuple[bytes, bytes]]:
        """Yield (row key, value) of every row that is not hidden by its window, in key order."""
        reads = row_reads(view.plan, view.prefix, self.replica)
        return live_rows(view, reads.scan(view.prefix, view.end), self.hides(view))

    def pages(self, view: ViewReader, rows_max: int) -> Iterator[Page]:
        """Yield the rows of a view in key order, the view's prefix on the keys, hidden ones too.

        Args:
            view: The view; ``hides_many`` of it says which are hidden.
            rows_max: Of a page; none is empty.
        """
        return row_pages(view.plan, view.prefix, self.replica, rows_max)

    def hides_many(self, view: ViewReader) -> HidesMany | None:
        """Return what says of many rows which are hidden now; None: none is."""
        return view.compiled.hides_many(self.record.stream_time_us(view.plan))

    def close(self) -> None:
        """Release files. Safe to call twice."""
        self.replica.close()
        self._counter.close()

    def _take_over(self) -> None:
        raw_format = self.replica.get(FORMAT_KEY)
        if raw_format is None:
            raise StateError("the state is empty", hint="wait for `keyfold ingest` to open it")
        check_format(raw_format)
        raw = self.replica.get(COMMIT_KEY)
        record = record_decoder.decode(raw) if raw else CommitRecord()
        if record.catalog_version != getattr(getattr(self, "catalog", None), "version", -1):
            self._take_over_catalog()
        self.record = record
        self._seen = record.sequence

    def _take_over_catalog(self) -> None:
        raw = self.replica.get(CATALOG_KEY)
        if raw is None:
            raise StateError(
                "the state has no catalog", hint="wait for `keyfold ingest` to open it"
            )
        self.catalog = catalog_decoder.decode(raw)
        if self.catalog.plan_format != PLAN_FORMAT:
            raise StateError(
                f"the stored plans have format {self.catalog.plan_format}, "
                f"this release reads {PLAN_FORMAT}",
                hint="start the ingest process of this release first",
            )
        self.views = {plan.name: self._view_reader(plan) for plan in self.catalog.catalog.views}

    def _view_reader(self, plan: ViewPlan) -> ViewReader:
        prefix = view_prefix(self.catalog.view_ids[plan.name])
        return ViewReader(plan, CompiledView(plan), prefix, prefix_end(prefix))


def live_rows(
    view: ViewReader, pairs: Iterator[tuple[bytes, bytes]], hides: Hides | None
) -> Iterator[tuple[bytes, bytes]]:
    """Take the prefix off stored keys, and leave hidden rows out."""
    cut = len(view.prefix)
    if hides is None:
        return ((key[cut:], value) for key, value in pairs)
    return ((key[cut:], value) for key, value in pairs if not hides(key[cut:], value))


def check_format(raw: bytes) -> None:
    """Refuse a state of another format version.

    Raises:
        StateFormatError: It is.
    """
    if raw != str(FORMAT).encode():
        raise StateFormatError(
            f"the state has format version {raw.decode(errors='replace')}, "
            f"this release reads {FORMAT}",
            hint="the CHANGELOG says how to move a state to this release",
        )
