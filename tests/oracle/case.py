"""What a case is, and what is known of a view while it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from random import Random

from tests.laws.stream import Step
from tests.oracle.messages import Message
from tests.oracle.values import EPOCH, Kind

EXACT, CLOSE, MOMENT, ROUGH, ABOUT = "exact", "close", "moment", "rough", "about"
"""How a number is compared: as it is, by the last digits, or by the stated bound."""
JSON, DOCUMENT, TEXTS, OBJECT, MAP = "json", "document", "texts", "object", "map"
"""What DuckDB says where a view says JSON: values, JSON texts, a list of those, pairs, a map."""


@dataclass(frozen=True)
class Window:
    """The windows of a view.

    Attributes:
        kind: ``tumble``, ``hop``, ``cumulate`` or ``session``.
        step_s: From one window to the next; of sessions the gap.
        size_s: How wide the last window is that holds an event.
        offset_s: What windows are shifted by.
    """

    kind: str
    step_s: int
    size_s: int
    offset_s: int = 0

    def first_end_s(self, second: int) -> int:
        """The end of the first window that holds an event, which is alone in its session."""
        if self.kind == "session":
            return second + self.step_s
        return (second - self.offset_s) // self.step_s * self.step_s + self.offset_s + self.step_s

    def last_end_s(self, second: int) -> int:
        """The end of the last one."""
        if self.kind == "session":
            return second + self.step_s
        start_s = self.size_s if self.kind == "cumulate" else self.step_s
        return (second - self.offset_s) // start_s * start_s + self.offset_s + self.size_s


@dataclass(frozen=True)
class Case:
    """A case.

    Attributes:
        sql: The pipeline; the source is ``e``, the view ``v``.
        batch: What DuckDB is asked over a table ``e``; ``{shown}`` stands where a window must be
            live or closed, if the view has a retention or waits for the close.
        columns: Names and types of that table.
        key: The key columns, in order.
        bounds: How each output is compared.
        messages: The events, in log order.
        plan: How they are cut, and where the process dies.
        window: The windows, or None.
        retention_s: Window end + this must lie after the stream's time; None without retention.
        closed: Whether windows are shown once they are closed.
        on_late: What becomes of late events.
        delay_s: How far the watermark lies behind.
    """

    sql: str
    batch: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    bounds: dict[str, str]
    messages: tuple[Message, ...]
    plan: tuple[Step, ...]
    window: Window | None
    retention_s: int | None
    closed: bool
    on_late: str
    delay_s: int

    @property
    def counts_late(self) -> bool:
        """Whether all late events are counted so; with retention WHERE is asked first."""
        filters = "WHERE" in self.sql or "UNNEST" in self.sql
        return self.on_late == "drop" or self.retention_s is None or not filters

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
        """The condition on a window to be shown when the greatest event time is this."""
        if second is None:
            return "false" if self.closed else "true"
        mark = f"TIMESTAMP '{EPOCH}' + INTERVAL '{second - self.delay_s} seconds'"
        end = "window_end::TIMESTAMP"
        conditions = [f"{end} <= {mark}"] if self.closed else []
        if self.retention_s is not None:
            conditions.append(f"{end} + INTERVAL '{self.retention_s} seconds' > {mark}")
        return " AND ".join(conditions) or "true"


@dataclass
class View:
    """A view while it is made: the columns that it can read, and its parts as written so far.

    Attributes:
        columns: Names and kinds.
        scalars: The names of those that are not nested.
        events: Such names again, but of the event itself and not of an element of its lists.
        twin: What the computed column ``x`` is; as a key it is the same one.
        keys: The names of the key columns.
        window: The windows, or None.
        by: PARTITION BY of sessions; None where there are none.
        list_limit: How many values a list has without a LIMIT.
    """

    chance: Random
    columns: list[tuple[str, Kind]]
    scalars: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    twin: str = ""
    keys: list[str] = field(default_factory=list)
    window: Window | None = None
    by: list[str] | None = None
    list_limit: int = 100

    def of(self, *uses: str) -> list[str]:
        return [name for name, kind in self.columns if kind.uses & set(uses)]

    @property
    def merged(self) -> bool:
        """Whether windows are made of parts, of which different values do not add up."""
        return self.window is not None and self.window.kind != "tumble"


def without(case: Case, places: range) -> Case:
    """Return a case without the messages at these places; those behind them move up."""
    offsets = [0, 0, 0]
    kept = []
    for i, message in enumerate(case.messages):
        if i not in places:
            offset = str(offsets[message.partition])
            kept.append(replace(message, row=message.row and (*message.row[:-1], offset)))
            offsets[message.partition] += 1
    return replace(case, messages=tuple(kept))
