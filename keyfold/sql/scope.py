"""Names → columns: every name of a query is bound to a column of the relation, or refused.

After this pass a column has one spelling, whatever the user wrote: ``o.User_ID``, ``user_id`` and
``"user_id"`` are one tree, so a key is recognised wherever it stands again, and the fingerprint
does not change with an alias. A column that a subquery computes is replaced by its expression, so
what is bound reads the relation alone, however deep the query was nested. A field of a struct is
written ``(column).field``, which DuckDB can take for nothing else. Methods (``name.lower()``)
become the calls that they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from keyfold.errors import did_you_mean
from keyfold.sql.dialect import arrow_lambda, identifier, sql_text
from keyfold.sql.elsewhere import LAMBDA_HINT
from keyfold.sql.location import SqlText
from keyfold.view.plan import Column

Spelling = list[exp.Identifier]
WRITTEN = "written"
"""The entry in the ``meta`` of an expression that a name stood for: that name."""


@dataclass(frozen=True, slots=True)
class Named:
    """Rows that FROM names.

    Attributes:
        alias: The name, which may qualify columns; empty where there is none.
        columns: Name in lower case → (name, the expression over the relation that it stands for).
    """

    alias: str
    columns: Mapping[str, tuple[str, exp.Expr]]


def named_columns(columns: Sequence[Column]) -> dict[str, tuple[str, exp.Expr]]:
    """Return columns of the relation as themselves."""
    return {
        column.name.lower(): (column.name, exp.Column(this=identifier(column.name)))
        for column in columns
    }


class Scope:
    """The columns that a query can name.

    Attributes:
        used: Names of the relation's columns that were resolved so far.
    """

    def __init__(self, text: SqlText, tables: Sequence[Named]) -> None:
        self._text = text
        self._tables = tables
        self.used: set[str] = set()
        self.outputs: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Say whether there is a column of that name."""
        return any(name.lower() in table.columns for table in self._tables)

    def column_name(self, node: exp.Expr) -> str:
        """Return the name of the column that an expression is, empty where it is more or less."""
        parts = _spelling(node)
        table = self._table(parts)
        if table is not None:
            parts = parts[1:]
        if len(parts) != 1:
            return ""
        name = parts[0].name.lower()
        tables = self._tables if table is None else [table]
        return next((t.columns[name][0] for t in tables if name in t.columns), "")

    def _table(self, parts: Spelling) -> Named | None:
        """Return what the first name of a path qualifies a column of."""
        if len(parts) < 2:
            return None
        alias, name = parts[0].name.lower(), parts[1].name.lower()
        return next(
            (t for t in self._tables if t.alias.lower() == alias and name in t.columns), None
        )

    def resolve(self, node: exp.Expr) -> exp.Expr:
        """Return a copy of an expression in which every name is bound.

        Raises:
            SqlError: A name is no column; at the name.
        """
        return self._resolve(node, frozenset())

    def _resolve(self, node: exp.Expr, bound: frozenset[str]) -> exp.Expr:
        match node:
            case exp.DataType() | exp.Interval() | exp.Var() | exp.Literal() | exp.Star():
                return node.copy()
            case exp.Lambda():
                inner = bound | {parameter.name.lower() for parameter in node.expressions}
                return self._with(node, "this", inner)
            case exp.Comprehension():
                return self._comprehension(node, bound)
            case exp.PropertyEQ() | exp.Kwarg():
                return self._with(node, "expression", bound)
            case exp.Column():
                parts = [part for part in node.parts if isinstance(part, exp.Identifier)]
                return self._path(parts, bound) if len(parts) == len(node.parts) else node.copy()
            case exp.Identifier():
                return self._path([node], bound)
            case exp.Dot():
                return self._dot(node, bound)
            case exp.Alias():
                return self._with(node, "this", bound)
        return self._children(node, bound)

    def _with(self, node: exp.Expr, key: str, bound: frozenset[str]) -> exp.Expr:
        """Return a copy in which one part is resolved; the others are names of their own."""
        copy = node.copy()
        copy.set(key, self._resolve(node.args[key], bound))
        return copy

    def _children(self, node: exp.Expr, bound: frozenset[str]) -> exp.Expr:
        copy = node.copy()
        for key, value in list(copy.args.items()):
            if isinstance(value, exp.Expr):
                copy.set(key, self._resolve(value, bound))
            elif isinstance(value, list):
                copy.set(
                    key,
                    [self._resolve(v, bound) if isinstance(v, exp.Expr) else v for v in value],
                )
        return copy

    def _comprehension(self, node: exp.Expr, bound: frozenset[str]) -> exp.Expr:
        names = {
            part.name.lower()
            for part in (node.args.get("expression"), node.args.get("position"))
            if part is not None
        }
        copy = node.copy()
        copy.set("iterator", self._resolve(node.args["iterator"], bound))
        for key in ("this", "condition"):
            if node.args.get(key) is not None:
                copy.set(key, self._resolve(node.args[key], bound | names))
        return copy

    def _dot(self, node: exp.Dot, bound: frozenset[str]) -> exp.Expr:
        field = node.expression
        parts = _spelling(node.this)
        owner = self._path(parts, bound) if parts else self._resolve(node.this, bound)
        match field:
            case exp.Identifier():
                if parts:
                    return self._path([*parts, field], bound)
                return exp.Dot(this=_enclosed(owner), expression=field.copy())
            case exp.Anonymous():
                arguments = [self._resolve(argument, bound) for argument in field.expressions]
                call = exp.Anonymous(this=field.this, expressions=[owner, *arguments])
                call.meta.update(field.meta)
                return call
        raise self._text.error(
            field, "this cannot stand after a dot", "write it as a call: function(column, …)"
        )

    def _path(self, parts: Spelling, bound: frozenset[str]) -> exp.Expr:
        """Bind ``a.b.c``: the alias may stand first, fields of a struct may follow."""
        if parts[0].name.lower() in bound:
            return _fields(parts[0].copy(), parts[1:])
        qualifying = self._table(parts)
        at = 1 if qualifying is not None else 0
        name = parts[at].name.lower()
        tables = [qualifying] if qualifying else [t for t in self._tables if name in t.columns]
        if not tables:
            raise self._unknown(parts)
        if len(tables) > 1:
            raise self._text.error(
                parts[at],
                f"there are two columns {parts[at].name}",
                f"write {tables[0].alias}.{parts[at].name} or {tables[1].alias}.{parts[at].name}",
            )
        written, tree = tables[0].columns[name]
        names = {column.name for column in tree.find_all(exp.Column)}
        captured = next((name for name in names if name.lower() in bound), None)
        if captured is not None:
            raise self._text.error(
                parts[at],
                f"{sql_text(tree)} has another meaning here: {captured} is a parameter as well",
                "give the parameter another name",
            )
        self.used |= names
        return _fields(_placed(tree, written, parts), parts[at + 1 :])

    def _unknown(self, parts: Spelling) -> Exception:
        wanted = parts[0]
        aliases = [table.alias for table in self._tables if table.alias]
        if len(parts) > 1 and wanted.name.lower() in (alias.lower() for alias in aliases):
            wanted = parts[1]
        name = wanted.name
        columns = [column for table in self._tables for column, _ in table.columns.values()]
        if name.lower() in self.outputs:
            hint = "it is a name that SELECT gives: repeat its expression here"
        elif arrow_lambda(wanted):
            hint = LAMBDA_HINT
        elif name.lower() in ("window_start", "window_end"):
            hint = "it comes with a window: FROM TUMBLE(source, time column, INTERVAL '1' MINUTE)"
        elif len(parts) > 1 and wanted is parts[0] and aliases:
            hint = f"the source is called {aliases[0]} here; {did_you_mean(name, columns)}"
        else:
            hint = did_you_mean(name, columns)
        return self._text.error(wanted, f"there is no column {name}", hint)


def _placed(tree: exp.Expr, written: str, parts: Spelling) -> exp.Expr:
    """Return an expression that stands where a name was written."""
    spans = [part.meta for part in parts if "start" in part.meta]
    place = spans[0] | {"end": spans[-1]["end"]} if spans else {}
    if isinstance(tree, exp.Column):
        head: exp.Expr = exp.Column(this=identifier(tree.name))
        head.this.meta.update(place)
        return head
    inner = tree.copy()
    for part in inner.walk():
        part.meta.pop("start", None)  # it is told of where its name is used
    head = exp.Paren(this=inner)
    head.meta.update(place | {WRITTEN: written})
    return head


def _spelling(node: exp.Expr) -> Spelling:
    """Return the identifiers of a plain path, empty for anything else."""
    match node:
        case exp.Identifier():
            return [node]
        case exp.Column():
            parts = [part for part in node.parts if isinstance(part, exp.Identifier)]
            return parts if len(parts) == len(node.parts) else []
        case exp.Dot(this=owner, expression=exp.Identifier() as field):
            before = _spelling(owner)
            return [*before, field] if before else []
    return []


def _enclosed(node: exp.Expr) -> exp.Expr:
    plain = isinstance(node, exp.Paren | exp.Dot | exp.Anonymous | exp.Bracket)
    return node if plain else exp.Paren(this=node)


def _fields(head: exp.Expr, fields: Spelling) -> exp.Expr:
    """Return a field of a field of a struct."""
    node = head
    for field in fields:
        node = exp.Dot(this=_enclosed(node), expression=identifier(field.name))
    return node
