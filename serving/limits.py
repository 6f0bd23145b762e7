"""Limits of a request: bytes of headers and body, time to send it, time to take the answer.

uvicorn has a deadline for idle connections only. ``BoundedProtocol`` adds those for a request whose
headers do not end and for an answer that nobody reads; ``read_body`` bounds the body. Deadlines of
connections are looked at by one sweep over all of them, so that a request pays for no timer.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.problem import PROBLEM_TYPE, Answer, RefusedError, problem_answer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HEADER_BYTES_MAX = 64 << 10
_REQUEST_LINE_BYTES = len(b"GET  HTTP/1.1\r\n")  # without the URL
SWEEP_INTERVAL_S = 0.25
_REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
GZIP_MEMBERS_MAX = 64
"""Members of one gzip body: an empty one costs time and adds nothing that ``bytes_max`` bounds."""
BODIES_BYTES_MAX = 256 << 20
"""Bytes of bodies that a worker holds at once, as they came: of requests that arrive or are dealt
with. Beyond it a body is refused, unless it is the only one."""
_DECODED_CHUNK_BYTES = 1 << 20
_ENCODED_SLICE_BYTES = 64 << 10


class ClientGoneError(Exception):
    """The client closed the connection; nobody waits for an answer."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with bounds on headers and on time."""

    began = 0.0
    reading_headers = True
    header_bytes = 0
    """Of the headers that are on their way, at least."""
    read_bytes = 0
    """Of all reads from the one in which they began."""
    begun = False
    """Whether they began in this read."""
    maybe_large = False
    """Whether headers that end in this read can be too large."""
    url = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a client that connects and says nothing is cut off, too."""
        super().connection_made(transport)
        self.began = self.loop.time()

    def on_message_begin(self) -> None:
        """Start the clock of a request."""
        super().on_message_begin()
        self.start_clock()

    def start_clock(self) -> None:
        """Give the headers of a request their time and their bytes."""
        self.began = self.loop.time()
        self.reading_headers = True
        self.header_bytes = 0
        self.begun = True

    def on_headers_complete(self) -> None:
        """Stop counting: what follows is the body."""
        if self.maybe_large:
            self.check_headers()
        self.reading_headers = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Count what comes before the headers end."""
        self.begun = False
        self.maybe_large = self.read_bytes + len(data) > HEADER_BYTES_MAX
        super().data_received(data)
        if not self.reading_headers:
            self.read_bytes = 0
        elif self.begun:
            # Other requests may lie before them in this read: the parser knows what is theirs.
            self.read_bytes, self.header_bytes = len(data), self._told_bytes()
        else:
            self.read_bytes += len(data)
            self.header_bytes += len(data)
            if self.header_bytes > HEADER_BYTES_MAX:
                self._refuse_headers()

    def check_headers(self) -> None:
        """Refuse headers that are whole and too large.

        Raises:
            RefusedError: They are; the parser stops.
        """
        if self._told_bytes() > HEADER_BYTES_MAX:
            self._refuse_headers()
            raise RefusedError("headers_too_large", "the headers are too large")

    def _refuse_headers(self) -> None:
        self.refuse("headers_too_large", f"the headers have more than {HEADER_BYTES_MAX} bytes")

    def _told_bytes(self) -> int:
        """Return the bytes of the request line and the headers that the parser has told."""
        lines = [len(name) + len(value) + 4 for name, value in self.headers or ()]
        return _REQUEST_LINE_BYTES + len(self.url) + sum(lines)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP with a problem, too."""
        self.refuse("bad_request", "this is not an HTTP/1.1 request")

    def refuse(self, code: str, detail: str) -> None:
        """Answer with a problem from below ASGI, and close."""
        if self.transport.is_closing():
            return
        answer = problem_answer(RefusedError(code, detail))
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%b"
            % (answer.status, _REASONS[answer.status], PROBLEM_TYPE, len(answer.body), answer.body)
        )
        self.transport.close()

    def overdue(self, now: float, timeout_s: float) -> None:
        """Cut the connection off if it has outlived its deadline.

        Args:
            now: The loop's clock.
            timeout_s: For a request to arrive, and again for its answer to be made and taken.
        """
        age_s = now - self.began
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering:
            # Body and answer have their own deadlines; this one is for an answer nobody takes.
            if age_s > 2 * timeout_s + 1.0:
                self.transport.abort()
        elif self.reading_headers and age_s > timeout_s:
            if self.header_bytes:
                self.refuse("request_timeout", "the headers did not end in time")
            else:
                self.transport.close()
        elif self.timeout_keep_alive_task is None and age_s > timeout_s:
            self.transport.close()


def sweep(connections: Iterable[object], now: float, timeout_s: float) -> None:
    """Cut off every connection that has outlived its deadline."""
    for connection in list(connections):
        if isinstance(connection, BoundedProtocol):
            connection.overdue(now, timeout_s)


class Bodies:
    """The bodies that a worker holds, and their bound.

    Attributes:
        held_bytes: Of all of them.
    """

    def __init__(self, bytes_max: int = BODIES_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self.held_bytes = 0

    @contextmanager
    def hold(self) -> Iterator[Callable[[int], None]]:
        """Give what counts the bytes of one body; they are let go at the end.

        The function raises ``RefusedError`` where there are too many.
        """
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            others = self.held_bytes - mine
            if others and self.held_bytes + count > self._bytes_max:
                raise RefusedError(
                    "busy",
                    f"bodies of {self._bytes_max} bytes are being received already",
                    hint="send it again in a second",
                    headers={"connection": "close"},  # the rest of the body is not read
                )
            mine += count
            self.held_bytes += count

        try:
            yield take
        finally:
            self.held_bytes -= mine


async def read_body(
    scope: Scope, receive: Receive, bytes_max: int, timeout_s: float, take: Callable[[int], None]
) -> bytes:
    """Return the whole body.

    Args:
        scope: Of the request.
        receive: Gives its parts.
        bytes_max: Of this body.
        timeout_s: For all of it to arrive.
        take: As ``Bodies.hold`` gives it.

    Raises:
        RefusedError: It is too large, does not come in time, or there are too many others.
        ClientGoneError: The client went away.
    """
    declared = next((v for n, v in scope["headers"] if n == b"content-length"), b"")
    if declared.isdigit() and int(declared) > bytes_max:
        raise _too_large(bytes_max)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > bytes_max:
                    raise _too_large(bytes_max)
                take(len(chunk))
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks) if len(chunks) > 1 else chunk
    except TimeoutError:
        raise RefusedError(
            "request_timeout",
            f"the body did not arrive within {timeout_s:g} s; {size} bytes did",
            hint="send smaller bodies, or raise request_timeout_ms",
        ) from None


def decoded(body: bytes, encoding: str, bytes_max: int) -> bytes:
    """Return the body without its content encoding.

    Raises:
        RefusedError: The encoding is not known, or what it holds is broken or too large.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _gunzip(body, bytes_max)
        case "zstd":
            return _unzstd(body, bytes_max)
    raise RefusedError(
        "unsupported_media_type",
        f"content encoding {encoding!r} is not known",
        hint="send the body as it is, or with gzip or zstd",
        headers={"accept-encoding": "gzip, zstd"},
    )


def _gunzip(body: bytes, bytes_max: int) -> bytes:
    parts: list[bytes] = []
    size = at = members = 0
    while at < len(body):  # a gzip file may hold several members
        members += 1
        if members > GZIP_MEMBERS_MAX:
            raise RefusedError(
                "too_large",
                f"the body has more than {GZIP_MEMBERS_MAX} gzip members",
                hint="compress it in one piece",
            )
        stream = zlib.decompressobj(wbits=31)
        while not stream.eof:
            # In slices: what follows a member is handed back as a copy, and is never long so.
            piece = body[at : at + _ENCODED_SLICE_BYTES]
            if not piece:
                raise _broken("gzip")
            try:
                part = stream.decompress(piece, bytes_max + 1 - size)
            except zlib.error as error:
                raise _broken("gzip") from error
            size += len(part)
            if size > bytes_max:
                raise _too_large(bytes_max)
            parts.append(part)
            at += len(piece) - len(stream.unused_data) - len(stream.unconsumed_tail)
    return b"".join(parts)


def _unzstd(body: bytes, bytes_max: int) -> bytes:
    import pyarrow as pa  # noqa: PLC0415  # loaded with the state anyway, and not by this module

    parts: list[bytes] = []
    size = 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
            while part := stream.read(_DECODED_CHUNK_BYTES):
                size += len(part)
                if size > bytes_max:
                    raise _too_large(bytes_max)
                parts.append(part)
    except OSError as error:
        raise _broken("zstd") from error
    return b"".join(parts)


def _broken(encoding: str) -> RefusedError:
    return RefusedError("bad_request", f"the body is not whole {encoding}")


def _too_large(bytes_max: int) -> RefusedError:
    return RefusedError(
        "too_large",
        f"the body has more than {bytes_max} bytes",
        hint="send it in parts, or raise body_bytes_max",
    )


async def send_answer(send: Send, answer: Answer) -> None:
    """Send a whole answer."""
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": answer.all_headers()}
    )
    await send({"type": "http.response.body", "body": answer.body})
