"""Types by DuckDB's own DESCRIBE: nothing here guesses what an expression's type is.

DuckDB runs in memory, without external access and with its configuration locked: it sees the
source's columns and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import duckdb
import msgspec

from keyfold.view.plan import Column

HIDDEN_PARTITION = "__partition"
"""The column that every batch has beside the source's, for the ledger."""
HIDDEN_OFFSET = "__offset"
"""The column that a batch has where a view takes events by their place."""


def quoted(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def locked_connection(*, threads: int = 1) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB in memory that reads nothing but what it is given.

    Its cursors do not have its settings: use the connection itself.
    """
    connection = duckdb.connect(config={"threads": threads})
    for statement in (
        "SET TimeZone = 'UTC'",
        "SET python_enable_replacements = false",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(statement)
    return connection


_opened = threading.local()
_VALUES = (
    ("TIMESTAMP", "'2026-01-05 10:00:00'"),
    ("DATE", "'2026-01-05'"),
    ("TIME", "'10:00:00'"),
    ("BOOLEAN", "true"),
    ("DOUBLE", "0"),
    ("FLOAT", "0"),
    ("DECIMAL", "0"),
    ("BIGINT", "0"),
    ("INTEGER", "0"),
)
"""Start of a type's name → a value of it."""


class Binder:
    """Describes expressions over typed columns."""

    def __init__(self) -> None:
        # Opening a DuckDB takes longer than compiling a view, so a thread keeps its own.
        if not hasattr(_opened, "connection"):
            _opened.connection = locked_connection()
        self._connection: duckdb.DuckDBPyConnection = _opened.connection
        self._casts: dict[tuple[str, str], bool] = {}
        self._columns: dict[str, str] = {}
        self._types: dict[tuple[str, str, str], str] = {}

    def table(self, name: str, columns: Sequence[Column]) -> None:
        """Make an empty relation of these columns."""
        listed = ", ".join(f"{quoted(column.name)} {column.type}" for column in columns)
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({listed})")
        self._columns[name] = listed

    def describe(self, query: str) -> list[Column]:
        """Return the columns of a query.

        Raises:
            duckdb.Error: DuckDB cannot bind it.
        """
        rows = self._connection.execute(f"DESCRIBE {query}").fetchall()
        return [Column(row[0], row[1]) for row in rows]

    def types_named(self, spellings: Sequence[str]) -> list[str]:
        """Return DuckDB's names of types that were spelled in some way.

        Raises:
            duckdb.Error: There is no such type.
        """
        # In a table, since a cast knows types that no column can have.
        listed = ", ".join(f"x{i} {spelling}" for i, spelling in enumerate(spellings))
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE declared ({listed})")
        return [column.type for column in self.describe("FROM declared")]

    def check_decodable(self, kind: str) -> None:
        """Read a value of a type from JSON, for the types that none can be read of.

        Raises:
            duckdb.Error: There is no JSON for it.
        """
        shape = text_literal(msgspec.json.encode({"x": kind}).decode())
        self._connection.execute(f"SELECT from_json('{{}}', {shape})").fetchall()

    def row_of_nulls(self, name: str) -> None:
        """Give a relation its one row."""
        self._connection.execute(f"INSERT INTO {name} DEFAULT VALUES")

    def type_of(self, expression: str, table: str) -> str:
        """Return the type of one expression over a relation."""
        return self.describe(f"SELECT {expression} AS x FROM {table}")[0].type

    def evaluate(self, expression: str, table: str) -> None:
        """Evaluate an expression over a relation, for the errors that only that shows.

        Raises:
            duckdb.Error: It has no value, whatever the events are.
        """
        self._connection.execute(f"SELECT {expression} FROM {table}").fetchall()

    def has_cast(self, source: str, target: str) -> bool:
        """Say whether DuckDB can cast values of a type, which binding alone does not show.

        True for types of which no value is known here.
        """
        value = next((v for start, v in _VALUES if source.startswith(start)), None)
        if value is None:
            return True
        key = source, target
        if key not in self._casts:
            self._casts[key] = True
            try:
                self._connection.execute(
                    f"SELECT CAST(x AS {target}) FROM (SELECT CAST({value} AS {source}) AS x)"
                ).fetchall()
            except duckdb.Error as problem:  # any other one is of this value, and no other
                self._casts[key] = "Unimplemented type for cast" not in str(problem)
        return self._casts[key]

    def evaluated_type_of(self, expression: str, table: str) -> str:
        """Return the type of an expression over ``batch``, once it has been evaluated.

        The views of a file say the same again and again: each is asked once for the same columns.

        Raises:
            duckdb.Error: As ``type_of`` and ``evaluate`` do.
        """
        key = self._columns["batch"], table, expression
        if key not in self._types:
            kind = self.type_of(expression, table)
            self.evaluate(expression, table)
            self._types[key] = kind
        return self._types[key]

    def constant(self, expression: str) -> tuple[str | None, str]:
        """Return (text of the value or None, type) of an expression without columns."""
        kind = self.describe(f"SELECT {expression} AS x")[0].type
        value = self._connection.execute(f"SELECT CAST({expression} AS VARCHAR)").fetchone()
        return (value[0] if value else None), kind

    def has_function(self, name: str) -> bool:
        """Say whether DuckDB has a function of that name, in lower case."""
        found = self._connection.execute(
            "SELECT 1 FROM duckdb_functions() WHERE lower(function_name) = ? LIMIT 1", [name]
        )
        return found.fetchone() is not None

    def volatile_functions(self) -> frozenset[str]:
        """Return the names of functions whose value is not a function of their arguments."""
        rows = self._connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE stability IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')"
        ).fetchall()
        return frozenset(row[0].lower() for row in rows)
