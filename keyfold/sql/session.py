"""GROUP BY over SESSION: which columns are the key of sessions.

Events are put into sessions by the PARTITION BY columns, so a row is told by these and by when the
session starts. The session's end follows from them: GROUP BY names it, as SQL wants, and the key
has it not.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from keyfold.sql.dialect import sql_text, without_parens
from keyfold.sql.relation import WINDOW_COLUMNS, Relation

_START, _END = WINDOW_COLUMNS
END_COLUMN = exp.column(_END)


def key_order(relation: Relation, trees: Sequence[exp.Expr], *, sets: bool) -> list[int]:
    """Return which columns of GROUP BY are the key, in its order: window_start comes last.

    Args:
        relation: What is read: sessions.
        trees: The columns of GROUP BY, without parentheses.
        sets: Whether there are grouping sets.

    Raises:
        SqlError: The rows would not be sessions; at the word.
    """
    text, call = relation.text, relation.call
    assert call is not None
    if sets:
        raise text.error(
            call,
            "grouping sets of sessions cannot be kept",
            "write a view for each, with the PARTITION BY that belongs to it",
        )
    by = [without_parens(column) for column in relation.partition]
    for column, written in zip(by, relation.partition, strict=True):
        if column not in trees:
            name = sql_text(column)
            raise text.error(
                written,
                f"PARTITION BY column {name} is not in GROUP BY",
                f"add {name} to GROUP BY and SELECT: the rows are the sessions of each {name}",
            )
    if exp.column(_START) not in trees:
        raise text.error(
            call,
            "GROUP BY does not tell the sessions apart",
            f"add {_START} to GROUP BY and SELECT",
        )
    for tree in trees:
        if tree not in by and not _bound(tree):
            raise text.error(
                tree,
                f"{sql_text(tree)} is in GROUP BY and not in PARTITION BY of SESSION",
                "add it to PARTITION BY: the rows are sessions, and not parts of them",
            )
    order = [at for at, tree in enumerate(trees) if not _bound(tree)]
    return [*order, list(trees).index(exp.column(_START))]


def _bound(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Column) and tree.name in WINDOW_COLUMNS
