"""How a query's text becomes a tree and text again: what DuckDB runs is what the user wrote.

sqlglot translates between dialects, and for that it rewrites functions into its own. A view's
scalar functions are DuckDB's and stay so: here they are not rewritten, so ``log(2, x)`` or a JSON
path goes through letter by letter. tests/sql/test_dialect.py holds DuckDB's parse of both texts
against each other. What remains is spelling (``INT`` for ``integer``), which makes the text
canonical: two spellings of one expression have one fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import duckdb
from sqlglot import TokenType, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.expressions import DataType
from sqlglot.generator import Generator

from keyfold.sql.calls import CALLS

JSONB = {
    # PostgreSQL's function → DuckDB's that does the same.
    "json_agg": "json_group_array",
    "jsonb_agg": "json_group_array",
    "jsonb_array_length": "json_array_length",
    "jsonb_build_array": "json_array",
    "jsonb_build_object": "json_object",
    "jsonb_contains": "json_contains",
    "jsonb_exists": "json_exists",
    "jsonb_extract": "json_extract",
    "jsonb_extract_path": "json_extract_path",
    "jsonb_extract_path_text": "json_extract_path_text",
    "jsonb_extract_string": "json_extract_string",
    "jsonb_keys": "json_keys",
    "jsonb_object": "json_object",
    "jsonb_object_agg": "json_object_agg",
    "jsonb_pretty": "json_pretty",
    "to_jsonb": "to_json",
}


def _renamed(name: str) -> Callable[[list[exp.Expr]], exp.Expr]:
    return lambda arguments: exp.Anonymous(this=name, expressions=arguments)


def _map_sql(generator: Generator, node: exp.ToMap) -> str:
    """Write ``MAP {}`` too, of which sqlglot makes ``MAP MAP()``."""
    entries = node.this
    empty = isinstance(entries, exp.Struct) and not entries.expressions
    return "MAP {}" if empty else f"MAP {generator.sql(entries)}"


_OWN_SYNTAX = ("CAST", "TRY_CAST", "EXTRACT", "SUBSTRING", "TRIM", "POSITION", "OVERLAY")


class ViewDialect(DuckDB):
    """DuckDB's syntax with all functions passed through by name."""

    class Parser(DuckDB.Parser):  # type: ignore[valid-type,misc]
        """Parses calls without translating them."""

        FUNCTIONS: dict[str, object] = {  # noqa: RUF012
            name.upper(): _renamed(own) for name, own in JSONB.items()
        }
        # What is left has a syntax of its own: CAST(x AS t), EXTRACT(part FROM x), …
        FUNCTION_PARSERS: dict[str, object] = {  # noqa: RUF012
            name: parser
            for name, parser in DuckDB.Parser.FUNCTION_PARSERS.items()
            if name in _OWN_SYNTAX
        }
        # SESSION(…) is a window; to sqlglot it is a word of ALTER SESSION.
        FUNC_TOKENS = DuckDB.Parser.FUNC_TOKENS | {TokenType.SESSION}
        # ``f(doc -> 'k')`` reads JSON: lambdas are written ``lambda x: …``, in DuckDB too.
        LAMBDAS: dict[TokenType, object] = {  # noqa: RUF012
            token: parser
            for token, parser in DuckDB.Parser.LAMBDAS.items()
            if token is not TokenType.ARROW
        }

    class Generator(DuckDB.Generator):  # type: ignore[valid-type,misc]
        """Writes what DuckDB does not know, for fingerprints and messages."""

        TRANSFORMS: dict[type[exp.Expr], object] = {  # noqa: RUF012
            **DuckDB.Generator.TRANSFORMS,
            exp.ToMap: _map_sql,
        }

        def ignorenulls_sql(self, expression: exp.IgnoreNulls) -> str:
            """Write ``x IGNORE NULLS``, which is kept here for FIRST_VALUE and LAST_VALUE."""
            return f"{self.sql(expression, 'this')} IGNORE NULLS"

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        """Leave the right side of ``->`` as it is written."""
        return path


def sql_text(node: exp.Expr) -> str:
    """Return a node as canonical DuckDB SQL, without comments."""
    return node.sql(ViewDialect, comments=False)


@cache
def reserved_words() -> frozenset[str]:
    """Return the words that cannot name a column without quotes."""
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()
    return frozenset(row[0].lower() for row in rows)


def plain_name(name: str) -> bool:
    """Say whether a name is a name without quotes, in Keyfold and in DuckDB alike."""
    lowered = name.isidentifier() and name.isascii() and name == name.lower()
    return lowered and name not in reserved_words()


def identifier(name: str) -> exp.Identifier:
    """Return a name as an identifier, quoted where it must be."""
    return exp.Identifier(this=name, quoted=not plain_name(name))


def bare(node: exp.Expr) -> exp.Expr:
    """Return a node without the parentheses around it."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def without_parens(node: exp.Expr) -> exp.Expr:
    """Return a copy whose parentheses are in the tree only: equal trees say the same."""
    bare = node.copy()
    while isinstance(bare, exp.Paren):
        bare = bare.this.pop()
    for paren in list(bare.find_all(exp.Paren)):
        paren.replace(paren.this)
    return bare


@cache
def aggregate_functions() -> frozenset[str]:
    """Return the names of aggregate functions: DuckDB's, macros included, and those kept here."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type = 'aggregate'"
        ).fetchall()
    return frozenset(row[0].lower() for row in rows) | _AGGREGATE_MACROS | CALLS.keys()


_AGGREGATE_MACROS = frozenset(
    "geomean geometric_mean json_group_array json_group_object json_group_structure "
    "variant_group_array wavg weighted_avg".split()
)


def call_name(node: exp.Expr) -> str:
    """Return the name of a function call in lower case, empty for anything else."""
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower()
    if isinstance(node, exp.Func) and not isinstance(node, exp.Binary):
        name = sql_text(node).split("(", maxsplit=1)[0].lower()
        return name if name.isidentifier() else node.key
    return ""


def find_aggregate(node: exp.Expr) -> exp.Expr | None:
    """Return the first aggregate call within a node, itself included."""
    for part in node.walk():
        if isinstance(part, exp.AggFunc) or call_name(part) in aggregate_functions():
            return part
    return None


def arrow_lambda(name: exp.Identifier) -> bool:
    """Say whether a name is the parameter of ``x -> x + 1``, which is read as JSON's ->."""
    column = name.parent
    arrow = column.parent if isinstance(column, exp.Column) else None
    if not isinstance(arrow, exp.JSONExtract) or arrow.this is not column:
        return False
    return any(one.name == name.name for one in arrow.expression.find_all(exp.Column))


def canonical_type(kind: exp.DataType) -> exp.DataType:
    """Return a declared type without what DuckDB reads otherwise than PostgreSQL and Flink.

    ``TIMESTAMP(3)`` is a timestamp here; DuckDB would make it its own type TIMESTAMP_MS.
    """
    for part in kind.find_all(exp.DataType):
        if part.this in (DataType.Type.TIMESTAMP, DataType.Type.TIMESTAMPTZ):
            part.set("expressions", [])
    return kind
