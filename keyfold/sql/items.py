"""The items of a view's SELECT, and the key columns among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from keyfold.sql.dialect import call_name, find_aggregate, sql_text, without_parens
from keyfold.sql.relation import Relation
from keyfold.sql.scope import Scope
from keyfold.view.nested import inexact_part
from keyfold.view.plan import KeyColumn
from keyfold.view.types import Physical


@dataclass(frozen=True, slots=True)
class Item:
    """A SELECT item: its name, what was written, and that with its names bound."""

    name: str
    written: exp.Expr
    resolved: exp.Expr


def select_items(scope: Scope, query: exp.Select) -> list[Item]:
    """Return what a SELECT lists.

    Raises:
        SqlError: A name is no column; at the name.
    """
    return [_item(scope, item) for item in query.expressions]


def _item(scope: Scope, item: exp.Expr) -> Item:
    resolved = scope.resolve(item.unalias())
    match item, resolved:
        case exp.Alias(), _:
            name = str(item.alias)
        case _ if column := scope.column_name(item):
            name = column
        case _, exp.Dot(expression=exp.Identifier() as field):
            name = field.name
        case _:
            aggregate = find_aggregate(resolved)
            call: exp.Expr = resolved.this if isinstance(resolved, exp.Filter) else resolved
            name = call_name(call) if aggregate is call else ""
    return Item(name, item, resolved)


def selected_item(items: Sequence[Item], tree: exp.Expr) -> Item | None:
    """Return the first item that is an expression, given without parentheses."""
    return next((item for item in items if without_parens(item.resolved) == tree), None)


def key_column(relation: Relation, place: exp.Expr, node: exp.Expr, selected: Item) -> KeyColumn:
    """Return the key column that an expression makes.

    Args:
        relation: What the view reads.
        place: Where the key names it.
        node: The expression, bound.
        selected: The item that selects it.

    Raises:
        SqlError: It has no name, or a key cannot hold its type.
    """
    text, sql, tree = relation.text, sql_text(node), without_parens(node)
    if not selected.name:
        raise text.error(
            selected.written, f"key column {sql} has no name", f"write {sql} AS name in SELECT"
        )
    kind = relation.type_of(node)
    column = relation.kept_type(place, kind)
    inexact = inexact_part(kind) if column.physical is Physical.JSON else ""
    if inexact:
        # Its text would hold NaN and infinities, which are no JSON, and tell -0.0 from 0.0.
        raise text.error(
            place,
            f"a key of type {kind} has {inexact} inside",
            "group by its fields, or cast them to DECIMAL",
        )
    return KeyColumn(selected.name, kind, sql_text(tree) if tree.is_leaf() else sql)
