"""The entry of a serving worker: ``python -m serving --fd N --worker I``.

The supervisor binds the socket and passes its descriptor, so that it stays open while workers come
and go; without one the worker binds ``host`` and ``port`` itself.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import socket

import uvicorn

from keyfold.process import mark_started, run_role, start_role, stop_event
from keyfold.settings import Settings
from serving.app import Front, with_cors
from serving.wire import KEEP_ALIVE_S, protocol_of
from serving.worker import Worker

BACKLOG = 2_048
_STOP_POLL_S = 0.1


def main() -> None:
    """Serve until told to stop."""
    arguments = argparse.ArgumentParser(prog="python -m serving")
    arguments.add_argument("--fd", type=int, default=None, help="descriptor of a bound socket")
    arguments.add_argument("--worker", type=int, default=0, help="number of this worker, from 0")
    arguments.add_argument("--run", default="", help="the run whose writer is waited for")
    given = arguments.parse_args()
    settings = start_role(f"serving-{given.worker}")
    listener = bound(settings) if given.fd is None else socket.socket(fileno=given.fd)
    serve(settings, given.worker, listener, given.run)


def bound(settings: Settings) -> socket.socket:
    """Bind the address of the settings."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    host, port = listener.getsockname()[:2]
    logging.getLogger("keyfold.serving").info("listening", extra={"host": host, "port": port})
    return listener


def serve(settings: Settings, number: int, listener: socket.socket, run_name: str = "") -> None:
    """Answer on a bound socket until the stop event or a signal."""
    # Its notices of starting and stopping say nothing that ours do not.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    worker = Worker(settings, number, run_name)
    front = Front(worker, lambda: server.server_state.connections)
    config = uvicorn.Config(
        with_cors(front, settings.cors_origins),
        http=protocol_of(front.direct),
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        # A second is left for closing the state, before the supervisor kills.
        timeout_graceful_shutdown=max(1, settings.drain_timeout_ms // 1000 - 1),
    )
    server = uvicorn.Server(config)

    async def run() -> None:
        # uvicorn listens to signals; the end of the supervisor comes as an event as well.
        watch = asyncio.create_task(_stop_with_event(server))
        worker.state.start()  # before we are started: a state of another release is refused
        mark_started()
        try:
            await server.serve(sockets=[listener])
        finally:
            watch.cancel()

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())


async def _stop_with_event(server: uvicorn.Server) -> None:
    while not stop_event().is_set():
        await asyncio.sleep(_STOP_POLL_S)
    server.should_exit = True


if __name__ == "__main__":
    run_role(main)
