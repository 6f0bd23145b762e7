"""ORDER BY, LIMIT and IGNORE NULLS within the parentheses of an aggregate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from keyfold.sql.location import SqlText


@dataclass(frozen=True, slots=True)
class Ordered:
    """What stands in the parentheses, taken apart.

    Attributes:
        arguments: The arguments.
        distinct: Whether DISTINCT stands before them.
        order: What ORDER BY says; empty without it.
        limit: What LIMIT says, or None.
        ignores_nulls: Whether IGNORE NULLS stands after the argument.
    """

    arguments: list[exp.Expr]
    distinct: bool
    order: list[exp.Ordered]
    limit: exp.Expr | None
    ignores_nulls: bool


def taken_apart(parts: Sequence[exp.Expr]) -> Ordered:
    """Take the parts of a call apart; ORDER BY and LIMIT hang on the last one."""
    arguments = list(parts)
    limit: exp.Expr | None = None
    order: list[exp.Ordered] = []
    if arguments and isinstance(arguments[-1], exp.Limit):
        limit = arguments[-1].expression
        arguments[-1] = arguments[-1].this
    if arguments and isinstance(arguments[-1], exp.Order):
        order = list(arguments[-1].expressions)
        arguments[-1] = arguments[-1].this
    ignores_nulls = bool(arguments) and isinstance(arguments[0], exp.IgnoreNulls)
    if ignores_nulls:
        arguments[0] = arguments[0].this
    distinct = bool(arguments) and isinstance(arguments[0], exp.Distinct)
    if distinct:
        arguments = [*arguments[0].expressions, *arguments[1:]]
    return Ordered(arguments, distinct, order, limit, ignores_nulls)


def rank_of(text: SqlText, order: Sequence[exp.Ordered]) -> tuple[exp.Expr, bool]:
    """Return the one expression that is ordered by, and whether the order runs down.

    Raises:
        SqlError: There are several, or NULLs shall come first.
    """
    if len(order) > 1:
        raise text.error(
            order[1],
            "an aggregate orders by one expression",
            "events that tie are in the order of their partitions and offsets; leave it out",
        )
    (by,) = order
    if by.args.get("nulls_first"):
        raise text.error(
            by,
            "an event without a value to order by does not count",
            "leave NULLS FIRST out, or order by coalesce(column, …)",
        )
    return by.this, bool(by.args.get("desc"))
