"""The SQL of a value as a partial keeps it: what is nested or listed is JSON text."""

from __future__ import annotations

from sqlglot import exp

from keyfold.sql.dialect import sql_text
from keyfold.sql.relation import Relation
from keyfold.view.nested import inexact_part
from keyfold.view.types import Physical

_TOLD_BY_TEXT = frozenset("UUID BLOB BIT UHUGEINT TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS".split())
"""Types of which different values have different texts, by which they are counted."""


def kept_value(
    relation: Relation, value: exp.Expr, sql: str, kind: str, *, listed: bool = False
) -> str:
    """Return a value as it is kept.

    Args:
        relation: What it is bound over.
        value: Where it stands.
        sql: The value.
        kind: Its type.
        listed: Whether it is one of several, and NULL may be among them.

    Raises:
        SqlError: A view cannot hold it.
    """
    column = relation.kept_type(value, kind)
    if listed and column.physical is Physical.F64:
        finite = f"CAST(to_json({sql}) AS VARCHAR)"
        return (
            f"CASE WHEN isfinite({sql}) THEN {finite} WHEN isnan({sql}) THEN '\"NaN\"' "
            f"WHEN ({sql}) > 0 THEN '\"Infinity\"' WHEN ({sql}) < 0 THEN '\"-Infinity\"' "
            "ELSE 'null' END"
        )
    if column.physical is not Physical.JSON and not listed:
        return sql
    inexact = inexact_part(kind)
    if inexact:
        raise relation.text.error(
            value,
            f"a value of type {kind} has {inexact} inside",
            "take its fields, or cast them to DECIMAL",
        )
    text = f"CAST(to_json({sql}) AS VARCHAR)"
    return f"coalesce({text}, 'null')" if listed else text


def counted_value(relation: Relation, value: exp.Expr) -> tuple[str, str]:
    """Return (the SQL, the type) of a value that is only told from others, and never answered.

    Raises:
        SqlError: A view cannot hold it, nor a text that stands for it alone.
    """
    kind, sql = relation.type_of(value), sql_text(value)
    if kind in _TOLD_BY_TEXT:
        return f"CAST({sql} AS VARCHAR)", "VARCHAR"
    kept_value(relation, value, sql, kind)
    return sql, kind


def kept_text(relation: Relation, value: exp.Expr) -> str:
    """Return a value as a text in a list, whatever its type."""
    relation.type_of(value)
    sql = f"CAST({sql_text(value)} AS VARCHAR)"
    return kept_value(relation, value, sql, "VARCHAR", listed=True)


def kept_pair(relation: Relation, key: exp.Expr, value: exp.Expr) -> str:
    """Return what a key and its value are in a JSON object: ``"key":value``."""
    kind = relation.type_of(value)
    listed = kept_value(relation, value, sql_text(value), kind, listed=True)
    return f"concat({kept_text(relation, key)}, ':', {listed})"
