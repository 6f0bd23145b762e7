"""What a case is."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

from tests.laws.streams import Step
from tests.oracle.messages import Message
from tests.oracle.source import Source
from tests.oracle.values import EPOCH
from tests.oracle.view import Window


@dataclass(frozen=True)
class Case:
    """A case.

    Attributes:
        sql: The pipeline; the view is ``v``.
        batch: What DuckDB is asked over a table of each source; ``{shown}`` stands where a window
            must be live or closed, if the view has a retention or waits for the close.
        sources: The sources; of several the view reads a UNION ALL.
        key: The key columns, in order.
        bounds: How each output is compared.
        messages: The events, in log order.
        plan: How they are cut, and where the process dies.
        window: The windows, or None.
        retention_s: Window end + this must lie after the stream's time; None without retention.
        closed: Whether windows are shown once they are closed.
        on_late: What becomes of late events.
    """

    sql: str
    batch: str
    sources: tuple[Source, ...]
    key: tuple[str, ...]
    bounds: dict[str, str]
    messages: tuple[Message, ...]
    plan: tuple[Step, ...]
    window: Window | None
    retention_s: int | None
    closed: bool
    on_late: str

    @property
    def counts_late(self) -> bool:
        """Whether all late events are counted so; with retention WHERE is asked first."""
        filters = "WHERE" in self.sql or "UNNEST" in self.sql
        return self.on_late == "drop" or self.retention_s is None or not filters

    @property
    def reclaims_sessions(self) -> bool:
        """Whether what DuckDB says holds though expired sessions go for good.

        A partition that wakes up far behind the others does not find its session any more.
        """
        return all(source.idle_s is None for source in self.sources)

    def closes_s(self, second: int) -> float:
        """From which time of its partition on an event is late."""
        if self.on_late == "apply" and self.retention_s is None:
            return math.inf
        if self.window is None:
            return second + 1
        if self.on_late == "apply":
            return self.window.last_end_s(second) + (self.retention_s or 0)
        return self.window.first_end_s(second)

    def shown(self, second: int | None) -> str:
        """The condition on a window to be shown at a time of the stream."""
        if second is None:
            return "false" if self.closed else "true"
        mark = f"TIMESTAMP '{EPOCH}' + INTERVAL '{second} seconds'"
        end = "window_end::TIMESTAMP"
        conditions = [f"{end} <= {mark}"] if self.closed else []
        if self.retention_s is not None:
            conditions.append(f"{end} + INTERVAL '{self.retention_s} seconds' > {mark}")
        return " AND ".join(conditions) or "true"


def without(case: Case, places: range) -> Case:
    """Return a case without the messages at these places; those behind them move up."""
    offsets: Counter[tuple[str, int]] = Counter()
    kept = []
    for i, message in enumerate(case.messages):
        if i not in places:
            place = message.source, message.partition
            row = message.row and (*message.row[:-1], str(offsets[place]))
            kept.append(replace(message, row=row))
            offsets[place] += 1
    return replace(case, messages=tuple(kept))
