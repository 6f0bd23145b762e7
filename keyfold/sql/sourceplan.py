"""An unbound source → its plan: types by DuckDB, names checked, and what its identity is."""

from __future__ import annotations

import re
from collections.abc import Mapping

import duckdb

from keyfold.errors import SqlError
from keyfold.sql.bind import Binder
from keyfold.sql.interval import span_us
from keyfold.sql.location import lowered
from keyfold.sql.options import option_us
from keyfold.sql.parse import UnboundSource
from keyfold.sql.source import WATERMARK_HINT, check_watermark_column
from keyfold.view.plan import INCLUDE_TYPES, Column, SourcePlan, Watermark, fingerprint
from keyfold.view.types import TIMESTAMP, TIMESTAMPTZ

MAX_FUTURE_SKEW_DEFAULT = "1 hour"
_QUOTED = re.compile(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'')
_NOT_IN_MESSAGES = re.compile(r"\b(?:UNION\(|GEOMETRY\b)")
"""Types that DuckDB reads from JSON as NULL, or not in a form that a batch can have."""
_IDENTITY_OPTIONS = frozenset(
    {
        "connector",
        "topic",
        "path",
        "timestamp.unit",
        "delimiter",
        "header",
        "columns",
        "seed",
        "partitions",
    }
)
"""Options that decide which log is read and what it means; the others may change freely."""


def statement_fingerprint(unbound: UnboundSource) -> str:
    """Return a hash of what the statement says, for recognising a source without a column list."""
    options = {key: option.value for key, option in unbound.options.items()}
    identity = {key: options[key] for key in sorted(options) if key in _IDENTITY_OPTIONS}
    return fingerprint(
        unbound.name, unbound.columns, unbound.watermark, unbound.includes, unbound.encode, identity
    )


def bind(
    unbound: UnboundSource, binder: Binder, schemas: Mapping[str, tuple[Column, ...]]
) -> SourcePlan:
    """Return the plan of a source.

    Raises:
        SqlError: A type or a name that cannot be, or no column list and none detected.
    """
    columns = _bound_columns(unbound, binder, schemas)
    _check_names(unbound, columns)
    watermark = _bind_watermark(unbound, columns)
    options = {key: option.value for key, option in unbound.options.items() if key != "connector"}
    for shared in ("max_future_skew", "idle_timeout"):
        options.pop(shared, None)
    skew = unbound.options.get("max_future_skew")
    idle = unbound.options.get("idle_timeout")
    if idle is not None and watermark is None:
        raise SqlError(
            "idle_timeout needs a watermark",
            hint="add WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, or leave idle_timeout out",
            location=idle.location,
        )
    return SourcePlan(
        name=unbound.name,
        connector=unbound.connector,
        options=options,
        columns=columns,
        includes=unbound.includes,
        encode=unbound.encode,
        watermark=watermark,
        max_future_skew_us=option_us(skew, least_us=0)
        if skew
        else span_us(MAX_FUTURE_SKEW_DEFAULT),
        sql=unbound.sql,
        fingerprint=fingerprint(statement_fingerprint(unbound), columns),
        idle_timeout_us=option_us(idle, least_us=1) if idle else None,
    )


def _check_names(unbound: UnboundSource, columns: tuple[Column, ...]) -> None:
    names = [column.name for column in columns] + [one.name for one in unbound.includes]
    places = list(unbound.column_locations)
    places = [unbound.location] * (len(names) - len(places)) + places
    seen: set[str] = set()
    for name, place in zip(names, places, strict=True):
        if name.lower() in seen:
            raise SqlError(
                f"two columns are named {name}",
                hint="names are equal without regard to case; INCLUDE takes AS name",
                location=place,
            )
        if name.startswith("__") or not name:
            raise SqlError(
                f"column name {name} is reserved" if name else "a column has no name",
                hint="names must not start with two underscores",
                location=place,
            )
        seen.add(name.lower())


def _bound_columns(
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
    names = [name for name, _ in unbound.columns]
    try:
        types = binder.types_named([kind for _, kind in unbound.columns])
    except duckdb.Error:
        raise _wrong_type(unbound, unbound.columns, binder) from None
    columns = tuple(Column(name, kind) for name, kind in zip(names, types, strict=True))
    for column, place in zip(columns, unbound.column_locations, strict=False):
        if not _decodable(column.type, binder):
            raise SqlError(
                f"column {column.name}: no value of type {column.type} can be read from a message",
                hint="declare it as VARCHAR or JSON, and cast it in the view",
                location=place,
            )
    return columns


def _decodable(kind: str, binder: Binder) -> bool:
    if _NOT_IN_MESSAGES.search(_QUOTED.sub("", kind)):
        return False
    try:
        binder.check_decodable(kind)
    except duckdb.Error:
        return False
    return True


def _wrong_type(
    unbound: UnboundSource, columns: tuple[tuple[str, str], ...], binder: Binder
) -> SqlError:
    """Return the error for the first column whose type cannot be."""
    for (name, kind), place in zip(columns, unbound.column_locations, strict=False):
        try:
            binder.types_named([kind])
        except duckdb.Error as problem:
            message = str(problem).split("\n")[0].split("Error: ", 1)[-1].rstrip("!.")
            return SqlError(
                f"column {name}: {lowered(message)}",
                hint="column types are DuckDB's: BIGINT, VARCHAR, DECIMAL(18,2), TIMESTAMPTZ, …",
                location=place,
            )
    raise AssertionError("types that can be one by one can be together")


def _bind_watermark(unbound: UnboundSource, columns: tuple[Column, ...]) -> Watermark | None:
    if unbound.watermark is None or not columns:  # without columns: until they are detected
        return None
    name, delay_us = unbound.watermark
    place = unbound.watermark_location or unbound.location
    check_watermark_column(name, [column.name for column in columns], place)
    column = next(column for column in columns if column.name.lower() == name.lower())
    if column.type not in (TIMESTAMP, TIMESTAMPTZ):
        raise SqlError(
            f"WATERMARK FOR {name}: it is of type {column.type}",
            hint=WATERMARK_HINT,
            location=place,
        )
    return Watermark(column.name, delay_us)


def visible_columns(source: SourcePlan) -> list[Column]:
    """Return all columns that a view can read from a source."""
    return [*source.columns, *(Column(i.name, INCLUDE_TYPES[i.kind]) for i in source.includes)]
