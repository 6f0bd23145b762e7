"""A query that can stand in FROM, with the names that it can use there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import Token, exp

from keyfold.sql.parse import UnboundView
from keyfold.sql.refuse import inner_tokens


@dataclass(frozen=True, slots=True)
class Query:
    """A query that can stand in FROM, and what FROM can name within it.

    Attributes:
        query: Its tree.
        tokens: Its tokens, without the parentheses around it.
        names: Queries by name in lower case: CTEs and plain views.
        columns: The names that ``AS alias (a, b)`` gives its columns; empty where none are given.
    """

    query: exp.Expr
    tokens: Sequence[Token]
    names: Mapping[str, Query] = field(default_factory=dict)
    columns: tuple[exp.Identifier, ...] = ()


def plain_views(views: Sequence[UnboundView], before: int) -> dict[str, Query]:
    """Return the plain views that a statement can name: those that stand before it.

    Args:
        views: The plain views of the file.
        before: Where the statement starts.
    """
    names: dict[str, Query] = {}
    for view in views:
        if view.tokens[0].start < before:
            names[view.name.lower()] = Query(view.query, view.tokens, dict(names))
    return names


def with_expressions(query: exp.Expr) -> list[exp.Expr]:
    """Return the CTEs of a query."""
    clause = query.args.get("with_") or query.args.get("with")
    return list(clause.expressions) if clause is not None else []


def with_names(query: Query) -> Query:
    """Return a query with its CTEs among the names."""
    names = dict(query.names)
    for one in with_expressions(query.query):
        columns = tuple(one.args["alias"].args.get("columns") or ())
        tokens = inner_tokens(query.tokens, one.this)
        names[one.alias.lower()] = Query(unwrapped(one.this), tokens, dict(names), columns)
    return replace(query, names=names)


def unwrapped(query: exp.Expr) -> exp.Expr:
    """Return a query without the parentheses around it."""
    while isinstance(query, exp.Subquery) and isinstance(query.this, exp.Query):
        if any(value for key, value in query.args.items() if key not in ("this", "alias")):
            break
        query = query.this
    return query
