"""The SQL that runs per batch: one query for the partials of its groups, one for the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keyfold.sql.bind import HIDDEN_PARTITION
from keyfold.sql.relation import WINDOW_US, end_us_sql, start_us_sql
from keyfold.view.aggregate import Aggregate
from keyfold.view.distinct import value_sets
from keyfold.view.plan import GROUPING, ROW_NUMBER, KeyColumn, Window
from keyfold.view.types import Physical, column_type

_EVENT = "__event"  # numbers the events of a batch, in the ledger's query


@dataclass(frozen=True, slots=True)
class BatchQuery:
    """What a batch is asked.

    Attributes:
        relation: The relation that is read.
        condition: WHERE, or empty.
        keys: The key columns.
        aggregates: The partials.
        window: The window, if any.
        many: Whether the relation has any number of rows per event.
        sets: Grouping sets, each as indices of keys; empty where there is one of all keys.
        groupings: The keys at the front that are GROUPING of others, as indices of these.
    """

    relation: str
    condition: str
    keys: Sequence[KeyColumn]
    aggregates: Sequence[Aggregate]
    window: Window | None
    many: bool = False
    sets: Sequence[frozenset[int]] = ()
    groupings: Sequence[Sequence[int]] = ()

    def partials_sql(self) -> str:
        """Return the query for the key columns ``k0…`` and slots ``s0…`` of every group.

        After these stand the members ``m0…`` of its sets, as lists.
        """
        if self.window is not None and self.window.session:
            return self._sessions_sql(self.window.size_us)
        values = [_key_sql(key, self.window) for key in self.keys]
        for i, arguments in enumerate(self.groupings):
            values[i] = f"{GROUPING}({', '.join(values[argument] for argument in arguments)})"
        columns = [f"{value} AS k{i}" for i, value in enumerate(values)]
        slots = [sql for aggregate in self.aggregates for sql in aggregate.update_sql()]
        columns += [f"{sql} AS s{i}" for i, sql in enumerate(slots)]
        columns += self._members_sql()
        where = f" WHERE ({self.condition})" if self.condition else ""
        groups = _places(range(len(self.keys)))
        if self.sets:
            listed = ", ".join(f"({_places(sorted(one))})" for one in self.sets)
            groups = f"GROUPING SETS ({listed})"
        by = f" GROUP BY {groups}" if groups else ""  # without a key it is one row
        return f"SELECT {', '.join(columns)} FROM {self.relation}{where}{by}"

    def _members_sql(self) -> list[str]:
        """Return the columns with the members of its sets."""
        columns = []
        for i, one in enumerate(value_sets(self.aggregates)):
            forms = [_key_form(operand.sql, operand.type) for operand in one.operands]
            columns.append(f"{one.update_sql(forms)} AS m{i}")
        return columns

    def _sessions_sql(self, gap_us: int) -> str:
        """Return the same where a group is a session, as far as the batch shows it.

        The last key column is its start. Events without a time come last, and each begins a session
        that is the same for all of them, since the count takes equal times together.
        """
        *columns, start = [_key_sql(key, self.window) for key in self.keys]
        named = "".join(f", {sql} AS __k{i}" for i, sql in enumerate(columns))
        names = [f"__k{i}" for i in range(len(columns))]
        by = f"PARTITION BY {', '.join(names)} " if names else ""
        over = f"OVER ({by}ORDER BY {WINDOW_US} NULLS LAST)"
        where = f" WHERE {self.condition}" if self.condition else ""
        events = f"SELECT *{named} FROM {self.relation}{where}"
        begins = f"coalesce({WINDOW_US} > lag({WINDOW_US}) {over} + {gap_us}, true)"
        events = f"SELECT *, {begins} AS __begins FROM ({events})"
        events = f"SELECT *, count(*) FILTER (WHERE __begins) {over} AS __session FROM ({events})"
        kept = [f"{name} AS k{i}" for i, name in enumerate(names)]
        kept.append(f"min({start}) AS k{len(names)}")
        slots = [sql for aggregate in self.aggregates for sql in aggregate.update_sql()]
        kept += [f"{sql} AS s{i}" for i, sql in enumerate(slots)]
        kept += self._members_sql()
        groups = ", ".join([*names, "__session"])
        return f"SELECT {', '.join(kept)} FROM ({events}) GROUP BY {groups}"

    def counts_sql(self) -> str:
        """Return the ledger's query per partition, empty where every event passes.

        A partition that it does not have was filtered.
        """
        if self.many:
            return self._events_sql()
        if not self.condition:
            return ""
        return (
            f"SELECT {HIDDEN_PARTITION} AS p, count(*) FILTER (WHERE ({self.condition})) AS passed "
            f"FROM {self.relation} GROUP BY 1"
        )

    def _events_sql(self) -> str:
        """Return the ledger's query where it counts the events that rows were made of.

        An event has passed that made a row which passes.
        """
        passed = f"({self.condition})" if self.condition else "true"
        count = f"count(DISTINCT {_EVENT}) FILTER (WHERE {passed})"
        return (
            f"WITH batch AS (SELECT *, row_number() OVER () AS {_EVENT} FROM batch) "
            f"SELECT {HIDDEN_PARTITION} AS p, {count} AS passed "
            f"FROM {self.relation} GROUP BY 1"
        )


def _places(keys: Iterable[int]) -> str:
    """Return key columns as GROUP BY names them: by their places in SELECT."""
    return ", ".join(str(key + 1) for key in keys)


def _key_sql(key: KeyColumn, window: Window | None) -> str:
    """Return a key column; see ``_key_form``."""
    if window is not None and key.sql == "window_start":
        return start_us_sql(window)  # the whole number: no need to build a timestamp per event
    if window is not None and key.sql == "window_end":
        return end_us_sql(window)
    if key.sql == ROW_NUMBER:
        return "1::BIGINT"  # a group is kept under the number of its first row
    return _key_form(key.sql, key.type)


def _key_form(sql: str, kind: str) -> str:
    """Return an expression in the form that the key codec takes from Arrow."""
    physical = column_type(kind).physical
    if physical is Physical.JSON:
        return f"CAST(to_json({sql}) AS VARCHAR)"
    if physical is Physical.F64:
        return f"({sql}) + 0.0::{kind}"  # -0.0 and 0.0 are one key
    return sql
