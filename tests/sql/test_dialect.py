"""What DuckDB runs is what the user wrote: both texts have one value, and mostly one parse."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import sqlglot

from keyfold.sql.dialect import ViewDialect, sql_text, without_parens

EXPRESSIONS = (Path(__file__).parent / "expressions.txt").read_text().splitlines()
ROWS = """CREATE TABLE t AS SELECT * FROM (VALUES
  (3, 2, 7, 'ab c', 'b', 1.5::DOUBLE, TRUE, [1, 2, 3], TIMESTAMP '2024-02-29 13:14:15.5',
   DATE '2024-02-29', {'x': 1, 'y': {'z': 'q'}}, MAP {'k': 1}, '{"b": {"c": 5}, "b.c": 6}'::JSON),
  (-4, 5, NULL, '', 'ü', -0.25::DOUBLE, FALSE, []::INTEGER[], TIMESTAMP '1969-12-31 23:59:59',
   DATE '1969-12-31', {'x': 2, 'y': {'z': NULL}}, MAP {'j': 2}, '{"b": null}'::JSON),
  (0, 1, 1, NULL, 'x', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
) v(i, j, n, v, w, d, p, l, ts, dt, s, m, doc)"""


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'").execute(ROWS)
    yield connection
    connection.close()


def values(con: duckdb.DuckDBPyConnection, expression: str) -> object:
    return con.execute(f"SELECT CAST(({expression}) AS VARCHAR) FROM t").fetchall()


@pytest.mark.parametrize("written", [line for line in EXPRESSIONS if line])
def test_an_expression_means_the_same_after_it_was_read(
    con: duckdb.DuckDBPyConnection, written: str
) -> None:
    tree = sqlglot.parse_one(f"SELECT {written} FROM t", dialect=ViewDialect).expressions[0]
    read = sql_text(tree)
    assert values(con, read) == values(con, written)
    again = sqlglot.parse_one(f"SELECT {read} FROM t", dialect=ViewDialect).expressions[0]
    assert sql_text(again) == read, "canonical text is its own canonical text"


def test_duckdbs_own_examples_survive(con: duckdb.DuckDBPyConnection) -> None:
    """Every example of DuckDB's function catalog that it can parse has the same parse after."""
    listed = con.execute(
        "SELECT DISTINCT unnest(examples) FROM duckdb_functions() "
        "WHERE function_type IN ('scalar', 'aggregate', 'macro')"
    ).fetchall()
    differ = []
    for (example,) in listed:
        before = parse(con, example)
        try:
            tree = sqlglot.parse_one(f"SELECT {example} FROM t", dialect=ViewDialect)
        except sqlglot.ParseError:
            continue  # refused with a syntax error, not misread
        if before and before != parse(con, sql_text(tree)[len("SELECT ") : -len(" FROM t")]):
            differ.append(example)
    # Those that differ are spelled otherwise and mean the same: operators by their function's name,
    # digits without underscores, intervals with their unit apart, aliases of types.
    kinds = ("^", "**", "_000", "INTERVAL", "POSITION", "::BIT", "TIMESTAMP_NS", "DATE '", "->")
    unexplained = [e for e in differ if not any(k.lower() in e.lower() for k in kinds)]
    assert unexplained == []


def parse(con: duckdb.DuckDBPyConnection, expression: str) -> object:
    row = con.execute("SELECT json_serialize_sql(?)", [f"SELECT {expression} FROM t"]).fetchall()
    answer = json.loads(row[0][0])
    return None if answer["error"] else without_places(answer)


def without_places(node: object) -> object:
    if isinstance(node, dict):
        return {k: without_places(v) for k, v in node.items() if not k.startswith("query_location")}
    return [without_places(each) for each in node] if isinstance(node, list) else node


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lower( v )", "LOWER(v)"),
        ("i::bigint", "CAST(i AS INT8)"),
        ("i <> j", "i != j -- comment"),
        ("(i) + ((j))", "i + j"),
        ("v || 'x'", "v /* y */ || 'x'"),
    ],
)
def test_two_spellings_of_one_expression_are_equal_trees(one: str, other: str) -> None:
    trees = [sqlglot.parse_one(text, dialect=ViewDialect) for text in (one, other)]
    assert without_parens(trees[0]) == without_parens(trees[1])
    assert sql_text(without_parens(trees[0])) == sql_text(without_parens(trees[1]))


def test_parentheses_that_matter_are_kept_apart() -> None:
    trees = [sqlglot.parse_one(text, dialect=ViewDialect) for text in ("(i + j) * 2", "i + j * 2")]
    assert without_parens(trees[0]) != without_parens(trees[1])
