"""CREATE MATERIALIZED VIEW → its plan."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from keyfold.errors import SqlError, did_you_mean
from keyfold.sql.batch import BatchQuery
from keyfold.sql.bind import Binder
from keyfold.sql.dialect import call_name, sql_text
from keyfold.sql.location import SqlText
from keyfold.sql.lower import Lowering
from keyfold.sql.options import view_spans
from keyfold.sql.parse import UnboundView
from keyfold.sql.refuse import refuse_unkept
from keyfold.sql.relation import WINDOW_COLUMNS, relation
from keyfold.sql.scope import Scope
from keyfold.sql.source import interval_us
from keyfold.sql.sourceplan import visible_columns
from keyfold.view.plan import KeyColumn, SourcePlan, ViewPlan, Window, fingerprint
from keyfold.view.types import TIMESTAMP, TIMESTAMPTZ

_TUMBLE_HINT = "write TUMBLE(source, time column, INTERVAL '1' MINUTE)"


def compile_view(
    text: SqlText, unbound: UnboundView, sources: Mapping[str, SourcePlan], binder: Binder
) -> ViewPlan:
    """Compile one view.

    Args:
        text: The file.
        unbound: The view as written.
        sources: By name in lower case.
        binder: Where expressions are described.

    Raises:
        SqlError: It cannot be kept; at the word.
    """
    query = refuse_unkept(text, unbound)
    source, window, alias = _from(text, query, sources)
    reads = relation(text, binder, source, window)
    scope = Scope(text, reads.columns(), alias)
    lowering = Lowering(reads, scope, query)
    condition = lowering.condition()
    lowering.lower_keys()
    outputs = lowering.lower_outputs()
    having = lowering.lower_having()
    aggregates, answers = lowering.partials.in_order()
    retention_us, slo_ms = view_spans(unbound.options)
    window_key = _window_key(lowering.keys, window)
    expires = retention_us is not None
    if expires:
        _check_retention(unbound, window, window_key, source)
    batch = BatchQuery(reads.sql, condition, lowering.keys, aggregates, window, expires)
    read = [column.name for column in visible_columns(source) if column.name in scope.used]
    if window is not None and window.column not in read:
        read.append(window.column)
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
        columns_read=tuple(read),
        sql=unbound.sql,
        # The content of the state, and no more: names, HAVING and the order of SELECT may change.
        fingerprint=fingerprint(
            source.name,
            [(key.type, key.sql) for key in lowering.keys],
            aggregates,
            condition,
            window,
            expires,
        ),
        standing_keys=() if lowering.keys else ((),),
    )


def source_of(text: SqlText, unbound: UnboundView, sources: Mapping[str, SourcePlan]) -> SourcePlan:
    """Return the source that a view reads, though its columns may not be known yet.

    Raises:
        SqlError: The view cannot be kept, whatever the columns are.
    """
    table = _table(text, refuse_unkept(text, unbound))
    view_spans(unbound.options)
    if isinstance(table.this, exp.Func):
        return _tumbled(text, table.this, sources)
    return _named_source(text, table.this, sources)


def _from(
    text: SqlText, query: exp.Select, sources: Mapping[str, SourcePlan]
) -> tuple[SourcePlan, Window | None, str]:
    """Return (source, window, the name by which columns are qualified)."""
    table = _table(text, query)
    if isinstance(table.this, exp.Func):
        source, window = _tumble(text, table.this, sources)
    else:
        source, window = _named_source(text, table.this, sources), None
    return source, window, table.alias or source.name


def _table(text: SqlText, query: exp.Select) -> exp.Table:
    """Return what FROM names."""
    clause = query.args.get("from_") or query.args.get("from")
    if clause is None:
        raise text.error(query, "the SELECT has no FROM", "read a source: FROM name")
    table = clause.this
    if not isinstance(table, exp.Table):
        raise text.error(clause, "FROM takes a source, or TUMBLE over one", "write FROM name")
    alias = table.args.get("alias")
    if alias is not None and alias.args.get("columns"):
        raise text.error(
            alias, "an alias cannot rename columns here", "name columns with AS in SELECT"
        )
    extra = [key for key, value in table.args.items() if value and key not in ("this", "alias")]
    if extra and extra[0] not in ("db", "catalog"):
        name = extra[0].strip("_").upper()
        raise text.error(table, f"{name} after FROM cannot be kept", "read the source itself")
    if extra:
        raise text.error(table, "a source has a plain name", "leave the schema out")
    return table


def _named_source(text: SqlText, node: exp.Expr, sources: Mapping[str, SourcePlan]) -> SourcePlan:
    plain = isinstance(node, exp.Identifier) or (isinstance(node, exp.Column) and not node.table)
    if not plain:
        raise text.error(node, "a source's name belongs here", _TUMBLE_HINT)
    source = sources.get(node.name.lower())
    if source is None:
        hint = did_you_mean(node.name, [source.name for source in sources.values()])
        raise text.error(node, f"there is no source {node.name}", hint)
    return source


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
    return _named_source(text, call.expressions[0], sources)


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
