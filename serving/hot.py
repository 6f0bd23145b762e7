"""The hot path: ``GET /v1/views/{view}/rows/{key}[/{key2}…]`` in plain ASGI.

``wire`` answers plain requests a floor lower with ``HotPath.direct``; the others come here.
No routing, validation or response object stands between the socket and the row (law 8): the raw
path is split at its slashes, each part percent-decoded by itself (so ``%2F`` is part of a value and
``+`` is a plus), the key is encoded, and the stored partials become JSON text.

A part that is ``%00`` alone stands for NULL; an empty part is the empty string.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from keyfold.errors import KeyfoldError, NotFoundError, RequestError
from serving.limits import Scope, Send, send_answer
from serving.lookup import NULL_TEXT, ViewLookup
from serving.metrics import HOT_ROUTE, ServingMetrics
from serving.problem import Answer, RefusedError, answer_for, problem_answer
from serving.replica import LiveState

_HEAD_PARTS = 5
_METHODS = ("GET", "HEAD")
_CONTENT_TYPE = (b"content-type", b"application/json")
_CLOCK = time.perf_counter
_TIME_NS = time.time_ns


class HotPath:
    """Answers row lookups."""

    def __init__(self, state: LiveState, metrics: ServingMetrics) -> None:
        self._state = state
        self._metrics = metrics

    async def __call__(self, scope: Scope, parts: list[bytes], send: Send) -> None:
        """Answer a request whose raw path was split at its slashes.

        Args:
            scope: Of ASGI.
            parts: Empty, ``v1``, ``views``, the view, ``rows``, and the key's parts.
            send: Of ASGI.
        """
        began = _CLOCK()
        try:
            check_method(scope["method"])
            view, body = self._row(parts, scope["query_string"])
        except Exception as error:
            answer = self._refusal(error, parts, scope["query_string"])
            self._metrics.count_request(HOT_ROUTE, answer.status)
            await send_answer(send, answer)
            return
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [_CONTENT_TYPE, (b"content-length", b"%d" % len(body))],
            }
        )
        await send({"type": "http.response.body", "body": body})
        self._metrics.observe_lookup(view.plan.name, _CLOCK() - began)

    def direct(self, url: bytes) -> bytes | None:
        """Return the body for the URL of a plain GET, or None where the ASGI way has to tell.

        Args:
            url: Path and query; the path starts with ``/v1/views/``.
        """
        began = _CLOCK()
        path, _, query = url.partition(b"?")
        parts = path.split(b"/")
        if len(parts) <= _HEAD_PARTS or parts[4] != b"rows" or b"#" in url:
            return None
        try:
            view, body = self._row(parts, query)
        except Exception:
            return None  # it fails again on the ASGI way, which makes a problem of it
        self._metrics.observe_lookup(view.plan.name, _CLOCK() - began)
        return body

    def answer(self, scope: Scope, parts: Sequence[bytes]) -> Answer:
        """Return the answer to a row request that came another way."""
        try:
            check_method(scope["method"])
            return Answer(200, self._row(parts, scope["query_string"])[1])
        except KeyfoldError as error:
            return self._refusal(error, parts, scope["query_string"])

    def _refusal(self, error: Exception, parts: Sequence[bytes], query: bytes) -> Answer:
        """Return the problem; that there is no such row is an answer too, and says how fresh."""
        if not isinstance(error, NotFoundError) or error.code != "no_such_key":
            return answer_for(error)
        # Nothing was awaited since the row was looked for: this is the same moment.
        view = self._state.view(unquote_to_bytes(parts[3]))
        members = {"freshness": msgspec.Raw(view.freshness(_TIME_NS() // 1_000_000).encode())}
        try:
            if query and wants_offsets(query):
                members["commit"] = msgspec.Raw(view.commit().encode())
        except RequestError as malformed:
            return answer_for(malformed)
        return problem_answer(error, members)

    def _row(self, parts: Sequence[bytes], query: bytes) -> tuple[ViewLookup, bytes]:
        """Return the view and the body of the answer."""
        state = self._state
        state.current()
        view = state.views.get(parts[3])
        if view is None:
            view = state.view(unquote_to_bytes(parts[3]))
        row = view.row(key_texts(parts))
        tail = view.freshness(_TIME_NS() // 1_000_000)
        if query and wants_offsets(query):
            tail = f'{tail},"commit":{view.commit()}'
        return view, f'{{"row":{row},"freshness":{tail}}}'.encode()


def key_texts(parts: Sequence[bytes]) -> list[str | None]:
    """Return the key values of a path as text, None for NULL.

    Raises:
        RequestError: A part is not UTF-8.
    """
    try:
        texts = [
            (unquote_to_bytes(part) if b"%" in part else part).decode()
            for part in parts[_HEAD_PARTS:]
        ]
    except UnicodeDecodeError:
        raise RequestError("a key value is not UTF-8", hint="percent-encode UTF-8 bytes") from None
    if NULL_TEXT in texts:
        return [None if text == NULL_TEXT else text for text in texts]
    return texts  # type: ignore[return-value]  # list is invariant; nobody writes to it


def wants_offsets(query: bytes) -> bool:
    """Say whether the answer is to state the commit: ``?offsets=1``.

    Raises:
        RequestError: There is another parameter.
    """
    asked = False
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name != "offsets" or value not in ("0", "1"):
            raise RequestError(
                f"the parameter {name}={value} is not known here", hint="known is offsets=1"
            )
        asked = value == "1"
    return asked


def check_method(method: str) -> None:
    """Refuse what a row cannot be asked with.

    Raises:
        RefusedError: The method is another than GET and HEAD.
    """
    if method not in _METHODS:
        raise method_not_allowed(method, "GET, HEAD")


def method_not_allowed(method: str, allowed: str) -> RefusedError:
    """Return the refusal of a method, with what is allowed instead."""
    return RefusedError(
        "method_not_allowed",
        f"{method} is not allowed here",
        hint=f"use {allowed}",
        headers={"allow": allowed},
    )
