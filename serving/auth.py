"""Bearer tokens (RFC 6750). Where the settings name some, every route but the open ones needs one.

Routes are refused unless they are listed here as open: a new route, or an unusual spelling of an
old one, is closed by default.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from serving.problem import RefusedError

OPEN_PATHS: frozenset[str] = frozenset(
    {"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/oauth2-redirect"}
)
_CHALLENGE = {"www-authenticate": 'Bearer realm="keyfold"'}


class Gate:
    """Knows the tokens."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._tokens = [token.encode() for token in tokens]

    @property
    def closed(self) -> bool:
        """True where requests need a token."""
        return bool(self._tokens)

    def check(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Let a request pass, or refuse it.

        Args:
            headers: As ASGI has them.

        Raises:
            RefusedError: There is no token, or it is none of ours.
        """
        given = next((value for name, value in headers if name == b"authorization"), b"")
        scheme, _, token = given.partition(b" ")
        token = token.strip()
        # All are compared, in constant time each, so that time tells nothing about any.
        found = [hmac.compare_digest(token, known) for known in self._tokens]
        if scheme.lower() != b"bearer" or not any(found):
            raise RefusedError(
                "unauthorized",
                "the request has no bearer token" if not given else "the token is not known",
                hint="send the header Authorization: Bearer <token>, one of the setting api_tokens",
                headers=_CHALLENGE,
            )
