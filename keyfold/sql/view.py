"""CREATE MATERIALIZED VIEW → its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from keyfold.errors import SqlError, did_you_mean
from keyfold.sql.batch import BatchQuery
from keyfold.sql.bind import HIDDEN_OFFSET, Binder
from keyfold.sql.dialect import call_name, sql_text
from keyfold.sql.fromclause import FromClause, Query, named_source, plain_views
from keyfold.sql.location import SqlText
from keyfold.sql.lower import Lowering
from keyfold.sql.options import view_spans
from keyfold.sql.parse import UnboundView
from keyfold.sql.relation import WINDOW_COLUMNS
from keyfold.sql.scope import Scope
from keyfold.sql.source import interval_us
from keyfold.sql.sourceplan import visible_columns
from keyfold.sql.unnest import together
from keyfold.view.plan import KeyColumn, SourcePlan, ViewPlan, Window, fingerprint
from keyfold.view.types import TIMESTAMP, TIMESTAMPTZ

_TUMBLE_HINT = "write TUMBLE(source, time column, INTERVAL '1' MINUTE)"


def compile_view(
    text: SqlText,
    unbound: UnboundView,
    sources: Mapping[str, SourcePlan],
    binder: Binder,
    views: Sequence[UnboundView] = (),
) -> ViewPlan:
    """Compile one view.

    Args:
        text: The file.
        unbound: The view as written.
        sources: By name in lower case.
        binder: Where expressions are described.
        views: The plain views of the file.

    Raises:
        SqlError: It cannot be kept; at the word.
    """
    clause = FromClause(text, sources, binder, _tumble)
    query, names = clause.select(_query(unbound, views))
    read = clause.read(query, names)
    reads, source, window = read.relation, read.relation.source, read.relation.window
    scope = Scope(text, read.tables)
    lowering = Lowering(reads, scope, query)
    own = clause.condition(query, scope, reads)
    conditions = [*read.conditions, *([own] if own is not None else [])]
    condition = together(conditions)
    lowering.lower_keys()
    outputs = lowering.lower_outputs()
    having = lowering.lower_having()
    aggregates, answers = lowering.partials.in_order()
    retention_us, slo_ms = view_spans(unbound.options)
    window_key = _window_key(lowering.keys, window)
    expires = retention_us is not None
    if expires:
        _check_retention(unbound, window, window_key, source)
        if any(window_key not in one for one in lowering.sets):
            raise SqlError(
                "retention needs the window in every grouping set",
                hint="group the sets within a window: GROUP BY window_start, ROLLUP (…)",
                location=unbound.options["retention"].location,
            )
    used = scope.used | {c.name for one in conditions for c in one.find_all(exp.Column)}
    used = used.union(*(elements.columns for elements in reads.lists))
    columns_read = [column.name for column in visible_columns(source) if column.name in used]
    if window is not None and window.column not in columns_read:
        columns_read.append(window.column)
    if lowering.partials.by_place:
        columns_read.append(HIDDEN_OFFSET)
    many = bool(reads.lists)
    batch = BatchQuery(
        reads.reading(columns_read),
        condition,
        lowering.keys,
        aggregates,
        window,
        expires,
        many=many,
        sets=lowering.sets,
        groupings=lowering.groupings,
    )
    return ViewPlan(
        name=unbound.name,
        source=source.name,
        keys=tuple(lowering.keys),
        aggregates=aggregates,
        answers=answers,
        outputs=tuple(outputs),
        having=having,
        window=window,
        retention_us=retention_us,
        window_key=window_key,
        freshness_slo_ms=slo_ms,
        batch_sql=batch.partials_sql(),
        count_sql=batch.counts_sql(),
        columns_read=tuple(columns_read),
        sql=unbound.sql,
        # The content of the state, and no more: names, HAVING and the order of SELECT may change.
        fingerprint=fingerprint(
            source.name,
            [(key.type, key.sql) for key in lowering.keys],
            aggregates,
            condition,
            window,
            expires,
            *(elements.sql for elements in reads.lists),
            *sorted(sorted(one) for one in lowering.sets),
        ),
        standing_keys=lowering.standing_keys(),
    )


def source_of(
    text: SqlText,
    unbound: UnboundView,
    sources: Mapping[str, SourcePlan],
    views: Sequence[UnboundView] = (),
) -> SourcePlan:
    """Return the source that a view reads, though its columns may not be known yet.

    Raises:
        SqlError: The view cannot be kept, whatever the columns are.
    """

    def only_source(
        text: SqlText, call: exp.Expr, sources: Mapping[str, SourcePlan]
    ) -> tuple[SourcePlan, None]:
        return _tumbled(text, call, sources), None

    view_spans(unbound.options)
    clause = FromClause(text, sources, Binder(), only_source)
    return clause.source(_query(unbound, views), inner=not unbound.materialized)


def check_plain_view(
    text: SqlText,
    unbound: UnboundView,
    sources: Mapping[str, SourcePlan],
    binder: Binder,
    views: Sequence[UnboundView],
) -> None:
    """Bind a plain view, which nobody may read.

    Raises:
        SqlError: It is wrong; at the word.
    """
    FromClause(text, sources, binder, _tumble).check(_query(unbound, views))


def _query(unbound: UnboundView, views: Sequence[UnboundView]) -> Query:
    names = plain_views(views, unbound.tokens[0].start)
    return Query(unbound.query, unbound.tokens, names)


def _tumbled(text: SqlText, call: exp.Expr, sources: Mapping[str, SourcePlan]) -> SourcePlan:
    """Return the source that TUMBLE reads."""
    name = call_name(call)
    if name != "tumble":
        hint = "HOP and SESSION windows are not kept; " if name in ("hop", "session") else ""
        raise text.error(
            call,
            f"a view cannot read {name.upper()}",
            f"{hint}read a source, or TUMBLE(source, time column, INTERVAL …)",
        )
    if len(call.expressions) not in (3, 4):
        raise text.error(
            call, "TUMBLE takes a source, a time column, a size and maybe an offset", _TUMBLE_HINT
        )
    return named_source(text, call.expressions[0], sources)


def _tumble(
    text: SqlText, call: exp.Expr, sources: Mapping[str, SourcePlan]
) -> tuple[SourcePlan, Window]:
    source = _tumbled(text, call, sources)
    arguments = call.expressions
    columns = {column.name.lower(): column for column in visible_columns(source)}
    named = arguments[1].name.lower() if isinstance(arguments[1], exp.Column) else ""
    column = columns.get(named)
    times = [c.name for c in columns.values() if c.type in (TIMESTAMP, TIMESTAMPTZ)]
    if column is None or column.type not in (TIMESTAMP, TIMESTAMPTZ):
        kind = f": it is {column.type}" if column else ""
        raise text.error(
            arguments[1],
            f"{sql_text(arguments[1])} is no TIMESTAMP or TIMESTAMPTZ column of "
            f"{source.name}{kind}",
            did_you_mean(named, times) or f"declare one in CREATE SOURCE {source.name}",
        )
    for taken in WINDOW_COLUMNS:
        if taken in columns:
            raise text.error(
                arguments[0],
                f"source {source.name} has a column {taken}, which TUMBLE adds",
                "rename it in CREATE SOURCE, or read the source without TUMBLE",
            )
    place = text.word_after(call, "INTERVAL")
    size_us = interval_us(text, arguments[2], place)
    offset_us = 0
    if len(arguments) == 4:
        offset_us = interval_us(text, arguments[3], text.word_after(call, "INTERVAL", 2))
    if size_us <= 0:
        raise SqlError("a window has a positive size", hint=_TUMBLE_HINT, location=place)
    return source, Window("tumble", column.name, size_us, offset_us % size_us)


def _window_key(keys: list[KeyColumn], window: Window | None) -> int | None:
    """Return the index of the key column that says when a row's window ends."""
    if window is None:
        return None
    return next((i for i, key in enumerate(keys) if key.sql in WINDOW_COLUMNS), None)


def _check_retention(
    unbound: UnboundView, window: Window | None, window_key: int | None, source: SourcePlan
) -> None:
    location = unbound.options["retention"].location
    if window is None or window_key is None:
        raise SqlError(
            "retention needs a window",
            hint="group by window_start of TUMBLE(source, ts, INTERVAL …), or leave retention out",
            location=location,
        )
    if source.watermark is None or source.watermark.column != window.column:
        raise SqlError(
            "retention needs the event time of the source",
            hint=f"add WATERMARK FOR {window.column} AS {window.column} - INTERVAL '5' SECOND "
            f"to {source.name}",
            location=location,
        )
