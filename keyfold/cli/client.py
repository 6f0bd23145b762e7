"""The commands' way to a running server: its address, the token, and its errors as ours."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from keyfold.errors import KeyfoldError, SettingsError
from keyfold.settings import load_settings

TIMEOUT_S = 60.0


class ServerError(KeyfoldError):
    """The server answered with an error, whose code this has; or gave none.

    ``code`` is the answer's; ``not_reached`` where the request was never sent, ``no_answer`` where
    it may have been taken.
    """

    code = "no_answer"

    def __init__(self, message: str, *, hint: str = "", code: str = "no_answer") -> None:
        super().__init__(message, hint=hint)
        self.code = code


def connect(url: str | None, token: str | None) -> httpx.Client:
    """Return a client of the server at ``url``; without one, of the settings' host and port.

    Raises:
        SettingsError: The URL is none, or a setting is wrong.
    """
    if url is None:
        settings = load_settings()
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
        url = (
            f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
        )
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"{url} is no URL", hint="write it as http://127.0.0.1:8080")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT_S)


def path(*segments: str) -> str:
    """Return a path of percent-encoded segments."""
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def ask(client: httpx.Client, method: str, where: str, **how: Any) -> httpx.Response:
    """Send a request.

    Raises:
        ServerError: There is no answer, or it is an error; the message is the server's.
    """
    try:
        response = client.request(method, where, **how)
    except httpx.HTTPError as problem:
        never_sent = isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout)
        raise ServerError(
            f"{client.base_url} does not answer: {str(problem) or type(problem).__name__}",
            hint="start it with `keyfold run`, or give its address with --url",
            code="not_reached" if never_sent else "no_answer",
        ) from problem
    if response.is_success:
        return response
    raise problem_of(response)


def problem_of(response: httpx.Response) -> ServerError:
    """Return a server's problem+json as an error of ours."""
    try:
        body = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        body = None
    if not isinstance(body, dict):
        text = f"the server answered {response.status_code} {response.reason_phrase}"
        return ServerError(text, hint="is that a Keyfold server?", code="no_problem")
    message = body.get("detail") or body.get("title") or f"the server answered {body}"
    hint = str(body.get("hint") or "")
    if response.status_code == httpx.codes.UNAUTHORIZED and not hint:
        hint = "give a token with --token or KEYFOLD_TOKEN"
    return ServerError(str(message), hint=hint, code=str(body.get("code")))
