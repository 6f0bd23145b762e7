"""CREATE MATERIALIZED VIEW → its plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import msgspec
from sqlglot import exp

from keyfold.errors import SqlError, SqlLocation
from keyfold.sql.batch import BatchQuery
from keyfold.sql.bind import HIDDEN_OFFSET, Binder
from keyfold.sql.firstrows import lower_first_rows
from keyfold.sql.fromclause import FromClause
from keyfold.sql.location import SqlText
from keyfold.sql.lower import Lowering
from keyfold.sql.options import view_list_limit, view_on_late, view_spans
from keyfold.sql.parse import UnboundView
from keyfold.sql.query import Query, plain_views
from keyfold.sql.relation import Branch, Relation
from keyfold.sql.scope import Scope
from keyfold.sql.sourceplan import visible_columns
from keyfold.sql.unnest import together
from keyfold.sql.window import window_key
from keyfold.view.plan import Part, SourcePlan, ViewPlan, Window, fingerprint


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
    clause = FromClause(text, sources, binder)
    query, names = clause.select(_query(unbound, views))
    read = clause.read(query, names)
    reads, source, window = read.relation, read.relation.source, read.relation.window
    scope = Scope(text, read.tables)
    conditions = list(read.conditions)
    if read.numbered is not None:
        lowered = lower_first_rows(reads, read.numbered, scope, query)
    else:
        lowering = Lowering(reads, scope, query, view_list_limit(unbound.options))
        own = clause.condition(query, scope, reads)
        conditions += [own] if own is not None else []
        lowered = lowering.lower()
    condition = together(conditions)
    retention_us, slo_ms = view_spans(unbound.options)
    clause_of_keys = "GROUP BY" if read.numbered is None else "PARTITION BY"
    key_sqls = [key.sql for key in lowered.keys]
    of_window = window_key(reads, key_sqls, lowered.sets, clause_of_keys)
    on_late = view_on_late(unbound.options)
    if on_late != "apply":
        _check_event_time("on_late", unbound.options["on_late"].location, reads)
    expires = retention_us is not None
    session = window is not None and window.session
    for what, place in (
        ("retention", unbound.options["retention"].location if expires else None),
        ("EMIT ON WINDOW CLOSE", unbound.on_close),
    ):
        if place is not None:
            _check_window(what, place, of_window, reads)
            _check_sets(what, place, of_window, lowered.sets)
    trees = [*conditions, *(read.numbered.trees if read.numbered is not None else ())]
    used = scope.used | {c.name for one in trees for c in one.find_all(exp.Column)}
    used = used.union(*(elements.columns for elements in reads.lists))
    columns_read = [column.name for column in visible_columns(source) if column.name in used]
    if window is not None and window.column not in columns_read:
        columns_read.append(window.column)
    if lowered.by_place:
        columns_read.append(HIDDEN_OFFSET)
    many = bool(reads.lists)
    batch = BatchQuery(
        reads.reading(columns_read),
        condition,
        lowered.keys,
        lowered.aggregates,
        window,
        many=many,
        sets=lowered.sets,
        groupings=lowered.groupings,
    )
    first, *others = _parts(batch, source, reads.branches, columns_read)
    return ViewPlan(
        name=unbound.name,
        source=first.source,
        keys=tuple(lowered.keys),
        aggregates=lowered.aggregates,
        answers=lowered.answers,
        outputs=tuple(lowered.outputs),
        having=lowered.having,
        window=window,
        retention_us=retention_us,
        window_key=of_window,
        freshness_slo_ms=slo_ms,
        batch_sql=first.batch_sql,
        count_sql=first.count_sql,
        columns_read=first.columns_read,
        sql=unbound.sql,
        # The content of the state, and no more: names, HAVING and the order of SELECT may change.
        fingerprint=fingerprint(
            _identity(source, reads.branches, columns_read),
            [(key.type, key.sql) for key in lowered.keys],
            lowered.aggregates,
            condition,
            window,
            expires,
            *(elements.sql for elements in reads.lists),
            *sorted(sorted(one) for one in lowered.sets),
            *(["without late events"] if on_late != "apply" else []),
            # What has expired makes no session any more, so the retention decides what they are.
            *([retention_us] if session and expires else []),
        ),
        standing_keys=lowered.standing_keys,
        on_late=on_late,
        emit_on_close=unbound.on_close is not None,
        top=lowered.top,
        others=tuple(others),
    )


def sources_of(
    text: SqlText,
    unbound: UnboundView,
    sources: Mapping[str, SourcePlan],
    views: Sequence[UnboundView] = (),
) -> tuple[SourcePlan, ...]:
    """Return the sources that a view reads, though their columns may not be known yet.

    Raises:
        SqlError: The view cannot be kept, whatever the columns are.
    """
    view_spans(unbound.options)
    clause = FromClause(text, sources, Binder())
    return clause.sources(_query(unbound, views), inner=not unbound.materialized)


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
    FromClause(text, sources, binder).check(_query(unbound, views))


def _query(unbound: UnboundView, views: Sequence[UnboundView]) -> Query:
    names = plain_views(views, unbound.tokens[0].start)
    return Query(unbound.query, unbound.tokens, names)


def _parts(
    batch: BatchQuery,
    source: SourcePlan,
    branches: Sequence[Branch],
    columns_read: Collection[str],
) -> list[Part]:
    """Return what is asked of a batch of each source."""
    if not branches:
        return [Part(source.name, batch.partials_sql(), batch.counts_sql(), tuple(columns_read))]
    parts = []
    for branch in branches:
        rows = branch.batch_sql(columns_read)
        counted = replace(batch, condition=batch.condition or "true") if branch.condition else batch
        counts = counted.counts_sql()
        parts.append(
            Part(
                branch.reads.source.name,
                f"WITH batch AS ({rows}) {batch.partials_sql()}",
                f"WITH batch AS ({rows}) SELECT * FROM ({counts})" if counts else "",
                branch.columns_read(columns_read),
            )
        )
    return parts


def _identity(
    source: SourcePlan, branches: Sequence[Branch], columns_read: Collection[str]
) -> object:
    """Return what a fingerprint says of the rows that a view reads."""
    if not branches:
        return source.name
    return sorted((one.reads.source.name, one.batch_sql(columns_read)) for one in branches)


def _check_window(what: str, location: SqlLocation, of_window: int | None, reads: Relation) -> None:
    """Refuse what waits for the end of windows where rows have none, or time does not pass."""
    if reads.window is None or of_window is None:
        raise SqlError(
            f"{what} needs a window",
            hint=f"group by window_start of TUMBLE(source, ts, INTERVAL …), or leave {what} out",
            location=location,
        )
    _check_event_time(what, location, reads)


def _check_sets(
    what: str, location: SqlLocation, of_window: int | None, sets: Sequence[frozenset[int]]
) -> None:
    """Refuse what waits for the end of windows where rows of a grouping set are of none."""
    if any(of_window not in one for one in sets):
        raise SqlError(
            f"{what} needs the window in every grouping set",
            hint="group the sets within a window: GROUP BY window_start, ROLLUP (…)",
            location=location,
        )


def _check_event_time(what: str, location: SqlLocation, reads: Relation) -> None:
    """Refuse what reads the event time where a source has none, or a window another."""
    window = reads.window
    if not reads.branches:
        _check_event_time_of(what, location, reads.source, window)
    for branch in reads.branches:
        source, own = branch.reads.source, window
        if window is not None:
            time = branch.columns[window.column]
            if not isinstance(time, exp.Column):
                raise SqlError(
                    f"{what} needs the event time of the source",
                    hint=f"{window.column} is computed of {source.name}: select its event time",
                    location=location,
                )
            own = msgspec.structs.replace(window, column=time.name)
        _check_event_time_of(what, location, source, own)


def _check_event_time_of(
    what: str, location: SqlLocation, source: SourcePlan, window: Window | None
) -> None:
    mark = source.watermark
    if mark is None or (window is not None and mark.column != window.column):
        column = window.column if window is not None else "ts"
        raise SqlError(
            f"{what} needs the event time of the source",
            hint=f"add WATERMARK FOR {column} AS {column} - INTERVAL '5' SECOND to {source.name}",
            location=location,
        )
