"""An SQL file → its catalog of frozen plans.

parse (parse.py, source.py) → bind the source's columns (source.py) → refuse what is no view
(refuse.py) → bind names (scope.py) → lower each view (lower.py) → write the SQL that runs per batch
(batch.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keyfold.errors import SqlError, SqlLocation
from keyfold.sql.batch import HORIZON, NO_HORIZON
from keyfold.sql.bind import Binder
from keyfold.sql.location import SqlText
from keyfold.sql.parse import UnboundSource, UnboundView, other_statement, parse_view, statements
from keyfold.sql.source import parse_source
from keyfold.sql.sourceplan import bind, statement_fingerprint, visible_columns
from keyfold.sql.view import compile_view
from keyfold.view.plan import Catalog, Column, SourcePlan, ViewPlan

__all__ = [
    "HORIZON",
    "NO_HORIZON",
    "bind_source",
    "compile_sql",
    "statement_fingerprint",
    "unbound_sources",
    "visible_columns",
]


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
    unbound, unbound_views = _parse(source_text)
    if not unbound:
        raise SqlError(
            "the file defines no source",
            hint="start with CREATE SOURCE name (column TYPE, …) WITH (connector = …)",
            location=source_text.at(0),
        )
    binder = Binder()
    sources = [bind(one, binder, schemas or {}) for one in unbound]
    by_name = {source.name.lower(): source for source in sources}
    views = [_within_depth(source_text, view, by_name, binder) for view in unbound_views]
    return Catalog(tuple(sources), tuple(views))


def unbound_sources(text: str, file: str = "<sql>") -> list[UnboundSource]:
    """Return the sources of a file as written, before their columns are known."""
    return _parse(SqlText(text, file))[0]


def bind_source(unbound: UnboundSource, schemas: Mapping[str, tuple[Column, ...]]) -> SourcePlan:
    """Return the plan of one source; see ``compile_sql``."""
    return bind(unbound, Binder(), schemas)


def _parse(source: SqlText) -> tuple[list[UnboundSource], list[UnboundView]]:
    sources: list[UnboundSource] = []
    views: list[UnboundView] = []
    for tokens in statements(source):
        match [token.text.upper() for token in tokens[:3]]:
            case ["CREATE", "SOURCE", *_]:
                sources.append(parse_source(source, tokens))
            case ["CREATE", "MATERIALIZED", "VIEW"]:
                views.append(parse_view(source, tokens))
            case _:
                raise other_statement(source, tokens)
    _refuse_twice(
        [(one.name, one.location) for one in sources] + [(one.name, one.location) for one in views]
    )
    return sources, views


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


def _within_depth(
    text: SqlText, view: UnboundView, sources: Mapping[str, SourcePlan], binder: Binder
) -> ViewPlan:
    try:
        return compile_view(text, view, sources, binder)
    except RecursionError as problem:
        raise SqlError(
            f"the SELECT of view {view.name} is nested too deeply",
            hint="write long conditions with IN, or as several views",
            location=view.location,
        ) from problem
