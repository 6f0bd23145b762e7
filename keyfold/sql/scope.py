"""Names → columns: every name of a query is bound to a column of the relation, or refused.

After this pass a column has one spelling, whatever the user wrote: ``o.User_ID``, ``user_id`` and
``"user_id"`` are one tree, so a key is recognised wherever it stands again, and the fingerprint
does not change with an alias. A field of a struct is written ``(column).field``, which DuckDB can
take for nothing else. Methods (``name.lower()``) become the calls that they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from keyfold.errors import did_you_mean
from keyfold.sql.dialect import identifier
from keyfold.sql.location import SqlText
from keyfold.view.plan import Column

Spelling = list[exp.Identifier]


class Scope:
    """The columns that a query can name.

    Attributes:
        used: Names of the columns that were resolved so far.
    """

    def __init__(self, text: SqlText, columns: Sequence[Column], alias: str) -> None:
        self._text = text
        self._columns = {column.name.lower(): column.name for column in columns}
        self._alias = alias.lower()
        self.used: set[str] = set()
        self.outputs: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Say whether there is a column of that name."""
        return name.lower() in self._columns

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
        names = [part.name for part in parts]
        if names[0].lower() in bound:
            return _fields(parts[0].copy(), parts[1:])
        qualified = len(names) > 1 and names[0].lower() == self._alias and self.has(names[1])
        at = 1 if qualified else 0
        column = self._columns.get(names[at].lower())
        if column is None:
            raise self._unknown(parts)
        self.used.add(column)
        head = exp.Column(this=identifier(column))
        spans = [part.meta for part in parts if "start" in part.meta]
        if spans:
            head.this.meta.update(spans[0] | {"end": spans[-1]["end"]})
        return _fields(head, parts[at + 1 :])

    def _unknown(self, parts: Spelling) -> Exception:
        wanted = parts[0]
        if len(parts) > 1 and parts[0].name.lower() == self._alias:
            wanted = parts[1]
        name = wanted.name
        if name.lower() in self.outputs:
            hint = "it is a name that SELECT gives: repeat its expression here"
        elif name.lower() in ("window_start", "window_end"):
            hint = "it comes with a window: FROM TUMBLE(source, time column, INTERVAL '1' MINUTE)"
        elif len(parts) > 1 and wanted is parts[0]:
            known = did_you_mean(name, self._columns.values())
            hint = f"the source is called {self._alias} here; {known}"
        else:
            hint = did_you_mean(name, self._columns.values())
        return self._text.error(wanted, f"there is no column {name}", hint)


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
