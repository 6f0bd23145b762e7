"""The columns of a query that works row by row: names for expressions over the relation."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from keyfold.errors import did_you_mean
from keyfold.sql.dialect import find_aggregate, sql_text
from keyfold.sql.location import SqlText
from keyfold.sql.scope import Scope
from keyfold.sql.unnest import Read

EXPRESSION_CHARS_MAX = 65_536
"""Length of a column's expression: one that uses a column twice doubles it, level by level."""


def columns_of(
    text: SqlText, items: Sequence[exp.Expr], scope: Scope, read: Read
) -> list[tuple[exp.Expr, str, exp.Expr]]:
    """Return (where it stands, name, bound expression) of each column that SELECT items make.

    Raises:
        SqlError: It is no column that works row by row; at the word.
    """
    found = []
    for item in items:
        aggregate = find_aggregate(item)
        if aggregate is not None:
            raise text.error(
                aggregate,
                "an aggregate in a subquery cannot be kept",
                "a subquery works row by row: aggregate in the SELECT of the view",
            )
        star = item if isinstance(item, exp.Star) else item.this
        if isinstance(star, exp.Star) and not isinstance(item, exp.Alias):
            found += [(item, *column) for column in _all(text, item, star, scope, read)]
            continue
        written = item.unalias()
        tree = scope.resolve(written)
        name = item.alias or scope.column_name(written)
        if not name and isinstance(tree, exp.Dot):
            name = tree.expression.name
        if not name:
            sql = sql_text(tree)
            raise text.error(item, f"{sql} has no name", f"write {sql} AS name")
        if len(sql_text(tree)) > EXPRESSION_CHARS_MAX:
            raise text.error(
                item, f"the expression of {name} is too long", "use computed columns less often"
            )
        read.relation.type_of(tree)
        found.append((item, name, tree))
    return found


def renamed(
    text: SqlText, columns: dict[str, tuple[str, exp.Expr]], names: Sequence[exp.Identifier]
) -> dict[str, tuple[str, exp.Expr]]:
    """Return columns under the names that ``AS alias (a, b)`` gives them.

    Raises:
        SqlError: There are more names than columns.
    """
    if len(names) > len(columns):
        raise text.error(
            names[len(columns)],
            f"{len(names)} names for {len(columns)} columns",
            "give as many names as the subquery has columns",
        )
    own = [name for name, _ in columns.values()]
    given = [*(name.name for name in names), *own[len(names) :]]
    trees = [tree for _, tree in columns.values()]
    return {name.lower(): (name, tree) for name, tree in zip(given, trees, strict=True)}


def _all(
    text: SqlText, item: exp.Expr, star: exp.Star, scope: Scope, read: Read
) -> list[tuple[str, exp.Expr]]:
    """Return (name, expression) of the columns that * stands for."""
    alias = item.table.lower() if isinstance(item, exp.Column) else ""
    tables = [t for t in read.tables if not alias or t.alias.lower() == alias]
    if not tables:
        raise text.error(
            item,
            f"there is nothing called {alias} here",
            did_you_mean(alias, [table.alias for table in read.tables]),
        )
    without = {part.name.lower(): part for part in star.args.get("except_") or ()}
    replaced = {part.alias.lower(): part for part in star.args.get("replace") or ()}
    if star.args.get("rename"):
        raise text.error(item, "RENAME cannot be kept", "name the columns with AS")
    columns = [column for table in tables for column in table.columns.values()]
    known = [name for name, _ in columns]
    for missing, part in {**without, **replaced}.items():
        if missing not in {name.lower() for name in known}:
            raise text.error(part, f"there is no column {missing}", did_you_mean(missing, known))
    instead = {name: scope.resolve(part.this) for name, part in replaced.items()}
    return [
        (name, instead.get(name.lower(), tree))
        for name, tree in columns
        if name.lower() not in without and not name.startswith("__")
    ]
