"""The relation that a view's SELECT reads: the batch, with what FROM adds to its columns.

A window adds its bounds. UNNEST adds the elements of a list, and makes of each event as many rows
as the list has; what it adds has names of Keyfold's own, which queries know by theirs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import duckdb
from sqlglot import exp

from keyfold.errors import SqlError
from keyfold.sql.bind import HIDDEN_OFFSET, HIDDEN_PARTITION, Binder, quoted
from keyfold.sql.dialect import sql_text
from keyfold.sql.location import SqlText
from keyfold.sql.sourceplan import visible_columns
from keyfold.view.aggregate import Operand
from keyfold.view.plan import Column, SourcePlan, Window
from keyfold.view.types import ColumnType, column_type

WINDOW_US = "__window_us"
HIDDEN_PLACE = "__place"
"""The partition of an event and the number of its source, in what a UNION ALL makes of a batch."""
_PARTITION_BITS = 32
_NOT_IN_ARROW = re.compile(r"HUGEINT|UUID|JSON|ENUM|TIME WITH TIME ZONE")
"""Types that a batch, which comes as Arrow, has under another name: HUGEINT as DECIMAL(38,0), …"""
WINDOW_COLUMNS = ("window_start", "window_end")


@dataclass(frozen=True, slots=True)
class Elements:
    """A list whose elements are rows.

    Attributes:
        sql: The list, NULL where the event makes no row.
        columns: The columns that it reads.
        ordinality: Whether the place of an element is wanted.
    """

    sql: str
    columns: frozenset[str]
    ordinality: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """A SELECT of a UNION ALL.

    Attributes:
        reads: What it reads.
        number: That of its source, by the names of the sources, so that it is the same in whatever
            order the SELECTs stand.
        columns: Name of each column of the union → the expression over what is read.
        condition: Its WHERE, or empty.
        condition_columns: The columns that this reads.
    """

    reads: Relation
    number: int
    columns: Mapping[str, exp.Expr]
    condition: str
    condition_columns: frozenset[str]

    def columns_read(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the columns of the source that some columns of the union, and WHERE, read."""
        trees = [tree for name, tree in self.columns.items() if name in names]
        used = {column.name for tree in trees for column in tree.find_all(exp.Column)}
        used |= self.condition_columns
        read = [c.name for c in visible_columns(self.reads.source) if c.name in used]
        return (*read, HIDDEN_OFFSET) if HIDDEN_OFFSET in names else tuple(read)

    def batch_sql(self, names: Collection[str]) -> str:
        """Return the query that makes these columns of the union of a batch of the source."""
        made = [
            f"{self._guarded(tree)} AS {quoted(name)}"
            for name, tree in self.columns.items()
            if name in names
        ]
        if HIDDEN_OFFSET in names:
            place = f"({self.number}::BIGINT << {_PARTITION_BITS}) + {HIDDEN_PARTITION}"
            made += [HIDDEN_OFFSET, f"{place} AS {HIDDEN_PLACE}"]
        where = f" WHERE {self.condition}" if self.condition else ""
        rows = self.reads.reading(self.columns_read(names))
        return f"SELECT {', '.join([HIDDEN_PARTITION, *made])} FROM {rows}{where}"

    def _guarded(self, tree: exp.Expr) -> str:
        """Return an expression that is evaluated on the rows alone that WHERE lets through.

        DuckDB may well ask first what the view's own WHERE says of it.
        """
        plain = isinstance(tree, exp.Column) or tree.find(exp.Column) is None
        if plain or not self.condition:
            return sql_text(tree)
        return f"CASE WHEN {self.condition} THEN {sql_text(tree)} END"


@dataclass(frozen=True, slots=True)
class Relation:
    """What expressions of one view are bound over.

    Attributes:
        text: The file, for locations.
        binder: Has the relation ``batch`` of the source's columns.
        source: The source.
        window: The window, if any.
        sql: The relation as it stands in FROM.
        call: Where FROM calls the window, if any.
        lists: What UNNEST made rows of, in order.
        partition: Of a session, the PARTITION BY columns, with their names bound.
        branches: Where it is a UNION ALL, what it is made of; its source has the columns that these
            make, and is none of the file.
    """

    text: SqlText
    binder: Binder
    source: SourcePlan
    window: Window | None
    sql: str
    call: exp.Expr | None = None
    lists: tuple[Elements, ...] = ()
    partition: tuple[exp.Expr, ...] = ()
    branches: tuple[Branch, ...] = ()

    @property
    def place(self) -> Operand:
        """What offsets are of: the partition, and of several sources, which one it is of."""
        if self.branches:
            return Operand(HIDDEN_PLACE, "BIGINT")
        return Operand(HIDDEN_PARTITION, "INTEGER")

    @property
    def session(self) -> bool:
        """Whether its windows are sessions."""
        return self.window is not None and self.window.session

    def unnested(self, elements: Elements) -> Relation:
        """Return the relation with a row per element of a list."""
        n = len(self.lists)
        added = f"unnest({elements.sql}) AS {item_name(n)}"
        if elements.ordinality:
            # Two lists side by side: the elements, and the whole numbers from 1.
            added += f", unnest(range(1, len({elements.sql}) + 1)) AS {place_name(n)}"
        sql = f"(SELECT *, {added} FROM {self.sql})"
        return replace(self, sql=sql, lists=(*self.lists, elements))

    def reading(self, names: Collection[str]) -> str:
        """Return ``sql`` for a batch that has these columns and need not have others."""
        columns = self.source.columns
        read = [column for column in columns if column.name in names]
        return self.sql.replace(_batch_sql(columns), _batch_sql(read))

    def columns(self) -> list[Column]:
        """Return the columns that the SELECT can name."""
        columns = visible_columns(self.source)
        if self.window is None:
            return columns
        kind = next(column.type for column in columns if column.name == self.window.column)
        return [*columns, *(Column(name, kind) for name in WINDOW_COLUMNS)]

    def type_of(self, node: exp.Expr) -> str:
        """Return the type of a resolved expression, as DuckDB binds it.

        Raises:
            SqlError: DuckDB cannot bind it, or cannot evaluate it even over NULLs: a constant in
                it is wrong, as in ``ts > 'soon'``, or over anything else: it has no such cast.
                Every event would be refused.
        """
        try:
            kind = self.binder.evaluated_type_of(sql_text(node), self.sql)
            self._check_casts(node)
            return kind
        except duckdb.Error as problem:
            raise self.text.duckdb_error(node, problem) from problem

    def _check_casts(self, node: exp.Expr) -> None:
        """Refuse a cast that DuckDB binds, and has for NULL alone."""
        for cast in node.find_all(exp.Cast):
            if type(cast) is not exp.Cast or cast.find(exp.Column) is None:
                continue  # TRY_CAST gives NULL, and a constant was evaluated
            source = self.binder.type_of(sql_text(cast.this), self.sql)
            target = self.binder.type_of(f"CAST(NULL AS {sql_text(cast.args['to'])})", self.sql)
            if not self.binder.has_cast(source, target):
                hint = "take a part of it, as epoch(…) and extract(…) do"
                if not source.startswith("TIMESTAMP"):
                    hint = "cast to VARCHAR first, or leave the cast out"
                elif self.binder.has_cast("TIMESTAMP", target):
                    hint = f"cast to TIMESTAMP first: CAST(CAST(… AS TIMESTAMP) AS {target})"
                problem = f"there is no cast from {source} to {target}"
                raise self.text.error(cast, problem, hint)

    def refuse_shared_window(self, node: exp.Expr, what: str) -> None:
        """Refuse a bound of the window where an event would have to say it, and does not know it.

        Raises:
            SqlError: Windows share events or are sessions, and the expression over an event names a
                bound.
        """
        window = self.window
        if window is None or (window.panes == 1 and not window.session):
            return
        bound = next((c for c in node.find_all(exp.Column) if c.name in WINDOW_COLUMNS), None)
        if bound is not None:
            why = f"an event is in several windows of {window.kind.upper()}"
            if window.session:
                why = "an event does not know where its session begins and ends"
            raise self.text.error(
                bound,
                f"{bound.name} cannot {what}: {why}",
                f"group by {bound.name} itself; SELECT and HAVING can use it in expressions",
            )

    def kept_type(self, node: exp.Expr, kind: str) -> ColumnType:
        """Return the type by its name.

        Raises:
            SqlError: A view cannot hold it; at ``node``.
        """
        try:
            return column_type(kind)
        except SqlError as problem:
            raise self.text.error(node, problem.message, problem.hint) from problem


def item_name(n: int) -> str:
    """Return the name of the column that has the elements of list ``n``."""
    return f"__item{n}"


def place_name(n: int) -> str:
    """Return the name of the column that has their places."""
    return f"__place{n}"


def relation(text: SqlText, binder: Binder, source: SourcePlan, window: Window | None) -> Relation:
    """Return the relation of a view, known to ``binder``."""
    hidden = Column(HIDDEN_PARTITION, "INTEGER"), Column(HIDDEN_OFFSET, "BIGINT")
    binder.table("batch", [*visible_columns(source), *hidden])
    binder.row_of_nulls("batch")
    return Relation(text, binder, source, window, _from_sql(source, window))


def _batch_sql(columns: Iterable[Column]) -> str:
    """Return the batch with these columns in the types that the view's SQL was bound with."""
    casts = ", ".join(
        f"CAST({quoted(column.name)} AS {column.type}) AS {quoted(column.name)}"
        for column in columns
        if _NOT_IN_ARROW.search(column.type)
    )
    return f"(SELECT * REPLACE ({casts}) FROM batch)" if casts else "batch"


def start_us_sql(window: Window) -> str:
    """Return window_start in µs, over ``WINDOW_US``: of the first window that the pane is kept as.

    Where windows share events this is the last window that starts (``hop``) or the first that ends
    (``cumulate``) with the pane; readers make the others of it (keyfold/view/pane.py). Of a session
    it is that of the event alone, as is the end.
    """
    if window.kind == "cumulate":
        return _floor_sql(WINDOW_US, window.size_us, window.offset_us)
    return WINDOW_US


def end_us_sql(window: Window) -> str:
    """Return window_end in µs, over ``WINDOW_US``; see ``start_us_sql``."""
    width = window.pane_us if window.kind == "cumulate" else window.size_us
    return f"{WINDOW_US} + {width}"


def _floor_sql(micros: str, width: int, offset: int) -> str:
    # The remainder must not be negative before the epoch.
    return f"{micros} - (({micros} - {offset}) % {width} + {width}) % {width}"


def _from_sql(source: SourcePlan, window: Window | None) -> str:
    if window is None:
        return _batch_sql(source.columns)
    column = next(c for c in visible_columns(source) if c.name == window.column)
    micros = f"epoch_us({quoted(window.column)})"
    start = micros
    if not window.session:
        start = _floor_sql(micros, window.pane_us, window.offset_us)
    return (
        f"(SELECT *, make_timestamp({start_us_sql(window)})::{column.type} AS window_start, "
        f"make_timestamp({end_us_sql(window)})::{column.type} AS window_end "
        f"FROM (SELECT *, {start} AS {WINDOW_US} FROM {_batch_sql(source.columns)}))"
    )
