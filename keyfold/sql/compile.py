"""An SQL file → its catalog of frozen plans.

parse (keyfold/sql/parse.py) → bind the source's columns → lower each view (keyfold/sql/lower.py) →
write the SQL that runs per batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import duckdb
from sqlglot import exp

from keyfold.errors import SqlError
from keyfold.sql.bind import HIDDEN_PARTITION, Binder, quoted
from keyfold.sql.interval import span_us
from keyfold.sql.location import SqlText, did_you_mean
from keyfold.sql.lower import Lowering
from keyfold.sql.parse import UnboundSource, UnboundView, interval_us, parse
from keyfold.view.aggregate import Aggregate
from keyfold.view.plan import (
    INCLUDE_TYPES,
    Catalog,
    Column,
    KeyColumn,
    SourcePlan,
    ViewPlan,
    Watermark,
    Window,
    fingerprint,
)
from keyfold.view.types import TIMESTAMP, TIMESTAMPTZ, Physical, column_type

HORIZON = "$horizon_us"
NO_HORIZON = -(1 << 62)
WINDOW_US = "__window_us"
MAX_FUTURE_SKEW_DEFAULT = "1 hour"
_VIEW_OPTIONS = ("retention", "freshness_slo")
_REFUSED_CLAUSES = {
    "with_": ("WITH", "write one view per subquery"),
    "with": ("WITH", "write one view per subquery"),
    "joins": ("JOIN", "views read one source; join when you look up, or before the stream"),
    "laterals": ("LATERAL", "views read one source"),
    "distinct": ("SELECT DISTINCT", "GROUP BY the columns and select COUNT(*)"),
    "qualify": ("QUALIFY", "filter with WHERE or HAVING"),
    "windows": ("WINDOW", "group by the columns of PARTITION BY"),
    "order": ("ORDER BY", "rows are kept in key order; GROUP BY sets it"),
    "limit": ("LIMIT", "ask for a page with ?limit= when you read"),
    "offset": ("OFFSET", "ask for a page with ?cursor= when you read"),
    "sample": ("SAMPLE", "filter with WHERE"),
    "into": ("INTO", "the view itself is the output"),
}


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
    unbound_sources, unbound_views = parse(source_text)
    if not unbound_sources:
        raise SqlError(
            "the file defines no source",
            hint="start with CREATE SOURCE name (column TYPE, …) WITH (connector = …)",
            location=source_text.at(0),
        )
    binder = Binder()
    sources = [_bind_source(unbound, binder, schemas or {}) for unbound in unbound_sources]
    by_name = {source.name.lower(): source for source in sources}
    views = [_compile_view(source_text, view, by_name, binder) for view in unbound_views]
    return Catalog(tuple(sources), tuple(views))


def unbound_sources(text: str, file: str = "<sql>") -> list[UnboundSource]:
    """Return the sources of a file as written, before their columns are known."""
    return parse(SqlText(text, file))[0]


def bind_source(unbound: UnboundSource, schemas: Mapping[str, tuple[Column, ...]]) -> SourcePlan:
    """Return the plan of one source; see ``compile_sql``."""
    return _bind_source(unbound, Binder(), schemas)


def statement_fingerprint(unbound: UnboundSource) -> str:
    """Return a hash of what the statement says, for recognising a source without a column list."""
    options = {key: option.value for key, option in unbound.options.items()}
    identity = {key: options[key] for key in sorted(options) if key in _IDENTITY_OPTIONS}
    return fingerprint(unbound.name, unbound.columns, unbound.watermark, unbound.includes, identity)


_IDENTITY_OPTIONS = frozenset({"connector", "topic", "path", "timestamp.unit"})
"""Options that decide which log is read and what it means; the others may change freely."""


# --- sources ---------------------------------------------------------------------------------


def _bind_source(
    unbound: UnboundSource, binder: Binder, schemas: Mapping[str, tuple[Column, ...]]
) -> SourcePlan:
    columns = _source_columns(unbound, binder, schemas)
    names: set[str] = set()
    for name in [column.name for column in columns] + [one.name for one in unbound.includes]:
        if name.lower() in names:
            raise SqlError(f"two columns are named {name}", location=unbound.location)
        if name.startswith("__"):
            raise SqlError(
                f"column name {name} is reserved",
                hint="names must not start with two underscores",
                location=unbound.location,
            )
        names.add(name.lower())
    watermark = _bind_watermark(unbound, columns)
    options = {key: option.value for key, option in unbound.options.items() if key != "connector"}
    skew = unbound.options.get("max_future_skew")
    options.pop("max_future_skew", None)
    try:
        skew_us = span_us(skew.value if skew else MAX_FUTURE_SKEW_DEFAULT)
    except ValueError as problem:
        raise SqlError(str(problem), location=skew.location if skew else None) from problem
    return SourcePlan(
        name=unbound.name,
        connector=unbound.connector,
        options=options,
        columns=columns,
        includes=unbound.includes,
        encode=unbound.encode,
        watermark=watermark,
        max_future_skew_us=skew_us,
        sql=unbound.sql,
        fingerprint=fingerprint(statement_fingerprint(unbound), columns),
    )


def _source_columns(
    unbound: UnboundSource, binder: Binder, schemas: Mapping[str, tuple[Column, ...]]
) -> tuple[Column, ...]:
    if unbound.columns is None:
        if unbound.name not in schemas:
            raise SqlError(
                f"source {unbound.name} has no column list, and none was detected yet",
                hint="`keyfold sources infer` prints one; `keyfold run` detects it from the data",
                location=unbound.location,
            )
        return schemas[unbound.name]
    try:
        binder.table("declared", [Column(name, kind) for name, kind in unbound.columns])
    except duckdb.Error as problem:
        message = str(problem).split("\n")[0].split("Error: ", 1)[-1]
        raise SqlError(
            f"source {unbound.name}: {message[:1].lower()}{message[1:]}",
            hint="column types are DuckDB's: BIGINT, VARCHAR, DECIMAL(18,2), TIMESTAMPTZ, …",
            location=unbound.location,
        ) from problem
    return tuple(binder.describe("FROM declared"))


def _bind_watermark(unbound: UnboundSource, columns: tuple[Column, ...]) -> Watermark | None:
    if unbound.watermark is None:
        return None
    name, delay_us = unbound.watermark
    column = next((column for column in columns if column.name.lower() == name.lower()), None)
    if column is None or column.type not in (TIMESTAMP, TIMESTAMPTZ):
        raise SqlError(
            f"WATERMARK FOR {name}: "
            + (f"it is of type {column.type}" if column else "there is no such column"),
            hint="name a TIMESTAMP or TIMESTAMPTZ column of the source",
            location=unbound.location,
        )
    return Watermark(column.name, delay_us)


def visible_columns(source: SourcePlan) -> list[Column]:
    """Return all columns that a view can read from a source."""
    return [*source.columns, *(Column(i.name, INCLUDE_TYPES[i.kind]) for i in source.includes)]


# --- views -----------------------------------------------------------------------------------


def _compile_view(
    text: SqlText, unbound: UnboundView, sources: Mapping[str, SourcePlan], binder: Binder
) -> ViewPlan:
    query = unbound.query
    _refuse_unkept(text, query)
    assert isinstance(query, exp.Select)
    source, window, alias = _from(text, query, sources)
    columns = visible_columns(source)
    binder.table("batch", [*columns, Column(HIDDEN_PARTITION, "INTEGER")])
    relation = f"{_windowed(window, source)} AS {quoted(alias)}"
    lowering = Lowering(text, binder, query, relation)
    where = query.args.get("where")
    if where is not None:
        aggregate = where.find(exp.AggFunc)
        if aggregate is not None:
            raise text.error(aggregate, "an aggregate cannot stand in WHERE", "use HAVING")
        if lowering.type_of(where.this) != "BOOLEAN":
            raise text.error(where.this, "WHERE takes a condition")
    lowering.lower_keys()
    outputs = lowering.lower_outputs()
    having = lowering.lower_having()
    if not lowering.aggregates:
        # A view of keys alone still needs a partial; the count is what makes a row exist.
        lowering.aggregates.append(Aggregate("count"))
    retention_us, slo_ms = _view_options(text, unbound)
    window_key = _window_key(unbound, lowering.keys, window, source, retention_us)
    condition = where.this.sql("duckdb") if where is not None else ""
    batch_sql = _batch_sql(lowering, relation, condition, window, retention_us)
    words = {node.name.lower() for node in query.find_all(exp.Identifier)}
    read = [column.name for column in columns if column.name.lower() in words]
    if window is not None and window.column not in read:
        read.append(window.column)
    return ViewPlan(
        name=unbound.name,
        source=source.name,
        keys=tuple(lowering.keys),
        aggregates=tuple(lowering.aggregates),
        answers=tuple(lowering.answers),
        outputs=tuple(outputs),
        having=having,
        window=window,
        retention_us=retention_us,
        window_key=window_key,
        freshness_slo_ms=slo_ms,
        batch_sql=batch_sql,
        count_sql=_count_sql(relation, condition, window, retention_us),
        columns_read=tuple(read),
        sql=unbound.sql,
        fingerprint=fingerprint(
            source.name, batch_sql, lowering.keys, lowering.aggregates, retention_us is not None
        ),
    )


@cache
def _volatile() -> frozenset[str]:
    return Binder().volatile_functions()


_VOLATILE_NODES = (
    exp.CurrentTimestamp,
    exp.CurrentDate,
    exp.CurrentTime,
    exp.CurrentDatetime,
    exp.Rand,
    exp.Uuid,
)


def _refuse_unkept(text: SqlText, query: exp.Expr) -> None:
    """Refuse every clause and function that is not kept; each has its own words."""
    if not isinstance(query, exp.Select):
        raise text.error(
            query, f"{query.key.upper()} cannot be kept", "a view is one SELECT … GROUP BY …"
        )
    for clause, (name, hint) in _REFUSED_CLAUSES.items():
        part = query.args.get(clause)
        if part:
            node = part[0] if isinstance(part, list) else part
            raise text.error(node, f"{name} cannot be kept", hint)
    for node in query.walk():
        if isinstance(node, exp.Select) and node is not query:
            raise text.error(node, "a subquery cannot be kept", "write a view of its own")
        if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            raise text.error(query, "SELECT * names no columns", "list the columns")
        if isinstance(node, exp.Window):
            raise text.error(
                node, "window functions cannot be kept", "group by the columns of PARTITION BY"
            )
        if isinstance(node, (exp.Parameter, exp.Placeholder)):
            raise text.error(node, "a view has no parameters", "write the value")
        name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
        if isinstance(node, _VOLATILE_NODES) or name in _volatile():
            raise text.error(
                node,
                f"{(name or node.sql('duckdb').split('(')[0]).lower()} changes from call to call",
                "a view is a function of its events: use a column of the event instead",
            )


def _from(
    text: SqlText, query: exp.Select, sources: Mapping[str, SourcePlan]
) -> tuple[SourcePlan, Window | None, str]:
    clause = query.args.get("from_") or query.args.get("from")
    if clause is None:
        raise text.error(query, "the SELECT has no FROM", "read a source: FROM name")
    table = clause.this
    if not isinstance(table, exp.Table):
        raise text.error(clause, "FROM takes a source, or TUMBLE over one", "FROM name")
    if isinstance(table.this, exp.Func):
        call = table.this
        name = call.sql("duckdb").split("(")[0]
        if name.upper() != "TUMBLE":
            raise text.error(
                call, f"{name.upper()} cannot be kept", "TUMBLE(source, time column, INTERVAL …)"
            )
        source, window = _tumble(text, call, sources)
    else:
        if table.args.get("db"):
            raise text.error(table, "a source has a plain name", "leave the schema out")
        source, window = _named_source(text, table.this, sources), None
    return source, window, table.alias or source.name


def _named_source(text: SqlText, node: exp.Expr, sources: Mapping[str, SourcePlan]) -> SourcePlan:
    source = sources.get(node.name.lower())
    if source is None:
        hint = did_you_mean(node.name, [source.name for source in sources.values()])
        raise text.error(node, f"there is no source {node.name}", hint)
    return source


def _tumble(
    text: SqlText, call: exp.Expr, sources: Mapping[str, SourcePlan]
) -> tuple[SourcePlan, Window]:
    arguments = call.expressions
    if len(arguments) not in (3, 4):
        raise text.error(
            call, "TUMBLE takes a source, a time column and a size", "TUMBLE(t, ts, INTERVAL …)"
        )
    source = _named_source(text, arguments[0], sources)
    columns = {column.name.lower(): column for column in visible_columns(source)}
    column = columns.get(arguments[1].name.lower())
    if column is None or column.type not in (TIMESTAMP, TIMESTAMPTZ):
        raise text.error(
            arguments[1],
            f"{arguments[1].sql('duckdb')} is no TIMESTAMP or TIMESTAMPTZ column of {source.name}",
            "declare its type in CREATE SOURCE",
        )
    size_us = interval_us(text, arguments[2])
    offset_us = interval_us(text, arguments[3]) if len(arguments) == 4 else 0
    if size_us <= 0:
        raise text.error(arguments[2], "a window has a positive size")
    return source, Window("tumble", column.name, size_us, offset_us % size_us)


def _windowed(window: Window | None, source: SourcePlan) -> str:
    """Return the relation that the SELECT reads: the batch, with the window's columns."""
    if window is None:
        return "(SELECT * FROM batch)"
    column = next(c for c in visible_columns(source) if c.name == window.column)
    micros = f"epoch_us({quoted(window.column)})"
    size, offset = window.size_us, window.offset_us
    # The remainder must not be negative before the epoch.
    start = f"{micros} - (({micros} - {offset}) % {size} + {size}) % {size}"
    return (
        f"(SELECT *, make_timestamp({WINDOW_US})::{column.type} AS window_start, "
        f"make_timestamp({WINDOW_US} + {size})::{column.type} AS window_end "
        f"FROM (SELECT *, {start} AS {WINDOW_US} FROM batch))"
    )


def _key_sql(key: KeyColumn, window: Window | None) -> str:
    """Return a key column in the form that the key codec takes from Arrow."""
    bare = key.sql.split(".")[-1].strip('"').lower()
    if window is not None and bare == "window_start":
        return WINDOW_US  # the whole number itself: no need to build a timestamp per event
    if window is not None and bare == "window_end":
        return f"{WINDOW_US} + {window.size_us}"
    physical = column_type(key.type).physical
    if physical is Physical.JSON:
        return f"CAST(to_json({key.sql}) AS VARCHAR)"
    if physical is Physical.F64:
        return f"({key.sql}) + 0.0::{key.type}"  # -0.0 and 0.0 are one key
    return key.sql


def _batch_sql(
    lowering: Lowering,
    relation: str,
    condition: str,
    window: Window | None,
    retention_us: int | None,
) -> str:
    columns = [f"{_key_sql(key, window)} AS k{i}" for i, key in enumerate(lowering.keys)]
    slots = [sql for aggregate in lowering.aggregates for sql in aggregate.update_sql()]
    columns += [f"{sql} AS s{i}" for i, sql in enumerate(slots)]
    conditions = [f"({condition})"] if condition else []
    if retention_us is not None and window is not None:
        conditions.append(f"{WINDOW_US} + {window.size_us} > {HORIZON}")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    groups = ", ".join(str(i + 1) for i in range(len(lowering.keys)))
    return f"SELECT {', '.join(columns)} FROM {relation}{where} GROUP BY {groups}"


def _count_sql(
    relation: str, condition: str, window: Window | None, retention_us: int | None
) -> str:
    """Return the ledger's query, empty where every event is applied."""
    expires = retention_us is not None and window is not None
    if not condition and not expires:
        return ""
    passed = f"({condition})" if condition else "true"
    late = f"{passed} AND {WINDOW_US} + {window.size_us} <= {HORIZON}" if expires and window else ""
    late_sql = f"count(*) FILTER (WHERE {late})" if late else "0::BIGINT"
    return (
        f"SELECT {HIDDEN_PARTITION} AS p, count(*) FILTER (WHERE {passed}) AS passed, "
        f"{late_sql} AS late FROM {relation} GROUP BY 1"
    )


def _view_options(text: SqlText, unbound: UnboundView) -> tuple[int | None, int]:
    """Return (retention in µs or None, freshness_slo in ms or 0)."""
    spans: dict[str, int] = {}
    for key, option in unbound.options.items():
        if key not in _VIEW_OPTIONS:
            raise SqlError(
                f"a view has no option {key}",
                hint=did_you_mean(key, _VIEW_OPTIONS),
                location=option.location,
            )
        try:
            spans[key] = span_us(option.value)
        except ValueError as problem:
            raise SqlError(str(problem), location=option.location) from problem
        if spans[key] <= 0:
            raise SqlError(f"{key} must be positive", location=option.location)
    return spans.get("retention"), -(-spans.get("freshness_slo", 0) // 1_000)


def _window_key(
    unbound: UnboundView,
    keys: list[KeyColumn],
    window: Window | None,
    source: SourcePlan,
    retention_us: int | None,
) -> int | None:
    """Return the index of the key column that says when a row's window ends."""
    bare = [key.sql.split(".")[-1].strip('"').lower() for key in keys]
    index = next((i for i, name in enumerate(bare) if name in ("window_start", "window_end")), None)
    if window is None or index is None:
        index = None
    if retention_us is None:
        return index
    location = unbound.options["retention"].location
    if index is None:
        raise SqlError(
            "retention needs a window",
            hint="group by window_start of TUMBLE(source, ts, INTERVAL …), or leave retention out",
            location=location,
        )
    if source.watermark is None or (window and source.watermark.column != window.column):
        raise SqlError(
            "retention needs the event time of the source",
            hint=f"add WATERMARK FOR {window.column if window else 'ts'} AS … to {source.name}",
            location=location,
        )
    return index
