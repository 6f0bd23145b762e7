"""Lowered calls as DuckDB SQL, of which DuckDB says the type."""

from __future__ import annotations

from sqlglot import exp

from keyfold.sql.dialect import sql_text
from keyfold.view import expression as ex
from keyfold.view.moment import TICKS
from keyfold.view.types import column_type


def call_sql(
    function: str, arguments: tuple[ex.Expression, ...], node: exp.Expr | None = None
) -> str:
    """Return a call as DuckDB SQL, over columns ``k0…`` of keys and ``a0…`` of answers.

    Args:
        function: As keyfold/view/expression.py names it.
        arguments: The operands.
        node: The call as it was written, where it is a cast to a type.
    """
    parts = [_operand(argument) for argument in arguments]
    match function:
        case "negate":
            return f"(-{parts[0]})"
        case "not":
            return f"(NOT {parts[0]})"
        case "is_null":
            return f"({parts[0]} IS NULL)"
        case "cast":
            target = sql_text(node.args["to"]) if isinstance(node, exp.Cast) else ""
            return f"CAST({parts[0]} AS {target})"
        case "case":
            whens = "".join(
                f" WHEN {when} THEN {then}"
                for when, then in zip(parts[:-1:2], parts[1::2], strict=False)
            )
            return f"(CASE{whens} ELSE {parts[-1]} END)"
        case "and" | "or":
            return "(" + f" {function} ".join(parts) + ")"
        case "add_interval":
            value, months, days, micros = parts
            span = f"to_months({months}) + to_days({days}) + to_microseconds({micros})"
            return f"({value} + ({span}))"
        case "like" | "ilike":
            return f"({parts[0]} {function} {parts[1]})"
        case _ if function.isidentifier():
            return f"{function}({', '.join(parts)})"
    return f"({parts[0]} {function} {parts[1]})"


def _operand(expression: ex.Expression) -> str:
    match expression:
        case ex.Key(index=index):
            return f"k{index}"
        case ex.Answer(index=index):
            return f"a{index}"
        case ex.Item(type=kind) | ex.Fold(type=kind):
            return f"CAST(NULL AS {kind})"  # of which only the type is asked
        case ex.Literal(value=None):
            return "NULL"
        case ex.Literal(value=value, type=kind) if (
            column_type(kind).integer or kind[:7] == "DECIMAL"
        ):
            return f"({value})"  # as written: DuckDB types a bare number by its digits
        case ex.Literal(value=str() as text, type=kind):
            return f"CAST('{text.replace(chr(39), chr(39) * 2)}' AS {kind})"
        case ex.Literal(type=kind) if kind in TICKS or kind == "TIME" or column_type(kind).enum:
            return f"CAST(NULL AS {kind})"  # of which only the type is asked
        case ex.Literal(value=value, type=kind) if kind.startswith("TIMESTAMP"):
            return f"make_timestamp({value})::{kind}"
        case ex.Literal(value=value, type="DATE"):
            return f"(DATE '1970-01-01' + {value})"
        case ex.Literal(value=value, type=kind):
            return f"CAST('{value}' AS {kind})"
        case ex.Call(function=function, arguments=arguments, type=kind):
            inner = call_sql(function, arguments) if function != "cast" else _operand(arguments[0])
            return f"CAST({inner} AS {kind})"
    raise AssertionError(expression)
