"""What the OpenAPI document says of bodies and parameters; nothing here runs in a request."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _answer(description: str, schema: Json, **others: Json) -> dict[int | str, Json]:
    content = {"application/json": {"schema": schema}, **others}
    return {200: {"description": description, "content": content}}


def _query(name: str, description: str, **schema: Any) -> Json:
    return {"name": name, "in": "query", "required": False, "description": description,
            "schema": schema or {"type": "string"}}  # fmt: skip


def _path(name: str, description: str) -> Json:
    return {"name": name, "in": "path", "required": True, "description": description,
            "schema": {"type": "string"}}  # fmt: skip


_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer"}
_NULLABLE: Json = {"type": ["string", "null"]}
_TIME: Json = {"type": ["string", "null"], "format": "date-time"}
FRESHNESS: Json = _object(
    as_of={**_TIME, "description": "All that was in the source at this time is in the answer."},
    staleness_ms={**_COUNT, "description": "Age of as_of when the answer was made."},
    watermark={**_TIME, "description": "Event time up to which the answer is taken for complete."},
    state={"type": "string", "enum": ["live", "stale", "catching_up", "complete", "failed"]},
)
COMMIT: Json = {
    **_object(sequence=_COUNT, offsets={"type": "object"}),
    "description": "With ?offsets=1: the commit that the answer is of, and by partition the next "
    "offset that the view had not applied yet; of a view of several sources, by source first.",
}
PROBLEM: Json = _object(
    type=_TEXT, title=_TEXT, status=_COUNT, detail=_TEXT, code=_TEXT, hint=_TEXT,
    freshness={**FRESHNESS, "description": "Of `no_such_key`: how fresh it is that there is none."},
)  # fmt: skip
PROBLEM_RESPONSES: dict[int | str, Json] = {
    "default": {
        "description": "A problem (RFC 9457); `code` is stable.",
        "content": {"application/problem+json": {"schema": PROBLEM}},
    }
}
_ROW: Json = {"type": "object", "description": "The view's columns."}
_PAGE = _object(
    rows=_list({**_ROW, "type": ["object", "null"]}),
    next_cursor=_NULLABLE,
    freshness=FRESHNESS,
    commit=COMMIT,
)
_LEDGER = _object(**{
    "in": _COUNT, "applied": _COUNT, "filtered": _COUNT, "late": _COUNT, "dead_lettered": _COUNT
})  # fmt: skip
_SUMMARY: dict[str, Json] = {
    "name": _TEXT, "source": _NULLABLE, "sources": _list(_TEXT), "key": _list(_TEXT),
    "columns": _list(_object(name=_TEXT, type=_TEXT)),
    "state": _TEXT, "error": _NULLABLE, "freshness": FRESHNESS,
}  # fmt: skip
_SOURCE = _object(
    name=_TEXT, connector=_TEXT,
    state={"type": "string", "enum": ["waiting", "live", "catching_up", "complete", "stopped"]},
    error=_NULLABLE, lag=_COUNT,
    partitions=_list(_object(partition=_COUNT, offset=_COUNT, end_offset=_COUNT, lag=_COUNT)),
    events_per_second={"type": "number"}, ledger=_object(**{"in": _COUNT, "dead_lettered": _COUNT}),
)  # fmt: skip
_OFFSETS = _query("offsets", "1 adds `commit` to the answer.", type="integer", enum=[0, 1])
_VIEW_PATH = _path("view", "Name of the view.")

VIEWS = _answer("All views.", _object(views=_list(_object(**_SUMMARY))))
VIEW = _answer(
    "The view.",
    _object(
        **_SUMMARY, sql=_TEXT, ready={"type": "boolean"},
        ledger=_object(total=_LEDGER, partitions={"type": "object"}),
        size=_object(rows=_COUNT, bytes=_COUNT, approximate={"type": "boolean"}),
    ),
)  # fmt: skip
ROW = _answer("The row.", _object(row=_ROW, freshness=FRESHNESS, commit=COMMIT))
ROW_PARAMETERS: Json = {
    "parameters": [
        _VIEW_PATH,
        _path(
            "key",
            "The key's values in key order, separated by slashes, each percent-encoded by itself: "
            "`%2F` is a slash within a value, `+` is a plus, `%00` alone is NULL, nothing is the "
            "empty string. Text that is one NUL character can be asked for by POST lookup only.",
        ),
        _OFFSETS,
    ]
}
_BINARY: Json = {"schema": {"type": "string", "format": "binary"}}
ROWS = _answer(
    "A page of rows. NDJSON, CSV and Arrow hold rows only; cursor, freshness and commit then stand "
    "in the headers keyfold-next-cursor, keyfold-freshness and keyfold-commit.",
    _PAGE,
    **{
        "application/x-ndjson": {"schema": _TEXT},
        "text/csv": {"schema": _TEXT},
        "application/vnd.apache.arrow.stream": _BINARY,
    },
)
ROWS_PARAMETERS: Json = {
    "parameters": [
        {
            "name": "predicates",
            "in": "query",
            "required": False,
            "style": "form",
            "explode": True,
            "description": "Equality on the first key columns (`column=value`, or `column.eq` "
            "where a column is named like another parameter), then `column.gt`, `.gte`, `.lt`, "
            "`.lte` on the next one; `%00` is NULL, which is in no range.",
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        _query("limit", "Rows at most; fewer may come with a cursor.", type="integer", minimum=1),
        _query("cursor", "next_cursor of the page before, with the same predicates."),
        _OFFSETS,
    ]
}
LOOKUP = _answer("The rows in the order of the keys, null where there is none.", _PAGE)
LOOKUP_BODY: Json = {
    "parameters": [_OFFSETS],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _object(keys=_list({"description": "A list of key values, or a value."})),
                "example": {"keys": [["AA", "JFK"], ["UA", None]]},
            }
        },
    },
}
SOURCES = _answer("All sources.", _object(sources=_list(_SOURCE)))
SOURCE = _answer("The source.", _SOURCE)
PUSH = _answer(
    "The events are durable.",
    _object(accepted=_COUNT, partition=_COUNT, first_offset=_COUNT, last_offset=_COUNT),
)
PUSH_BODY: Json = {
    "requestBody": {
        "required": True,
        "description": "One JSON event per line, or a JSON array; Content-Encoding gzip or zstd.",
        "content": {
            "application/x-ndjson": {"schema": _TEXT},
            "application/json": {"schema": _list({"type": "object"})},
        },
    }
}
DEAD_LETTERS = _answer(
    "A page of dead letters.",
    _object(dead_letters=_list({"type": "object"}), next_cursor=_NULLABLE, kept=_COUNT),
)
DEAD_LETTERS_PARAMETERS: Json = {
    "parameters": [
        _query("source", "Of this source only."),
        _query("view", "What the ledger of this view counts as dead_lettered."),
        _query("all", "1: also of earlier builds and of what was dropped.", enum=["0", "1"]),
        _query("limit", "Letters at most.", type="integer", minimum=1),
        _query("cursor", "next_cursor of the page before."),
    ]
}
