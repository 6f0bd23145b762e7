"""What is known of a view while it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tests.oracle.values import NESTED, Kind

EXACT, CLOSE, MOMENT, ROUGH, ABOUT = "exact", "close", "moment", "rough", "about"
"""How a number is compared: as it is, by the last digits, or by the stated bound."""
JSON, DOCUMENT, TEXTS, OBJECT, MAP = "json", "document", "texts", "object", "map"
MAPS = "maps"
"""What DuckDB says where a view says JSON: values, texts, a list of those, pairs, maps."""


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
        many: Whether it reads several sources, whose events have no order.
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
    many: bool = False

    def plain(self) -> list[str]:
        """The names of the columns that are not nested."""
        return [name for name, kind in self.columns if not kind.uses & NESTED]

    def of(self, *uses: str) -> list[str]:
        return [name for name, kind in self.columns if kind.uses & set(uses)]


def nested_bound(view: View, sql: str) -> str:
    """How an expression is compared that may be a nested column."""
    if sql in view.of("map"):
        return MAP
    if sql in view.of("json"):
        return DOCUMENT
    return JSON if sql in view.of("list", "struct", "structs") else EXACT
