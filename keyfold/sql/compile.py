"""An SQL file → its catalog of frozen plans.

parse (parse.py, source.py) → bind the source's columns (source.py) → refuse what is no view
(refuse.py) → read FROM (fromclause.py) → bind names (scope.py) → lower each view (lower.py) → write
the SQL that runs per batch (batch.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from sqlglot import exp

from keyfold.errors import SqlError, SqlLocation
from keyfold.sql.bind import Binder
from keyfold.sql.location import SqlText
from keyfold.sql.parse import UnboundSource, UnboundView, other_statement, parse_view, statements
from keyfold.sql.source import parse_source
from keyfold.sql.sourceplan import bind, statement_fingerprint, visible_columns
from keyfold.sql.view import check_plain_view, compile_view, sources_of
from keyfold.view.plan import Catalog, Column, SourcePlan, ViewPlan, fingerprint

__all__ = [
    "Aside",
    "Known",
    "bind_source",
    "compile_known",
    "compile_sql",
    "known_schemas",
    "statement_fingerprint",
    "unbound_sources",
    "visible_columns",
]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Aside:
    """A view that is not in the catalog.

    Attributes:
        source: The source that it reads.
        sql: The statement as written.
        error: Why it does not fit the columns of its source; None while these are not known.
    """

    source: str
    sql: str
    error: SqlError | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What of a file can be kept while the columns of some of its sources are not known.

    Attributes:
        catalog: All sources, the waiting ones without columns, and the views that were compiled.
        aside: The other views, by name.
        wrong: Sources whose detected columns do not fit the statement; they wait as well.
    """

    catalog: Catalog
    aside: dict[str, Aside] = field(default_factory=dict)
    wrong: dict[str, SqlError] = field(default_factory=dict)


def compile_sql(
    text: str, file: str = "<sql>", schemas: Mapping[str, tuple[Column, ...]] | None = None
) -> Catalog:
    """Compile an SQL file.

    Args:
        text: The file's text.
        file: Its path, for locations in errors.
        schemas: Columns of sources that have no column list, by source name, as detected.

    Returns:
        The catalog: sources and views in the order of the file.

    Raises:
        SqlError: With location and hint. Nothing in a file that compiles is ignored.
    """
    source_text = SqlText(text, file)
    unbound, kept, plain = _parse_all(source_text)
    binder = Binder()
    sources = [bind(one, binder, schemas or {}) for one in unbound]
    by_name = {source.name.lower(): source for source in sources}
    undeclared = {one.name for one in unbound if one.columns is None}
    if undeclared:
        for view in (*plain, *kept):
            _sources_of(source_text, view, by_name, plain, undeclared)
    for view in plain:
        _within_depth(view, partial(check_plain_view, source_text, view, by_name, binder, plain))
    views = [_compiled(source_text, view, by_name, binder, plain) for view in kept]
    return Catalog(tuple(sources), tuple(views))


def compile_known(
    text: str,
    file: str,
    schemas: Mapping[str, tuple[Column, ...]],
    *,
    late: Collection[str] = (),
    told: Mapping[str, str] | None = None,
) -> Known:
    """Compile the views whose sources are known, and leave the others aside.

    Args:
        text: As for ``compile_sql``.
        file: As for ``compile_sql``.
        schemas: As for ``compile_sql``. A source that has no column list and is not here waits.
        late: Sources that were detected while others were kept already: what does not fit their
            columns is wrong by itself, and no reason to refuse the file.
        told: View → statement that was found wrong in this way before, and still is.

    Raises:
        SqlError: Something else is wrong, so that the file cannot be run.
    """
    source_text = SqlText(text, file)
    unbound, kept, plain = _parse_all(source_text)
    binder = Binder()
    sources: dict[str, SourcePlan] = {}
    wrong: dict[str, SqlError] = {}
    for one in unbound:
        try:
            plan = bind(one, binder, {one.name: (), **schemas})
        except SqlError as problem:
            if one.name not in late:
                raise
            wrong[one.name] = problem
            plan = bind(one, binder, {one.name: ()})
        sources[one.name.lower()] = plan
    undeclared = {one.name for one in unbound if one.columns is None}
    views: list[ViewPlan] = []
    aside: dict[str, Aside] = {}
    for view in plain:
        source, *_ = _sources_of(source_text, view, sources, plain, undeclared)
        # Over detected columns, what does not fit costs the views that read it.
        if not source.waiting and source.name not in undeclared:
            _within_depth(
                view, partial(check_plain_view, source_text, view, sources, binder, plain)
            )
    for view in kept:
        source, *_ = _sources_of(source_text, view, sources, plain, undeclared)
        if source.waiting:
            aside[view.name] = Aside(source.name, view.sql)
            continue
        try:
            views.append(_compiled(source_text, view, sources, binder, plain))
        except SqlError as problem:
            known_wrong = source.name in undeclared and (told or {}).get(view.name) == view.sql
            if source.name not in late and not known_wrong:
                raise
            aside[view.name] = Aside(source.name, view.sql, problem)
    return Known(Catalog(tuple(sources.values()), tuple(views)), aside, wrong)


def unbound_sources(text: str, file: str = "<sql>") -> list[UnboundSource]:
    """Return the sources of a file as written, before their columns are known."""
    return _parse(SqlText(text, file))[0]


def known_schemas(
    sources: Sequence[UnboundSource], stored: Catalog | None
) -> dict[str, tuple[Column, ...]]:
    """Return the columns that earlier lives detected, for sources that still say the same."""
    before = {source.name: source for source in stored.sources} if stored else {}
    return {
        source.name: before[source.name].columns
        for source in sources
        if source.columns is None
        and source.name in before
        and before[source.name].columns
        and before[source.name].fingerprint
        == fingerprint(statement_fingerprint(source), before[source.name].columns)
    }


def bind_source(unbound: UnboundSource, schemas: Mapping[str, tuple[Column, ...]]) -> SourcePlan:
    """Return the plan of one source; see ``compile_sql``."""
    return bind(unbound, Binder(), schemas)


def _parse(
    source: SqlText,
) -> tuple[list[UnboundSource], list[UnboundView], list[UnboundView]]:
    """Return sources, materialized views and plain views."""
    sources: list[UnboundSource] = []
    views: list[UnboundView] = []
    parts = statements(source)
    relations = [
        tokens[2].text
        for tokens in parts
        if len(tokens) > 2 and tokens[1].text.upper() in ("SOURCE", "VIEW")
    ]
    for tokens in parts:
        match [token.text.upper() for token in tokens[:3]]:
            case ["CREATE", "SOURCE", *_]:
                sources.append(parse_source(source, tokens))
            case ["CREATE", "MATERIALIZED", "VIEW"] | ["CREATE", "VIEW", *_]:
                views.append(parse_view(source, tokens, relations))
            case _:
                raise other_statement(source, tokens)
    _refuse_twice(
        [(one.name, one.location) for one in sources] + [(one.name, one.location) for one in views]
    )
    kept = [view for view in views if view.materialized]
    _refuse_kept_views(source, views, {view.name.lower() for view in kept})
    return sources, kept, [view for view in views if not view.materialized]


def _parse_all(
    source: SqlText,
) -> tuple[list[UnboundSource], list[UnboundView], list[UnboundView]]:
    sources, kept, plain = _parse(source)
    if not sources:
        raise SqlError(
            "the file defines no source",
            hint="start with CREATE SOURCE name (column TYPE, …) WITH (connector = …)",
            location=source.at(0),
        )
    return sources, kept, plain


def _refuse_twice(names: Sequence[tuple[str, SqlLocation]]) -> None:
    seen: set[str] = set()
    for name, location in names:
        if name.lower() in seen:
            raise SqlError(
                f"{name} is defined twice",
                hint="sources and views share their names, without regard to case",
                location=location,
            )
        seen.add(name.lower())


def _refuse_kept_views(text: SqlText, views: Sequence[UnboundView], kept: Collection[str]) -> None:
    """Refuse a view that reads a view whose rows are kept.

    Raises:
        SqlError: At its name in FROM.
    """
    for view in views:
        tree = view.query
        names = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
        for table in tree.find_all(exp.Table):
            read = table.this
            if isinstance(read, exp.Func) and read.expressions:  # a window over it
                read = read.expressions[0]
            name = read.name.lower()
            plain = isinstance(read, exp.Identifier | exp.Column)
            if plain and name in kept and name not in names:
                raise text.error(
                    read,
                    f"{read.name} is a kept view, and a view reads sources",
                    "repeat its query over the source; what works row by row can be a CREATE VIEW "
                    "that both read",
                )


def _sources_of(
    text: SqlText,
    view: UnboundView,
    sources: Mapping[str, SourcePlan],
    plain: Sequence[UnboundView],
    undeclared: Collection[str],
) -> tuple[SourcePlan, ...]:
    """Return the sources that a view reads.

    Raises:
        SqlError: The view cannot be kept. Several sources must be known at once, so that the view
            never has the events of some of them only.
    """
    found = _within_depth(view, partial(sources_of, text, view, sources, plain))
    unknown = next((one.name for one in found if one.name in undeclared), None)
    if len(found) > 1 and unknown is not None:
        raise SqlError(
            f"{view.name} reads {unknown} in a UNION ALL, whose columns are not written",
            hint=f"give {unknown} a column list: keyfold sources infer prints it",
            location=view.location,
        )
    return found


def _compiled(
    text: SqlText,
    view: UnboundView,
    sources: Mapping[str, SourcePlan],
    binder: Binder,
    plain: Sequence[UnboundView],
) -> ViewPlan:
    return _within_depth(view, partial(compile_view, text, view, sources, binder, plain))


def _within_depth(view: UnboundView, work: Callable[[], T]) -> T:
    try:
        return work()
    except RecursionError as problem:
        raise SqlError(
            f"the SELECT of view {view.name} is nested too deeply",
            hint="write long conditions with IN, or as several views of the source",
            location=view.location,
        ) from problem
