"""Refusals as RFC 9457 problems: one table from code to status, and nothing else decides one.

A body has ``type, title, status, detail, code`` and, where there is one, ``hint``; that a row is
not there comes with ``freshness``, as a row does. ``code`` is stable, ``detail`` is for people.
What is unexpected becomes ``internal_error`` with an id that is logged; no trace of the code leaves
the process.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from keyfold.errors import KeyfoldError

PROBLEMS: Mapping[str, tuple[int, str]] = {
    "bad_request": (400, "the request is malformed"),
    "unauthorized": (401, "a valid token is needed"),
    "no_such_route": (404, "there is no such route"),
    "no_such_view": (404, "there is no such view"),
    "no_such_key": (404, "there is no such key"),
    "no_such_source": (404, "there is no such source"),
    "method_not_allowed": (405, "the route has no such method"),
    "not_acceptable": (406, "no offered format is accepted"),
    "request_timeout": (408, "the request came too slowly"),
    "not_an_events_source": (409, "the source takes no pushed events"),
    "too_large": (413, "the request is too large"),
    "unsupported_media_type": (415, "the body's encoding is not known"),
    "headers_too_large": (431, "the request's headers are too large"),
    "internal_error": (500, "the server failed"),
    "not_caught_up": (503, "the state is not caught up yet"),
    "bad_state": (503, "the state cannot be used"),
    "busy": (503, "the server is busy"),
    "answer_timeout": (504, "the answer took too long"),
}
"""Code → (status, title)."""

RETRY_AFTER_S: Mapping[str, int] = {"not_caught_up": 1, "bad_state": 5, "busy": 1}
CLOSES: frozenset[str] = frozenset({"request_timeout", "too_large", "headers_too_large"})
"""Codes after which the rest of the request is not read, so the connection cannot be used again."""
PROBLEM_TYPE = b"application/problem+json"

_logger = logging.getLogger("keyfold.serving")


class RefusedError(KeyfoldError):
    """A request is refused; ``code`` says why."""

    def __init__(
        self, code: str, message: str, *, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer.

    Attributes:
        status: The status.
        body: All of the body.
        content_type: Its media type.
        headers: Further headers, names in lower case.
    """

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def all_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI wants them."""
        return [
            (b"content-type", self.content_type),
            (b"content-length", str(len(self.body)).encode()),
            *self.headers,
        ]


def problem_answer(error: KeyfoldError, members: Mapping[str, msgspec.Raw] | None = None) -> Answer:
    """Return the problem for an error; one that no request can cause becomes ``internal_error``.

    Args:
        error: The error.
        members: Extension members of the body (RFC 9457, 3.2).
    """
    if error.code not in PROBLEMS:
        return unexpected_answer(error)
    status, title = PROBLEMS[error.code]
    body: dict[str, Any] = {
        "type": f"urn:keyfold:problem:{error.code}",
        "title": title,
        "status": status,
        "detail": error.message,
        "code": error.code,
    }
    if error.hint:
        body["hint"] = error.hint
    body |= members or {}
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(error, RefusedError):
        headers += [(name.encode(), value.encode()) for name, value in error.headers.items()]
    if error.code in RETRY_AFTER_S:
        headers.append((b"retry-after", str(RETRY_AFTER_S[error.code]).encode()))
    if error.code in CLOSES:
        headers.append((b"connection", b"close"))
    return Answer(status, msgspec.json.encode(body), PROBLEM_TYPE, headers)


def unexpected_answer(error: BaseException) -> Answer:
    """Log what should not happen under a new id, and return the problem that names the id."""
    incident = secrets.token_hex(6)
    _logger.error("a request failed", exc_info=error, extra={"incident": incident})
    return problem_answer(
        RefusedError(
            "internal_error",
            f"something went wrong; the log has it under {incident}",
            hint="tell the operator the id",
        )
    )


def answer_for(error: BaseException) -> Answer:
    """Return the problem for anything that a handler raised."""
    return problem_answer(error) if isinstance(error, KeyfoldError) else unexpected_answer(error)
