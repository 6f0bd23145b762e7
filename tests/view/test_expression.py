"""Expressions evaluate to what DuckDB says, value for value, and raise where it raises."""

import math
import struct
from collections.abc import Iterator
from decimal import Context, Decimal

import duckdb
import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyfold.errors import SqlError
from keyfold.view.columns import int_of, physical_column
from keyfold.view.expression import (
    FUNCTIONS,
    JOINS,
    Call,
    Expression,
    Key,
    Literal,
    compile_expression,
)
from keyfold.view.named import NAMED
from keyfold.view.types import Physical, column_type
from tests.view.families import unoptimized

TYPES = (
    "TINYINT",
    "INTEGER",
    "BIGINT",
    "UBIGINT",
    "HUGEINT",
    "DECIMAL(4,2)",
    "DECIMAL(18,3)",
    "DECIMAL(38,5)",
    "DOUBLE",
    "FLOAT",
    "VARCHAR",
    "BOOLEAN",
    "DATE",
    "TIMESTAMP",
)
NUMERIC = TYPES[:10]
REAL = (0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49999999999999994, 2.675, 1e16, 1e300, -1e-300)
REAL += (math.nan, math.inf, -math.inf, 9007199254740993.0, 0.1)


def integers(low: int, high: int) -> st.SearchStrategy[int]:
    near = st.sampled_from(
        [v for v in (0, 1, -1, 2, 3, 10, low, high, low + 1) if low <= v <= high]
    )
    return near | st.integers(max(low, -20), min(high, 20)) | st.integers(low, high)


VALUES: dict[str, st.SearchStrategy[object]] = {
    "TINYINT": integers(-128, 127),
    "INTEGER": integers(-(2**31), 2**31 - 1),
    "BIGINT": integers(-(2**63), 2**63 - 1),
    "UBIGINT": integers(0, 2**64 - 1),
    "HUGEINT": integers(-(2**127), 2**127 - 1),
    "DECIMAL(4,2)": integers(-9999, 9999),
    "DECIMAL(18,3)": integers(-(10**18) + 1, 10**18 - 1),
    "DECIMAL(38,5)": integers(-(10**38) + 1, 10**38 - 1),
    "DOUBLE": st.sampled_from(REAL) | st.floats(),
    "FLOAT": st.floats(width=32) | st.integers(-20, 20).map(lambda v: v / 2),
    "VARCHAR": st.text("abzéß😀 ", max_size=3),
    "BOOLEAN": st.booleans(),
    "DATE": st.integers(-800_000, 800_000),
    "TIMESTAMP": st.integers(-(2**55), 2**55),
}


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = unoptimized()
    yield connection
    connection.close()


def sql_value(name: str, value: object) -> str:
    """A value as SQL that DuckDB reads back exactly."""
    if value is None:
        return f"CAST(NULL AS {name})"
    column = column_type(name)
    match value:
        case bool():
            return f"CAST({str(value).lower()} AS BOOLEAN)"
        case float():
            return f"CAST('{value!r}' AS {name})"
        case int() if column.decimal:
            return f"CAST('{Decimal(value).scaleb(-column.scale, WIDE):f}' AS {name})"
        case int() if name == "DATE":
            return f"(DATE '1970-01-01' + CAST({value} AS INTEGER))"
        case int() if name == "TIMESTAMP":
            return f"make_timestamp(CAST({value} AS BIGINT))"
        case int():
            return f"CAST('{value}' AS {name})"
    return f"CAST('{value}' AS VARCHAR)"


WIDE = Context(prec=60)


def physical(name: str, array: pa.Array) -> object:
    """The one value of a DuckDB result, as a physical Python value."""
    if array.null_count:
        return None
    form = column_type(name).physical
    value = physical_column(form, array)[0]
    if form is Physical.I128:
        return int_of(value["low"], value["high"])
    return value.decode() if form is Physical.TEXT else value.item()


def same(ours: object, theirs: object) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return struct.pack("d", ours) == struct.pack("d", theirs) or (
            math.isnan(ours) and math.isnan(theirs)
        )
    if isinstance(ours, str) and isinstance(theirs, str):
        return ours == theirs.replace("-nan", "nan")  # the sign of a NaN is the processor's
    return ours == theirs and type(ours) is type(theirs)


def fold(function: str, sql: tuple[str, ...]) -> str:
    match function:
        case "negate" | "not":
            return f"({ {'negate': '-', 'not': 'NOT '}[function] }({sql[0]}))"
        case "is_null":
            return f"({sql[0]} IS NULL)"
        case "and" | "or":
            return "(" + f" {function.upper()} ".join(sql) + ")"
        case "case":
            return f"CASE WHEN {sql[0]} THEN {sql[1]} ELSE {sql[2]} END"
        case name if name.isalpha():
            return f"{name}({', '.join(sql)})"
    return f"({sql[0]} {function} {sql[1]})"


class Tree(msgspec.Struct, frozen=True):
    """A random expression: as SQL over the columns of ``t``, and how to build ours."""

    function: str
    children: "tuple[Tree, ...]" = ()
    column: int = 0
    type: str = ""

    def sql(self) -> str:
        if self.function == "column":
            return f"c{self.column}"
        inner = tuple(child.sql() for child in self.children)
        if self.function == "cast":
            return f"CAST({inner[0]} AS {self.type})"
        if self.function == "round_to":
            return f"round({inner[0]}, {self.column})"
        return fold(self.function, inner)


class Refused(Exception):
    """DuckDB does not bind the expression, or gives it a type that a view cannot hold."""


def bind(con: duckdb.DuckDBPyConnection, tree: Tree, columns: dict[int, str]) -> Expression:
    """Build our expression, with the types that DuckDB's DESCRIBE gives to every node."""
    if tree.function == "column":
        return Key(tree.column, columns[tree.column])
    try:
        row = con.execute(f"DESCRIBE SELECT {tree.sql()} FROM t").fetchall()[0]
        column_type(row[1])
    except (duckdb.Error, SqlError):
        raise Refused from None
    arguments = tuple(bind(con, child, columns) for child in tree.children)
    if tree.function == "round_to":
        return Call("round", (*arguments, Literal(tree.column, "INTEGER")), row[1])
    return Call(tree.function, arguments, row[1])


COLUMN = len(TYPES)
LEAF = st.builds(Tree, function=st.just("column"), column=st.integers(0, 2 * COLUMN - 1))
ONE = ("negate", "not", "abs", "round", "floor", "ceil", "sqrt", "length", "is_null")
TWO = ("+", "-", "*", "/", "//", "%", "=", "<>", "<", "<=", ">", ">=", "||")
TWO += ("and", "or", "coalesce", "nullif", "greatest", "least")


def branches(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return (
        st.builds(Tree, function=st.sampled_from(ONE), children=st.tuples(inner))
        | st.builds(Tree, function=st.sampled_from(TWO), children=st.tuples(inner, inner))
        | st.builds(Tree, function=st.just("case"), children=st.tuples(inner, inner, inner))
        | st.builds(
            Tree, function=st.just("cast"), children=st.tuples(inner), type=st.sampled_from(TYPES)
        )
        | st.builds(
            Tree,
            function=st.just("round_to"),
            children=st.tuples(inner),
            column=st.integers(-2, 20),  # DuckDB 2.0 rounds a NULL DECIMAL to 0 far to the left
        )
    )


def functions_of(tree: Tree) -> set[str]:
    return {tree.function}.union(*(functions_of(child) for child in tree.children))


def check(con: duckdb.DuckDBPyConnection, tree: Tree, values: list[object]) -> str:
    """Compare our value with DuckDB's; says what became of the case."""
    names = [*TYPES, *TYPES]
    cells = ", ".join(
        f"{sql_value(n, v)} AS c{i}" for i, (n, v) in enumerate(zip(names, values, strict=True))
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE t AS SELECT {cells}").fetchall()
    try:
        expression = bind(con, tree, dict(enumerate(names)))
        evaluate = compile_expression(expression, len(names))
    except Refused:
        return "refused by duckdb"
    except SqlError:
        return "refused by us"
    try:
        ours: object = evaluate(values)
    except ArithmeticError as error:
        ours = error
    try:
        table = con.sql(f"SELECT {tree.sql()} AS x FROM t").to_arrow_table()
    except duckdb.Error as error:
        # SQL leaves the order of AND and OR open; ours stops at the operand that decides. Both
        # may find the NULL beside an error first.
        stopped = functions_of(tree) & {"and", "or"} or None in values
        assert isinstance(ours, ArithmeticError) or stopped, (tree.sql(), ours, error)
        return "raised"
    theirs = physical(expression.type, table.column(0).combine_chunks())
    if isinstance(ours, ArithmeticError) and None in values:
        return "a null beside an error"  # DuckDB may look at the NULL first
    assert same(ours, theirs), (tree.sql(), cells, expression.type, ours, theirs)
    return "compared"


def call(function: str, *arguments: Expression, to: str) -> Call:
    return Call(function, arguments, to)


ROW = st.tuples(*[VALUES[name] | st.none() for name in (*TYPES, *TYPES)]).map(list)
QUICK = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(tree=st.recursive(LEAF, branches, max_leaves=6), values=ROW)
def test_an_expression_has_the_value_that_duckdb_gives_it(con, tree, values):
    check(con, tree, values)


def test_every_function_is_tested():
    assert {*ONE, *TWO, *JOINS, "case", "cast"} == FUNCTIONS - NAMED  # test_named.py has the rest


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("c2 / 0", math.inf),
        ("c8 / c8", 1.0),
        ("round(c8)", 3.0),
        ("round(c6, 2)", -120),
        ("c6 + c5", -120 * 10 + 250 * 10),
    ],
)
def test_known_values_hold(con, sql, expected):
    """The numbers that a reader of docs/sql.md would try first."""
    trees = {
        "c2 / 0": call("/", Key(2, "BIGINT"), Literal(0, "INTEGER"), to="DOUBLE"),
        "c8 / c8": call("/", Key(8, "DOUBLE"), Key(8, "DOUBLE"), to="DOUBLE"),
        "round(c8)": call("round", Key(8, "DOUBLE"), to="DOUBLE"),
        "round(c6, 2)": call(
            "round", Key(6, "DECIMAL(18,3)"), Literal(2, "INTEGER"), to="DECIMAL(18,2)"
        ),
        "c6 + c5": call("+", Key(6, "DECIMAL(18,3)"), Key(5, "DECIMAL(4,2)"), to="DECIMAL(19,3)"),
    }
    row = [None, None, 7, None, None, 250, -1200, None, 2.5]
    if sql == "round(c6, 2)":
        row[6] = -1195  # a half, away from zero
    assert compile_expression(trees[sql], len(row))(row) == expected


def test_and_stops_at_the_operand_that_decides():
    division = call("//", Literal(1, "INTEGER"), Key(0, "INTEGER"), to="INTEGER")
    some = call("<>", Key(0, "INTEGER"), Literal(0, "INTEGER"), to="BOOLEAN")
    large = call(">", division, Literal(0, "INTEGER"), to="BOOLEAN")
    assert compile_expression(call("and", some, large, to="BOOLEAN"), 1)([0]) is False
    with pytest.raises(ArithmeticError, match="division by zero"):
        compile_expression(call("and", large, some, to="BOOLEAN"), 1)([0])


@pytest.mark.parametrize(
    "expression",
    [
        call("cast", Key(0, "VARCHAR"), to="BIGINT"),
        call("=", Key(0, "VARCHAR"), Literal(1, "INTEGER"), to="BOOLEAN"),
        call("length", Key(0, "INTEGER[]"), to="BIGINT"),
        call("||", Key(0, "INTEGER[]"), Key(0, "INTEGER[]"), to="INTEGER[]"),
        call("+", Key(0, "TIMESTAMP"), Literal(1, "INTEGER"), to="TIMESTAMP"),
    ],
)
def test_what_only_duckdb_can_do_exactly_is_refused_when_compiled(expression):
    with pytest.raises(SqlError, match="an output column cannot"):
        compile_expression(expression, 1)


def test_the_literal_null_is_null_in_every_strict_function():
    null = Literal(None, '"NULL"')
    assert compile_expression(call("+", Key(0, "BIGINT"), null, to="BIGINT"), 1)([1]) is None
    assert compile_expression(call("is_null", null, to="BOOLEAN"), 0)([]) is True


@given(st.sampled_from(TYPES), st.data())
def test_a_stored_expression_is_the_same_after_reading(name, data):
    value = data.draw(VALUES[name].filter(lambda v: not isinstance(v, float) or math.isfinite(v)))
    tree = call("=", Key(0, name), Literal(value, name), to="BOOLEAN")
    assert msgspec.json.decode(msgspec.json.encode(tree), type=Call) == tree
