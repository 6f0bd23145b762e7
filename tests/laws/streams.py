"""Streams of one source or several, cut and crashed at will, and one state that follows them.

Like ``Stream``, with the sources read in any order beside each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.lane import Lane
from keyfold.state.protocol import Store
from keyfold.state.record import CommitRecord
from keyfold.state.writer import StateWriter
from keyfold.view.row import CompiledView
from tests.laws.stream import (
    Said,
    batch_of,
    compiled,
    durable_record,
    shared_connection,
    stored_rows,
)


@dataclass(frozen=True)
class Step:
    """What happens to one source, and after it."""

    source: str
    size: int
    then: str


class Streams:
    """Logs by source and partition, and one state that follows them through crashes.

    Attributes:
        sql: The pipeline; another one counts from the next crash on.
        logs: Messages by source and partition.
        catalog: The compiled pipeline.
    """

    def __init__(
        self,
        make_store: Callable[[], Store],
        logs: Mapping[str, Sequence[Said]],
        sql: str,
        *,
        begun_is_ready: bool = False,
    ) -> None:
        """Begin to follow.

        Args:
            make_store: Opens the store, once more after a crash.
            logs: The messages of each source, in order.
            sql: The pipeline.
            begun_is_ready: Whether a view is ready once it has had something of each partition.
        """
        self._make_store = make_store
        self._begun_is_ready = begun_is_ready
        self.sql = sql
        self.logs: dict[str, dict[int, list[Said]]] = {}
        for source, log in logs.items():
            self.logs[source] = {0: [], 1: [], 2: []}
            for event in log:
                self.logs[source][event.partition].append(event)
        self.start()

    def start(self, **wish: Any) -> None:
        """Open the state, as a process does that starts."""
        self.catalog = compiled(self.sql)
        self.store = self._make_store()
        self.state = StateWriter(self.store, self.catalog, **wish)
        self.lanes = {
            source.name: Lane(source, self.state, shared_connection(), Path("nowhere"))
            for source in self.catalog.sources
        }

    def crash(self, **wish: Any) -> None:
        """Lose everything that was not committed."""
        self.store.close()
        self.start(**wish)

    def read(self, source: str, size: int) -> int:
        """Apply the next batch of a source; return how many messages it has."""
        record = self.state.record
        parts = [
            record.views[view.name].part(source)
            for view in self.catalog.views
            if source in view.sources
        ]
        taken: list[tuple[int, int, Said]] = []
        ends = {}
        for partition, log in self.logs[source].items():
            start = min(part.offsets.get(partition, 0) for part in parts if not part.error)
            # Partitions advance at different speeds, so batches mix them unevenly.
            some = log[start : start + max(1, size * (partition + 1) // 6)]
            taken += [(partition, start + i, event) for i, event in enumerate(some)]
            ends[partition] = start + len(some)
        if taken:
            self.lanes[source].apply(batch_of(taken, ends), 0)
        return len(taken)

    def run(self, plan: Sequence[Step]) -> None:
        """Follow a plan of batches, commits and crashes."""
        for step in plan:
            self.read(step.source, step.size)
            if step.then == "commit":
                self.commit()
            elif step.then == "crash":
                self.crash()

    def finish(self, *sources: str, size: int = 7) -> None:
        """Read the rest of some sources, or of all, and commit."""
        for source in sources or self.lanes:
            while self.read(source, size):
                pass
        self.commit()

    def commit(self) -> None:
        self.state.reclaim(5)
        for lane in self.lanes.values():
            lane.before_commit(0)
        if self._begun_is_ready:
            self._tell_ready()
        self.state.commit(0)
        for lane in self.lanes.values():
            lane.after_commit()

    def _tell_ready(self) -> None:
        for view in self.catalog.views:
            for source in view.sources:
                part = self.state.record.views[view.name].part(source)
                begun = [part.offsets.get(p, 0) > 0 for p, log in self.logs[source].items() if log]
                part.ready = part.ready or all(begun)

    def record(self) -> CommitRecord:
        """The durable commit record."""
        return durable_record(self.store)

    def stored(self, name: str) -> tuple[CompiledView, list[tuple[bytes, bytes]]]:
        """A view's durable rows as a reader sees them."""
        prefix = self.state.views[name].prefix
        return stored_rows(self.catalog.view(name), prefix, self.store, self.record())

    def rows(self, name: str) -> list[dict[str, Any]]:
        compiled_view, stored = self.stored(name)
        rows: list[dict[str, Any]] = compiled_view.arrow_table(stored).to_pylist()
        return rows
