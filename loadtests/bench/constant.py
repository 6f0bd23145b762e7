"""The ceiling of the lookups: uvicorn as serving runs it, and a body that never changes.

``python -m loadtests.bench.constant PORT`` answers every request with a body as long as a row's,
from a plain ASGI function. Loop, HTTP implementation and settings are those of
serving/__main__.py, less the two that serving does not need here: its protocol and its lifespan.
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn

from serving.__main__ import BACKLOG
from serving.limits import Message, Receive, Scope, Send
from serving.wire import KEEP_ALIVE_S

BODY = (
    b'{"row":{"user_id":"user-00000000","orders":1,"total":50000,"last_ts":1767225600000},'
    b'"freshness":{"as_of":"2026-01-01T00:00:00.000Z","staleness_ms":12,"watermark":null,'
    b'"state":"live"}}'
)
_START: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(BODY)),
    ],
}
_BODY: Message = {"type": "http.response.body", "body": BODY}


async def constant(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer."""
    await send(_START)
    await send(_BODY)


def main() -> None:
    """Serve until a signal."""
    config = uvicorn.Config(
        constant,  # type: ignore[arg-type]
        port=int(sys.argv[1]),
        http="httptools",
        ws="none",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
