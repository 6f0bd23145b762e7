"""The ASGI application: lookups first, FastAPI behind them.

FastAPI is imported by a thread while the first lookups are answered already: a worker that was
killed answers again after half the time. Whoever asks for one of its routes earlier waits for it.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from serving.auth import OPEN_PATHS, Gate
from serving.hot import HotPath
from serving.limits import ClientGoneError, Message, Receive, Scope, Send, send_answer
from serving.many import ManyPath
from serving.problem import Answer, RefusedError, answer_for
from serving.worker import Worker

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
UNMATCHED = "unmatched"
_KEY_AT = 5


class Front:
    """Answers lookups itself and leaves everything else to FastAPI.

    Args:
        worker: What the routes share.
        connections: Returns the open connections, for their deadlines.
    """

    def __init__(self, worker: Worker, connections: Callable[[], Iterable[object]]) -> None:
        self._worker = worker
        self._connections = connections
        self._gate = Gate(worker.settings.api_tokens)
        self._closed = self._gate.closed
        self._hot = HotPath(worker.state, worker.metrics)
        self._many = ManyPath(worker)
        plain = not self._closed and not worker.settings.cors_origins
        self.direct = self._hot.direct if plain else None
        self._routes: asyncio.Task[Application] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's life."""
        if scope["type"] == "http":
            parts = scope["raw_path"].split(b"/")
            hot = (
                len(parts) > _KEY_AT
                and parts[4] == b"rows"
                and parts[2] == b"views"
                and parts[1] == b"v1"
            )
            if self._closed and not await self._admitted(scope, send):
                return
            if hot:
                await self._hot(scope, parts, send)
            elif (
                len(parts) == _KEY_AT
                and parts[4] == b"lookup"
                and parts[2] == b"views"
                and parts[1] == b"v1"
                and scope["method"] == "POST"
            ):
                await self._bounded(scope, receive, send, self._many)
            else:
                await self._bounded(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _admitted(self, scope: Scope, send: Send) -> bool:
        if scope["path"] in OPEN_PATHS:
            return True
        try:
            self._gate.check(scope["headers"])
        except RefusedError as error:
            self._worker.metrics.count_request(UNMATCHED, 401)
            await send_answer(send, answer_for(error))
            return False
        return True

    async def _bounded(
        self, scope: Scope, receive: Receive, send: Send, by: Application | None = None
    ) -> None:
        """Answer within the time limit, through FastAPI unless said otherwise."""
        status = 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        timeout_s = self._worker.request_timeout_s
        if scope["method"] == "HEAD":
            # uvicorn keeps the body back, since its own scope still says HEAD.
            scope = {**scope, "method": "GET"}
        elif scope["method"] != "GET":
            timeout_s *= 2  # the body has the first half, see read_body
        failed: Answer | None = None
        try:
            async with asyncio.timeout(timeout_s):
                if by is None:
                    by = await asyncio.shield(self._application())
                await by(scope, receive, counted)
        except TimeoutError:
            failed = answer_for(
                RefusedError(
                    "answer_timeout",
                    f"the answer took longer than {timeout_s:g} s",
                    hint="ask for less at once, or raise request_timeout_ms",
                )
            )
        except ClientGoneError:
            return
        except Exception as error:
            # What FastAPI has answered as internal_error is raised on; it was logged there.
            failed = None if status else answer_for(error)
        if failed is not None:
            if status:
                raise ConnectionAbortedError("an answer was cut off by its time limit")
            await send_answer(counted, failed)
        route = getattr(scope.get("route"), "path", UNMATCHED)
        self._worker.metrics.count_request(route, status)

    def _application(self) -> asyncio.Task[Application]:
        if self._routes is None:
            self._routes = asyncio.create_task(self._load())
        return self._routes

    async def _load(self) -> Application:
        module: Any = await asyncio.to_thread(importlib.import_module, "serving.routes")
        application: Application = module.build(self._worker, self._hot, self._many)
        # What was imported stays: the collector need not walk through it again and again.
        gc.collect()
        gc.freeze()
        return application

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._worker.start(self._connections)
        self._application()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._worker.close()
        await send({"type": "lifespan.shutdown.complete"})


def with_cors(front: Application, origins: Iterable[str]) -> Application:
    """Let pages of other origins call, where the settings name some."""
    allowed = list(origins)
    if not allowed:
        return front
    from starlette.middleware.cors import CORSMiddleware  # noqa: PLC0415  # off by default

    application: Application = CORSMiddleware(
        front,
        allow_origins=allowed,
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["authorization", "content-type", "content-encoding"],
        expose_headers=["keyfold-next-cursor", "keyfold-freshness", "keyfold-commit"],
    )
    return application
