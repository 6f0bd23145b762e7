"""The hot path where it is hottest: a row answered straight from the protocol.

An ASGI request costs uvicorn a task, a cycle, an event and two sends: more than the row itself. A
plain ``GET`` of a row needs none of them, since its answer is made without waiting. So it is
written as soon as its headers are complete, with the same body and headers as ``hot`` sends.

Clients send the same headers with every request of a connection. Once the parser has read them, and
the request was a plain one, further requests with the same bytes behind the path need no parser:
their URL is looked at, and nothing else has changed.

Whatever is not plain (another method, a body, a pipelined neighbour that still waits, a client that
does not read, tokens, other origins) and whatever is no success goes the ASGI way.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.limits import BoundedProtocol

ANSWERS_PER_READ_MAX = 16
"""Pipelined answers in one go; the next ones take turns with other connections."""
KEEP_ALIVE_S = 75
Direct = Callable[[bytes], bytes | None]

_PREFIX = b"/v1/views/"
_BEGIN = b"GET " + _PREFIX
_BEHIND_URL = b" HTTP/1.1\r\n"
_URL = re.compile(rb"[!-~]+")
_NOT_PLAIN = frozenset({b"content-length", b"transfer-encoding", b"upgrade", b"expect"})


class WireProtocol(BoundedProtocol):
    """Answers plain row requests itself.

    Attributes:
        direct: URL → body of the answer, or None where the ASGI way has to tell.
    """

    direct: Direct

    answered = False
    answers = 0
    messages = 0
    between = True
    known_headers = b""
    date_of: object = None
    head = b""

    def data_received(self, data: bytes) -> None:
        """Answer a request whose headers are known; have everything else parsed."""
        end = data.find(_BEHIND_URL)
        if (
            self.between
            and data.startswith(_BEGIN)
            and data[end:] == self.known_headers
            and _URL.fullmatch(data, 4, end)
            and self._free()
        ):
            body = self.direct(data[4:end])
            if body is not None:
                self.began = self.loop.time()
                self.reading_headers = False
                self.answered = True
                self._write(body)
                return
        self.answers = self.messages = 0
        alone = self.between
        super().data_received(data)
        alone = alone and self.between and self.messages == self.answers == 1
        if alone and data.startswith(_BEGIN) and data.endswith(b"\r\n\r\n"):
            self.known_headers = data[end:]

    def on_message_begin(self) -> None:
        """Begin a request that nobody has answered; its scope is made if the ASGI way needs one."""
        self.start_clock()
        self.messages += 1
        self.between = False
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.answered = False

    def on_headers_complete(self) -> None:
        """Answer a plain row request at once; leave the others to uvicorn."""
        if self.maybe_large:
            self.check_headers()
        if self._plain():
            body = self.direct(self.url)
            if body is not None:
                self.reading_headers = False
                self.answered = True
                self.answers += 1
                self._write(body)
                return
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.headers, self.expect_100_continue = url, headers, expect
        self.scope["headers"] = headers
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a body on, unless its request is answered."""
        if not self.answered:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Pass the end of a request on, unless it is answered."""
        self.between = True
        if not self.answered:
            super().on_message_complete()

    def overdue(self, now: float, timeout_s: float) -> None:
        """Let a connection that was answered here stay for as long as uvicorn lets its own."""
        super().overdue(now, KEEP_ALIVE_S if self.answered else timeout_s)

    def _free(self) -> bool:
        """Say whether no answer is under way, and the client takes those that were given."""
        cycle = self.cycle
        return (cycle is None or cycle.response_complete) and not self.flow.write_paused

    def _plain(self) -> bool:
        parser = self.parser
        return (
            self.url.startswith(_PREFIX)
            and self._free()
            and self.answers < ANSWERS_PER_READ_MAX
            and parser.get_method() == b"GET"
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
            and _NOT_PLAIN.isdisjoint([name for name, _ in self.headers])
        )

    def _write(self, body: bytes) -> None:
        headers = self.server_state.default_headers
        if headers is not self.date_of:  # uvicorn makes a new list every second
            self.date_of = headers
            lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
            self.head = b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\n" % lines
        self.server_state.total_requests += 1
        self._unset_keepalive_if_required()
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (self.head, len(body), body))


def protocol_of(direct: Direct | None) -> type[BoundedProtocol]:
    """Return the protocol of a worker.

    Args:
        direct: As in ``WireProtocol``; None where every request has to go the ASGI way.
    """
    if direct is None:
        return BoundedProtocol

    class Protocol(WireProtocol):
        """The protocol of this worker."""

    Protocol.direct = staticmethod(direct)
    return Protocol
