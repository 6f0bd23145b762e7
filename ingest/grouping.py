"""Views that group a source's events alike: one GROUP BY gives the partials of all of them.

Views of one source often have the same keys, window and WHERE, and differ in their aggregates. The
query, the bytes of the keys and the ledger's counts are then made once a batch, however many views
there are.

What fails in one view's aggregates fails for all that share the query, and says nothing of the
others; so each of them is then evaluated alone (ingest/evaluate.py, law 7).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keyfold.sql.bind import HIDDEN_PARTITION
from keyfold.view.aggregate import SlotReader, slot_readers
from keyfold.view.columns import contiguous
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import encode_keys


@dataclass(frozen=True, slots=True)
class Groups:
    """What the events of one batch make, by row key.

    Attributes:
        keys: n different row keys in order, without a view's prefix.
        columns: One array of n physical values per slot of the grouping.
        lists: Of each set of different values, the n lists of its members in the batch.
        applied: Partition → events that are in the partials.
        filtered: Partition → events that WHERE left out.
    """

    keys: pa.Array
    columns: list[np.ndarray]
    lists: list[pa.Array]
    applied: Mapping[int, int]
    filtered: Mapping[int, int]


class Grouping:
    """Evaluates batches for views that group them alike. Not thread-safe.

    Attributes:
        shared: Whether there is more than one view.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, plans: Sequence[ViewPlan]) -> None:
        """Prepare the query.

        Args:
            connection: Where it runs, over the relation ``batch``.
            plans: One view, or several that ``alike`` put together.
        """
        self.shared = len(plans) > 1
        self._connection = connection
        self._types = plans[0].key_types
        self._count_sql = plans[0].count_sql
        # What several views ask for is made once.
        wanted: dict[tuple[str, SlotReader], int] = {}
        self._places = {
            plan.name: [
                wanted.setdefault(slot, len(wanted))
                for slot in zip(_slots_sql(plan), slot_readers(plan.aggregates), strict=True)
            ]
            for plan in plans
        }
        self._readers = [reader for _, reader in wanted]
        own, every = _listed(_slots_sql(plans[0])), _listed([sql for sql, _ in wanted])
        self._batch_sql = plans[0].batch_sql.replace(own, every)
        self._relations: dict[str, duckdb.DuckDBPyRelation] = {}
        self._table: pa.Table | None = None
        self._known: Groups | None = None

    def groups(self, table: pa.Table) -> Groups:
        """Return the groups of a batch.

        Raises:
            duckdb.Error: The query failed.
        """
        self._connection.register("batch", table)
        found = self._query(self._batch_sql)
        applied, filtered = self._ledger(table)
        columns = [contiguous(column) for column in found.columns]
        width = len(self._types)
        keys, rest = encode_keys(b"", self._types, columns[:width]), columns[width:]
        # Keys that came in order lie in memory in order, which halves a merge and a commit.
        order = pc.array_sort_indices(keys)
        keys, rest = keys.take(order), [column.take(order) for column in rest]
        slots, lists = rest[: len(self._readers)], rest[len(self._readers) :]
        return Groups(
            keys,
            [read(column) for read, column in zip(self._readers, slots, strict=True)],
            lists,
            applied,
            filtered,
        )

    def passed(self, table: pa.Table) -> tuple[dict[int, int], dict[int, int]]:
        """Return (partition → events that WHERE lets pass, partition → the others).

        Raises:
            duckdb.Error: The query failed.
        """
        self._connection.register("batch", table)
        return self._ledger(table)

    def known_groups(self, table: pa.Table) -> Groups | None:
        """Return the groups of a batch, made once for all views; None where the query failed."""
        if table is not self._table:
            self._table, self._known = table, None
            with suppress(duckdb.Error):
                self._known = self.groups(table)
        return self._known

    def forget(self) -> None:
        """Let go of the last batch."""
        self._table = self._known = None

    def slots(self, view: str, groups: Groups) -> list[np.ndarray]:
        """Return the slots of a view."""
        return [groups.columns[place] for place in self._places[view]]

    def _ledger(self, table: pa.Table) -> tuple[dict[int, int], dict[int, int]]:
        """Count the events of ``batch`` that pass, and those that do not, by partition."""
        taken = _count(table.column(HIDDEN_PARTITION))
        if not self._count_sql:
            return taken, {}
        counts = self._query(self._count_sql).to_pydict()
        found = dict(zip(counts["p"], counts["passed"], strict=True))
        passed = {p: found.get(p, 0) for p in taken}  # of some events there may be no row at all
        return passed, {p: n - passed[p] for p, n in taken.items()}

    def _query(self, sql: str) -> pa.Table:
        # A relation runs anew each time that it is read; parsing and describing it once more would
        # be a third of what a small batch costs.
        relation = self._relations.get(sql)
        if relation is None:
            relation = self._relations[sql] = self._connection.sql(sql)
        return relation.to_arrow_table()


def alike(
    connection: duckdb.DuckDBPyConnection, plans: Collection[ViewPlan]
) -> dict[str, Grouping]:
    """Put views together that group alike; return the grouping of each by its name."""
    found: dict[tuple[object, ...], list[ViewPlan]] = {}
    for plan in plans:
        around = tuple(plan.batch_sql.split(_listed(_slots_sql(plan))))
        found.setdefault((around, plan.count_sql, plan.key_types), []).append(plan)
    groupings = ((Grouping(connection, each), each) for each in found.values())
    return {plan.name: grouping for grouping, each in groupings for plan in each}


def _slots_sql(plan: ViewPlan) -> list[str]:
    return [sql for aggregate in plan.aggregates for sql in aggregate.update_sql()]


def _listed(slots: Sequence[str]) -> str:
    return ", ".join(f"{sql} AS s{i}" for i, sql in enumerate(slots))


def _count(partitions: pa.ChunkedArray) -> dict[int, int]:
    """How many rows of each partition."""
    counts = np.bincount(partitions.to_numpy())
    return {int(p): int(counts[p]) for p in np.flatnonzero(counts)}
