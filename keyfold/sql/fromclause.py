"""FROM → what a query reads: one source, maybe in windows, and the names over its columns.

Subqueries, CTEs and plain views work row by row, so none of them is a relation of its own: a column
of theirs is an expression over the source's columns, and their WHERE is one more condition. What
the view's own SELECT is lowered from reads the source, however deep the SQL was nested, and two
spellings of one question have one fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from keyfold.errors import did_you_mean
from keyfold.sql.bind import Binder
from keyfold.sql.dialect import find_aggregate, identifier, sql_text, without_parens
from keyfold.sql.location import SqlText
from keyfold.sql.numbered import NUMBER, numbers_rows, refuse_over_numbers, row_numbers
from keyfold.sql.query import Query, unwrapped, with_expressions, with_names
from keyfold.sql.refuse import inner_tokens, refuse_unkept
from keyfold.sql.relation import WINDOW_COLUMNS, Relation, relation
from keyfold.sql.scope import Named, Scope, named_columns
from keyfold.sql.sourceplan import visible_columns
from keyfold.sql.subquery import columns_of, renamed
from keyfold.sql.union import union_of, union_parts
from keyfold.sql.unnest import Read, unnest_joined, unnest_selected
from keyfold.sql.window import (
    TUMBLE_HINT,
    partition_columns,
    time_place,
    window_of,
    windowed_source,
)
from keyfold.view.plan import SourcePlan


class FromClause:
    """Reads the FROM of one view.

    Args of the constructor: the file, the sources by name in lower case, and where expressions are
    described.
    """

    def __init__(
        self,
        text: SqlText,
        sources: Mapping[str, SourcePlan],
        binder: Binder,
    ) -> None:
        self._text = text
        self._sources = sources
        self._binder = binder

    def select(self, query: Query, *, inner: bool = False) -> tuple[exp.Select, Query]:
        """Return the SELECT of a query, and the query with its CTEs among the names.

        Raises:
            SqlError: There is something in it that cannot be kept.
        """
        select = refuse_unkept(self._text, query.query, query.tokens, inner=inner)
        return select, with_names(query)

    # --- the source alone --------------------------------------------------------------------

    def sources(self, query: Query, *, inner: bool = False) -> tuple[SourcePlan, ...]:
        """Return what a query reads in the end; columns need not be known.

        It is one source, or that of each SELECT of a UNION ALL.

        Raises:
            SqlError: The query cannot be kept, whatever the columns are.
        """
        if inner and isinstance(query.query, exp.Union):
            parts = union_parts(self._text, query)
            return tuple(one for part in parts for one in self.sources(part, inner=True))
        select, query = self.select(query, inner=inner)
        item = self._item(select)
        if isinstance(item, exp.Table) and isinstance(item.this, exp.Func):
            call: exp.Expr = item.this
            read = self._nested(call.expressions[0], query) if call.expressions else None
            if read is None:
                return (windowed_source(self._text, call, self._named),)
            found = self.sources(read, inner=True)
            windowed_source(self._text, call, lambda _: found[0])
            return found
        read = self._nested(item, query)
        if read is not None:
            return self.sources(read, inner=True)
        return (self._source(item, query),)

    def check(self, query: Query) -> None:
        """Bind a query that works row by row.

        Raises:
            SqlError: It is wrong; at the word.
        """
        self._derived(query, "")

    # --- names and expressions ---------------------------------------------------------------

    def read(self, select: exp.Select, query: Query) -> Read:
        """Return what the FROM of a SELECT gives.

        Raises:
            SqlError: It names nothing that a view can read; at the word.
        """
        for one in with_expressions(select):
            self.check(query.names[one.alias.lower()])  # one that nobody reads is wrong as well
        item = self._item(select)
        read = self._first(item, query)
        for join in select.args.get("joins") or ():
            refuse_over_numbers(self._text, read.numbered, "UNNEST over")
            read = self._joined(read, join, query)
        return read

    def _first(self, item: exp.Expr, query: Query) -> Read:
        if isinstance(item, exp.Table) and isinstance(item.this, exp.Func):
            return self._windowed(item, query)
        nested = self._nested(item, query)
        if nested is not None:
            return self._derived(nested, item.alias_or_name)
        source = self._source(item, query)
        over = relation(self._text, self._binder, source, None)
        return Read(over, (Named(item.alias or source.name, named_columns(over.columns())),))

    def _joined(self, read: Read, join: exp.Join, query: Query) -> Read:
        """Return what a list that is joined to the rows before it makes of them."""
        if isinstance(join.this, exp.Lateral) and isinstance(join.this.this, exp.Subquery):
            return self._lateral(read, join, query)
        left = join.args.get("side") == "LEFT"
        joined = unnest_joined(self._text, read, join.this, left=left)
        on = join.args.get("on")
        if on is None or (isinstance(on, exp.Boolean) and on.this):
            return joined
        condition = Scope(self._text, joined.tables).resolve(on)
        self._check_condition(condition, "ON", joined.relation)
        return replace(joined, conditions=(*joined.conditions, condition))

    def _lateral(self, read: Read, join: exp.Join, query: Query) -> Read:
        """Return the rows before it, joined with a subquery that reads them and no others."""
        lateral = join.this
        alias = lateral.args.get("alias")
        columns = tuple(alias.args.get("columns") or ()) if alias is not None else ()
        tokens = inner_tokens(query.tokens, lateral.this)
        inner = Query(unwrapped(lateral.this), tokens, query.names, columns)
        made = self._derived(inner, lateral.alias, over=read)
        refuse_over_numbers(self._text, made.numbered, "LATERAL with")
        return replace(made, tables=(*read.tables, *made.tables))

    def _derived(self, query: Query, alias: str, over: Read | None = None) -> Read:
        """Return what a query gives that works row by row.

        Args:
            query: The query.
            alias: The name that it has in FROM.
            over: What a query behind LATERAL reads, which has no FROM of its own.
        """
        if over is None and isinstance(query.query, exp.Union):
            return self._union(query, alias)
        select, query = self.select(query, inner=True)
        read = self.read(select, query) if over is None else over
        if over is not None and any(select.args.get(key) for key in ("from_", "from", "joins")):
            raise self._text.error(
                select.expressions[0],
                "a subquery behind LATERAL has no FROM here",
                "write LATERAL (SELECT unnest(list) AS element), or CROSS JOIN UNNEST(list)",
            )
        refuse_over_numbers(self._text, read.numbered, "a subquery over")
        condition = self.condition(select, Scope(self._text, read.tables), read.relation)
        if condition is not None:
            read = replace(read, conditions=(*read.conditions, condition))
        lists = len(read.relation.lists)
        select, read = unnest_selected(self._text, select, read)
        scope = Scope(self._text, read.tables)
        numbers = row_numbers(self._text, select, scope, read.relation)
        if numbers is not None and len(read.relation.lists) > lists:
            refuse_over_numbers(self._text, numbers, "unnest in the SELECT of")
        columns: dict[str, tuple[str, exp.Expr]] = {}
        plain = [item for item in select.expressions if not numbers_rows(item)]
        for place, name, tree in columns_of(self._text, plain, scope, read):
            if name.lower() in columns:
                raise self._text.error(
                    place, f"two columns are named {name}", "give one another name with AS"
                )
            columns[name.lower()] = (name, tree)
        if numbers is not None:
            if numbers.name.lower() in columns:
                raise self._text.error(
                    numbers.place,
                    f"two columns are named {numbers.name}",
                    "give one another name with AS",
                )
            columns[numbers.name.lower()] = (numbers.name, exp.Column(this=identifier(NUMBER)))
            read = replace(read, numbered=numbers)
        if query.columns:
            columns = renamed(self._text, columns, query.columns)
        return replace(read, tables=(Named(alias, columns),))

    def _union(self, query: Query, alias: str) -> Read:
        """Return what a UNION ALL gives: rows that each SELECT makes of a source of its own."""
        parts = union_parts(self._text, query)
        query = with_names(query)
        for one in with_expressions(query.query):
            self.check(query.names[one.alias.lower()])
        reads = []
        for part in parts:
            read = self._derived(part, "")
            refuse_over_numbers(self._text, read.numbered, "a UNION ALL of")
            types = [read.relation.type_of(tree) for _, tree in read.tables[0].columns.values()]
            reads.append((part, read, types))
        source, branches = union_of(self._text, self._binder, reads, alias)
        over = replace(relation(self._text, self._binder, source, None), branches=branches)
        columns = named_columns(over.columns())
        if query.columns:
            columns = renamed(self._text, columns, query.columns)
        return Read(over, (Named(alias, columns),))

    def condition(self, select: exp.Select, scope: Scope, over: Relation) -> exp.Expr | None:
        """Return WHERE with its names bound, None where there is none.

        Raises:
            SqlError: It is no condition on one event.
        """
        where = select.args.get("where")
        if where is None:
            return None
        aggregate = find_aggregate(where)
        if aggregate is not None:
            raise self._text.error(aggregate, "an aggregate cannot stand in WHERE", "use HAVING")
        condition = scope.resolve(where.this)
        self._check_condition(condition, "WHERE", over)
        if over.session:
            self._check_after_session(condition, over)
        return condition

    def _check_after_session(self, condition: exp.Expr, over: Relation) -> None:
        """Refuse a condition that would take events out of sessions that they have made."""
        by = [without_parens(column) for column in over.partition]
        rest = condition.transform(lambda node: exp.Null() if without_parens(node) in by else node)
        other = next(rest.find_all(exp.Column), None)
        if other is not None:
            raise self._text.error(
                other,
                f"WHERE behind SESSION reads {other.name}, which is not in its PARTITION BY",
                "leave events out before they make sessions: "
                "SESSION((SELECT * FROM source WHERE …) PARTITION BY …)",
            )

    def _check_condition(self, condition: exp.Expr, word: str, over: Relation) -> None:
        if over.type_of(condition) != "BOOLEAN":
            raise self._text.error(
                condition, f"{word} takes a condition", "compare it with something"
            )
        over.refuse_shared_window(condition, f"stand in {word}")

    # --- what FROM names ---------------------------------------------------------------------

    def _item(self, select: exp.Select) -> exp.Expr:
        """Return what FROM names first."""
        clause = select.args.get("from_") or select.args.get("from")
        if clause is None:
            raise self._text.error(select, "the SELECT has no FROM", "read a source: FROM name")
        item: exp.Expr = clause.this
        if isinstance(item, exp.Subquery):
            return item
        if not isinstance(item, exp.Table):
            raise self._text.error(
                clause, "FROM takes a source, or TUMBLE over one", "write FROM name"
            )
        extra = [key for key, value in item.args.items() if value and key not in ("this", "alias")]
        if extra and extra[0] not in ("db", "catalog"):
            name = extra[0].strip("_").upper()
            raise self._text.error(
                item, f"{name} after FROM cannot be kept", "read the source itself"
            )
        if extra:
            raise self._text.error(item, "a source has a plain name", "leave the schema out")
        return item

    def _nested(self, item: exp.Expr, query: Query) -> Query | None:
        """Return the query that an item of FROM, or the argument of a window, stands for."""
        alias = item.args.get("alias")
        columns = tuple(alias.args.get("columns") or ()) if alias is not None else ()
        if isinstance(item, exp.Subquery):
            tokens = inner_tokens(query.tokens, item)
            return Query(unwrapped(item), tokens, query.names, columns)
        plain = isinstance(item, exp.Identifier | exp.Table) or (
            isinstance(item, exp.Column) and not item.table
        )
        found = query.names.get(item.name.lower()) if plain else None
        if columns and found is None:
            raise self._text.error(
                alias or item,
                "an alias cannot rename columns here",
                "name columns with AS in SELECT",
            )
        return replace(found, columns=columns) if found is not None and columns else found

    def _named(self, node: exp.Expr) -> SourcePlan:
        return named_source(self._text, node, self._sources)

    def _source(self, item: exp.Expr, query: Query) -> SourcePlan:
        return named_source(self._text, item.this, self._sources, [*query.names])

    def _windowed(self, item: exp.Table, query: Query) -> Read:
        """Return what a window function gives: the rows that it reads, and the window's columns."""
        call = item.this
        nested = self._nested(call.expressions[0], query) if call.expressions else None
        inner = None
        if nested is not None:
            inner = self._derived(nested, "")
            refuse_over_numbers(self._text, inner.numbered, "windows over")
            call = self._over_source(call, inner)
        read = inner.relation if inner is not None else None
        named = self._named if read is None else lambda _: read.source
        source, window = window_of(self._text, call, named)
        over = relation(self._text, self._binder, source, window)
        over = replace(over, call=item.this, branches=read.branches if read is not None else ())
        columns = named_columns(over.columns())
        if inner is not None:
            own = inner.tables[0].columns
            taken = next((name for name in WINDOW_COLUMNS if name in own), None)
            if taken is not None:
                raise self._text.error(
                    call, f"the subquery has a column {taken}, which the window adds", "rename it"
                )
            columns = {**own, **{name: columns[name] for name in WINDOW_COLUMNS}}
            for elements in inner.relation.lists:
                over = over.unnested(elements)
        given = named_columns(visible_columns(source)) if inner is None else inner.tables[0].columns
        scope = Scope(self._text, (Named("", given),))
        by = [scope.resolve(column) for column in partition_columns(item.this)]
        over = replace(over, partition=tuple(by))
        alias = item.alias or (source.name if nested is None else call.expressions[0].name)
        return Read(over, (Named(alias, columns),), inner.conditions if inner else ())

    def _over_source(self, call: exp.Expr, inner: Read) -> exp.Expr:
        """Return the call of a window over a subquery as the same over the source."""
        source = inner.relation.source
        if inner.relation.window is not None:
            raise self._text.error(call, "a window of a window cannot be kept", "take one of them")
        place = time_place(call)
        time = call.expressions[place] if 0 < place < len(call.expressions) else None
        columns = inner.tables[0].columns
        if not isinstance(time, exp.Column) or time.name.lower() not in columns:
            name = sql_text(time) if time is not None else ""
            raise self._text.error(
                time or call,
                f"there is no column {name} in the subquery",
                did_you_mean(name, [column for column, _ in columns.values()]),
            )
        tree = columns[time.name.lower()][1]
        if not isinstance(tree, exp.Column):
            raise self._text.error(
                time,
                f"{time.name} is computed, and a window takes a time column of the source",
                "put the window inside the subquery, or GROUP BY time_bucket(…)",
            )
        return _over(call, source.name, tree.name)


def named_source(
    text: SqlText,
    node: exp.Expr,
    sources: Mapping[str, SourcePlan],
    others: Sequence[str] = (),
) -> SourcePlan:
    """Return the source that a name names; ``others`` could have stood there.

    Raises:
        SqlError: It is no name, or none of a source.
    """
    plain = isinstance(node, exp.Identifier) or (isinstance(node, exp.Column) and not node.table)
    if not plain:
        raise text.error(
            node,
            "a source's name belongs here",
            TUMBLE_HINT,
        )
    source = sources.get(node.name.lower())
    if source is None:
        known = [*(source.name for source in sources.values()), *others]
        hint = did_you_mean(node.name, known)
        raise text.error(node, f"there is no source {node.name}", hint)
    return source


def _over(call: exp.Expr, source: str, time: str = "") -> exp.Expr:
    """Return a call of a window whose rows, and time column, are named otherwise."""
    copy = call.copy()
    given = copy.expressions
    rows = identifier(source)
    rows.meta.update(_place(call.expressions[0]))
    given[0] = rows
    if time:
        at = time_place(call)
        column = identifier(time)
        column.meta.update(_place(call.expressions[at]))
        given[at] = exp.Column(this=column)
    copy.set("expressions", given)
    return copy


def _place(node: exp.Expr) -> dict[str, object]:
    """Return where a node stands, for another that stands for it."""
    first = next((part.meta for part in node.walk() if "start" in part.meta), {})
    return dict(first)
