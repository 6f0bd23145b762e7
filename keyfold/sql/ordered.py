"""ORDER BY, LIMIT and IGNORE NULLS within the parentheses of an aggregate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import Token, TokenType, exp

from keyfold.sql.location import SqlText
from keyfold.view.aggregate import Operand
from keyfold.view.moment import TICKS
from keyfold.view.types import Physical, column_type


@dataclass(frozen=True, slots=True)
class Ordered:
    """What stands in the parentheses, taken apart.

    Attributes:
        arguments: The arguments.
        distinct: Whether DISTINCT stands before them.
        order: What ORDER BY says; empty without it.
        limit: What LIMIT says, or None.
        ignores_nulls: Whether IGNORE NULLS stands after the argument or the order.
        separator: What stands between texts that are joined; None where none are.
    """

    arguments: list[exp.Expr]
    distinct: bool
    order: list[exp.Ordered]
    limit: exp.Expr | None
    ignores_nulls: bool
    separator: str | None = None


def taken_apart(parts: Sequence[exp.Expr]) -> Ordered:
    """Take the parts of a call apart; ORDER BY and LIMIT hang on the last one."""
    arguments = list(parts)
    limit: exp.Expr | None = None
    order: list[exp.Ordered] = []
    ignores_nulls = False
    if arguments and isinstance(arguments[-1], exp.IgnoreNulls):  # after ORDER BY
        ignores_nulls, arguments[-1] = True, arguments[-1].this
    if arguments and isinstance(arguments[-1], exp.Limit):
        limit = arguments[-1].expression
        arguments[-1] = arguments[-1].this
    if arguments and isinstance(arguments[-1], exp.Order):
        order = list(arguments[-1].expressions)
        arguments[-1] = arguments[-1].this
    if arguments and isinstance(arguments[0], exp.IgnoreNulls):  # after the argument
        ignores_nulls, arguments[0] = True, arguments[0].this
    distinct = bool(arguments) and isinstance(arguments[0], exp.Distinct)
    if distinct:
        arguments = [*arguments[0].expressions, *arguments[1:]]
    return Ordered(arguments, distinct, order, limit, ignores_nulls)


def with_separator(text: SqlText, call: exp.Expr, name: str, shape: Ordered) -> Ordered:
    """Take the separator of texts from behind the argument; it is a comma where there is none.

    Raises:
        SqlError: It is no text.
    """
    if not 1 <= len(shape.arguments) <= 2:
        raise text.error(
            call, f"{name} takes an argument and a separator", f"write {name}(x, ', ' ORDER BY y)"
        )
    value, separator = [*shape.arguments, exp.Literal.string(",")][:2]
    if not (isinstance(separator, exp.Literal) and separator.is_string):
        raise text.error(
            separator if separator.find(exp.Column) else call,
            f"the separator of {name} is a text, the same for all events",
            f"write {name}(x, ', ')",
        )
    return replace(shape, arguments=[value], separator=separator.name)


def rank_of(text: SqlText, order: Sequence[exp.Ordered]) -> tuple[exp.Expr, bool]:
    """Return the one expression that is ordered by, and whether the order runs down.

    Raises:
        SqlError: There are several, or NULLs shall come first.
    """
    if len(order) > 1:
        raise text.error(
            order[1],
            "an aggregate orders by one expression",
            "leave it out, since events that tie are in the order of their partitions and offsets; "
            "or number rows in a subquery: ROW_NUMBER() OVER (PARTITION BY a ORDER BY b, c)",
        )
    (by,) = order
    if by.args.get("nulls_first"):
        raise text.error(
            by,
            "an event without a value to order by does not count",
            "leave NULLS FIRST out, or order by coalesce(column, …)",
        )
    return by.this, bool(by.args.get("desc"))


def ticks_sql(sql: str, kind: str) -> str:
    """Return the SQL of how many of its ticks a timestamp of ``TICKS`` counts; NULL of infinity."""
    return {
        "TIMESTAMP_S": f"(epoch_us({sql}) // 1000000)",
        "TIMESTAMP_MS": f"epoch_ms({sql})",
        "TIMESTAMP_NS": f"epoch_ns({sql})",
    }[kind]


def rank_json(rank: Operand) -> str:
    """Return the SQL of a rank as JSON text that reads as a value of the same order.

    It is NULL for the two infinities of a timestamp; the families write these (listing.py).
    """
    column, sql = column_type(rank.type), rank.sql
    if column.physical is Physical.TEXT:
        return f"CAST(to_json({sql}) AS VARCHAR)"
    if column.physical is Physical.F64:  # JSON has no word for these; Python's reader has
        return (
            f"CASE WHEN isfinite({sql}) THEN CAST(to_json(CAST({sql} AS DOUBLE)) AS VARCHAR) "
            f"WHEN isnan({sql}) THEN 'NaN' WHEN ({sql}) > 0 THEN 'Infinity' ELSE '-Infinity' END"
        )
    if column.decimal:  # all values of a column have as many digits after the point
        return f"CAST(CAST(replace(CAST({sql} AS VARCHAR), '.', '') AS HUGEINT) AS VARCHAR)"
    if column.name == "DATE":
        return f"CAST(({sql}) - DATE '1970-01-01' AS VARCHAR)"
    if column.physical is Physical.BYTES:
        return f"CAST(to_json(hex({sql})) AS VARCHAR)"
    if column.integer or column.physical in (Physical.BOOL, Physical.U128):
        return f"CAST({sql} AS VARCHAR)"
    if column.enum:
        return f"CAST(enum_code({sql}) AS VARCHAR)"
    if column.name in TICKS:
        return f"CAST({ticks_sql(sql, column.name)} AS VARCHAR)"
    return f"CAST(epoch_us({sql}) AS VARCHAR)"


def without_bounds(text: str, tokens: Sequence[Token]) -> str:
    """Blank ``LIMIT n`` and ``IGNORE NULLS`` in calls: DuckDB does not parse them there."""
    kinds = [token.token_type for token in tokens]
    opened: list[bool] = []  # whether each open parenthesis holds a query
    for at, kind in enumerate(kinds):
        if kind is TokenType.L_PAREN:
            inner = kinds[at + 1] if at + 1 < len(kinds) else None
            opened.append(inner in (TokenType.SELECT, TokenType.FROM, TokenType.WITH))
        elif kind is TokenType.R_PAREN and opened:
            opened.pop()
        elif opened and not opened[-1] and at + 1 < len(tokens):
            words = f"{tokens[at].text} {tokens[at + 1].text}".upper()
            if kind is TokenType.LIMIT or words == "IGNORE NULLS":
                start, end = tokens[at].start, tokens[at + 1].end + 1
                text = text[:start] + " " * (end - start) + text[end:]
    return text
