"""UNION ALL in FROM → one relation, whose columns each SELECT makes of a source of its own.

What reads the union is compiled once, as over a source that has its columns. The SELECTs differ in
the query that makes these columns of a batch, and that stands before the view's own as its
``batch``. So the keys and partials of all of them are the same, and an event of each source goes to
the row that it would go to in SQL.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import Token, TokenType, exp

from keyfold.errors import SqlError
from keyfold.sql.bind import Binder, quoted
from keyfold.sql.dialect import ViewDialect, sql_text, without_parens
from keyfold.sql.location import SqlText
from keyfold.sql.query import Query, with_names
from keyfold.sql.refuse import inner_tokens_of
from keyfold.sql.relation import Branch
from keyfold.sql.unnest import Read, together
from keyfold.view.plan import Column, SourcePlan

_NUMBER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|DECIMAL\(.*\)|FLOAT|DOUBLE")
_TIME = re.compile(r"DATE|TIMESTAMP( WITH TIME ZONE)?")
_PLAIN = re.compile(r"[^\[(]*|DECIMAL\(.*\)")
_KEPT = frozenset({"this", "expression", "distinct", "with_", "with"})


def union_parts(text: SqlText, query: Query) -> list[Query]:
    """Return the SELECTs of a union, in order, with the names that they can use.

    Raises:
        SqlError: It is no plain UNION ALL; at the word.
    """
    named = with_names(query)
    trees = _flat(text, query.query, query.tokens)
    parts = _split(query.tokens)
    tokens = parts if len(parts) == len(trees) else [query.tokens] * len(trees)
    found = []
    for i, (tree, own) in enumerate(zip(trees, tokens, strict=True)):
        select = tree
        while isinstance(select, exp.Subquery):
            select = select.this
        if isinstance(select, exp.Select) and i:
            select = _numbered_columns(select)  # the first SELECT names the columns
        found.append(Query(select, inner_tokens_of(own), named.names))
    return found


def union_of(
    text: SqlText,
    binder: Binder,
    parts: Sequence[tuple[Query, Read, list[str]]],
    name: str,
) -> tuple[SourcePlan, tuple[Branch, ...]]:
    """Return a union as a source would be that had its columns, and what makes them.

    Args:
        text: The file.
        binder: Where types are found.
        parts: The SELECTs, what each gives, and the types of its columns.
        name: The name that it has in FROM.

    Raises:
        SqlError: The SELECTs do not fit each other, or one of them cannot be a part of a union.
    """
    seen: set[str] = set()
    for part, read, types in parts:
        _check_part(text, part, read)
        if len(types) != len(parts[0][2]):
            raise text.error(
                part.query,
                f"{len(types)} columns here, and {len(parts[0][2])} in the first SELECT of the "
                "UNION ALL",
                "give each SELECT the same number of columns: NULL stands for one that is missing",
            )
        source = read.relation.source.name
        if source in seen:
            raise text.error(
                part.query,
                f"the UNION ALL reads {source} twice",
                f"read it once: SELECT … FROM {source} WHERE … OR …, or unnest a list over it",
            )
        seen.add(source)
    columns = [
        _column(text, binder, parts, place, written)
        for place, (written, _) in enumerate(parts[0][1].tables[0].columns.values())
    ]
    names, branches = sorted(seen), []
    for _, read, types in parts:
        trees = [tree for _, tree in read.tables[0].columns.values()]
        made = {
            column.name: tree
            if kind == column.type
            else exp.cast(tree.copy(), column.type, dialect=ViewDialect)
            for column, tree, kind in zip(columns, trees, types, strict=True)
        }
        used = {c.name for one in read.conditions for c in one.find_all(exp.Column)}
        number = names.index(read.relation.source.name)
        branches.append(
            Branch(read.relation, number, made, together(read.conditions), frozenset(used))
        )
    return SourcePlan(
        name=name or "the UNION ALL",
        connector="",
        options={},
        columns=tuple(columns),
        includes=(),
        encode="",
        watermark=None,
        max_future_skew_us=0,
        sql="",
        fingerprint="",
    ), tuple(branches)


def _cast(tree: exp.Expr, kind: str) -> exp.Expr:
    return exp.cast(tree.copy(), kind, dialect=ViewDialect)


def _flat(text: SqlText, tree: exp.Expr, tokens: Sequence[Token]) -> list[exp.Expr]:
    """Return the SELECTs of ``a UNION ALL b UNION ALL c``."""
    if not isinstance(tree, exp.Union):
        return [tree]
    word = next((t for t in tokens if t.token_type is TokenType.UNION), tokens[0])
    if tree.args.get("distinct"):
        raise SqlError(
            "UNION cannot be kept: it compares all rows of its SELECTs",
            hint="write UNION ALL, and GROUP BY or SELECT DISTINCT over it",
            location=text.token(word),
        )
    extra = [key for key, value in tree.args.items() if value and key not in _KEPT]
    if extra:
        name = extra[0].strip("_").upper().replace("_", " ")
        raise SqlError(
            f"{name} cannot be kept in a UNION ALL",
            hint="write SELECT … UNION ALL SELECT …, with the columns in one order",
            location=text.token(word),
        )
    return [*_flat(text, tree.this, tokens), *_flat(text, tree.expression, tokens)]


def _split(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """Return the tokens of each SELECT of a union."""
    found: list[Sequence[Token]] = []
    depth = start = 0
    for i, token in enumerate(tokens):
        depth += token.token_type is TokenType.L_PAREN
        depth -= token.token_type is TokenType.R_PAREN
        if depth == 0 and token.token_type is TokenType.UNION:
            found.append(tokens[start:i])
            start = i + 2  # UNION ALL
    return [*found, tokens[start:]]


def _numbered_columns(select: exp.Select) -> exp.Select:
    """Return a SELECT whose columns have names of their own, whatever it calls them."""
    copy = select.copy()
    items = [
        item
        if isinstance(item.this if isinstance(item, exp.Column) else item, exp.Star)
        else exp.alias_(item.unalias(), f"__column{i}", quoted=True)
        for i, item in enumerate(copy.expressions)
    ]
    copy.set("expressions", items)
    return copy


def _check_part(text: SqlText, part: Query, read: Read) -> None:
    """Refuse what a SELECT of a union cannot be made of."""
    over = read.relation
    if over.branches:
        raise text.error(
            part.query,
            "a UNION ALL of a UNION ALL cannot be kept",
            "write one UNION ALL of all SELECTs",
        )
    if over.window is not None:
        raise text.error(
            part.query,
            "a window in a SELECT of a UNION ALL cannot be kept",
            f"put the window over the union: {over.window.kind.upper()}((… UNION ALL …), …)",
        )
    if over.lists:
        raise text.error(
            part.query,
            "UNNEST in a SELECT of a UNION ALL cannot be kept",
            "unnest over the union: FROM (… UNION ALL …) AS u, UNNEST(u.list) AS t(element)",
        )


def _column(
    text: SqlText,
    binder: Binder,
    parts: Sequence[tuple[Query, Read, list[str]]],
    place: int,
    name: str,
) -> Column:
    """Return a column of a union, in the type that DuckDB gives it."""
    if name.startswith("__"):
        raise text.error(
            parts[0][0].query,
            f"a column cannot be named {name}",
            "names that begin with __ are Keyfold's own",
        )
    forms, types = [], []
    for _, read, kinds in parts:
        tree = list(read.tables[0].columns.values())[place][1]
        constant = not any(tree.find_all(exp.Column))
        form = sql_text(without_parens(tree)) if constant else f"CAST(NULL AS {kinds[place]})"
        forms.append(f"SELECT {form} AS {quoted(name)}")
        types.append(kinds[place])
    kind = binder.describe(" UNION ALL ".join(forms))[0].type
    part, _, kinds = next((p for p in parts if not _fits(p[2][place], kind)), parts[0])
    if not _fits(kinds[place], kind):
        listed = " and ".join(dict.fromkeys(types))
        raise text.error(
            part.query,
            f"column {name} of the UNION ALL has the types {listed}",
            "cast it to one type in each SELECT",
        )
    return Column(name, kind)


def _fits(kind: str, into: str) -> bool:
    """Say whether every value of a type has one of another type that a union has."""
    if kind in (into, '"NULL"'):
        return True
    if into == "VARCHAR":
        return _PLAIN.fullmatch(kind) is not None
    for family in (_NUMBER, _TIME):
        if family.fullmatch(into):
            return family.fullmatch(kind) is not None or (family is _NUMBER and kind == "BOOLEAN")
    return False
