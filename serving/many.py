"""``POST /v1/views/{view}/lookup`` in plain ASGI: many rows, each by its whole key.

As in ``hot``, nothing plans here (law 8): the body is decoded by one decoder that was made in
advance, the keys are encoded, read at one moment, and written as JSON text.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from keyfold.errors import KeyfoldError, RequestError
from keyfold.view.types import Physical
from serving.formats import json_page
from serving.hot import wants_offsets
from serving.limits import Receive, Scope, Send, decoded, read_body, send_answer
from serving.lookup import ViewLookup
from serving.problem import Answer, RefusedError, answer_for
from serving.worker import Worker


class LookupBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a lookup: keys, each a list of values, or bare where the key has one column."""

    keys: list[Any]


PANES_MAX = 1_000_000
"""Panes that the rows of one lookup are merged of at most: a few seconds' work."""
_LOOKUP = msgspec.json.Decoder(LookupBody)
_LOOKUP_EXACT = msgspec.json.Decoder(LookupBody, float_hook=Decimal)


class ManyPath:
    """Answers lookups of many rows.

    Attributes:
        path: The route, as the metrics name it.
    """

    path = "/v1/views/{view}/lookup"

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a POST whose raw path has the view as its third part."""
        scope["route"] = self
        view = unquote_to_bytes(scope["raw_path"].split(b"/")[3])
        try:
            answer = await self.answer(scope, receive, view)
        except KeyfoldError as error:
            answer = answer_for(error)
        await send_answer(send, answer)

    async def answer(self, scope: Scope, receive: Receive, view: bytes) -> Answer:
        """Return the answer.

        Raises:
            KeyfoldError: The request is wrong, or there is no state to answer it from.
            ClientGoneError: The client went away.
        """
        worker = self._worker
        query = scope["query_string"]
        commit = bool(query) and wants_offsets(query)
        with worker.bodies.hold() as take:
            body = await whole_body(worker, scope, receive, take)
            with worker.state.reading():
                found = worker.state.view(view)
                keys = lookup_keys(body, found, worker.settings.lookup_keys_max)
                rows, label = await found.rows(keys, time.time_ns() // 1_000_000)
        return Answer(200, json_page(rows, None, label, commit=commit))


async def whole_body(
    worker: Worker, scope: Scope, receive: Receive, take: Callable[[int], None]
) -> bytes:
    """Return the body of a request without its content encoding; see ``limits.read_body``."""
    bytes_max = worker.settings.body_bytes_max
    body = await read_body(scope, receive, bytes_max, worker.request_timeout_s, take)
    encoding = _header(scope["headers"], b"content-encoding")
    if not encoding:
        return body
    return await asyncio.to_thread(decoded, body, encoding, bytes_max)


def lookup_keys(body: bytes, view: ViewLookup, keys_max: int) -> list[list[object]]:
    """Return the keys of a lookup's body.

    Raises:
        RequestError: The body is not of its form.
        RefusedError: There are too many keys.
    """
    # A DECIMAL key keeps all of its digits; nested keys are compared as JSON, so keep its numbers.
    nested = any(kind.physical is Physical.JSON for kind in view.plan.key_types)
    try:
        given = (_LOOKUP if nested else _LOOKUP_EXACT).decode(body).keys
    except (msgspec.DecodeError, RecursionError, ArithmeticError, UnicodeDecodeError) as error:
        raise RequestError(
            f"the body is not a lookup: {error}",
            hint='send {"keys": [["AA", "JFK"], …]}, or bare values where the key has one column',
        ) from error
    if len(given) > keys_max:
        raise RefusedError(
            "too_large",
            f"the lookup has {len(given)} keys, more than {keys_max}",
            hint="send it in parts, or raise lookup_keys_max",
        )
    panes = view.plan.panes_read
    if len(given) * panes > PANES_MAX:
        raise RefusedError(
            "too_large",
            f"the lookup has {len(given)} keys, whose rows are merged of {panes} panes each",
            hint=f"send it in parts of at most {PANES_MAX // panes} keys",
        )
    return [key if isinstance(key, list) else [key] for key in given]


def _header(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in headers if name == wanted), "")
