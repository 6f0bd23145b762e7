"""Plans: what a source and a view are once their SQL was read. Frozen, and stored in the catalog.

A plan is all that the processes need: the writer runs its ``batch_sql``, a reader compiles its key
codec and outputs; neither parses SQL. The fingerprint covers what decides the content of the state,
so a change of SQL that changes the state is noticed, and a comment is not.
"""

from __future__ import annotations

import hashlib
from typing import Literal as OneOf

import msgspec

from keyfold.view.aggregate import Aggregate, Final
from keyfold.view.expression import Expression
from keyfold.view.family.law import Slot
from keyfold.view.types import ColumnType, column_type

PLAN_FORMAT = 1
_BEFORE_ALL_US = -(1 << 63)

IncludeKind = OneOf["key", "partition", "offset", "timestamp", "headers"]
OnLate = OneOf["apply", "drop", "dead_letter"]
INCLUDE_TYPES: dict[str, str] = {
    "key": "VARCHAR",
    "partition": "INTEGER",
    "offset": "BIGINT",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "headers": 'STRUCT("key" VARCHAR, "value" VARCHAR)[]',
}
"""What CREATE SOURCE … INCLUDE can add, with the type of each column."""


DECODER_OPTIONS = ("timestamp.unit",)
"""Options of a source that its decoder reads; no connector knows them."""


class Column(msgspec.Struct, frozen=True):
    """A named, typed column.

    Attributes:
        name: As in SQL, case kept.
        type: DuckDB's name of the type.
    """

    name: str
    type: str


class Include(msgspec.Struct, frozen=True):
    """A column of a source that the transport fills: ``INCLUDE offset AS o``."""

    kind: IncludeKind
    name: str


class Watermark(msgspec.Struct, frozen=True):
    """``WATERMARK FOR column AS column - delay``.

    Attributes:
        column: The event time column; a message without it is a dead letter.
        delay_us: How far the watermark stays behind the greatest event time, µs.
    """

    column: str
    delay_us: int


class SourcePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A source.

    Attributes:
        name: As in SQL.
        connector: ``kafka``, ``events``, ``file`` or ``nexmark``.
        options: WITH options except ``connector``, as written.
        columns: Declared columns that are decoded from the message.
        includes: Columns that the transport fills.
        encode: ``json``, ``csv``, ``parquet``, or empty where ENCODE was left out.
        watermark: The event time, if declared.
        max_future_skew_us: An event dated more than this after its message's own timestamp does
            not move the watermark.
        sql: The statement as written.
        fingerprint: Changes with anything that changes the meaning of stored offsets and rows.
        idle_timeout_us: A partition whose last message is older than the newest one of the source
            by more than this does not hold the watermark back; None: each one does.
    """

    name: str
    connector: str
    options: dict[str, str]
    columns: tuple[Column, ...]
    includes: tuple[Include, ...]
    encode: str
    watermark: Watermark | None
    max_future_skew_us: int
    sql: str
    fingerprint: str
    idle_timeout_us: int | None = None

    @property
    def waiting(self) -> bool:
        """Whether its columns are not known yet: they are detected from its first events."""
        return not self.columns

    @property
    def connector_options(self) -> dict[str, str]:
        """The options that are the connector's own: without what the decoder reads."""
        return {key: value for key, value in self.options.items() if key not in DECODER_OPTIONS}


class Window(msgspec.Struct, frozen=True):
    """A window over event time.

    Where windows share events (``hop``, ``cumulate``) the store holds panes: the partials of the
    events of one step. A reader merges the panes of a window (keyfold/view/pane.py). Of ``session``
    an event says only from when to when its session lasts at least (keyfold/view/session.py).

    Attributes:
        kind: ``tumble``, ``hop``, ``cumulate`` or ``session``.
        column: The event time column.
        size_us: Width, µs; of ``cumulate``, of the widest window; of ``session``, the gap.
        offset_us: Shift of the window bounds from the epoch, µs.
        step_us: From one window to the next, µs, where windows share events; not set elsewhere, so
            that a tumbling window stays the same in stored plans and fingerprints.
    """

    kind: str
    column: str
    size_us: int
    offset_us: int = 0
    step_us: int | msgspec.UnsetType = msgspec.UNSET

    @property
    def pane_us(self) -> int:
        """Width of what is kept apart, µs: a step, or else the whole window."""
        return self.size_us if isinstance(self.step_us, msgspec.UnsetType) else self.step_us

    @property
    def session(self) -> bool:
        """Whether its bounds are those of the events, and not on a grid."""
        return self.kind == "session"

    @property
    def panes(self) -> int:
        """Panes in the widest window."""
        return self.size_us // self.pane_us

    @property
    def expiry_us(self) -> int:
        """Stored rows expire at the multiples of this, plus the offset, µs."""
        return self.size_us if self.kind == "cumulate" else self.pane_us

    def floor_us(self, time_us: int, width_us: int) -> int:
        """Return the last multiple of a width, plus the offset, at or before a time."""
        return (time_us - self.offset_us) // width_us * width_us + self.offset_us


GROUPING = "GROUPING"
"""The call that a key column is which tells the rows of grouping sets apart."""
ROW_NUMBER = "ROW_NUMBER()"
"""What a key column is that has the number of a row in its group."""


class KeyColumn(msgspec.Struct, frozen=True):
    """A GROUP BY column.

    Attributes:
        name: Its output name.
        type: DuckDB's name of the type.
        sql: The DuckDB expression over the source's columns (for ``explain``).
    """

    name: str
    type: str
    sql: str

    @property
    def grouping(self) -> bool:
        """Whether it says of which grouping set the row is, and nothing of the event."""
        return self.sql.startswith(f"{GROUPING}(")


class Answer(msgspec.Struct, frozen=True):
    """A finalized aggregate that outputs read.

    Attributes:
        aggregate: Index into the plan's aggregates.
        final: How the partial is read.
    """

    aggregate: int
    final: Final


class Output(msgspec.Struct, frozen=True):
    """A SELECT column: its value is an expression over keys and answers."""

    name: str
    type: str
    expression: Expression


class Top(msgspec.Struct, frozen=True):
    """Several rows per group, which are stored together; their number is the last key column.

    Attributes:
        rows: The most that a group has.
        row: The partial of one of them, as readers have it.
    """

    rows: int
    row: Aggregate


class Part(msgspec.Struct, frozen=True):
    """What a view of several sources does with the events of one; see ``ViewPlan``."""

    source: str
    batch_sql: str
    count_sql: str
    columns_read: tuple[str, ...]


class ViewPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A materialized view.

    Attributes:
        name: As in SQL.
        source: Name of its source; of a UNION ALL, that of the first SELECT.
        keys: The primary key, in GROUP BY order.
        aggregates: The partials that are kept, each once.
        answers: Finalized aggregates.
        outputs: The columns of a row, in SELECT order.
        having: A row is hidden unless this is true; None without HAVING.
        window: The window, if any.
        retention_us: A windowed row goes when the watermark passes window_end + this; None: never.
        window_key: Index of the key column that says which window it is (window_start or
            window_end; of a session, window_start, which is the last key column); retention reads
            it, and so does the merge of panes.
        freshness_slo_ms: Staleness above this is labelled ``stale``.
        batch_sql: DuckDB query over the relation ``batch``: key columns ``k0…``, slots ``s0…``.
        count_sql: DuckDB query over ``batch``: ``p``, ``passed`` per partition, for the ledger;
            empty where every event passes.
        columns_read: Source columns that the view reads.
        sql: The statement as written.
        fingerprint: Changes with anything that changes the content of the state.
        standing_keys: Keys, in physical values, of the rows that are there before any event: over
            nothing, aggregates without GROUP BY are one row in SQL.
        on_late: What becomes of an event that is late in its partition (ingest/late.py).
        emit_on_close: A row is hidden until the view's stream time has passed its window's end.
        top: How a group has several rows (keyfold/view/toprows.py); None: a stored row is a row.
        others: Of a UNION ALL, what is done with the events of the other sources.
    """

    name: str
    source: str
    keys: tuple[KeyColumn, ...]
    aggregates: tuple[Aggregate, ...]
    answers: tuple[Answer, ...]
    outputs: tuple[Output, ...]
    having: Expression | None
    window: Window | None
    retention_us: int | None
    window_key: int | None
    freshness_slo_ms: int
    batch_sql: str
    count_sql: str
    columns_read: tuple[str, ...]
    sql: str
    fingerprint: str
    standing_keys: tuple[tuple[int | None, ...], ...] = ()
    on_late: OnLate = "apply"
    emit_on_close: bool = False
    top: Top | None = None
    others: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[ViewPlan, ...]:
        """The view as a view of each of its sources alone: what a lane works by."""
        if not self.others:
            return (self,)
        first = msgspec.structs.replace(self, others=())
        return (
            first,
            *(
                msgspec.structs.replace(
                    first,
                    source=part.source,
                    batch_sql=part.batch_sql,
                    count_sql=part.count_sql,
                    columns_read=part.columns_read,
                )
                for part in self.others
            ),
        )

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of its sources, in the order of the SQL."""
        return (self.source, *(part.source for part in self.others))

    @property
    def shown(self) -> ViewPlan:
        """The plan by which readers read a row: its partial may not be what is stored."""
        if self.top is not None:
            return msgspec.structs.replace(self, aggregates=(self.top.row,), top=None)
        if self.tiled:
            shown = tuple(aggregate for aggregate in self.aggregates if not aggregate.tile)
            return msgspec.structs.replace(self, aggregates=shown)
        return self

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots of a whole partial: those of every aggregate, in order."""
        return tuple(slot for aggregate in self.aggregates for slot in aggregate.slots)

    @property
    def has_sets(self) -> bool:
        """Whether there are sets of different values beside its rows."""
        return any(aggregate.distinct for aggregate in self.aggregates)

    @property
    def tiled(self) -> bool:
        """Whether these are kept by tiles, since its windows share events (view/tiles.py)."""
        return self.has_sets and self.window is not None and self.window.panes > 1

    @property
    def panes_read(self) -> int:
        """Panes that a row is merged of, at most."""
        if self.window is None:
            return 1
        panes = self.window.panes
        return 2 * panes - 1 if self.tiled and self.window.kind == "hop" else panes

    @property
    def key_types(self) -> tuple[ColumnType, ...]:
        """The types of the key columns."""
        return tuple(column_type(key.type) for key in self.keys)

    @property
    def session(self) -> bool:
        """Whether its rows are sessions."""
        return self.window is not None and self.window.session

    @property
    def leaves_out(self) -> bool:
        """Whether events that are late in their partition are left out before WHERE is asked.

        Sessions with retention need it: an event that has expired must not join one that is kept
        where it still lies there, and begin another where it was taken away.
        """
        return self.on_late != "apply" or (self.session and self.retention_us is not None)

    def expired_before(self, watermark_us: int | None) -> int | None:
        """Return the value of the window key column at or below which a row is expired, or None.

        A row is expired once ``window_end + retention <= watermark``. Of sessions this is the
        window_end itself, which is no key column.
        """
        if self.retention_us is None or watermark_us is None:
            return None
        return self._key_of_end(watermark_us - self.retention_us)

    def closed_up_to(self, stream_time_us: int | None) -> int | None:
        """Return the value of the window key column above which windows are open, or None.

        None: no row waits for its window, which is closed once ``window_end <= stream time``. Of
        sessions this is the window_end itself.
        """
        if not self.emit_on_close:
            return None
        return _BEFORE_ALL_US if stream_time_us is None else self._key_of_end(stream_time_us)

    def _key_of_end(self, end_us: int) -> int | None:
        """Return the value of the window key column of a window that ends at a time."""
        if self.window is None:
            return None
        if self.session:
            return end_us
        ends = self.window_key is not None and self.keys[self.window_key].sql == "window_end"
        return end_us if ends else end_us - self.window.size_us


class Catalog(msgspec.Struct, frozen=True):
    """Everything that one SQL file defines."""

    sources: tuple[SourcePlan, ...]
    views: tuple[ViewPlan, ...]

    def source(self, name: str) -> SourcePlan:
        """Return the source of that name; KeyError when there is none."""
        return {source.name: source for source in self.sources}[name]

    def view(self, name: str) -> ViewPlan:
        """Return the view of that name; KeyError when there is none."""
        return {view.name: view for view in self.views}[name]


def fingerprint(*parts: object) -> str:
    """Return a short stable hash of frozen structs and texts."""
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:16]
