"""Batches → deltas: here, and in ingest/grouping.py for it, DuckDB runs on decoded events.

One query per batch, for a view or for several that group alike (ingest/grouping.py), gives the
partials of the batch by key; a second one, only for views that filter, gives the ledger's counts,
which are all that is asked of late events. A row that DuckDB cannot evaluate (a cast in the view's
SQL that fails, say) costs that row (law 7). DuckDB's TRY tells which rows those are; they are
evaluated one by one then, for the reason. What TRY does not find is found by halving the batch
until the row stands alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import sqlglot
from sqlglot import exp

from ingest.grouping import Grouping, Groups
from keyfold.sql.dialect import ViewDialect, sql_text
from keyfold.state.layout import MEMBERS
from keyfold.view.distinct import Members, members, value_sets
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import slices, with_prefix
from keyfold.view.tiles import Tiles

_POISON = (
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    duckdb.InvalidInputException,
    duckdb.DataError,
)
_ROW = "__row"  # numbers the rows of a batch that is probed
EXPLAINED_MAX = 200
"""Poison rows of a batch that are evaluated one by one for their own reason."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The partials of one batch in one view.

    Attributes:
        keys: n different row keys, with the view's prefix.
        slots: One array of n physical values per slot of the view.
        applied: Partition → events that are in the partials.
        filtered: Partition → events that WHERE left out.
        late: Partition → events that WHERE lets pass, and whose row had expired.
        members: The members of each of the view's sets.
    """

    keys: list[bytes]
    slots: list[np.ndarray]
    applied: Mapping[int, int]
    filtered: Mapping[int, int]
    late: Mapping[int, int]
    members: list[Members]


@dataclass(frozen=True, slots=True)
class Poison:
    """A row that the view's SQL cannot be evaluated on.

    Attributes:
        row: Its place in the table that was evaluated.
        reason: What DuckDB says.
    """

    row: int
    reason: str


class Evaluator:
    """Evaluates one view's batches."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        plan: ViewPlan,
        prefix: bytes,
        grouping: Grouping | None = None,
    ) -> None:
        """Prepare the view's query.

        Args:
            connection: Where it runs.
            plan: The view's plan.
            prefix: What stands before its row keys.
            grouping: That of the view and those that group alike; None: it stands alone.
        """
        self._connection = connection
        self._plan = plan
        self._prefix = prefix
        self._sets = value_sets(plan.aggregates)
        self._tiles = Tiles(plan) if plan.tiled else None
        self._alone = Grouping(connection, [plan])
        self._grouping = grouping if grouping is not None and grouping.shared else None

    def evaluate(self, table: pa.Table, *, late: bool = False) -> Iterator[Delta | Poison]:
        """Yield the deltas of a batch, as a rule one, and the rows that have none.

        Args:
            table: The columns that the view reads, and the hidden partition column.
            late: The rows of all these events had expired: they are counted, and no more.
        """
        if self._grouping is not None and table.num_rows and not late:
            groups = self._grouping.known_groups(table)
            if groups is not None:
                yield self._delta_of(self._grouping, groups)
                return
        yield from self._evaluate(table, np.arange(table.num_rows), late=late, probe=True)

    def _evaluate(
        self, table: pa.Table, rows: np.ndarray, *, late: bool, probe: bool
    ) -> Iterator[Delta | Poison]:
        n = len(rows)
        if n == 0:
            return
        try:
            delta = self._late(table) if late else self._delta(table)
        except _POISON as problem:
            if n == 1:
                yield Poison(int(rows[0]), str(problem).split("\n")[0])
                return
        else:
            yield delta
            return
        suspect = self._suspects(table) if probe else np.zeros(n, np.bool_)
        if suspect.any():
            yield from self._evaluate_one_by_one(table, rows, suspect, late=late)
            fine = ~suspect
            yield from self._evaluate(
                table.filter(pa.array(fine)), rows[fine], late=late, probe=False
            )
            return
        half = n // 2
        for part in (np.arange(half), np.arange(half, n)):
            yield from self._evaluate(_taken(table, part), rows[part], late=late, probe=False)

    def _evaluate_one_by_one(
        self, table: pa.Table, rows: np.ndarray, suspect: np.ndarray, *, late: bool
    ) -> Iterator[Delta | Poison]:
        places = np.flatnonzero(suspect)
        all_poison = True
        for place in places[:EXPLAINED_MAX].tolist():
            alone = _taken(table, np.array([place]))
            for part in self._evaluate(alone, rows[place : place + 1], late=late, probe=False):
                all_poison = all_poison and isinstance(part, Poison)
                yield part
        rest = places[EXPLAINED_MAX:]
        if all_poison:
            for row in rows[rest].tolist():
                yield Poison(row, f"the SQL of {self._plan.name} cannot be evaluated on it")
        else:
            yield from self._evaluate(_taken(table, rest), rows[rest], late=late, probe=False)

    def _suspects(self, table: pa.Table) -> np.ndarray:
        """Which rows some expression of the view fails on: bool[n]; none where nobody can say."""
        suspects = np.zeros(table.num_rows, np.bool_)
        try:
            self._connection.register("batch", table)
            found = self._connection.sql(_probe_sql(self._plan)).to_arrow_table().column(0)
        except (duckdb.Error, sqlglot.errors.SqlglotError):
            return suspects
        suspects[found.to_numpy() - 1] = True
        return suspects

    def _late(self, table: pa.Table) -> Delta:
        late, filtered = self._alone.passed(table)
        return Delta([], [], {}, filtered, late, [])

    def _delta(self, table: pa.Table) -> Delta:
        return self._delta_of(self._alone, self._alone.groups(table))

    def _delta_of(self, grouping: Grouping, groups: Groups) -> Delta:
        keys = with_prefix(self._prefix, groups.keys)
        row_keys, sets_keys = slices(keys), keys
        if self._tiles is not None:
            begin = len(self._prefix)
            moved = [self._tiles.sets_key(key, begin) for key in row_keys]
            sets_keys = pa.array(moved, pa.large_binary())
        return Delta(
            keys=row_keys,
            slots=grouping.slots(self._plan.name, groups),
            applied=groups.applied,
            filtered=groups.filtered,
            late={},
            members=[
                members(number, one, MEMBERS, sets_keys, found)
                for number, (one, found) in enumerate(zip(self._sets, groups.lists, strict=True))
            ],
        )


def _probe_sql(plan: ViewPlan) -> str:
    """Return the query for the rows of ``batch``, from 1, that some expression fails on.

    A row may come several times, since a list makes many rows of it. Of a list that itself fails
    this query fails as well, and nobody can say.
    """
    query = sqlglot.parse_one(plan.batch_sql, dialect=ViewDialect)
    relation = query.args.get("from_") or query.args["from"]
    where = query.args.get("where")
    expressions = [key.sql for key in plan.keys if not key.grouping]
    for aggregate in plan.aggregates:
        expressions += [operand.sql for operand in aggregate.operands]
        expressions += [aggregate.where] if aggregate.where else []
    fails = " OR ".join(_fails(sql) for sql in expressions) or "false"
    if isinstance(where, exp.Where):
        condition = sql_text(where.this)
        fails = (
            f"CASE WHEN {_fails(condition)} THEN true "
            f"WHEN TRY({condition}) THEN {fails} ELSE false END"
        )
    numbered = f"SELECT *, row_number() OVER () AS {_ROW} FROM batch"
    return f"WITH batch AS ({numbered}) SELECT {_ROW} {sql_text(relation)} WHERE {fails}"


def _fails(sql: str) -> str:
    """Return the condition that an expression fails: TRY is NULL then, and IS NULL never is."""
    return f"TRY(({sql}) IS NULL) IS NULL"


def _taken(table: pa.Table, places: np.ndarray) -> pa.Table:
    """Return rows as a table of their own: DuckDB refuses slices of structs that hold structs."""
    return table.take(pa.array(places))
