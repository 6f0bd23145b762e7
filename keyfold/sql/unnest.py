"""UNNEST: a list → a row per element, in FROM and in the SELECT of a subquery.

An element is one more column of the relation, which the query names as it likes. An event whose
list is empty or NULL makes no row, but for LEFT JOIN, which makes one of NULLs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb
from sqlglot import exp

from keyfold.sql.dialect import call_name, identifier, sql_text
from keyfold.sql.location import SqlText
from keyfold.sql.numbered import Numbered
from keyfold.sql.relation import Elements, Relation, item_name, place_name
from keyfold.sql.scope import Named, Scope

_LIST = re.compile(r"\[\d*\]$")
_ORDINALITY = "ordinality"  # DuckDB's name for the places, where the query gives none


@dataclass(frozen=True, slots=True)
class Read:
    """What a FROM gives.

    Attributes:
        relation: What its expressions are bound over.
        tables: The rows that the query can name columns of.
        conditions: The WHERE of the queries within, bound, the innermost first.
        numbered: How a subquery numbers the rows, after the conditions; None where none does.
    """

    relation: Relation
    tables: tuple[Named, ...]
    conditions: tuple[exp.Expr, ...] = ()
    numbered: Numbered | None = None


def together(conditions: Sequence[exp.Expr]) -> str:
    """Return conditions as one, empty where there is none.

    A condition is evaluated on the rows alone that those before it let through: a subquery that
    keeps numbers out of a text guards the cast around it.
    """
    if not conditions:
        return ""
    *before, last = [sql_text(condition) for condition in conditions]
    sql = last
    for guard in reversed(before):
        sql = f"CASE WHEN {guard} THEN {sql} ELSE false END"
    return sql


def unnest_joined(text: SqlText, read: Read, joined: exp.Expr, *, left: bool) -> Read:
    """Return rows joined with the elements of a list: ``CROSS JOIN UNNEST(list) AS t(element)``.

    Args:
        text: The file.
        read: The rows.
        joined: UNNEST, or LATERAL UNNEST.
        left: A row without elements stays, with NULL for the element.

    Raises:
        SqlError: It is no list, or its columns have too many names.
    """
    call = joined.this if isinstance(joined, exp.Lateral) else joined
    alias = joined.args.get("alias")
    names = list(alias.args.get("columns") or ()) if alias is not None else []
    offset = call.args.get("offset")
    tree = _list(text, call, read)
    kind = read.relation.type_of(tree)
    n = len(read.relation.lists)
    item: exp.Expr = exp.Column(this=identifier(item_name(n)))
    place: exp.Expr = exp.Column(this=identifier(place_name(n)))
    if left and offset:
        place = exp.Case(ifs=[exp.If(this=_filled(tree), true=place)])
    called = joined.alias or "unnest"
    columns: dict[str, tuple[str, exp.Expr]] = {}
    if len(names) > 1:
        fields = _fields(read.relation, _LIST.sub("", kind))
        if len(names) != len(fields):
            many = f"{len(fields)} fields" if fields else "one column"
            raise text.error(
                names[-1],
                f"an element has {many}, and there are {len(names)} names",
                "give one name, and read fields as name.field",
            )
        columns = {
            name.name.lower(): (
                name.name,
                exp.Dot(this=exp.Paren(this=item.copy()), expression=identifier(field)),
            )
            for name, field in zip(names, fields, strict=True)
        }
    else:
        name = names[0].name if names else ("unnest" if offset else called)
        columns = {name.lower(): (name, item)}
    if offset:
        name = offset.name if isinstance(offset, exp.Expr) else _ORDINALITY
        columns[name.lower()] = (name, place)
    made = _unnested(read, tree, ordinality=bool(offset), left=left)
    return replace(made, tables=(*read.tables, Named(called, columns)))


def unnest_selected(text: SqlText, select: exp.Select, read: Read) -> tuple[exp.Select, Read]:
    """Return a SELECT without ``unnest(list)``, and the rows that this made.

    Raises:
        SqlError: It is no list, or there are several of them.
    """
    calls = [
        node for item in select.expressions for node in item.walk() if call_name(node) == "unnest"
    ]
    if not calls:
        return select, read
    trees = [_list(text, call, read) for call in calls]
    for call, tree in zip(calls, trees, strict=True):
        if tree != trees[0]:
            raise text.error(
                call,
                "a SELECT unnests one list",
                "put one into a subquery, or zip them: unnest(list_zip(a, b))",
            )
    name = item_name(len(read.relation.lists))
    column = exp.Column(this=identifier(name))
    made = _unnested(read, trees[0])
    select = select.copy()
    for item in select.expressions:
        for node in list(item.walk()):
            if call_name(node) == "unnest":
                own = column.copy()
                own.this.meta.update(node.meta)
                node.replace(own)
    tables = (*made.tables, Named("", {name: (name, column)}))
    return select, replace(made, tables=tables)


def _unnested(read: Read, tree: exp.Expr, *, ordinality: bool = False, left: bool = False) -> Read:
    sql = sql_text(tree)
    columns = {column.name for column in tree.find_all(exp.Column)}
    if left:
        sql = f"CASE WHEN {sql_text(_filled(tree))} THEN {sql} ELSE [NULL] END"
    if read.conditions:
        # What is filtered makes no row, and its list need not be one.
        sql = f"CASE WHEN {together(read.conditions)} THEN {sql} END"
        columns |= {c.name for one in read.conditions for c in one.find_all(exp.Column)}
    made = read.relation.unnested(Elements(sql, frozenset(columns), ordinality))
    return replace(read, relation=made, conditions=())


def _list(text: SqlText, call: exp.Expr, read: Read) -> exp.Expr:
    """Return the list of an UNNEST, bound."""
    if len(call.expressions) != 1:
        raise text.error(
            call, "UNNEST takes one list here", "zip them: UNNEST(list_zip(a, b)) AS t(a, b)"
        )
    tree = Scope(text, read.tables).resolve(call.expressions[0])
    kind = read.relation.type_of(tree)
    if not _LIST.search(kind):
        hint = "a column of the type T[] has elements"
        if kind.startswith("MAP("):
            hint = f"write UNNEST(map_entries({sql_text(tree)})) AS t(key, value)"
        elif kind in ("JSON", "VARCHAR"):
            hint = f"say what it holds: UNNEST(CAST({sql_text(tree)} AS JSON[]))"
        raise text.error(tree, f"UNNEST takes a list, and this is {kind}", hint)
    read.relation.refuse_shared_window(tree, "be unnested")
    if read.relation.session:
        raise text.error(
            tree,
            "a list cannot be unnested behind SESSION",
            "make the elements before the sessions: SESSION((SELECT …, unnest(list) AS element "
            "FROM source) PARTITION BY …)",
        )
    return tree


def _filled(tree: exp.Expr) -> exp.Expr:
    """Return the condition that a list has elements."""
    return exp.GT(
        this=exp.Anonymous(this="len", expressions=[tree.copy()]),
        expression=exp.Literal.number(0),
    )


def _fields(relation: Relation, kind: str) -> list[str]:
    """Return the names of a struct's fields, none for another type."""
    try:
        found = relation.binder.describe(f"SELECT s.* FROM (SELECT CAST(NULL AS {kind}) AS s)")
    except duckdb.Error:
        return []
    return [column.name for column in found]
