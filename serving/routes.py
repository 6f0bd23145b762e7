"""All routes but the hot one, through FastAPI, which also documents the hot one."""

from __future__ import annotations

import asyncio
import time

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from keyfold.errors import KeyfoldError, RequestError
from keyfold.state.reader import StateReader
from serving import documentation as doc
from serving.absent import why_behind, why_missing
from serving.deadletters import letters_page
from serving.describe import ingestion, source_detail, source_plan, view_detail, view_summary
from serving.formats import ARROW, arrow_answer, chosen_format, page_answer
from serving.hot import HotPath, method_not_allowed
from serving.lookup import ViewLookup, visible_pairs
from serving.many import ManyPath, whole_body
from serving.metrics import exposition
from serving.predicates import Query, rows_query
from serving.problem import Answer, RefusedError, answer_for
from serving.push import parse_body
from serving.worker import Worker

INLINE_BYTES_MAX = 64 << 10
"""Larger bodies are split by a thread, so that the loop goes on."""
STUCK_S_MAX = 5.0


def build(worker: Worker, hot: HotPath, many: ManyPath) -> FastAPI:
    """Return the application of one worker."""
    app = FastAPI(
        title="Keyfold",
        summary="Materialized views of event streams, by key.",
        version="1",
        redoc_url=None,
        redirect_slashes=False,
        responses=doc.PROBLEM_RESPONSES,
    )
    app.router.redirect_slashes = False
    _catalog_routes(app, worker)
    _row_routes(app, worker, hot, many)
    _source_routes(app, worker)
    _operating_routes(app, worker)
    _errors(app)
    return app


def _catalog_routes(app: FastAPI, worker: Worker) -> None:
    state = worker.state

    @app.get("/v1/views", tags=["views"], summary="The catalog", responses=doc.VIEWS)
    async def views() -> Response:
        reader = state.current()
        now_ms = _now_ms()
        known = [view_summary(reader, view, now_ms) for view in state.views.values()]
        return _json({"views": known})

    @app.get("/v1/views/{view}", tags=["views"], summary="One view", responses=doc.VIEW)
    async def one_view(view: str) -> Response:
        found = state.view(view.encode())
        return _json(view_detail(state.current(), found, _now_ms()))


def _row_routes(app: FastAPI, worker: Worker, hot: HotPath, many: ManyPath) -> None:
    state, settings = worker.state, worker.settings

    @app.get(
        "/v1/views/{view}/rows",
        tags=["rows"],
        summary="Rows in key order: a prefix of the key, then a range",
        responses=doc.ROWS,
        openapi_extra=doc.ROWS_PARAMETERS,
    )
    async def rows(view: str, request: Request) -> Response:
        media_type = chosen_format(request.headers.get("accept", ""))
        with state.reading() as reader:
            found = state.view(view.encode())
            query = rows_query(
                request.scope["query_string"],
                found,
                settings.rows_limit_default,
                settings.rows_limit_max,
            )
            return _response(await _rows_answer(reader, found, query, media_type))

    @app.api_route(
        "/v1/views/{view}/rows/{key:path}",
        methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        include_in_schema=False,
    )
    async def one_row_spelled_otherwise(request: Request) -> Response:
        # The hot path takes the usual spelling; `/v1/%76iews/…` means the same and comes here.
        return _response(hot.answer(request.scope, request.scope["raw_path"].split(b"/")))

    app.router.add_api_route(
        "/v1/views/{view}/rows/{key}",
        one_row_spelled_otherwise,
        methods=["GET"],
        tags=["rows"],
        summary="One row, by its whole key",
        responses=doc.ROW,
        openapi_extra=doc.ROW_PARAMETERS,
        operation_id="row",
    )

    @app.post(
        "/v1/views/{view}/lookup",
        tags=["rows"],
        summary="Many rows, each by its whole key",
        responses=doc.LOOKUP,
        openapi_extra=doc.LOOKUP_BODY,
    )
    async def lookup(view: str, request: Request) -> Response:
        # The front takes the usual spelling; `/v1/%76iews/…` means the same and comes here.
        return _response(await many.answer(request.scope, request.receive, view.encode()))


def _source_routes(app: FastAPI, worker: Worker) -> None:
    state, settings = worker.state, worker.settings

    @app.get("/v1/sources", tags=["sources"], summary="All sources", responses=doc.SOURCES)
    async def sources() -> Response:
        reader = state.current()
        now_ms = _now_ms()
        known = reader.catalog.catalog.sources
        return _json({"sources": [source_detail(reader, one.name, now_ms) for one in known]})

    @app.get("/v1/sources/{source}", tags=["sources"], summary="One source", responses=doc.SOURCE)
    async def one_source(source: str) -> Response:
        return _json(source_detail(state.current(), source, _now_ms()))

    @app.post(
        "/v1/sources/{source}/events",
        tags=["sources"],
        summary="Push events; answered once they are durable",
        responses=doc.PUSH,
        openapi_extra=doc.PUSH_BODY,
    )
    async def push(source: str, request: Request) -> Response:
        plan = source_plan(state.current(), source)
        worker.pushes.log(plan)  # refuse before reading the body
        with worker.bodies.hold() as take:
            body = await whole_body(worker, request.scope, request.receive, take)
            content_type = request.headers.get("content-type", "")
            if len(body) > INLINE_BYTES_MAX:
                block = await asyncio.to_thread(
                    parse_body, body, content_type, settings.push_events_max
                )
            else:
                block = parse_body(body, content_type, settings.push_events_max)
            result = await worker.pushes.push(plan, block)
        worker.metrics.count_pushed(source, block.count)
        return _json(
            {
                "accepted": block.count,
                "partition": result.partition,
                "first_offset": result.first_offset,
                "last_offset": result.last_offset,
            }
        )

    @app.get(
        "/v1/dead-letters",
        tags=["sources"],
        summary="Messages that could not be used, the newest first",
        responses=doc.DEAD_LETTERS,
        openapi_extra=doc.DEAD_LETTERS_PARAMETERS,
    )
    async def dead_letters(request: Request) -> Response:
        with state.reading() as reader:
            return _json(
                await letters_page(
                    reader,
                    request.scope["query_string"],
                    settings.rows_limit_default,
                    settings.rows_limit_max,
                )
            )


def _operating_routes(app: FastAPI, worker: Worker) -> None:
    state = worker.state

    @app.get("/healthz", tags=["operating"], summary="Is this process alive?")
    async def healthz() -> Response:
        reader = state.reader
        stuck_s = state.stuck_s()
        replica = {
            "open": reader is not None,
            "commit": reader.record.sequence if reader else None,
            "advancing": reader is not None and stuck_s < STUCK_S_MAX,
            "behind_s": round(stuck_s, 3),
            "problem": state.problem or None,
        }
        ingest = ingestion(reader, _now_ms()) if reader else None
        told = {"status": "ok", "worker": worker.number, "replica": replica, "ingest": ingest}
        return _json(told)

    @app.get("/readyz", tags=["operating"], summary="Can it answer for every view?")
    async def readyz() -> Response:
        missing = missing_for_ready(worker)
        if not missing:
            return _json({"ready": True, "missing": []})
        body = msgspec.json.encode({"ready": False, "missing": missing})
        return _response(Answer(503, body, headers=[(b"retry-after", b"1")]))

    @app.get("/metrics", tags=["operating"], summary="Prometheus metrics")
    async def metrics() -> Response:
        text = exposition(worker.metrics, state, _now_ms(), worker.settings.stale_after_ms)
        return _response(Answer(200, text, b"text/plain; version=0.0.4; charset=utf-8"))


def _errors(app: FastAPI) -> None:
    @app.exception_handler(KeyfoldError)
    async def refused(request: Request, error: KeyfoldError) -> Response:
        return _response(answer_for(error))

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            allowed = sorted({m for m in (error.headers or {}).get("Allow", "").split(", ") if m})
            if "GET" in allowed and "HEAD" not in allowed:
                allowed.insert(allowed.index("GET") + 1, "HEAD")
            return _response(answer_for(method_not_allowed(request.method, ", ".join(allowed))))
        return _response(
            answer_for(
                RefusedError(
                    "no_such_route",
                    f"there is no route {request.url.path}",
                    hint="/docs lists all routes",
                )
            )
        )

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        return _response(answer_for(RequestError("a parameter of the request is malformed")))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        return _response(answer_for(error))


async def _rows_answer(
    reader: StateReader, view: ViewLookup, query: Query, media_type: str
) -> Answer:
    now_ms = _now_ms()
    if media_type == ARROW:
        stored = await view.page(
            query.wanted, query.cursor, query.limit, now_ms, visible_pairs(view.view)
        )
        return await arrow_answer(
            view.view, stored.rows, stored.next_cursor, stored.label, commit=query.commit
        )
    page = await view.page(
        query.wanted, query.cursor, query.limit, now_ms, view.view.compiled.json_row
    )
    outputs = view.plan.outputs
    return await page_answer(
        page.rows, media_type, outputs, page.next_cursor, page.label, commit=query.commit
    )


def missing_for_ready(worker: Worker) -> list[str]:
    """Return what keeps this worker from answering for every view; empty when nothing does."""
    reader = worker.state.reader
    if reader is None:
        return [f"state: {worker.state.problem}"]
    if not worker.state.adopted(worker.run):
        return ["state: ingest has not opened it with the SQL file of this run yet"]
    _, _, status = reader.status()
    missing: list[str] = []
    for source in reader.catalog.catalog.sources:
        live = status.sources.get(source.name)
        if source.waiting and live is not None and live.state == "stopped":
            missing.append(f"source {source.name}: stopped: {live.error}")
        elif source.waiting or (live is not None and live.state == "waiting"):
            why = f"; {live.error}" if live and live.error else ""
            missing.append(
                f"source {source.name}: its columns are not known yet, it waits for its first "
                f"events{why}"
            )
    for name, one in status.missing.items():
        if name not in reader.views:
            missing.append(f"view {name}: {why_missing(one)}")
    if not reader.views and not missing:
        missing.append("state: it has no views yet")
    for name, view in reader.views.items():
        told = reader.record.views.get(name)
        if told is None or not told.ready:
            missing.append(f"view {name}: {why_behind(reader, view.plan)}")
    return missing


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _json(value: object) -> Response:
    return _response(Answer(200, msgspec.json.encode(value)))


def _response(answer: Answer) -> Response:
    response = Response(status_code=answer.status)
    response.body = answer.body
    response.raw_headers = answer.all_headers()
    return response
