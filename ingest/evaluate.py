"""Batches → deltas: the only place that runs DuckDB on events.

One query per view and batch gives the partials of the batch by key; a second one, only for views
that filter or expire, gives the ledger's counts. A row that DuckDB cannot evaluate (a cast in the
view's SQL that fails, say) costs that row: the batch is halved until the row stands alone (law 7).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from keyfold.sql.bind import HIDDEN_PARTITION
from keyfold.sql.compile import HORIZON, NO_HORIZON
from keyfold.view.columns import contiguous, physical_column
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import encode_keys

_POISON = (
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    duckdb.InvalidInputException,
    duckdb.DataError,
)


@dataclass(frozen=True, slots=True)
class Delta:
    """The partials of one batch in one view.

    Attributes:
        keys: n different row keys, with the view's prefix.
        slots: One array of n physical values per slot of the view.
        applied: Partition → events that are in the partials.
        filtered: Partition → events that WHERE left out.
        late: Partition → events whose row had expired.
    """

    keys: list[bytes]
    slots: list[np.ndarray]
    applied: Mapping[int, int]
    filtered: Mapping[int, int]
    late: Mapping[int, int]


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
        self, connection: duckdb.DuckDBPyConnection, plan: ViewPlan, prefix: bytes
    ) -> None:
        self._connection = connection
        self._plan = plan
        self._prefix = prefix
        self._types = plan.key_types
        self._slots = plan.slots

    def evaluate(self, table: pa.Table, horizon_us: int | None) -> Iterator[Delta | Poison]:
        """Yield the deltas of a batch, as a rule one, and the rows that have none.

        Args:
            table: The columns that the view reads, and the hidden partition column.
            horizon_us: Rows whose window ended at or before this are expired; None: none are.
        """
        yield from self._evaluate(table, 0, NO_HORIZON if horizon_us is None else horizon_us)

    def _evaluate(self, table: pa.Table, first: int, horizon_us: int) -> Iterator[Delta | Poison]:
        n = table.num_rows
        if n == 0:
            return
        try:
            delta = self._delta(table, horizon_us)
        except _POISON as problem:
            if n == 1:
                yield Poison(first, str(problem).split("\n")[0])
                return
        else:
            yield delta
            return
        yield from self._evaluate(table.slice(0, n // 2), first, horizon_us)
        yield from self._evaluate(table.slice(n // 2), first + n // 2, horizon_us)

    def _delta(self, table: pa.Table, horizon_us: int) -> Delta:
        self._connection.register("batch", table)
        groups = self._query(self._plan.batch_sql, horizon_us)
        taken = _count(table.column(HIDDEN_PARTITION))
        filtered: dict[int, int] = {}
        late: dict[int, int] = {}
        applied = taken
        if self._plan.count_sql:
            counts = self._query(self._plan.count_sql, horizon_us).to_pydict()
            applied = {}
            for p, passed, expired in zip(
                counts["p"], counts["passed"], counts["late"], strict=True
            ):
                applied[p] = passed - expired
                filtered[p] = taken[p] - passed
                late[p] = expired
        columns = [contiguous(column) for column in groups.columns]
        keys = columns[: len(self._types)]
        return Delta(
            keys=encode_keys(self._prefix, self._types, keys),
            slots=[
                physical_column(slot.physical, column)
                for slot, column in zip(self._slots, columns[len(keys) :], strict=True)
            ],
            applied=applied,
            filtered=filtered,
            late=late,
        )

    def _query(self, sql: str, horizon_us: int) -> pa.Table:
        return self._connection.sql(sql.replace(HORIZON, str(horizon_us))).to_arrow_table()


def _count(partitions: pa.ChunkedArray) -> dict[int, int]:
    """How many rows of each partition."""
    values = partitions.to_numpy()
    counts = np.bincount(values)
    return {int(p): int(counts[p]) for p in np.flatnonzero(counts)}
